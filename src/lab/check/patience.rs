//! A check that does not end by itself is ended: its agents are killed, and others take over.
//! What it did and has not undone is undone then, as it is after a check that failed to.

use std::time::Duration;

use indexmap::IndexMap;

use super::{Agents, CheckReport, Declared, Stage, with_hint};
use crate::connection::{AgentClient, CallError};
use crate::lab::deadline::Deadline;

/// How long it may take to undo something after a check: as long as a playbook may take.
const UNDOING: Duration = Duration::from_secs(300);

impl Declared {
    /// Runs the check against the lab, for no longer than it may take; `again` starts the agents
    /// that later checks need when these had to go.
    pub fn run_in_time(
        &self,
        hosts: &mut Agents<'_>,
        again: impl Fn() -> Result<IndexMap<String, AgentClient>, CallError>,
    ) -> CheckReport {
        let deadline = Deadline::after(self.timeout, hosts.killer());
        let mut report = self.run(hosts);
        match deadline {
            Ok(deadline) if !deadline.passed() => {}
            Ok(_) => {
                // What it came to without agents is no finding.
                let timeout = self.timeout.unwrap_or_default().as_secs_f64();
                report.cut_off(&format!("it was not done within {timeout} s"));
                // Where they cannot be started the next check says so, by its own lack of them.
                hosts.replace(again().unwrap_or_default());
            }
            Err(error) => report.fail(error.to_string()),
        }
        if !hosts.owed().is_empty() {
            let deadline = Deadline::after(Some(UNDOING), hosts.killer());
            undo(hosts, &mut report);
            if !deadline.is_ok_and(|deadline| !deadline.passed()) {
                hosts.replace(again().unwrap_or_default());
            }
        }
        report
    }
}

/// Undoes what is owed, the last one first. What cannot be undone is told, and not tried again.
fn undo(hosts: &mut Agents<'_>, report: &mut CheckReport) {
    let owed = std::mem::take(hosts.owed());
    for action in owed.iter().rev() {
        if let Err(error) = action.undo(hosts) {
            let (what, why) = (action.in_words(), with_hint(&error));
            report.fail(format!("not undone: {what}: {why}"));
        }
    }
}

impl CheckReport {
    /// It was ended from outside: why is all that it tells.
    pub(in crate::lab) fn cut_off(&mut self, why: &str) {
        self.passed = false;
        self.problems = vec![why.to_owned()];
        self.causes.clear();
    }

    fn fail(&mut self, problem: String) {
        self.passed = false;
        self.problems.push(problem);
    }
}
