//! What came of a trial, as a whole and phase by phase, and who is told meanwhile.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use crate::engine::{self, Summary};
use crate::inventory::Vars;
use crate::lab::check::CheckReport;
use crate::lab::{Error, HostState};
use crate::report::Reporter;

/// One of the five parts of a trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phase {
    /// `create`, `converge`, `idempotence`, `verify` or `destroy`.
    pub name: &'static str,
    /// Whether it went as it should.
    pub passed: bool,
    /// How long it took.
    pub seconds: f64,
    /// What came of it, in a line.
    pub summary: String,
    /// What came of it, for programs.
    pub evidence: Value,
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The lab's name.
    pub lab: String,
    /// The release of the kernel it ran on.
    pub kernel: String,
    /// Whether that was a micro-VM's.
    pub vm: bool,
    /// Whether everything passed.
    pub passed: bool,
    /// How long it all took.
    pub seconds: f64,
    /// The phases, in order; those after a failed one, `destroy` apart, did not run.
    pub phases: Vec<Phase>,
    /// The checks, in order.
    pub checks: Vec<CheckReport>,
    /// The hosts, once they were there.
    #[serde(skip)]
    pub hosts: IndexMap<String, HostState>,
    /// What the first run of the playbook came to.
    #[serde(skip)]
    pub converged: Summary,
    /// Why it was not run at all: what the kernel lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// What of its matrix it ran with.
    #[serde(skip_serializing_if = "Vars::is_empty")]
    pub combination: Vars,
    /// Whether the run was interrupted.
    #[serde(skip)]
    pub interrupted: bool,
    /// Why the lab could not be made, or not be ended.
    #[serde(skip)]
    pub error: Option<Error>,
}

/// Who is told while a trial goes on.
pub trait Audience: Reporter {
    /// A phase begins.
    fn begins(&mut self, phase: &str);
    /// A check is about to be looked at: its name, its number from 1, and how many there are.
    fn checking(&mut self, _name: &str, _number: usize, _of: usize) {}
    /// A check was looked at.
    fn checked(&mut self, report: &CheckReport);
    /// A phase has ended.
    fn ended(&mut self, phase: &Phase);
    /// Everything has ended.
    fn came_to(&mut self, report: &Report);
}

impl Report {
    /// Its lab was killed because its time was over; what failed because of that is told so.
    pub(super) fn too_late(&mut self, timeout: Option<Duration>) {
        let seconds = timeout.unwrap_or_default().as_secs_f64();
        let failed = self.phases.iter_mut().rev().find(|phase| !phase.passed);
        if let Some(phase) = failed {
            phase.summary = format!("not done in time: {}", phase.summary);
        }
        self.error = Some(Error::Environment {
            message: format!("the trial took longer than the {seconds} s of its `timeout`"),
            hint: None,
        });
    }
}

/// What the closure of a phase brings back.
pub(super) struct Done {
    pub(super) passed: bool,
    pub(super) summary: String,
    pub(super) evidence: Value,
}

/// Goes through a phase, tells of it, and says whether it passed.
pub(super) fn phase(
    report: &mut Report,
    audience: &mut dyn Audience,
    name: &'static str,
    work: impl FnOnce(&mut Report, &mut dyn Audience) -> Done,
) -> bool {
    audience.begins(name);
    let start = Instant::now();
    let Done { passed, mut summary, evidence } = work(report, audience);
    let seconds = start.elapsed().as_secs_f64();
    if !passed && engine::interrupted() {
        // The lab was killed; what failed because of that is not of interest.
        summary = "interrupted".into();
    }
    let phase = Phase { name, passed, seconds, summary, evidence };
    audience.ended(&phase);
    report.phases.push(phase);
    passed
}
