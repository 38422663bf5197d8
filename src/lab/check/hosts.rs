//! The lab as checks see it: hosts that can be asked, and whose address is whose.

use std::net::IpAddr;

use indexmap::IndexMap;
use serde_json::Value;

use crate::connection::{AgentClient, CallError, Unreachable};
use crate::lab::monitor::Monitor;
use crate::lab::probe::{Look, Probe};
use crate::lab::{Interface, State, Topology};
use crate::modules::Error;
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
}

/// A lab with an agent on every host, which is all that checks need.
#[derive(Debug)]
pub struct Agents<'a> {
    hosts: Vec<LabHost>,
    agents: IndexMap<String, AgentClient>,
    monitor: Result<&'a Monitor, Error>,
}

impl<'a> Agents<'a> {
    /// Takes agents over, each by the name of its host; `monitor` is who watches meanwhile.
    #[must_use]
    pub fn new(
        hosts: Vec<LabHost>,
        agents: IndexMap<String, AgentClient>,
        monitor: Result<&'a Monitor, Error>,
    ) -> Self {
        Self { hosts, agents, monitor }
    }

    /// What ends all of them, so that a check that waits for one goes on.
    pub(in crate::lab) fn killer(&self) -> impl FnOnce() + Send + 'static {
        let killers: Vec<_> = self.agents.values().map(AgentClient::killer).collect();
        move || killers.into_iter().for_each(|kill| kill())
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
    let odd = |error: serde_json::Error| {
        CallError::Failed(Error::new(format!("`{host}` answered a probe oddly: {error}")))
    };
    let probe: Probe = look.into();
    let probe = serde_json::to_value(probe).map_err(odd)?;
    serde_json::from_value(hosts.probe(host, probe)?).map_err(odd)
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
