//! A trial: a lab is made, the playbook run in it twice, the checks looked at, the lab ended.
//!
//! Everything that can be wrong with the files is found before anything is started. After
//! that a trial always ends with its lab gone, whatever happened in between.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use indexmap::IndexMap;
use serde_json::json;

pub use self::inventory::inventory;
use self::record::Record;
pub use self::report::{Audience, Phase, Report};
use self::report::{Done, phase};
use super::check::{self, Agents, LabHost, Means};
use super::deadline::Deadline;
use super::leash::{Leash, Leashed};
use super::monitor::Monitor;
use super::probe::{Traces, TracesOf};
use super::rerun::Rerun;
use super::topology::Combination;
use super::{Error, Graph, InLab, Lab, Topology};
use crate::connection::netns::Netns;
use crate::connection::{AgentClient, CallError, Connection, Unreachable};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine::{self, Options, Summary};
use crate::inventory::{Inventory, Vars};
use crate::lint;
use crate::playbook::Playbook;
use crate::report::counted;

mod inventory;
mod record;
mod report;

/// What a lab folder holds, read and found to fit together.
#[derive(Debug)]
pub struct Trial {
    /// Its networks and hosts.
    pub topology: Topology,
    playbook: Option<Playbook>,
    inventory: Inventory,
    checks: Vec<check::Declared>,
}

impl Trial {
    /// Makes the matrix's values variables, unless they were given otherwise, and picks checks by
    /// their tags: those words of `--tags` and `--skip-tags` that a check bears
    /// are about checks, and no more about the tasks of the playbook.
    pub fn pick(&mut self, options: &mut Options) {
        let known: HashSet<String> =
            self.checks.iter().flat_map(|check| check.tags.iter().cloned()).collect();
        let taken = |tags: &mut Vec<String>| -> Vec<String> {
            tags.extract_if(.., |tag| known.contains(tag.as_str())).collect()
        };
        for (name, value) in self.topology.combination.variables() {
            options.extra.entry(name).or_insert(value);
        }
        let (only, without) = (taken(&mut options.tags), taken(&mut options.skip_tags));
        let one_of = |check: &check::Declared, tags: &[String]| {
            check.tags.iter().any(|tag| tags.contains(tag))
        };
        self.checks
            .retain(|check| (only.is_empty() || one_of(check, &only)) && !one_of(check, &without));
    }

    /// Reads a lab file, or a folder's, with the playbook it names, and with one combination of
    /// its matrix or the first. `adjust` has the last word on the topology.
    pub fn read(
        path: &std::path::Path,
        combination: Option<&Combination>,
        adjust: impl FnOnce(&mut Topology),
    ) -> Result<Self, Diagnostics> {
        let mut topology = Topology::read_as(path, combination)?;
        adjust(&mut topology);
        let mut mistakes = Diagnostics::default();
        let mut all = |result: Diagnostics| mistakes.0.extend(result.0);
        let inventory = inventory(&topology).map_err(&mut all).ok();
        let path = topology.playbook.as_ref().map(|name| topology.folder.join(name));
        let path = path.map(relative);
        let playbook = match path.map(|path| Playbook::read(&path)) {
            Some(Ok(playbook)) => Some(playbook),
            Some(Err(errors)) => {
                all(errors);
                None
            }
            None => None,
        };
        let hosts = topology.hosts.keys().map(|name| name.as_str());
        let checks = check::read(&topology.checks, hosts).map_err(&mut all).ok();
        match (inventory, checks) {
            (Some(inventory), Some(checks)) => {
                mistakes.finish(Self { topology, playbook, inventory, checks })
            }
            _ => Err(mistakes),
        }
    }

    /// Finds what is wrong with the playbook in this lab, as far as no running host is needed.
    pub fn check(&self, options: &Options) -> Result<(), Diagnostics> {
        match &self.playbook {
            Some(playbook) => engine::check(playbook, &self.inventory, options),
            None => Ok(()),
        }
    }

    /// What the lab looks like, and what the playbook will make of its hosts.
    pub fn graph(&self, options: &Options) -> Result<Graph, Diagnostics> {
        let outlines = match &self.playbook {
            Some(playbook) => lint::outline(playbook, &self.inventory, options)?,
            None => IndexMap::new(),
        };
        Ok(Graph::new(&self.topology, &outlines)?)
    }

    /// Runs it. A play for hosts that the lab does not have is an error; everything else is
    /// in the report.
    pub fn run(
        &self,
        options: &Options,
        audience: &mut dyn Audience,
    ) -> Result<Report, Diagnostics> {
        let start = Instant::now();
        self.check(options)?;
        let uname = nix::sys::utsname::uname();
        let mut report = Report {
            lab: self.topology.name.to_string(),
            kernel: uname
                .map(|uname| uname.release().to_string_lossy().into_owned())
                .unwrap_or_default(),
            vm: std::env::var_os(crate::vm::VARIABLE).is_some(),
            passed: false,
            seconds: 0.0,
            phases: Vec::new(),
            checks: Vec::new(),
            hosts: IndexMap::new(),
            converged: Summary::default(),
            skipped: super::lacking(&self.topology),
            combination: self.topology.combination.all().clone(),
            interrupted: false,
            error: None,
        };
        if report.skipped.is_some() {
            report.passed = true;
            return Ok(report);
        }
        let mut lab = None;
        phase(&mut report, audience, "create", |report, _| match Lab::start(&self.topology) {
            Ok(started) => {
                let state = started.state();
                let done = Done {
                    passed: true,
                    summary: format!(
                        "{} in {}",
                        counted(state.hosts.len(), "host"),
                        counted(self.topology.networks.len(), "network")
                    ),
                    evidence: json!({ "hosts": state.hosts }),
                };
                report.hosts.clone_from(&state.hosts);
                lab = Some(started);
                done
            }
            Err(error) => {
                let summary = error.to_string();
                report.error = Some(error);
                Done { passed: false, evidence: json!({ "error": summary }), summary }
            }
        });
        let Some(lab) = lab else {
            report.seconds = start.elapsed().as_secs_f64();
            return Ok(report);
        };
        // Its hosts are thrown away: no reason to wait for a task that is under way.
        engine::at_interrupt(lab.killer());
        let patience = self.topology.timeout.map(|all| all.saturating_sub(start.elapsed()));
        let deadline = Deadline::after(patience, lab.killer());
        // From here on, so that what hosts say while they are being set up is heard, too.
        let monitor = Monitor::start(&lab);
        if let Ok(deadline) = &deadline {
            self.prove(&lab, &monitor, deadline, options, &mut report, audience);
        }
        // It holds on to the lab's network.
        drop(monitor);
        phase(&mut report, audience, "destroy", |report, _| match lab.end() {
            Ok(()) => Done { passed: true, summary: "nothing is left".into(), evidence: json!({}) },
            Err(error) => {
                let summary = error.to_string();
                report.error = Some(error);
                Done { passed: false, evidence: json!({ "error": summary }), summary }
            }
        });
        match deadline {
            Ok(deadline) if deadline.passed() => report.too_late(self.topology.timeout),
            Ok(_) => {}
            Err(error) => report.error = Some(error),
        }
        report.interrupted = engine::interrupted();
        // A trial that could not be made has no phase that says so.
        report.passed = !report.interrupted
            && report.error.is_none()
            && report.phases.iter().all(|phase| phase.passed);
        report.seconds = start.elapsed().as_secs_f64();
        Ok(report)
    }

    /// What happens while the lab is there; each phase needs the one before it.
    fn prove(
        &self,
        lab: &Lab,
        monitor: &Result<Monitor, Error>,
        deadline: &Deadline,
        options: &Options,
        report: &mut Report,
        audience: &mut dyn Audience,
    ) {
        let connector = InLab(lab);
        let before = self.traces(lab);
        if let Some(playbook) = &self.playbook {
            let converged = phase(report, audience, "converge", |report, audience| {
                let (done, summary) = self.apply(playbook, &connector, options, audience, false);
                report.converged = summary;
                done
            });
            if !converged {
                return;
            }
            phase(report, audience, "idempotence", |_, audience| {
                self.apply(playbook, &connector, options, audience, true).0
            });
        }
        if engine::interrupted() {
            return;
        }
        phase(report, audience, "verify", |report, audience| {
            let agents = match start_agents(lab, &self.topology) {
                Ok(agents) => agents,
                Err(error) => {
                    let summary = error.to_string();
                    return Done { passed: false, evidence: json!({ "error": summary }), summary };
                }
            };
            let hosts = LabHost::all(&self.topology, lab.state());
            let monitor = monitor.as_ref().map_err(|error| crate::modules::Error {
                hint: error.hint(),
                ..crate::modules::Error::new(error.to_string())
            });
            let leash = Leash::default();
            let again = Rerun {
                folder: &self.topology.folder,
                playbook: self.playbook.as_ref(),
                inventory: &self.inventory,
                connector: Leashed { connector: &connector, leash: leash.clone() },
                options,
            };
            let apply = Box::new(move |name: Option<&str>, vars: &Vars| again.run(name, vars));
            let means = Means { lab, apply, leash, before };
            let mut hosts = Agents::new(hosts, agents, monitor, means);
            for (number, check) in (1..).zip(&self.checks) {
                audience.checking(&check.name, number, self.checks.len());
                let mut result =
                    check.run_in_time(&mut hosts, || start_agents(lab, &self.topology));
                if engine::interrupted() {
                    break;
                }
                if deadline.passed() {
                    // What it saw of a lab that was killed is no finding.
                    result.cut_off("the time of the trial was over");
                    audience.checked(&result);
                    report.checks.push(result);
                    break;
                }
                audience.checked(&result);
                report.checks.push(result);
            }
            let passed = report.checks.iter().filter(|check| check.passed).count();
            let all = self.checks.len();
            Done {
                passed: passed == all,
                summary: match all {
                    0 => "there are no checks".into(),
                    _ => format!("{passed} of {} passed", counted(all, "check")),
                },
                evidence: json!({ "passed": passed, "checks": all }),
            }
        });
    }

    /// What hosts are like before anything is done, where a check compares with it. A host that
    /// does not tell is missed by that check.
    fn traces(&self, lab: &Lab) -> IndexMap<String, Traces> {
        if !self.checks.iter().any(|check| check.compares) {
            return IndexMap::new();
        }
        let mut found = IndexMap::new();
        for (name, mut agent) in start_agents(lab, &self.topology).unwrap_or_default() {
            if let Ok(traces) = check::look_by(&mut agent, TracesOf {}) {
                found.insert(name, traces);
            }
        }
        found
    }

    fn apply(
        &self,
        playbook: &Playbook,
        connector: &InLab<'_>,
        options: &Options,
        audience: &mut dyn Audience,
        again: bool,
    ) -> (Done, Summary) {
        let mut record = Record::new(audience, again);
        let outcome = engine::run(playbook, &self.inventory, connector, options, &mut record);
        record.came_to(outcome)
    }
}

/// The path as somebody in the current folder would write it, for messages.
pub(crate) fn relative(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).map(PathBuf::from).unwrap_or(path)
}

/// An agent in every host, for probes: traffic is looked at the same way, however the playbook
/// came there.
fn start_agents(
    lab: &Lab,
    topology: &Topology,
) -> Result<IndexMap<String, AgentClient>, CallError> {
    let agent = |name: &str| {
        let entrance = lab.entrance(name);
        let entrance = entrance.map_err(|error| Unreachable::new(error.to_string()))?;
        Ok((name.to_owned(), Netns::new(entrance).start(None)?))
    };
    topology.hosts.keys().map(|name| agent(name.as_str())).collect()
}

impl From<Error> for Diagnostics {
    fn from(error: Error) -> Self {
        Diagnostic::from(error).into()
    }
}
