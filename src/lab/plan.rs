//! What a lab's processes tell each other, and the plan they work by: everything that can be
//! decided before anything is made, such as the names of interfaces.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use indexmap::IndexMap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::topology::{Host, Reach, Route, Wire};
use super::{Error, Topology, controller};
use crate::netlink::MacAddress;

/// What the starter tells the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub name: String,
    pub folder: PathBuf,
    pub bridges: Vec<Bridge>,
    pub hosts: Vec<HostPlan>,
    /// The host that ssh connections leave from, where there are such.
    pub controller: Option<String>,
    /// Whether the lab stays when its starter is gone.
    pub detached: bool,
}

/// A network that is none on another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bridge {
    pub network: String,
    pub mtu: Option<u32>,
}

/// What a host is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HostPlan {
    pub name: String,
    pub interfaces: Vec<Interface>,
    pub routes: Vec<Route>,
    pub forwarding: bool,
}

/// An interface of a lab host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name in the host: `eth0`, `eth1`, … in the order of the host's networks.
    pub name: String,
    /// The network it is in.
    pub network: String,
    /// Its addresses with the prefixes of their subnets; the first is what the host is known by.
    pub addresses: Vec<IpNet>,
    /// The other ends of its cables, interfaces in the lab keeper's network namespace.
    pub cables: Vec<String>,
    /// Its hardware address, the same in every run.
    pub mac: MacAddress,
    /// The largest packet, in bytes, where that is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// What the cable does to packets for the host.
    #[serde(default, skip_serializing_if = "Wire::is_plain")]
    pub inward: Wire,
    /// What the cable does to packets from the host.
    #[serde(default, skip_serializing_if = "Wire::is_plain")]
    pub outward: Wire,
    /// What makes it a part of another interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<Tag>,
    /// Of a bond, the interfaces that it consists of, one for each cable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
}

/// The packets of another interface that bear a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The number of the VLAN.
    pub id: u16,
    /// The other interface.
    pub on: String,
}

impl Interface {
    /// Its first address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.addresses.first().map(IpNet::addr)
    }

    /// Whether that address is one of its own.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.addr() == address)
    }
}

/// What the keeper tells a host.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Become that host; the network is being made meanwhile.
    Become {
        host: HostPlan,
        /// The folder of the lab, which is to be seen wherever it lies.
        folder: PathBuf,
        /// The text of `/etc/hosts`.
        hosts_file: String,
    },
    /// The interfaces are there.
    Wired,
}

/// What can be asked of a keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    State,
    /// For a pidfd of the first process of a host.
    Enter(String),
}

/// What a keeper answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    State(State),
    /// The pidfd comes along.
    Enter,
    Failed(Error),
}

/// A lab that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its name.
    pub name: String,
    /// The folder it was started from.
    pub folder: PathBuf,
    /// When it was up, in seconds since 1970.
    pub since: u64,
    /// Its hosts, in the order of the lab file.
    pub hosts: IndexMap<String, HostState>,
    /// The host that ssh connections leave from, where there are such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
}

/// A host of a lab that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostState {
    /// The number of its first process, as this machine sees it; `null` once it has ended.
    pub pid: Option<u32>,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
}

impl Plan {
    pub fn new(topology: &Topology, detached: bool) -> Result<Self, Error> {
        let controller = topology.connection == Reach::Ssh;
        let extra = if controller { controller::host(topology)? } else { None };
        let hosts = topology.hosts.iter().map(|(name, host)| (name.as_str(), host));
        let hosts = hosts.chain(extra.iter().map(|host| (controller::NAME, host)));
        let hosts = hosts.enumerate().map(|(ordinal, (name, host))| HostPlan {
            name: name.to_owned(),
            interfaces: interfaces(topology, host, name, ordinal),
            routes: host.routes.clone(),
            forwarding: host.forwarding,
        });
        let bridges = topology.networks.iter().filter(|(_, network)| network.vlan.is_none());
        Ok(Self {
            name: topology.name.to_string(),
            folder: topology.folder.clone(),
            bridges: bridges
                .map(|(name, network)| Bridge { network: name.to_string(), mtu: network.mtu })
                .collect(),
            hosts: hosts.collect(),
            controller: controller.then(|| controller::NAME.to_owned()),
            detached,
        })
    }

    /// The text of every host's `/etc/hosts`.
    pub fn hosts_file(&self) -> String {
        let mut text = String::from(
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\n",
        );
        for host in &self.hosts {
            // Of each family one in each network: what reads this file cares for no more.
            for interface in &host.interfaces {
                let of = |ipv4| interface.addresses.iter().find(|own| own.addr().is_ipv4() == ipv4);
                let mut known: Vec<&IpNet> = of(true).into_iter().chain(of(false)).collect();
                known.sort_by_key(|own| Some(own.addr()) != interface.address());
                for own in known {
                    // Writing to a text does not fail.
                    let _ = writeln!(text, "{} {}", own.addr(), host.name);
                }
            }
        }
        text
    }
}

/// The interfaces of a host, those of its VLANs last.
fn interfaces(topology: &Topology, host: &Host, name: &str, ordinal: usize) -> Vec<Interface> {
    let mut found: Vec<Interface> = Vec::new();
    let (tagged, plain): (Vec<_>, Vec<_>) = host
        .networks
        .iter()
        .filter_map(|(network, link)| Some((topology.networks.get_full(network)?, link)))
        .partition(|((_, _, network), _)| network.vlan.is_some());
    for ((index, network, declared), link) in plain {
        let number = found.len();
        let own = format!("eth{number}");
        let cables = host.bond.unwrap_or(1);
        let names = (0..cables).map(|one| cable(name, ordinal, number, one));
        found.push(Interface {
            network: network.to_string(),
            mac: mac(index, ordinal, link.addresses.first().map(IpNet::addr)),
            mtu: link.mtu.or(declared.mtu),
            inward: link.wire.or(declared.wire),
            outward: link.wire,
            ports: (0..host.bond.unwrap_or(0)).map(|one| format!("{own}p{one}")).collect(),
            cables: names.collect(),
            addresses: link.addresses.clone(),
            vlan: None,
            name: own,
        });
    }
    for ((_, network, declared), link) in tagged {
        let Some(vlan) = &declared.vlan else { continue };
        let Some(below) = found.iter().find(|one| one.network == vlan.parent.as_str()) else {
            continue;
        };
        found.push(Interface {
            name: format!("{}.{}", below.name, vlan.id),
            network: network.to_string(),
            addresses: link.addresses.clone(),
            cables: Vec::new(),
            mac: below.mac,
            mtu: link.mtu.or(declared.mtu),
            inward: Wire::default(),
            outward: Wire::default(),
            vlan: Some(Tag { id: vlan.id, on: below.name.clone() }),
            ports: Vec::new(),
        });
    }
    found
}

/// The name of the keeper's end of a host's cable, such as `rs1.0` for its `eth0`, and
/// `rs1.0p1` for the second port of a bond.
fn cable(host: &str, ordinal: usize, number: usize, port: u8) -> String {
    let port = if port == 0 { String::new() } else { format!("p{port}") };
    let readable = format!("{host}.{number}{port}");
    if readable.len() <= 15 { readable } else { format!("h{ordinal:x}.{number}{port}") }
}

/// A locally administered address that tells the IPv4 address to whoever reads a capture. It
/// differs within a network, which is as far as it is seen.
fn mac(network: usize, ordinal: usize, address: Option<IpAddr>) -> MacAddress {
    let [_, _, _, network] = low_bytes(network);
    let [a, b, c, d] = match address {
        Some(IpAddr::V4(address)) => address.octets(),
        Some(IpAddr::V6(_)) | None => low_bytes(ordinal + 1),
    };
    MacAddress([0x02, network, a, b, c, d])
}

fn low_bytes(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::Source;

    fn plan(text: &str) -> Plan {
        let source = Arc::new(Source { name: "lab.yml".into(), text: text.into() });
        let node = crate::yaml::read(&source).expect("reads");
        let topology = Topology::decode(&node, PathBuf::from("/labs/x")).expect("decodes");
        Plan::new(&topology, false).expect("has room")
    }

    const TWO: &str = "networks: { lan: { subnet: 10.0.0.0/24 }, six: { subnet: 'fd00::/64' } }\n\
                       hosts:\n  a: { networks: { six: 'fd00::1', lan: 10.0.0.9 } }\n  \
                       b: { networks: { lan: 10.0.0.10 } }\n";

    #[test]
    fn names_interfaces_in_the_order_of_the_hosts_networks() {
        let plan = plan(TWO);
        let of = |host: usize| -> Vec<String> {
            let all = plan.hosts[host].interfaces.iter();
            all.map(|i| format!("{} {} {:?} {}", i.name, i.network, i.addresses, i.mac)).collect()
        };
        assert_eq!(
            of(0),
            ["eth0 six [fd00::1/64] 02:01:00:00:00:01", "eth1 lan [10.0.0.9/24] 02:00:0a:00:00:09",]
        );
        assert_eq!(of(1), ["eth0 lan [10.0.0.10/24] 02:00:0a:00:00:0a"]);
    }

    #[test]
    fn a_vlan_lies_on_the_interface_of_its_parent() {
        let plan = plan(
            "networks:\n  tagged: { subnet: 10.9.0.0/24, vlan: 10, parent: lan }\n  \
             lan: { subnet: 10.0.0.0/24, mtu: 1400 }\n  dmz: { subnet: 10.1.0.0/24 }\n\
             hosts: { a: { networks: { dmz: 10.1.0.1, tagged: 10.9.0.1, lan: 10.0.0.1 }, bond: 2 } }\n",
        );
        let all = plan.hosts[0].interfaces.iter();
        let shown: Vec<String> =
            all.map(|i| format!("{} {} {:?} {:?}", i.name, i.network, i.cables, i.ports)).collect();
        assert_eq!(
            shown,
            [
                r#"eth0 dmz ["a.0", "a.0p1"] ["eth0p0", "eth0p1"]"#,
                r#"eth1 lan ["a.1", "a.1p1"] ["eth1p0", "eth1p1"]"#,
                "eth1.10 tagged [] []",
            ]
        );
        let bridges: Vec<&str> = plan.bridges.iter().map(|one| one.network.as_str()).collect();
        assert_eq!(bridges, ["lan", "dmz"]);
    }

    #[test]
    fn every_host_knows_the_others_by_name() {
        let text = plan(TWO).hosts_file();
        assert!(text.contains("\nfd00::1 a\n10.0.0.9 a\n10.0.0.10 b\n"), "{text}");
    }

    #[test]
    fn cables_are_named_within_the_kernels_limit() {
        assert_eq!(cable("rs1", 3, 0, 0), "rs1.0");
        assert_eq!(cable("thirteen-long", 3, 0, 0), "thirteen-long.0");
        assert_eq!(cable("fourteen-longs", 31, 12, 1), "h1f.12p1");
    }

    #[test]
    fn a_host_with_many_addresses_is_known_by_one_of_each_family() {
        let text = plan(
            "networks: { lan: { subnet: [10.0.0.0/24, 'fd00::/64'] } }\n\
             hosts: { a: { networks: { lan: ['fd00::[1:2]', '10.0.0.[1:9]'] } } }\n",
        )
        .hosts_file();
        assert!(text.ends_with("ip6-allnodes\nfd00::1 a\n10.0.0.1 a\n"), "{text}");
    }

    #[test]
    fn survives_the_way_to_the_keeper() {
        let plan = plan(TWO);
        let text = serde_json::to_string(&plan).expect("encodes");
        assert_eq!(serde_json::from_str::<Plan>(&text).expect("decodes"), plan);
    }
}
