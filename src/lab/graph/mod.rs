//! A lab as a picture: its networks, its hosts and what they are for, the VIPs and services that
//! its playbook makes of them; known before anything is started.
//!
//! [`Graph`] is what is drawn, whatever with: `layout` and `svg` make a picture of our own, [`mermaid`]
//! and [`dot`] leave the places to other programs.

mod dot;
mod fold;
mod layout;
mod mermaid;
mod svg;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use indexmap::IndexMap;
use serde_json::Value;

use super::plan::{HostPlan, Plan};
use super::{Error, Topology, topology};
use crate::lint::Outline;
use crate::netlink::ipvs::{ServiceKey, VirtualService};

/// What a lab looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    name: String,
    networks: Vec<Network>,
    hosts: Vec<Card>,
    services: Vec<String>,
    /// Of every host, also of those that share a card.
    roles: IndexMap<String, Role>,
}

/// What hosts are in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Network {
    name: String,
    /// Its subnets, and what is special about it.
    details: Vec<String>,
}

/// A host, or several that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Card {
    name: String,
    /// How many hosts it stands for.
    count: usize,
    role: Role,
    /// What it is for, in words: a host may be two things.
    purpose: String,
    groups: Vec<String>,
    legs: Vec<Leg>,
    /// Addresses of services that it answers for, each with its interface.
    vips: Vec<String>,
}

/// A host's way into a network.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Leg {
    /// Which of the networks.
    network: usize,
    interface: String,
    addresses: Vec<String>,
}

/// What a host is for above all; it has that colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Director,
    Server,
    Router,
    Client,
    Host,
}

impl Role {
    const ALL: [Self; 5] = [Self::Client, Self::Router, Self::Director, Self::Server, Self::Host];

    /// As style sheets name it.
    fn class(self) -> &'static str {
        match self {
            Self::Director => "director",
            Self::Server => "server",
            Self::Router => "router",
            Self::Client => "client",
            Self::Host => "host",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Server => "real server",
            other => other.class(),
        }
    }
}

impl Graph {
    /// Brings together what the lab file says and what the playbook will make of each host.
    pub fn new(topology: &Topology, outlines: &IndexMap<String, Outline>) -> Result<Self, Error> {
        let plan = Plan::new(topology, false)?;
        let networks = topology
            .networks
            .iter()
            .map(|(name, network)| Network { name: name.to_string(), details: details(network) });
        let networks: Vec<Network> = networks.collect();
        let of = |name: &str| networks.iter().position(|network| network.name == name);
        let services: Vec<(&str, &VirtualService)> = outlines
            .iter()
            .flat_map(|(host, outline)| outline.services.iter().map(|one| (host.as_str(), one)))
            .collect();
        // Of what is only marked one knows by the real servers, which have it on `lo`.
        let quiet = outlines.values().flat_map(|outline| &outline.addresses);
        let quiet = quiet.filter(|(_, interface)| interface == "lo").map(|(address, _)| *address);
        let vips: Vec<IpAddr> =
            services.iter().filter_map(|(_, one)| vip(one)).chain(quiet).collect();
        let card = |host: &HostPlan| {
            let outline = outlines.get(&host.name).cloned().unwrap_or_default();
            let groups = topology.hosts.iter().find(|(name, _)| name.as_str() == host.name);
            let groups = groups.map(|(_, declared)| declared.groups.as_slice()).unwrap_or_default();
            let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
            let passes_on = host.forwarding || host.interfaces.len() > 1;
            let roles = roles(&outline, &groups, passes_on, !services.is_empty());
            let legs = host.interfaces.iter().filter_map(|one| {
                Some(Leg {
                    network: of(&one.network)?,
                    interface: one.name.clone(),
                    addresses: fold::few(&one.addresses),
                })
            });
            let held = outline.addresses.iter().filter(|(address, _)| vips.contains(address));
            Card {
                name: host.name.clone(),
                count: 1,
                role: roles.first().copied().unwrap_or(Role::Host),
                purpose: roles.iter().map(|role| role.words()).collect::<Vec<_>>().join(", "),
                groups,
                legs: legs.collect(),
                vips: held.map(|(vip, interface)| format!("{vip} on {interface}")).collect(),
            }
        };
        let hosts: Vec<Card> = plan.hosts.iter().map(card).collect();
        let roles = hosts.iter().map(|host| (host.name.clone(), host.role)).collect();
        let owner = |address: IpAddr| {
            let has = |host: &&HostPlan| host.interfaces.iter().any(|one| one.has(address));
            plan.hosts.iter().find(has).map(|host| host.name.clone())
        };
        let services = services.iter().map(|(host, one)| described(one, host, &owner)).collect();
        Ok(Self { name: plan.name, networks, hosts: fold::alike(hosts), services, roles })
    }

    /// The hosts that balance.
    pub fn directors(&self) -> impl Iterator<Item = &str> {
        let director = |(_, role): &(&String, &Role)| **role == Role::Director;
        self.roles.iter().filter(director).map(|(name, _)| name.as_str())
    }

    /// What the style sheet of a picture calls a host, by what it is for.
    pub(super) fn class_of(&self, host: &str) -> Option<&'static str> {
        self.roles.get(host).map(|role| role.class())
    }
}

/// The subnets of a network, and what is not as it is elsewhere.
fn details(network: &topology::Network) -> Vec<String> {
    let mut details: Vec<String> =
        network.subnets.iter().map(|subnet| subnet.net().to_string()).collect();
    details.extend(network.vlan.iter().map(|vlan| format!("VLAN {} on {}", vlan.id, vlan.parent)));
    details.extend(network.mtu.iter().map(|mtu| format!("mtu {mtu}")));
    // As a lab file has it: latency 20ms, loss 1%, rate 10mbit.
    if let Ok(Value::Object(wire)) = serde_json::to_value(network.wire) {
        let written = |(key, value): (&String, &Value)| {
            format!("{key} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        details.extend(wire.iter().map(written));
    }
    details
}

/// The address that a service is for.
fn vip(service: &VirtualService) -> Option<IpAddr> {
    match service.service.key {
        ServiceKey::Address { address, .. } => Some(address),
        ServiceKey::Fwmark { .. } => None,
    }
}

/// What a host is for: by what its tasks do, and where they tell nothing of anybody, by the names
/// of its groups.
fn roles(outline: &Outline, groups: &[String], passes_on: bool, told: bool) -> Vec<Role> {
    let named = |part: &str| !told && groups.iter().any(|group| group.contains(part));
    let mut roles = Vec::new();
    if !outline.services.is_empty() || named("director") || named("balancer") {
        roles.push(Role::Director);
    }
    if outline.serves || named("server") || named("web") || named("backend") {
        roles.push(Role::Server);
    }
    if roles.is_empty() && (passes_on || groups.iter().any(|group| group.contains("router"))) {
        roles.push(Role::Router);
    }
    if roles.is_empty() {
        let asks = groups.is_empty() || groups.iter().any(|group| group.contains("client"));
        roles.push(if asks { Role::Client } else { Role::Host });
    }
    roles
}

/// A service in a line: `tcp://192.168.0.89:80 on lb1: rr, direct to rs1, rs2 (weight 2)`.
fn described(
    service: &VirtualService,
    host: &str,
    owner: &impl Fn(IpAddr) -> Option<String>,
) -> String {
    let mut forwards: Vec<(String, Vec<String>)> = Vec::new();
    for one in &service.destinations {
        let mut name = owner(one.key.address).unwrap_or_else(|| one.key.address.to_string());
        if one.weight != 1 {
            name.push_str(&format!(" (weight {})", one.weight));
        }
        let forward = one.forward.to_string();
        match forwards.iter_mut().find(|(known, _)| *known == forward) {
            Some((_, names)) => names.push(name),
            None => forwards.push((forward, vec![name])),
        }
    }
    let forwards = forwards.iter().map(|(forward, names)| {
        let names = match names.as_slice() {
            [first, .., last] if names.len() > 6 => {
                format!("{first} … {last} ({})", names.len())
            }
            _ => names.join(", "),
        };
        format!(", {forward} to {names}")
    });
    let forwards: String = forwards.collect();
    let scheduler = &service.service.scheduler;
    format!("{} on {host}: {scheduler}{forwards}", service.service.key)
}
