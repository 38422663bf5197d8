//! What a check does to a lab, and undoes: faults, commands, playbooks.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Hosts, look};
use crate::connection::{Call, CallError};
use crate::inventory::Vars;
use crate::lab::probe::{self, CommandOutput};
use crate::modules::{Error, Mode};

/// Something that is done, and undone before the check ends.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A service is stopped; afterwards it is started again.
    StopService(Service),
    /// All cables of a host are pulled; afterwards they are plugged in.
    PowerOff(String),
    /// The cable of an interface is pulled; afterwards it is plugged in.
    LinkDown(Link),
    /// A program runs, and afterwards one that undoes it.
    Command(Command),
    /// A playbook is applied with variables; afterwards the lab's own without them.
    Apply(Apply),
}

/// A service of a host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The host.
    host: String,
    /// The name of its unit.
    service: String,
}

/// An interface of a host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The host.
    host: String,
    /// Its interface: `eth0` is in the first of its networks.
    interface: String,
}

/// A program and its opposite.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The host that both run on.
    on: String,
    /// The program and its arguments.
    argv: Vec<String>,
    /// What undoes it.
    undo: Vec<String>,
}

/// A playbook and its variables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The playbook's file in the lab's folder; the lab's own unless written.
    pub(super) playbook: Option<String>,
    /// Variables over all others.
    #[serde(default)]
    pub(super) vars: Vars,
}

impl Action {
    /// The hosts that it names.
    pub(super) fn hosts(&self) -> Vec<&str> {
        match self {
            Self::StopService(Service { host, .. })
            | Self::PowerOff(host)
            | Self::LinkDown(Link { host, .. })
            | Self::Command(Command { on: host, .. }) => vec![host],
            Self::Apply(_) => Vec::new(),
        }
    }

    /// What is done, in words.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::StopService(Service { host, service }) => format!("{service} stops on {host}"),
            Self::PowerOff(host) => format!("{host} is off"),
            Self::LinkDown(Link { host, interface }) => {
                format!("the cable of {host}'s {interface} is pulled")
            }
            Self::Command(Command { on, argv, .. }) => format!("`{}` on {on}", argv.join(" ")),
            Self::Apply(Apply { playbook, vars }) => {
                let name = playbook.as_deref().unwrap_or("the playbook");
                let vars: Vec<String> =
                    vars.iter().map(|(name, value)| format!("{name}={value}")).collect();
                match vars.as_slice() {
                    [] => format!("{name} is applied"),
                    vars => format!("{name} is applied with {}", vars.join(" ")),
                }
            }
        }
    }

    /// Does it; what it changed, where that is known. From now on it is owed that it is undone.
    pub(super) fn act(&self, hosts: &mut dyn Hosts) -> Result<Vec<String>, CallError> {
        hosts.stage()?.owed().push(self.clone());
        match self {
            Self::StopService(one) => service(hosts, one, "stopped"),
            Self::PowerOff(host) => hosts.stage()?.unplug(host, None).map(|()| Vec::new()),
            Self::LinkDown(Link { host, interface }) => {
                hosts.stage()?.unplug(host, Some(interface)).map(|()| Vec::new())
            }
            Self::Command(Command { on, argv, .. }) => command(hosts, on, argv),
            Self::Apply(one) => apply(hosts, one),
        }
    }

    /// Undoes it; also after it failed, since it may have come half way.
    pub(super) fn undo(&self, hosts: &mut dyn Hosts) -> Result<(), CallError> {
        self.reverse(hosts)?;
        hosts.stage()?.owed().retain(|one| one != self);
        Ok(())
    }

    fn reverse(&self, hosts: &mut dyn Hosts) -> Result<(), CallError> {
        match self {
            Self::StopService(one) => service(hosts, one, "started").map(drop),
            Self::PowerOff(host) => hosts.stage()?.plug_in(host, None),
            Self::LinkDown(Link { host, interface }) => {
                hosts.stage()?.plug_in(host, Some(interface))
            }
            Self::Command(Command { on, undo, .. }) => command(hosts, on, undo).map(drop),
            Self::Apply(_) => apply(hosts, &Apply::default()).map(drop),
        }
    }
}

/// Applies a playbook; a task that fails is an error.
pub(super) fn apply(hosts: &mut dyn Hosts, what: &Apply) -> Result<Vec<String>, CallError> {
    let applied = hosts.stage()?.apply(what.playbook.as_deref(), &what.vars)?;
    match applied.failed.as_slice() {
        [] => Ok(applied.changed),
        failed => Err(Error::new(format!("the playbook failed: {}", failed.join("; "))).into()),
    }
}

fn service(hosts: &mut dyn Hosts, one: &Service, state: &str) -> Result<Vec<String>, CallError> {
    let arguments = json!({ "name": one.service, "state": state });
    let call = Call::new("service", arguments, Mode::default());
    hosts.stage()?.module(&one.host, call).map(|outcome| outcome.changes)
}

fn command(hosts: &mut dyn Hosts, on: &str, argv: &[String]) -> Result<Vec<String>, CallError> {
    let timeout = probe::Command::default_timeout();
    let CommandOutput { rc, stderr, .. } =
        look(hosts, on, probe::Command { argv: argv.to_vec(), timeout })?;
    if rc == 0 {
        return Ok(vec![argv.join(" ")]);
    }
    let program = argv.join(" ");
    Err(Error::new(format!("`{program}` on {on} ended with {rc}: {}", stderr.trim())).into())
}
