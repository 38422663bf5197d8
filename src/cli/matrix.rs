//! `lvsmith lab test` of a lab with a matrix: this program again for each combination, some side
//! by side, and a line for each.

#![expect(clippy::disallowed_methods, reason = "it runs this program for each combination")]

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::trial::Kept;
use super::{Exit, complain, file, place};
use crate::diagnostic::Diagnostic;
use crate::lab::topology::Combination;
use crate::report::counted;

/// What a micro-VM takes of memory, with what the machine needs for it, in KiB.
const VM: u64 = 1_500_000;

/// The options that are this command's own; each takes a value.
const OWN: [&str; 4] = ["--only", "--jobs", "-j", "--json"];

/// Runs every combination; the exit code is that of the worst.
pub(super) fn run(combinations: &[Combination], at_a_time: Option<u16>, kept: &Kept) -> ExitCode {
    if let Some(option) = kept.of_one() {
        let error = Diagnostic::new(format!("`{option}` is about one combination of the matrix"));
        complain(&error.hint("pick one with `--only KEY=VALUE`"));
        return Exit::BadInput.into();
    }
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let ended = Mutex::new(vec![None; combinations.len()]);
    let work = || {
        while let Some((at, combination)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            combinations.get(at).map(|combination| (at, combination))
        } {
            let one = One::run(combination);
            // A line at a time: whoever holds the results also prints.
            let mut ended = ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            one.tell();
            if let Some(place) = ended.get_mut(at) {
                *place = Some(one);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs(at_a_time, combinations.len()) {
            scope.spawn(work);
        }
    });
    let ended = ended.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let ended: Vec<One> = ended.into_iter().flatten().collect();
    let seconds = start.elapsed().as_secs_f64();
    let passed = ended.iter().filter(|one| one.code == 0).count();
    let all = counted(combinations.len(), "combination");
    anstream::println!("\n{passed} of {all} passed in {seconds:.2} s");
    let worst = ended.iter().map(|one| one.code).max().unwrap_or_default();
    let Some(path) = kept.json() else { return ExitCode::from(worst) };
    let report = json!({
        "passed": worst == 0,
        "seconds": seconds,
        "combinations": ended.iter().map(|one| &one.report).collect::<Vec<_>>(),
    });
    match file::write(path, format!("{report:#}\n").as_bytes()) {
        Ok(()) => ExitCode::from(worst),
        Err(error) => {
            complain(&error);
            ExitCode::from((Exit::Environment as u8).max(worst))
        }
    }
}

/// How many at a time: each may need a processor, and memory for a VM.
fn jobs(asked: Option<u16>, all: usize) -> usize {
    let usual = || {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let free = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
        let free = free.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
        let fit = free.map_or(1, |kibibytes: u64| kibibytes / VM);
        processors.min(usize::try_from(fit).unwrap_or(usize::MAX))
    };
    asked.map_or_else(usual, usize::from).clamp(1, all.max(1))
}

/// What came of a combination.
#[derive(Debug, Clone)]
struct One {
    name: String,
    code: u8,
    report: Value,
    seconds: f64,
    text: String,
}

impl One {
    fn run(combination: &Combination) -> Self {
        let start = Instant::now();
        let outcome = trial(combination);
        let seconds = start.elapsed().as_secs_f64();
        let failed = |error: std::io::Error| {
            (Exit::Environment as u8, Value::Null, format!("failed to run: {error}"))
        };
        let (code, mut report, text) = outcome.unwrap_or_else(failed);
        if !report.is_object() {
            // It did not come to a report: the files are wrong, or the VM did not boot.
            report = json!({ "passed": false, "combination": combination.all(), "error": text });
        }
        Self { name: combination.to_string(), code, report, seconds, text }
    }

    fn tell(&self) {
        let Self { name, seconds, .. } = self;
        match (self.code, self.report["skipped"].as_str()) {
            (0, Some(why)) => anstream::println!("skipped: {name}: {why}"),
            (0, None) => anstream::println!("passed: {name} in {seconds:.2} s"),
            (code, _) => {
                for line in self.text.lines() {
                    anstream::println!("    {line}");
                }
                anstream::println!("FAILED: {name} in {seconds:.2} s, exit code {code}");
            }
        }
    }
}

/// Runs this program for one combination: its exit code, its report and what it said.
fn trial(combination: &Combination) -> std::io::Result<(u8, Value, String)> {
    let folder = tempfile::tempdir()?;
    let json = folder.path().join("report.json");
    let mut words = place::this_command().into_iter();
    let Some(program) = words.next() else { return Err(std::io::ErrorKind::NotFound.into()) };
    let mut command = Command::new(program);
    command.args(others(words)).arg("--json").arg(&json);
    for word in combination.words() {
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
    let text = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok((code.unwrap_or(Exit::Interrupted as u8), report.unwrap_or_default(), text))
}

/// The words of a command line without those options.
fn others(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut others = Vec::new();
    let mut words = words;
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
        let words = "lab test x --only a=b --json=y -j4 -j 3 --jobs=2 --tags v --vm --json z";
        let left = others(words.split(' ').map(OsString::from));
        assert_eq!(
            left,
            "lab test x --tags v --vm".split(' ').map(OsString::from).collect::<Vec<_>>()
        );
    }

    #[test]
    fn runs_no_more_at_a_time_than_there_are() {
        assert_eq!(jobs(Some(8), 3), 3);
        assert_eq!(jobs(Some(2), 3), 2);
        assert!((1..=3).contains(&jobs(None, 3)));
    }
}
