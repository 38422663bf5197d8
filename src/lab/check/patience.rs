//! A check that does not end by itself is ended: its agents are killed, and others take over.

use indexmap::IndexMap;

use super::{Agents, CheckReport, Declared};
use crate::connection::{AgentClient, CallError};
use crate::lab::deadline::Deadline;

impl Declared {
    /// Runs the check against the lab, for no longer than it may take; `again` starts the agents
    /// that later checks need when these had to go.
    pub fn run_in_time(
        &self,
        hosts: &mut Agents<'_>,
        again: impl FnOnce() -> Result<IndexMap<String, AgentClient>, CallError>,
    ) -> CheckReport {
        let deadline = Deadline::after(self.timeout, hosts.killer());
        let mut report = self.run(hosts);
        let Some(timeout) = self.timeout else { return report };
        match deadline {
            Ok(deadline) if !deadline.passed() => return report,
            Ok(_) => {
                // What it came to without agents is no finding.
                report.cut_off(&format!("it was not done within {} s", timeout.as_secs_f64()));
                // Where they cannot be started the next check says so, by its own lack of them.
                hosts.replace(again().unwrap_or_default());
            }
            Err(error) => report.problems.push(error.to_string()),
        }
        report.passed = false;
        report
    }
}

impl CheckReport {
    /// It was ended from outside: why is all that it tells.
    pub(in crate::lab) fn cut_off(&mut self, why: &str) {
        self.passed = false;
        self.problems = vec![why.to_owned()];
        self.causes.clear();
    }
}
