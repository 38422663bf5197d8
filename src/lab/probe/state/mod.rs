//! Everything about a host that explains why a cluster does not balance. It is asked for when
//! a check has failed: as evidence, and for [`crate::lab::check`] to find the cause in.
//!
//! What cannot be read is told as such and is not an error: a host in a bad way has more to
//! tell than nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::ipvs::{Ipvs, Table};
use crate::netlink::MacAddress;
use crate::netlink::route::{self, Handle, RouteKind, Scope, Table as RoutingTable};

mod proc;
mod rules;

pub use proc::{Listener, Neighbour};

/// What is this host like?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateOf {}

/// What a host is like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Its interfaces.
    pub links: Vec<Link>,
    /// Their addresses.
    pub addresses: Vec<Address>,
    /// Where its packets go: the main table, longest prefix first.
    pub routes: Vec<Route>,
    /// Whom it believes to have which address.
    pub neighbours: Vec<Neighbour>,
    /// The settings that decide about forwarding and ARP, as `sysctl` names them.
    pub sysctls: BTreeMap<String, String>,
    /// Where programs wait for TCP connections.
    pub listening: Vec<Listener>,
    /// Where programs wait for UDP datagrams.
    #[serde(default)]
    pub bound: Vec<Listener>,
    /// Where programs wait for SCTP associations; nothing where the kernel does not know SCTP.
    #[serde(default)]
    pub endpoints: Option<Vec<Listener>>,
    /// The programs that run, and how often.
    pub processes: BTreeMap<String, u32>,
    /// The IPVS table, where the kernel has IPVS.
    pub ipvs: Option<Table>,
    /// The rules of nftables that set marks; nothing where that is not known.
    #[serde(default)]
    pub marks: Option<Vec<String>>,
    /// Those that give packets another source, as far as that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The last lines of nginx's error log.
    pub nginx_errors: Vec<String>,
    /// What could not be read, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Whether it was set up.
    pub up: bool,
    /// Whether it can pass packets.
    pub running: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// `veth`, `dummy`, `ipip`, …
    pub kind: Option<String>,
    /// Its hardware address.
    pub mac: Option<MacAddress>,
    /// The largest packet, in bytes.
    pub mtu: u32,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The interface that has it.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix.
    pub prefix: u8,
    /// How far it reaches.
    pub scope: Scope,
    /// Whether it cannot be used yet, because duplicates are being looked for.
    #[serde(default)]
    pub tentative: bool,
    /// Whether it cannot be used, because somebody else was found to have it.
    #[serde(default)]
    pub duplicate: bool,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where packets are going.
    pub destination: IpNet,
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// The interface they leave through.
    pub interface: Option<String>,
    /// Set when packets are dropped instead: `blackhole`, `unreachable`, `prohibit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drops: Option<String>,
}

impl State {
    /// The interfaces that have an address.
    pub fn holders(&self, address: IpAddr) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |one| one.address == address)
    }

    /// Whether an interface is a loopback interface.
    #[must_use]
    pub fn is_loopback(&self, interface: &str) -> bool {
        self.links.iter().any(|link| link.name == interface && link.loopback)
    }

    /// A setting that is a number.
    #[must_use]
    pub fn sysctl(&self, name: &str) -> Option<i64> {
        self.sysctls.get(name)?.trim().parse().ok()
    }

    /// A setting of an interface (`all`, `default` or a name) for IPv4 that is a number.
    #[must_use]
    pub fn conf(&self, interface: &str, key: &str) -> Option<i64> {
        self.sysctl(&conf_name(interface, key))
    }

    /// The route that a packet to an address takes, as far as the main table decides.
    #[must_use]
    pub fn route(&self, to: IpAddr) -> Option<&Route> {
        let reaches = |route: &&Route| route.destination.contains(&to);
        // The first of the longest: of equal prefixes the kernel lists the better one first.
        self.routes.iter().filter(reaches).rev().max_by_key(|route| route.destination.prefix_len())
    }

    /// Who accepts TCP connections to a port.
    pub fn listeners(&self, port: u16) -> impl Iterator<Item = &Listener> {
        self.listening.iter().filter(move |one| one.port == port)
    }
}

/// As `ip route` writes it.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(drops) = &self.drops {
            write!(f, "{drops} ")?;
        }
        match self.destination.prefix_len() {
            0 => f.write_str("default")?,
            _ => write!(f, "{}", self.destination)?,
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        self.interface.iter().try_for_each(|interface| write!(f, " dev {interface}"))
    }
}

/// The name of an interface's setting for IPv4; `sysctl` writes a dot within a name as a slash.
#[must_use]
pub fn conf_name(interface: &str, key: &str) -> String {
    format!("net.ipv4.conf.{}.{key}", interface.replace('.', "/"))
}

/// The name of an interface's setting for IPv6.
#[must_use]
pub fn conf_name_v6(interface: &str, key: &str) -> String {
    format!("net.ipv6.conf.{}.{key}", interface.replace('.', "/"))
}

impl StateOf {
    pub(super) fn run(self) -> State {
        let mut state = State::default();
        let mut unread = Vec::new();
        if let Err(error) = network(&mut state) {
            unread.push(with_hint(&error, error.hint()));
        }
        let mut keep = |result: Result<(), String>| unread.extend(result.err());
        keep(proc::neighbours().map(|found| state.neighbours = found));
        keep(proc::sysctls().map(|found| state.sysctls = found));
        keep(proc::listening().map(|found| state.listening = found));
        keep(proc::bound().map(|found| state.bound = found));
        keep(proc::endpoints().map(|found| state.endpoints = found));
        keep(proc::processes().map(|found| state.processes = found));
        keep(proc::last_lines("/var/log/nginx/error.log").map(|found| state.nginx_errors = found));
        let rules::Rules { marks, sources } = rules::read();
        (state.marks, state.sources) = (marks, sources);
        keep(match (Ipvs {}).run() {
            Ok(table) => {
                state.ipvs = Some(table);
                Ok(())
            }
            Err(error) => Err(with_hint(&error, error.hint.as_deref())),
        });
        state.unread = unread;
        state
    }
}

fn with_hint(error: &impl fmt::Display, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

fn network(state: &mut State) -> Result<(), route::Error> {
    let mut netlink = Handle::new()?;
    let links = netlink.links()?;
    let name = |index: u32| {
        // An interface may go between two dumps.
        links.iter().find(|link| link.index == index).map_or("?", |link| link.name.as_str())
    };
    for one in netlink.addresses()? {
        state.addresses.push(Address {
            interface: name(one.interface).to_owned(),
            address: one.address,
            prefix: one.prefix,
            scope: one.scope,
            tentative: one.tentative,
            duplicate: one.duplicate,
        });
    }
    for one in netlink.routes()?.into_iter().filter(|one| one.table == RoutingTable::MAIN) {
        let drops = match one.kind {
            RouteKind::Unicast => None,
            RouteKind::Blackhole => Some("blackhole"),
            RouteKind::Unreachable => Some("unreachable"),
            RouteKind::Prohibit => Some("prohibit"),
            RouteKind::Local | RouteKind::Other => continue,
        };
        state.routes.push(Route {
            destination: one.destination,
            gateway: one.gateway,
            interface: one.interface.map(|index| name(index).to_owned()),
            drops: drops.map(str::to_owned),
        });
    }
    state.links = links
        .into_iter()
        .map(|link| Link {
            name: link.name,
            up: link.up,
            running: link.running,
            loopback: link.loopback,
            kind: link.kind,
            mac: link.mac,
            mtu: link.mtu,
        })
        .collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_state_of_this_very_host() {
        let state = StateOf {}.run();
        assert!(state.links.iter().any(|link| link.name == "lo" && link.loopback), "{state:?}");
        assert!(state.conf("lo", "arp_ignore").is_some(), "{:?}", state.sysctls);
        assert!(state.sysctl("net.ipv4.ip_forward").is_some());
        assert!(!state.processes.is_empty());
        // A kernel without IPVS is told as one, never as an empty table.
        assert!(state.ipvs.is_some() || state.unread.iter().any(|line| line.contains("IPVS")));
    }

    #[test]
    fn hears_a_listener_that_is_there() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let port = listener.local_addr().expect("it is bound").port();
        let state = StateOf {}.run();
        let heard: Vec<_> = state.listeners(port).map(|one| one.address.to_string()).collect();
        assert_eq!(heard, ["127.0.0.1"]);
    }

    #[test]
    fn takes_the_route_with_the_longest_prefix() {
        let route = |destination: &str, gateway: Option<&str>| Route {
            destination: destination.parse().expect("literal"),
            gateway: gateway.map(|gateway| gateway.parse().expect("literal")),
            interface: Some("eth0".into()),
            drops: None,
        };
        let mut state = State::default();
        state.routes.push(route("0.0.0.0/0", Some("192.168.0.1")));
        state.routes.push(route("192.168.0.0/24", None));
        let takes = |to: &str| state.route(to.parse().expect("literal")).map(ToString::to_string);
        assert_eq!(takes("192.168.0.7").as_deref(), Some("192.168.0.0/24 dev eth0"));
        assert_eq!(takes("10.0.0.1").as_deref(), Some("default via 192.168.0.1 dev eth0"));
        assert_eq!(takes("fd00::1"), None);
    }

    #[test]
    fn writes_an_interface_with_a_dot_as_sysctl_does() {
        assert_eq!(conf_name("eth0.100", "rp_filter"), "net.ipv4.conf.eth0/100.rp_filter");
    }
}
