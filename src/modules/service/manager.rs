//! Starting and stopping, by systemd or by the agent's own supervisor: what `service` and `systemd`
//! share.

use std::path::Path;

use serde_json::{Map, Value};

use super::State;
use crate::agent::supervisor::{self, Unit};
use crate::modules::process::{Output, Program};
use crate::modules::{Error, HostKind};

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::modules) enum Change {
    Mask,
    Unmask,
    Enable,
    Disable,
    Start,
    Stop,
    Restart,
    Reload,
}

impl Change {
    /// As `systemctl` calls it.
    pub(in crate::modules) fn verb(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Unmask => "unmask",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }
}

/// Whose services they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::modules) enum Whose {
    /// The machine's.
    #[default]
    System,
    /// Those of the user that the agent works as.
    User,
    /// Those of every user.
    Global,
}

impl Whose {
    fn switch(self) -> &'static str {
        match self {
            Self::System => "--system",
            Self::User => "--user",
            Self::Global => "--global",
        }
    }
}

/// What runs the services of this machine.
pub(in crate::modules) enum Manager {
    Systemd(Whose),
    Supervisor(Box<Unit>),
}

/// What is declared of a service.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::modules) struct Wanted {
    pub(in crate::modules) state: Option<State>,
    pub(in crate::modules) enabled: Option<bool>,
    pub(in crate::modules) masked: Option<bool>,
}

/// What is known of a service.
#[derive(Debug, Clone, Default)]
pub(in crate::modules) struct Seen {
    pub(in crate::modules) running: bool,
    pub(in crate::modules) enabled: bool,
    pub(in crate::modules) masked: bool,
    /// Whether it runs on after it was started: a oneshot need not.
    pub(in crate::modules) lasts: bool,
    /// What `systemctl show` tells of it, or as much of that as is known without systemd.
    pub(in crate::modules) properties: Map<String, Value>,
}

impl Wanted {
    /// What has to be done, in order.
    pub(in crate::modules) fn changes(&self, seen: &Seen) -> Vec<Change> {
        let mask = match self.masked {
            Some(true) if !seen.masked => Some(Change::Mask),
            Some(false) if seen.masked => Some(Change::Unmask),
            _ => None,
        };
        let boot = match self.enabled {
            Some(true) if !seen.enabled => Some(Change::Enable),
            Some(false) if seen.enabled => Some(Change::Disable),
            _ => None,
        };
        let state = match (self.state, seen.running) {
            (Some(State::Started | State::Reloaded | State::Restarted), false) => {
                Some(Change::Start)
            }
            (Some(State::Stopped), true) => Some(Change::Stop),
            (Some(State::Restarted), true) => Some(Change::Restart),
            (Some(State::Reloaded), true) => Some(Change::Reload),
            _ => None,
        };
        mask.into_iter().chain(boot).chain(state).collect()
    }

    /// Holds what is declared against what is there by now.
    pub(in crate::modules) fn verify(&self, name: &str, seen: &Seen) -> Result<(), Error> {
        let state = self.state.map(|state| state != State::Stopped);
        let unlike = |is: &str| Err(Error::new(format!("`{name}` {is} afterwards")));
        match (state, seen.running) {
            (Some(true), false) if seen.lasts => return unlike("does not run"),
            (Some(false), true) => return unlike("still runs"),
            _ => {}
        }
        match (self.masked, seen.masked) {
            (Some(true), false) => return unlike("is not masked"),
            (Some(false), true) => return unlike("is still masked"),
            _ => {}
        }
        match (self.enabled, seen.enabled) {
            (Some(true), false) => unlike("is not started at boot"),
            (Some(false), true) => unlike("is still started at boot"),
            _ => Ok(()),
        }
    }
}

/// Whether systemd runs here. A lab host may see the folder of the machine it is a copy of.
fn is_systemd(kind: HostKind) -> bool {
    kind == HostKind::Machine && Path::new("/run/systemd/system").is_dir()
}

/// Has systemd do something about itself; the supervisor reads unit files each time anyway.
pub(in crate::modules) fn daemon(kind: HostKind, whose: Whose, verb: &str) -> Result<(), Error> {
    if !is_systemd(kind) {
        return Ok(());
    }
    let output = systemctl(whose, &[verb])?;
    if output.success() { Ok(()) } else { Err(output.error(&format!("systemctl {verb}"))) }
}

impl Manager {
    pub(in crate::modules) fn of(kind: HostKind, whose: Whose, name: &str) -> Result<Self, Error> {
        if is_systemd(kind) {
            return Ok(Self::Systemd(whose));
        }
        if whose != Whose::System {
            return Err(Error::new("without systemd there are no services of users")
                .hint("leave `scope` out, or skip the task where no systemd runs"));
        }
        Unit::find(name).map(|unit| Self::Supervisor(Box::new(unit)))
    }

    /// Whether it runs, and whether it is started at boot.
    pub(in crate::modules) fn observe(&self, name: &str) -> Result<Seen, Error> {
        let whose = match self {
            Self::Supervisor(unit) => return Ok(supervised(unit)),
            // Of the units of all users nothing but this is known.
            Self::Systemd(Whose::Global) => {
                let said = systemctl(Whose::Global, &["is-enabled", "--", name])?.stdout;
                let word = said.trim();
                let (enabled, masked) = (word == "enabled", word == "masked");
                return Ok(Seen { enabled, masked, ..Seen::default() });
            }
            Self::Systemd(whose) => *whose,
        };
        let output = systemctl(whose, &["show", "--", name])?;
        let properties = properties(&output.stdout);
        let is = |property: &str, values: &[&str]| {
            properties.get(property).and_then(Value::as_str).is_some_and(|is| values.contains(&is))
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
            masked: is("LoadState", &["masked"]),
            lasts: !is("Type", &["oneshot"]) || is("RemainAfterExit", &["yes"]),
            properties,
        })
    }

    pub(in crate::modules) fn apply(&self, name: &str, change: Change) -> Result<(), Error> {
        match self {
            Self::Systemd(whose) => {
                let output = systemctl(*whose, &[change.verb(), "--", name])?;
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
                Change::Mask => supervisor::mask(unit, true),
                Change::Unmask => supervisor::mask(unit, false),
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

fn supervised(unit: &Unit) -> Seen {
    let pid = supervisor::main_pid(unit);
    let enabled = supervisor::enabled(unit);
    let told = [
        ("Id", format!("{}.service", unit.name)),
        ("LoadState", if unit.masked { "masked" } else { "loaded" }.into()),
        ("ActiveState", if pid.is_some() { "active" } else { "inactive" }.into()),
        (
            "UnitFileState",
            match (unit.masked, enabled) {
                (true, _) => "masked",
                (_, true) => "enabled",
                _ => "disabled",
            }
            .into(),
        ),
        ("MainPID", pid.unwrap_or(0).to_string()),
        ("FragmentPath", unit.path.display().to_string()),
    ];
    Seen {
        running: pid.is_some(),
        enabled,
        masked: unit.masked,
        lasts: unit.lasts(),
        properties: told.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
    }
}

fn properties(text: &str) -> Map<String, Value> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn systemctl(whose: Whose, arguments: &[&str]) -> Result<Output, Error> {
    let words = ["systemctl", whose.switch()];
    Program::new(words.into_iter().chain(arguments.iter().copied())).plain_language().run()
}
