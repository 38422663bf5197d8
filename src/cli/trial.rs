//! `lvsmith lab test`: make a lab, run its playbook twice, look at its checks, end it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::apply::{RunArgs, exit_of};
use super::defaults::Defaults;
use super::lab::ReachArgs;
use super::output::refuse;
use super::place::{self, Place, PlaceArgs};
use super::{Exit, complain, several};
use crate::diagnostic::Diagnostic;
use crate::lab::topology::{Combination, Topology};
use crate::lab::trial::{Report, Trial};

mod kept;

pub(super) use kept::Kept;

/// What `lab test` takes.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// The lab's folder, or its lab.yml; several are tried side by side
    #[arg(default_value = ".", value_name = "LAB")]
    labs: Vec<PathBuf>,
    /// Of several labs this one; the program says so to itself
    #[arg(long, hide = true)]
    this: Option<PathBuf>,
    /// Of the lab's matrix only combinations with this; several of one key are alternatives
    #[arg(long, value_name = "KEY=VALUE")]
    only: Vec<String>,
    /// How many labs, or combinations of a matrix, at a time; as many as processors and memory allow
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    #[command(flatten)]
    kept: Kept,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) fn run(mut test: Test) -> ExitCode {
    let labs = test.this.map_or(test.labs, |this| vec![this]);
    let Some(first) = labs.first() else { return Exit::BadInput.into() };
    match Defaults::read(first) {
        Ok(defaults) => test.run.fall_back(&defaults),
        Err(mistakes) => return refuse(&mut *test.run.output.audience(), &mistakes).into(),
    }
    let reach = |topology: &mut Topology| test.reach.choose(topology);
    let runs = match several::read(&labs, &test.only, reach) {
        Err(mistakes) => return refuse(&mut *test.run.output.audience(), &mistakes).into(),
        Ok(runs) => runs,
    };
    if runs.len() > 1 {
        if let Err(exit) = test.kept.allow_several() {
            return exit.into();
        }
        if let Some(why) = several::share_vm(&runs, &test.place) {
            return place::again(test.place.vm(&why), test.kept.folders());
        }
        return several::run(&runs, test.jobs, &test.kept, test.run.output.format(), &test.place);
    }
    let combination = runs.into_iter().next().map(|run| run.topology.combination);
    if let Some(kernel) = combination.as_ref().and_then(Combination::kernel) {
        test.place.take_kernel(kernel);
    }
    let read = Trial::read(first, combination.as_ref(), reach);
    let both = (read, test.run.options());
    let (mut trial, mut options) = match both {
        (Ok(trial), Ok(options)) => (trial, options),
        (Err(mistakes), _) | (_, Err(mistakes)) => {
            return refuse(&mut *test.run.output.audience(), &mistakes).into();
        }
    };
    trial.pick(&mut options);
    // Not only after a VM was booted.
    if let Err(mistakes) = trial.check(&options) {
        return refuse(&mut *test.run.output.audience(), &mistakes).into();
    }
    // A VM shares the folders, so they must be there before it.
    if let Err(exit) = test.kept.prepare() {
        return exit.into();
    }
    match test.place.choose(&trial.topology) {
        Err(exit) => return exit.into(),
        Ok(Place::Vm(options)) => {
            return place::again(options, test.kept.folders());
        }
        Ok(Place::UserNamespace(ids)) => return place::in_user_namespace(&ids),
        Ok(Place::Here) => {}
    }
    super::catch_interrupts();
    let mut audience = test.run.output.audience();
    let report = match trial.run(&options, &mut *audience) {
        Ok(report) => report,
        Err(mistakes) => return refuse(&mut *audience, &mistakes).into(),
    };
    audience.came_to(&report);
    drop(audience);
    if let Some(error) = &report.error {
        complain(&Diagnostic::from(error.clone()));
    }
    let graph = trial.graph(&options).ok();
    test.kept.write(&report, graph, exit_of_trial(&report)).into()
}

fn exit_of_trial(report: &Report) -> Exit {
    if report.interrupted {
        return Exit::Interrupted;
    }
    match exit_of(&report.converged) {
        Exit::Declared if report.passed => Exit::Declared,
        Exit::Declared if report.error.is_some() => Exit::Environment,
        Exit::Declared => Exit::CheckFailed,
        exit => exit,
    }
}
