//! `service`: a daemon that runs or not, by systemd or, where none runs, by the agent's own
//! supervisor.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::process::{Output, Program};
use super::{Action, Error, Host, HostKind, Mode, Outcome};
use crate::agent::supervisor::{self, Unit};

/// Starts, stops, restarts or reloads a service, and has it started at boot or not.
///
/// In a lab host, where no systemd runs, the service's own unit file says what to do.
///
/// ```yaml
/// service:
///   name: nginx
///   state: started
///   enabled: true
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The unit's name, with or without `.service`.
    #[serde(alias = "service", alias = "unit")]
    pub name: String,
    /// Whether it runs; `restarted` and `reloaded` act every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Whether it is started at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether systemd reads its unit files again first.
    #[serde(default)]
    pub daemon_reload: bool,
}

/// Whether a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs.
    Started,
    /// It does not.
    Stopped,
    /// It is stopped and started.
    Restarted,
    /// It reads its configuration again; it is started when it does not run.
    Reloaded,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Start,
    Stop,
    Restart,
    Reload,
    Enable,
    Disable,
}

impl Change {
    /// As `systemctl` calls it.
    fn verb(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Enable => "enable",
            Self::Disable => "disable",
        }
    }
}

/// What runs the services of this machine.
enum Manager {
    Systemd,
    Supervisor(Box<Unit>),
}

/// What is known of a service.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    running: bool,
    enabled: bool,
    /// Whether it runs on after it was started: a oneshot need not.
    lasts: bool,
}

impl Service {
    /// What has to be done, in order.
    fn changes(&self, running: bool, enabled: bool) -> Vec<Change> {
        let boot = match self.enabled {
            Some(true) if !enabled => Some(Change::Enable),
            Some(false) if enabled => Some(Change::Disable),
            _ => None,
        };
        let state = match (self.state, running) {
            (Some(State::Started | State::Reloaded | State::Restarted), false) => {
                Some(Change::Start)
            }
            (Some(State::Stopped), true) => Some(Change::Stop),
            (Some(State::Restarted), true) => Some(Change::Restart),
            (Some(State::Reloaded), true) => Some(Change::Reload),
            _ => None,
        };
        boot.into_iter().chain(state).collect()
    }
}

impl Action for Service {
    fn check(&self) -> Result<(), Error> {
        if self.state.is_none() && self.enabled.is_none() {
            return Err(Error::new("`service` needs `state` or `enabled`"));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if self.name.is_empty() || self.name.starts_with('-') || !self.name.chars().all(fits) {
            return Err(Error::new(format!("`{}` cannot be a unit's name", self.name)));
        }
        Ok(())
    }

    fn run(&self, host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        self.check()?;
        let known = self.look(host.kind, mode);
        let seen = match &known {
            Ok((_, seen)) => *seen,
            // A plan goes on: an earlier task of it may bring the unit.
            Err(_) if mode.check => Seen::default(),
            Err(error) => return Err(error.clone()),
        };
        let changes = self.changes(seen.running, seen.enabled);
        if let (Ok((manager, _)), false) = (&known, mode.check) {
            for change in &changes {
                manager.apply(&self.name, *change)?;
            }
            self.verify(manager.observe(&self.name)?)?;
        }
        let note = known.as_ref().err().map(absence).unwrap_or_default();
        let shown = changes.iter().map(|change| format!("{} `{}`{note}", change.verb(), self.name));
        let mut outcome = Outcome {
            changed: !changes.is_empty(),
            changes: shown.collect(),
            ..Outcome::default()
        };
        outcome.result.insert("name".into(), self.name.clone().into());
        Ok(outcome)
    }
}

/// What a plan adds for a service that cannot be found.
fn absence(error: &Error) -> String {
    match error.hint.as_deref().filter(|hint| hint.starts_with("did you mean")) {
        Some(hint) => format!(", which is not there yet ({hint})"),
        None => ", which is not there yet".into(),
    }
}

impl Service {
    fn look(&self, kind: HostKind, mode: Mode) -> Result<(Manager, Seen), Error> {
        let manager = Manager::of(kind, &self.name)?;
        if self.daemon_reload && !mode.check && matches!(manager, Manager::Systemd) {
            let output = systemctl(&["daemon-reload"])?;
            if !output.success() {
                return Err(output.error("systemctl daemon-reload"));
            }
        }
        let seen = manager.observe(&self.name)?;
        Ok((manager, seen))
    }

    /// Holds what is declared against what is there by now.
    fn verify(&self, seen: Seen) -> Result<(), Error> {
        let state = self.state.map(|state| state != State::Stopped);
        let unlike = |is: &str| Err(Error::new(format!("`{}` {is} afterwards", self.name)));
        match (state, seen.running) {
            (Some(true), false) if seen.lasts => return unlike("does not run"),
            (Some(false), true) => return unlike("still runs"),
            _ => {}
        }
        match (self.enabled, seen.enabled) {
            (Some(true), false) => unlike("is not started at boot"),
            (Some(false), true) => unlike("is still started at boot"),
            _ => Ok(()),
        }
    }
}

impl Manager {
    fn of(kind: HostKind, name: &str) -> Result<Self, Error> {
        // A lab host may see the folder of the machine it is a copy of.
        if kind == HostKind::Machine && Path::new("/run/systemd/system").is_dir() {
            return Ok(Self::Systemd);
        }
        Unit::find(name).map(|unit| Self::Supervisor(Box::new(unit)))
    }

    /// Whether it runs, and whether it is started at boot.
    fn observe(&self, name: &str) -> Result<Seen, Error> {
        match self {
            Self::Supervisor(unit) => Ok(Seen {
                running: supervisor::main_pid(unit).is_some(),
                enabled: supervisor::enabled(unit),
                lasts: unit.lasts(),
            }),
            Self::Systemd => {
                let properties =
                    "--property=LoadState,ActiveState,UnitFileState,Type,RemainAfterExit";
                let output = systemctl(&["show", properties, "--", name])?;
                let is = |property: &str, values: &[&str]| {
                    output
                        .stdout
                        .lines()
                        .filter_map(|line| line.split_once('='))
                        .any(|(name, value)| name == property && values.contains(&value))
                };
                if is("LoadState", &["not-found"]) {
                    // The same search finds what was meant.
                    return Err(Unit::find(name).err().unwrap_or_else(|| {
                        Error::new(format!("systemd does not know `{name}`"))
                            .hint("run `systemctl daemon-reload`")
                    }));
                }
                Ok(Seen {
                    running: is("ActiveState", &["active", "reloading"]),
                    enabled: is("UnitFileState", &["enabled", "enabled-runtime", "alias"]),
                    lasts: !is("Type", &["oneshot"]) || is("RemainAfterExit", &["yes"]),
                })
            }
        }
    }

    fn apply(&self, name: &str, change: Change) -> Result<(), Error> {
        match self {
            Self::Systemd => {
                let output = systemctl(&[change.verb(), "--", name])?;
                if output.success() {
                    return Ok(());
                }
                let log =
                    Program::new(["journalctl", "-u", name, "-n", "10", "--no-pager", "-o", "cat"])
                        .run();
                let mut error = output.error(&format!("systemctl {} `{name}`", change.verb()));
                if let Ok(log) = log {
                    error.message = format!("{}\n{}", error.message, log.last_words());
                }
                Err(error)
            }
            Self::Supervisor(unit) => match change {
                Change::Start => supervisor::start(unit),
                Change::Stop => supervisor::stop(unit),
                Change::Restart => supervisor::stop(unit).and_then(|()| supervisor::start(unit)),
                Change::Reload => supervisor::reload(unit),
                Change::Enable => supervisor::enable(unit, true),
                Change::Disable => supervisor::enable(unit, false),
            },
        }
    }
}

fn systemctl(arguments: &[&str]) -> Result<Output, Error> {
    Program::new(std::iter::once("systemctl").chain(arguments.iter().copied()))
        .plain_language()
        .run()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(state: Option<State>, enabled: Option<bool>) -> Service {
        Service { name: "nginx".into(), state, enabled, daemon_reload: false }
    }

    #[test]
    fn does_only_what_differs() {
        use Change::{Disable, Enable, Reload, Restart, Start, Stop};
        type Row<'a> = (Option<State>, Option<bool>, bool, bool, &'a [Change]);
        let table: &[Row<'_>] = &[
            (Some(State::Started), None, true, false, &[]),
            (Some(State::Started), Some(true), false, false, &[Enable, Start]),
            (Some(State::Stopped), None, false, true, &[]),
            (Some(State::Stopped), Some(false), true, true, &[Disable, Stop]),
            (Some(State::Restarted), None, true, true, &[Restart]),
            (Some(State::Restarted), None, false, true, &[Start]),
            (Some(State::Reloaded), None, true, true, &[Reload]),
            (Some(State::Reloaded), None, false, true, &[Start]),
            (None, Some(true), false, true, &[]),
        ];
        for (state, enabled, runs, boots, expected) in table {
            assert_eq!(service(*state, *enabled).changes(*runs, *boots), *expected, "{state:?}");
        }
    }

    #[test]
    fn plans_for_a_service_that_an_earlier_task_would_bring() {
        let service = Service { name: "no-such-service-yet".into(), ..service(None, Some(true)) };
        let mut lab = Host::new(HostKind::Lab);
        let outcome = service.run(&mut lab, Mode { check: true, diff: false }).expect("a plan");
        assert_eq!(outcome.changes, ["enable `no-such-service-yet`, which is not there yet"]);
        let error = service.run(&mut lab, Mode::default()).expect_err("nothing to enable");
        assert!(error.message.contains("there is no service `no-such-service-yet`"), "{error}");
    }

    #[test]
    fn refuses_names_that_are_none() {
        for name in ["", "-x", "a b", "a/b"] {
            let service = Service { name: name.into(), ..service(Some(State::Started), None) };
            assert!(service.check().is_err(), "{name}");
        }
    }
}
