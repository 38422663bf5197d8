//! `service`: a daemon that runs or not, by systemd or, where none runs, by the agent's own
//! supervisor.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::process::{Output, Program};
use super::{Action, Error, Host, Mode, Outcome};
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
    pub name: String,
    /// Whether it runs; `restarted` and `reloaded` act every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Whether it is started at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
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

    fn run(&self, _host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        self.check()?;
        let manager = Manager::of_this_machine(&self.name)?;
        let (running, enabled) = manager.observe(&self.name)?;
        let changes = self.changes(running, enabled);
        if !mode.check {
            for change in &changes {
                manager.apply(&self.name, *change)?;
            }
            let (runs, _) = manager.observe(&self.name)?;
            let wanted = self.state.map(|state| state != State::Stopped);
            if wanted.is_some_and(|wanted| wanted != runs) {
                let is = if runs { "still runs" } else { "does not run" };
                return Err(Error::new(format!("`{}` {is} afterwards", self.name)));
            }
        }
        let mut outcome = Outcome {
            changed: !changes.is_empty(),
            changes: changes
                .iter()
                .map(|change| format!("{} `{}`", change.verb(), self.name))
                .collect(),
            ..Outcome::default()
        };
        outcome.result.insert("name".into(), self.name.clone().into());
        Ok(outcome)
    }
}

impl Manager {
    fn of_this_machine(name: &str) -> Result<Self, Error> {
        if Path::new("/run/systemd/system").is_dir() {
            return Ok(Self::Systemd);
        }
        Unit::find(name).map(|unit| Self::Supervisor(Box::new(unit)))
    }

    /// Whether it runs, and whether it is started at boot.
    fn observe(&self, name: &str) -> Result<(bool, bool), Error> {
        match self {
            Self::Supervisor(unit) => {
                Ok((supervisor::main_pid(unit).is_some(), supervisor::enabled(unit)))
            }
            Self::Systemd => {
                let properties = "--property=LoadState,ActiveState,UnitFileState";
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
                let running = is("ActiveState", &["active", "reloading"]);
                Ok((running, is("UnitFileState", &["enabled", "enabled-runtime", "alias"])))
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
        Service { name: "nginx".into(), state, enabled }
    }

    #[test]
    fn does_only_what_differs() {
        use Change::{Disable, Enable, Reload, Restart, Start, Stop};
        let table: &[(Option<State>, Option<bool>, bool, bool, &[Change])] = &[
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
    fn refuses_names_that_are_none() {
        for name in ["", "-x", "a b", "a/b"] {
            let service = Service { name: name.into(), ..service(Some(State::Started), None) };
            assert!(service.check().is_err(), "{name}");
        }
    }
}
