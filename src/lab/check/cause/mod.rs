//! Why a check failed, as far as the state of the hosts proves it.
//!
//! A cause is a fact that was read from a host and that explains the failure; each names its
//! evidence. Nothing is guessed: where a host did not answer, or nothing is wrong that these
//! rules know of, there is no cause. Everything here is pure.

use std::net::{IpAddr, SocketAddr};

use indexmap::IndexMap;
use serde::Serialize;

use super::Roster;
use crate::lab::probe::{Answers, Resolved, Seconds, State, VirtualService};
use crate::netlink::ipvs::{Forward, Protocol, ServiceKey};

mod client;
mod director;
mod discovery;
mod mark;
mod resolution;
mod scheduling;
mod server;
mod tunnel;
mod way;

pub(super) use scheduling::Scheduled;

/// An established cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The host it is on.
    pub host: Option<String>,
    /// What is wrong there.
    pub message: String,
    /// What was read there that proves it.
    pub evidence: Vec<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Cause {
    fn on(host: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { host: Some(host.to_owned()), message, evidence: Vec::new(), hint: None }
    }

    fn proof(mut self, line: impl Into<String>) -> Self {
        self.evidence.push(line.into());
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The lab at the moment of a failure.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Whose address is whose.
    pub lab: &'a Roster,
    /// The state of each host that answered.
    pub states: &'a IndexMap<String, State>,
}

/// Requests that did not go as expected.
#[derive(Debug, Clone)]
pub(super) struct Traffic<'a> {
    /// Who asked.
    pub(super) client: &'a str,
    /// What was asked: the VIP and port, or a server itself.
    pub(super) service: SocketAddr,
    /// The real servers that the expectations name; none when they name none.
    pub(super) servers: Vec<&'a str>,
    /// Whether they must answer in turn.
    pub(super) in_turn: bool,
    /// What they are carried by.
    pub(super) protocol: Protocol,
    /// What became of the requests.
    pub(super) seen: &'a Answers,
}

impl<'a> Traffic<'a> {
    /// Requests that any server may answer.
    pub(super) fn to_any(
        client: &'a str,
        service: SocketAddr,
        protocol: Protocol,
        seen: &'a Answers,
    ) -> Self {
        Self { client, service, servers: Vec::new(), in_turn: false, protocol, seen }
    }
}

/// Why requests did not go as expected: from the client by way of the director to the servers.
pub(super) fn of_traffic(traffic: &Traffic, scene: &Scene) -> Vec<Cause> {
    let mut causes = client::no_route(traffic, scene).into_iter().collect::<Vec<_>>();
    if let Some(host) = scene.asked_itself(traffic.service.ip()) {
        causes.extend(server::alone(host, traffic, scene));
        return causes;
    }
    causes.extend(client::past_the_director(traffic, scene));
    causes.extend(director::causes(traffic, scene));
    causes.extend(server::causes(traffic, scene));
    // A host may be several destinations.
    let mut told: Vec<Cause> = Vec::new();
    for cause in causes {
        if !told.contains(&cause) {
            told.push(cause);
        }
    }
    told
}

/// Why replies take another way than they must: a director hands over by masquerading.
pub(super) fn of_way(
    reply: &[String],
    service: SocketAddr,
    protocol: Protocol,
    scene: &Scene,
) -> Vec<Cause> {
    let passed = |host: &&str| reply.iter().any(|one| one == host);
    let directors = scene.active_directors(service.ip()).into_iter().filter(passed);
    let masquerading = directors.filter_map(|director| {
        let found = scene.service(director, protocol, service)?;
        let nat = found.destinations.iter().find(|one| one.destination.forward == Forward::Nat)?;
        Some(
            Cause::on(director, format!("{director} forwards by nat, so replies go back by it"))
                .proof(format!("destination {} on {director}", nat.destination)),
        )
    });
    masquerading.collect()
}

/// Why a client does not stay with its real server.
pub(super) fn of_wandering(service: SocketAddr, scene: &Scene) -> Vec<Cause> {
    let wanders = |director: &str| {
        let found = &scene.service(director, Protocol::Tcp, service)?.state.service;
        // Hashing keeps a client, too.
        let keeps = found.persistence.is_some() || matches!(found.scheduler.as_str(), "sh" | "mh");
        (!keeps).then(|| {
            Cause::on(director, format!("{} is not persistent on {director}", found.key))
                .proof(format!("on {director}: {found}"))
        })
    };
    scene.active_directors(service.ip()).into_iter().filter_map(wanders).collect()
}

/// Why a client is not forgotten after so long.
pub(super) fn of_memory(service: SocketAddr, after: Seconds, scene: &Scene) -> Vec<Cause> {
    let remembers = |director: &str| {
        let found = &scene.service(director, Protocol::Tcp, service)?.state.service;
        let time = found.persistence.as_ref()?.timeout.get();
        (f64::from(time) > after.0.as_secs_f64()).then(|| {
            Cause::on(
                director,
                format!("{director} remembers a client of {} for {time} s", found.key),
            )
            .proof(format!("on {director}: {found}"))
        })
    };
    scene.active_directors(service.ip()).into_iter().filter_map(remembers).collect()
}

/// Why connections are still given to hosts that something is wrong with.
pub(super) fn of_staying(service: SocketAddr, hosts: &[&str], scene: &Scene) -> Vec<Cause> {
    let directors = scene.active_directors(service.ip()).into_iter();
    let stays = |director: &str| {
        let found = scene.service(director, Protocol::Tcp, service)?;
        Some(director::staying(director, found, hosts, scene))
    };
    directors.filter_map(stays).flatten().collect()
}

/// Why a real server is not drained.
pub(super) fn of_drain(service: SocketAddr, server: &str, scene: &Scene) -> Vec<Cause> {
    let directors = scene.active_directors(service.ip()).into_iter();
    let found = |director: &str| {
        let found = scene.service(director, Protocol::Tcp, service)?;
        director::drained(director, found, server, scene)
    };
    directors.filter_map(found).collect()
}

/// Which real servers are none any more.
pub(super) fn of_leaving(service: SocketAddr, servers: &[&str], scene: &Scene) -> Vec<Cause> {
    let directors = scene.active_directors(service.ip()).into_iter();
    let gone = |director: &str| {
        let found = scene.service(director, Protocol::Tcp, service)?;
        let gone =
            servers.iter().filter_map(|one| director::taken_out(director, found, one, scene));
        Some(gone.collect::<Vec<_>>())
    };
    directors.filter_map(gone).flatten().collect()
}

/// Why a service does not run, as far as it said so.
pub(super) fn of_stopped(name: &str, host: &str, scene: &Scene) -> Option<Cause> {
    let last = scene.state(host)?.nginx_errors.last().filter(|_| name.starts_with("nginx"))?;
    Some(
        Cause::on(host, format!("nginx's error log on {host} has the last word"))
            .proof(last.clone()),
    )
}

/// Why somebody answers for an address who must not, or does not who must.
pub(super) fn of_resolution(
    address: IpAddr,
    expected: &[&str],
    seen: &Resolved,
    scene: &Scene,
) -> Vec<Cause> {
    resolution::causes(address, expected, seen, scene)
}

/// Why an address does not answer a host, whose own address is `local` where it has a route.
pub(super) fn of_way_there(
    from: &str,
    to: IpAddr,
    local: Option<IpAddr>,
    scene: &Scene,
) -> Vec<Cause> {
    way::causes(from, to, local, scene)
}

/// Why a host has no table that could equal another.
pub(super) fn of_table(host: &str, scene: &Scene) -> Vec<Cause> {
    director::no_ipvs(host, scene).into_iter().collect()
}

/// Why connections go elsewhere than a model says.
pub(super) fn of_scheduling(asked: &Scheduled, scene: &Scene) -> Vec<Cause> {
    scheduling::causes(asked, scene)
}

impl Scene<'_> {
    fn state(&self, host: &str) -> Option<&State> {
        self.states.get(host)
    }

    /// The directors: hosts in a group named so, or else those with something in their table.
    fn directors(&self) -> Vec<&str> {
        let hosts = || self.lab.0.iter().map(|host| (host, self.states.get(&host.name)));
        let named = |host: &super::LabHost| host.groups.iter().any(|g| g.contains("director"));
        let mut found: Vec<&str> =
            hosts().filter(|(host, _)| named(host)).map(|(host, _)| host.name.as_str()).collect();
        if found.is_empty() {
            let balances = |state: Option<&State>| {
                state.and_then(|state| state.ipvs.as_ref()).is_some_and(|t| !t.services.is_empty())
            };
            found.extend(
                hosts().filter(|(_, state)| balances(*state)).map(|(host, _)| host.name.as_str()),
            );
        }
        found
    }

    /// The directors that have the address where the network can reach it, or else all.
    fn active_directors(&self, address: IpAddr) -> Vec<&str> {
        let all = self.directors();
        let active: Vec<&str> = all
            .iter()
            .copied()
            .filter(|host| {
                self.state(host).is_some_and(|state| {
                    state.holders(address).any(|one| !state.is_loopback(&one.interface))
                })
            })
            .collect();
        if active.is_empty() { all } else { active }
    }

    /// The virtual service that takes connections to an address and port, on a director.
    fn service(
        &self,
        director: &str,
        protocol: Protocol,
        at: SocketAddr,
    ) -> Option<&VirtualService> {
        let table = self.state(director)?.ipvs.as_ref()?;
        let find = |port: u16| {
            let wanted = ServiceKey::address(protocol, at.ip(), port);
            table.services.iter().find(move |one| one.state.service.key == wanted)
        };
        // Port 0 is every port that has no service of its own.
        find(at.port()).or_else(|| find(0)).or_else(|| mark::service(director, at, self))
    }

    /// The host that an address is the own one of, unless that is a director, whose own
    /// address may well be a VIP: requests for it pass no director.
    fn asked_itself(&self, address: IpAddr) -> Option<&str> {
        let directors = self.directors();
        self.lab.by_address(address).filter(|host| !directors.contains(host))
    }

    /// The host that has an address now, or was given it by the lab, other than as a VIP on `lo`.
    fn owner(&self, address: IpAddr) -> Option<&str> {
        self.lab.by_address(address).or_else(|| {
            self.states
                .iter()
                .find(|(_, state)| {
                    state.holders(address).any(|one| !state.is_loopback(&one.interface))
                })
                .map(|(name, _)| name.as_str())
        })
    }

    /// An address, called VIP where it is one.
    fn called(&self, address: IpAddr) -> String {
        let serves = |state: &State| {
            state.ipvs.iter().flat_map(|table| &table.services).any(|one| {
                matches!(one.state.service.key,
                    ServiceKey::Address { address: vip, .. } if vip == address)
            })
        };
        let holds = |state: &State| state.holders(address).next().is_some();
        let shared = self.states.values().filter(|state| holds(state)).count() > 1;
        if shared || self.states.values().any(serves) {
            format!("the VIP {address}")
        } else {
            address.to_string()
        }
    }
}

/// The addresses of a host, as evidence.
fn addresses(host: &str, state: &State) -> String {
    let listed: Vec<String> = state
        .addresses
        .iter()
        .filter(|one| !one.address.is_loopback())
        .map(|one| format!("{}/{} on {}", one.address, one.prefix, one.interface))
        .collect();
    if listed.is_empty() {
        return format!("{host} has no addresses");
    }
    format!("addresses of {host}: {}", listed.join(", "))
}

#[cfg(test)]
mod tests;
