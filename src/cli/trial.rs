//! `lvsmith lab test`: make a lab, run its playbook twice, look at its checks, end it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::apply::{RunArgs, exit_of};
use super::defaults::Defaults;
use super::lab::ReachArgs;
use super::output::refuse;
use super::place::{self, Place, PlaceArgs};
use super::{Exit, complain};
use crate::diagnostic::Diagnostic;
use crate::lab::trial::{Report, Trial};

mod kept;

use kept::Kept;

/// What `lab test` takes.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// The lab's folder, or its lab.yml
    #[arg(default_value = ".")]
    lab: PathBuf,
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
    match Defaults::read(&test.lab) {
        Ok(defaults) => test.run.fall_back(&defaults),
        Err(mistakes) => return refuse(&mut *test.run.output.audience(), &mistakes).into(),
    }
    let read = Trial::read(&test.lab, |topology| test.reach.choose(topology));
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
