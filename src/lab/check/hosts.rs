//! The lab as checks see it: hosts that can be asked, and whose address is whose.

use std::fmt;
use std::net::IpAddr;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use super::action::Action;
use crate::connection::netns::Netns;
use crate::connection::{AgentClient, Call, CallError, Connection, Unreachable};
use crate::inventory::Vars;
use crate::lab::cable::{self, Plug};
use crate::lab::monitor::Monitor;
use crate::lab::probe::{Look, Probe, Traces};
use crate::lab::{self, Interface, Leash, Reachable, State, Topology};
use crate::modules::{Error, Outcome};
use crate::netlink::MacAddress;

/// A running lab, for checks.
pub trait Hosts {
    /// The hosts, in the lab file's order.
    fn hosts(&self) -> &[LabHost];

    /// Runs a probe in the agent of a host; its JSON is for [`super::super::probe::run`].
    fn probe(&mut self, host: &str, probe: Value) -> Result<Value, CallError>;

    /// Who sees every packet of the lab, or why nobody does.
    fn monitor(&self) -> Result<&Monitor, CallError> {
        Err(Error::new("nobody watches the packets of this lab").into())
    }

    /// Who can change the lab, for checks that must; or why nobody can.
    fn stage(&mut self) -> Result<&mut dyn Stage, CallError> {
        Err(Error::new("nothing can be changed in this lab").into())
    }
}

/// What checks may do to a lab. Whatever they do, they undo.
pub trait Stage {
    /// What was begun and is not undone yet, the last one last.
    fn owed(&mut self) -> &mut Vec<Action>;

    /// Runs one module on a host.
    fn module(&mut self, host: &str, call: Call) -> Result<Outcome, CallError>;

    /// One more agent on a host, for a probe that goes on while something else happens.
    fn another(&mut self, host: &str) -> Result<Box<dyn Prober>, CallError>;

    /// Pulls the cable of an interface, or all of a host's.
    fn unplug(&mut self, host: &str, interface: Option<&str>) -> Result<(), CallError>;

    /// Plugs in what was pulled.
    fn plug_in(&mut self, host: &str, interface: Option<&str>) -> Result<(), CallError>;

    /// Runs the lab's playbook again, or another one of its folder, with variables over all
    /// others.
    fn apply(&mut self, playbook: Option<&str>, vars: &Vars) -> Result<Applied, CallError>;

    /// What the hosts were like before the playbook ran first, where a check asked for it.
    fn before(&self) -> &IndexMap<String, Traces>;
}

/// An agent of one's own.
pub trait Prober: Send {
    /// Runs a probe.
    fn probe(&mut self, probe: Value) -> Result<Value, CallError>;
}

impl Prober for AgentClient {
    fn probe(&mut self, probe: Value) -> Result<Value, CallError> {
        Self::probe(self, probe)
    }
}

/// What a run of a playbook came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Tasks that changed something, each with its host.
    pub changed: Vec<String>,
    /// Tasks that failed, each with its host and why.
    pub failed: Vec<String>,
}

/// Runs a playbook; see [`Stage::apply`].
pub type Apply<'a> = Box<dyn FnMut(Option<&str>, &Vars) -> Result<Applied, Error> + 'a>;

/// What it takes to change a lab.
pub struct Means<'a> {
    /// The lab.
    pub lab: &'a dyn Reachable,
    /// Runs a playbook in it.
    pub apply: Apply<'a>,
    /// What holds the agents of that run, and then those of the checks.
    pub leash: Leash,
    /// What the hosts were like at first.
    pub before: IndexMap<String, Traces>,
}

impl fmt::Debug for Means<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means").field("lab", &self.lab).finish_non_exhaustive()
    }
}

/// A lab with an agent on every host, which is all that checks need.
#[derive(Debug)]
pub struct Agents<'a> {
    hosts: Vec<LabHost>,
    agents: IndexMap<String, AgentClient>,
    monitor: Result<&'a Monitor, Error>,
    means: Means<'a>,
    owed: Vec<Action>,
}

impl<'a> Agents<'a> {
    /// Takes agents over, each by the name of its host; `monitor` is who watches
    /// meanwhile, and `means` are those to change the lab.
    #[must_use]
    pub fn new(
        hosts: Vec<LabHost>,
        agents: IndexMap<String, AgentClient>,
        monitor: Result<&'a Monitor, Error>,
        means: Means<'a>,
    ) -> Self {
        Self { hosts, agents, monitor, means, owed: Vec::new() }
    }

    /// What ends all of them, and those that are started meanwhile, so that a check that waits
    /// for one goes on.
    pub(in crate::lab) fn killer(&self) -> impl FnOnce() + Send + 'static {
        let leash = self.means.leash.clone();
        leash.let_go();
        self.agents.values().for_each(|agent| leash.hold(agent));
        move || leash.pull()
    }

    /// Goes on with others.
    pub(in crate::lab) fn replace(&mut self, agents: IndexMap<String, AgentClient>) {
        self.agents = agents;
    }
}

impl Hosts for Agents<'_> {
    fn hosts(&self) -> &[LabHost] {
        &self.hosts
    }

    fn probe(&mut self, host: &str, probe: Value) -> Result<Value, CallError> {
        match self.agents.get_mut(host) {
            Some(agent) => agent.probe(probe),
            None => Err(Unreachable::new(format!("`{host}` has no agent")).into()),
        }
    }

    fn monitor(&self) -> Result<&Monitor, CallError> {
        self.monitor.as_ref().copied().map_err(|error| error.clone().into())
    }

    fn stage(&mut self) -> Result<&mut dyn Stage, CallError> {
        Ok(self)
    }
}

impl Stage for Agents<'_> {
    fn owed(&mut self) -> &mut Vec<Action> {
        &mut self.owed
    }

    fn module(&mut self, host: &str, call: Call) -> Result<Outcome, CallError> {
        match self.agents.get_mut(host) {
            Some(agent) => agent.run(call),
            None => Err(Unreachable::new(format!("`{host}` has no agent")).into()),
        }
    }

    fn another(&mut self, host: &str) -> Result<Box<dyn Prober>, CallError> {
        let entrance = self.means.lab.entrance(host).map_err(|error| refused(&error))?;
        let agent = Netns::new(entrance).start(None)?;
        self.means.leash.hold(&agent);
        Ok(Box::new(agent))
    }

    fn unplug(&mut self, host: &str, interface: Option<&str>) -> Result<(), CallError> {
        cable::plug(self.means.lab, host, interface, Plug::Out)
            .map_err(|error| refused(&error).into())
    }

    fn plug_in(&mut self, host: &str, interface: Option<&str>) -> Result<(), CallError> {
        cable::plug(self.means.lab, host, interface, Plug::In)
            .map_err(|error| refused(&error).into())
    }

    fn apply(&mut self, playbook: Option<&str>, vars: &Vars) -> Result<Applied, CallError> {
        Ok((self.means.apply)(playbook, vars)?)
    }

    fn before(&self) -> &IndexMap<String, Traces> {
        &self.means.before
    }
}

/// An error of the lab, as checks tell errors.
fn refused(error: &lab::Error) -> Error {
    Error { hint: error.hint(), ..Error::new(error.to_string()) }
}

/// A host of a lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabHost {
    /// Its name.
    pub name: String,
    /// The groups it is in.
    pub groups: Vec<String>,
    /// Its interfaces in the lab's networks, with the addresses that the lab gave them; a
    /// playbook may have added others.
    pub interfaces: Vec<Interface>,
}

impl LabHost {
    /// The hosts of a lab that is up, in the lab file's order.
    #[must_use]
    pub fn all(topology: &Topology, state: &State) -> Vec<Self> {
        let hosts = topology.hosts.iter();
        hosts
            .map(|(name, host)| Self {
                name: name.to_string(),
                groups: host.groups.iter().map(ToString::to_string).collect(),
                interfaces: state
                    .hosts
                    .get(name.as_str())
                    .map(|host| host.interfaces.clone())
                    .unwrap_or_default(),
            })
            .collect()
    }
}

/// Asks a host something, and gives the typed answer.
pub fn look<L: Look>(hosts: &mut dyn Hosts, host: &str, look: L) -> Result<L::Seen, CallError> {
    ask(&mut |probe| hosts.probe(host, probe), look)
}

/// The same, of an agent of one's own.
pub(in crate::lab) fn look_by<L: Look>(
    prober: &mut dyn Prober,
    look: L,
) -> Result<L::Seen, CallError> {
    ask(&mut |probe| prober.probe(probe), look)
}

fn ask<L: Look>(
    ask: &mut dyn FnMut(Value) -> Result<Value, CallError>,
    look: L,
) -> Result<L::Seen, CallError> {
    let odd = |error: serde_json::Error| {
        CallError::Failed(Error::new(format!("a probe was answered oddly: {error}")))
    };
    let probe: Probe = look.into();
    let probe = serde_json::to_value(probe).map_err(odd)?;
    serde_json::from_value(ask(probe)?).map_err(odd)
}

/// Whose address is whose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster(pub Vec<LabHost>);

impl Roster {
    /// The host with a hardware address.
    #[must_use]
    pub fn by_mac(&self, mac: MacAddress) -> Option<&str> {
        self.holder(|interface| interface.mac == mac)
    }

    /// The host that the lab gave an address.
    #[must_use]
    pub fn by_address(&self, address: IpAddr) -> Option<&str> {
        self.holder(|interface| interface.has(address))
    }

    fn holder(&self, which: impl Fn(&Interface) -> bool) -> Option<&str> {
        let host = self.0.iter().find(|host| host.interfaces.iter().any(&which))?;
        Some(&host.name)
    }

    /// A hardware address with the name of the host behind it.
    #[must_use]
    pub fn mac(&self, mac: MacAddress) -> String {
        match self.by_mac(mac) {
            Some(name) => format!("{mac} ({name})"),
            None => format!("{mac} (no host of this lab)"),
        }
    }

    /// An address with the name of the host that has it.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> String {
        match self.by_address(address) {
            Some(name) => format!("{address} ({name})"),
            None => address.to_string(),
        }
    }
}
