//! One of several trials: this program again, with words that pick it.

#![expect(clippy::disallowed_methods, reason = "it runs this program for each trial")]

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::Run;
use crate::cli::{Exit, place};

/// The options that are about all trials; each takes a value.
const OWN: [&str; 4] = ["--only", "--jobs", "-j", "--json"];

/// What came of a trial.
#[derive(Debug, Clone)]
pub(super) struct One {
    /// What tells it from the others.
    pub(super) name: String,
    /// Its exit code.
    pub(super) code: u8,
    /// Its report, or that there is none and what was said instead.
    pub(super) report: Value,
    /// How long it took.
    pub(super) seconds: f64,
    /// What it wrote to standard output,
    pub(super) output: String,
    /// and to standard error.
    pub(super) errors: String,
}

impl One {
    /// Runs it.
    pub(super) fn run(run: &Run) -> Self {
        let start = Instant::now();
        let outcome = trial(run);
        let seconds = start.elapsed().as_secs_f64();
        let (code, mut report, output, errors) = outcome.unwrap_or_else(|error| {
            let errors = format!("failed to run: {error}\n");
            (Exit::Environment as u8, Value::Null, String::new(), errors)
        });
        if !report.is_object() {
            // It did not come to a report: the files are wrong, or the VM did not boot.
            report = json!({
                "lab": run.topology.name.as_str(),
                "passed": false,
                "combination": run.combination().all(),
                "error": format!("{output}{errors}"),
            });
        }
        Self { name: run.name.clone(), code, report, seconds, output, errors }
    }
}

/// Its exit code, its report and what it said.
fn trial(run: &Run) -> io::Result<(u8, Value, String, String)> {
    let folder = tempfile::tempdir()?;
    let json = folder.path().join("report.json");
    let mut words = place::this_command().into_iter();
    let program = words.next().ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    command.args(others(words)).arg("--json").arg(&json).arg("--this").arg(&run.lab);
    for word in run.combination().words() {
        command.arg("--only").arg(word);
    }
    command.stdin(Stdio::null());
    // SAFETY: a system call between fork and exec. The thread that is the parent waits.
    unsafe {
        command.pre_exec(|| prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into));
    }
    let Output { status, stdout, stderr } = command.output()?;
    let report = std::fs::read(&json).ok();
    let report = report.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let [output, errors] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok((code.unwrap_or(Exit::Interrupted as u8), report.unwrap_or_default(), output, errors))
}

/// The words of a command line without those options.
fn others(mut words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut others = Vec::new();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if OWN.contains(&text.as_ref()) {
            // Its value.
            words.next();
        } else if !OWN.iter().any(|own| {
            let long = text.strip_prefix(own).is_some_and(|rest| rest.starts_with('='));
            long || (*own == "-j" && text.starts_with("-j"))
        }) {
            others.push(word);
        }
    }
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_on_everything_but_its_own_options() {
        let words = "lab test x y --only a=b --json=y -j4 -j 3 --jobs=2 --tags v --vm --json z";
        let left = others(words.split(' ').map(OsString::from));
        assert_eq!(
            left,
            "lab test x y --tags v --vm".split(' ').map(OsString::from).collect::<Vec<_>>()
        );
    }
}
