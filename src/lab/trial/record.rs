//! What tasks came to while a trial's playbook ran, as evidence.

use serde_json::{Value, json};

use super::{Audience, Done};
use crate::diagnostic::Diagnostics;
use crate::engine::{self, Summary};
use crate::report::{Event, Reporter, Status, Tally, TaskResult, counted};

/// Keeps what the engine tells as evidence, and passes it on. Of a second run only what
/// should not have happened is of interest.
pub(super) struct Record<'a> {
    audience: &'a mut dyn Audience,
    again: bool,
    task: String,
    results: Vec<Value>,
}

impl<'a> Record<'a> {
    /// Of a first run, or of one that must change nothing.
    pub(super) fn new(audience: &'a mut dyn Audience, again: bool) -> Self {
        Self { audience, again, task: String::new(), results: Vec::new() }
    }

    /// What the run that it heard came to, as a phase.
    pub(super) fn came_to(self, outcome: Result<Summary, Diagnostics>) -> (Done, Summary) {
        let summary = match outcome {
            Ok(summary) => summary,
            Err(mistakes) => {
                let evidence = json!({ "error": mistakes.to_string() });
                let summary = Summary { bad_input: true, ..Summary::default() };
                return (Done { passed: false, summary: mistakes.to_string(), evidence }, summary);
            }
        };
        let sum =
            |count: fn(&Tally) -> usize| -> usize { summary.tallies.values().map(count).sum() };
        let (changed, failed) = (sum(|t| t.changed), sum(|t| t.failed + t.unreachable));
        let passed = failed == 0 && !summary.interrupted && !(self.again && changed > 0);
        let ended = |statuses: &[Status]| named(&self.results, statuses);
        let text = match (failed, changed) {
            (0, 0) => "nothing to change".to_owned(),
            (0, _) if self.again => format!("changed again: {}", ended(&[Status::Changed])),
            (0, _) => format!("{} changed something", counted(changed, "task")),
            _ => format!("failed: {}", ended(&[Status::Failed, Status::Unreachable])),
        };
        let evidence = json!({ "hosts": summary.tallies, "tasks": self.results });
        (Done { passed, summary: text, evidence }, summary)
    }
}

impl Reporter for Record<'_> {
    fn event(&mut self, event: &Event<'_>) {
        let mut telling = !self.again;
        match event {
            Event::Task { name, .. } => {
                self.task = (*name).to_owned();
                telling = true;
            }
            Event::Host { host, results, .. } => {
                for result in *results {
                    self.results.push(json!({
                        "task": self.task,
                        "host": host,
                        "item": result.item,
                        "status": result.status,
                        "message": result.message,
                        "changes": result.changes,
                    }));
                }
                let quiet = |result: &TaskResult| {
                    matches!(result.status, Status::Ok | Status::Skipped | Status::Ignored)
                };
                telling |= !results.iter().all(quiet);
            }
            // Seen for a moment only.
            Event::Doing { .. } => telling = true,
            _ => {}
        }
        // After an interruption hosts are lost because the lab was killed.
        if telling && !engine::interrupted() {
            self.audience.event(event);
        }
    }
}

/// The tasks that ended so, each with its host; the first three of them.
fn named(results: &[Value], statuses: &[Status]) -> String {
    let ended_so = |one: &&Value| {
        statuses.iter().any(|status| serde_json::to_value(status).is_ok_and(|s| s == one["status"]))
    };
    let mut names: Vec<String> = Vec::new();
    for one in results.iter().filter(ended_so) {
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        let name = format!("`{}` on {}", text("task"), text("host"));
        // The items of a loop are one task.
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(3);
    names.truncate(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}
