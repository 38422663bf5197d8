//! `lvsmith lab test`: make a lab, run its playbook twice, look at its checks, end it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::apply::{RunArgs, exit_of};
use super::defaults::Defaults;
use super::lab::ReachArgs;
use super::output::refuse;
use super::place::{self, Place, PlaceArgs};
use super::{Exit, complain, file};
use crate::diagnostic::Diagnostic;
use crate::lab::environment;
use crate::lab::trial::{Report, Trial};
use crate::modules::process::Timestamp;
use crate::report::{Exhibits, page};

/// What `lab test` takes.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// The lab's folder, or its lab.yml
    #[arg(default_value = ".")]
    lab: PathBuf,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a page of HTML, with pictures, that needs nothing else
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
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
    let (trial, options) = match both {
        (Ok(trial), Ok(options)) => (trial, options),
        (Err(mistakes), _) | (_, Err(mistakes)) => {
            return refuse(&mut *test.run.output.audience(), &mistakes).into();
        }
    };
    // Not only after a VM was booted.
    if let Err(mistakes) = trial.check(&options) {
        return refuse(&mut *test.run.output.audience(), &mistakes).into();
    }
    match test.place.choose(trial.topology.requires_ipvs()) {
        Err(exit) => return exit.into(),
        Ok(Place::Vm(options)) => {
            let files = [&test.json, &test.report].into_iter().flatten();
            let mut folders: Vec<PathBuf> = files.map(|file| file::folder_of(file)).collect();
            folders.dedup();
            return place::again(options, folders);
        }
        Ok(Place::Here) => {}
    }
    super::catch_interrupts();
    let mut audience = test.run.output.audience();
    let when = Timestamp::now().to_string();
    let when = when.split('.').next().map(|when| format!("{when} UTC")).unwrap_or_default();
    let report = match trial.run(&options, &mut *audience) {
        Ok(report) => report,
        Err(mistakes) => return refuse(&mut *audience, &mistakes).into(),
    };
    audience.came_to(&report);
    drop(audience);
    if let Some(error) = &report.error {
        complain(&Diagnostic::from(error.clone()));
    }
    let exit = exit_of_trial(&report);
    let json = test.json.map(|file| write_json(&file, &report));
    let page = test.report.map(|file| {
        let exhibits = Exhibits {
            graph: trial.graph(&options).ok(),
            when,
            environment: environment::versions(),
        };
        file::write(&file, page(&report, &exhibits).as_bytes())
    });
    let failed = [json, page].into_iter().flatten().filter_map(Result::err);
    failed
        .fold(exit, |exit, error| {
            complain(&error);
            Exit::Environment.max(exit)
        })
        .into()
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

fn write_json(path: &Path, report: &Report) -> Result<(), Diagnostic> {
    let text = serde_json::to_string_pretty(report).map_err(|error| file::failed(path, &error))?;
    file::write(path, (text + "\n").as_bytes())
}
