//! What is told of several trials: a line each, documents of JSON, or one of JUnit's XML.

use serde_json::{Value, json};

use super::Run;
use super::one::One;
use crate::cli::output::Format;
use crate::report::{SCHEMA, counted, several};

/// Who is told.
pub(super) struct Told {
    format: Format,
    /// What there are several of.
    what: &'static str,
}

impl Told {
    /// Tells that they begin.
    pub(super) fn begin(format: Format, runs: &[Run], jobs: usize) -> Self {
        let combinations = runs.iter().any(|run| !run.combination().all().is_empty());
        let what = match (super::of_one_lab(runs), combinations) {
            (true, _) => "combination",
            (false, true) => "trial",
            (false, false) => "lab",
        };
        let told = Self { format, what };
        match format {
            Format::Text if jobs < runs.len() => {
                anstream::println!("{}, {jobs} at a time", counted(runs.len(), told.what));
            }
            Format::Json => {
                let version = env!("CARGO_PKG_VERSION");
                told.line(&json!({ "event": "begin", "schema": SCHEMA, "lvsmith": version }));
            }
            Format::Text | Format::Quiet | Format::Junit => {}
        }
        told
    }

    /// Tells what came of one.
    pub(super) fn tell(&self, one: &One) {
        let One { name, seconds, .. } = one;
        match (self.format, one.code, one.report["skipped"].as_str()) {
            (Format::Junit, ..) => {}
            (Format::Json, ..) => {
                for line in one.output.lines() {
                    self.document(line, one);
                }
            }
            (_, 0, Some(why)) => anstream::println!("skipped: {name}: {why}"),
            (_, 0, None) => anstream::println!("passed: {name} in {seconds:.2} s"),
            (_, code, _) => {
                for line in one.output.lines().chain(one.errors.lines()) {
                    anstream::println!("    {line}");
                }
                anstream::println!("FAILED: {name} in {seconds:.2} s, exit code {code}");
            }
        }
    }

    /// Tells what came of all.
    pub(super) fn end(&self, ended: &[One], seconds: f64) {
        let passed = ended.iter().filter(|one| one.code == 0).count();
        match self.format {
            Format::Text | Format::Quiet => {
                let all = counted(ended.len(), self.what);
                anstream::println!("\n{passed} of {all} passed in {seconds:.2} s");
            }
            Format::Json => self.line(&json!({
                "event": "trials", "schema": SCHEMA, "passed": passed, "of": ended.len(),
                "seconds": seconds,
            })),
            Format::Junit => {
                let documents = ended.iter().map(|one| {
                    let said = [one.output.as_str(), one.errors.as_str()];
                    (one.name.as_str(), said)
                });
                self.print(&several(documents));
            }
        }
    }

    /// A document of one trial's, which says besides which trial it is from.
    fn document(&self, line: &str, one: &One) {
        let Ok(Value::Object(mut document)) = serde_json::from_str(line) else { return };
        // Said once, for all.
        if document.get("event").is_some_and(|event| event == "begin") {
            return;
        }
        document.insert("trial".into(), one.name.as_str().into());
        self.line(&document.into());
    }

    fn line(&self, document: &Value) {
        self.print(&format!("{document}\n"));
    }

    fn print(&self, text: &str) {
        use std::io::Write;
        // A reader that went away is no reason to stop.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}
