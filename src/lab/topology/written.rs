//! A lab file as it is written, before hosts are counted and addresses are given out.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use indexmap::IndexMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::address::{Addresses, Gateway, Subnet};
use super::many::{All, OneOrMany};
use super::name::{GroupName, HostName, LabName, NetworkName, PackageName};
use super::wire::{Latency, Loss, Rate, Wire};
use super::{Reach, Requirement};
use crate::inventory::expand;
use crate::lab::probe::Seconds;

/// A lab: its networks and hosts, the playbook that makes a cluster of them, and the checks that
/// prove it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// What the lab is called; without it, as its folder is.
    pub name: Option<LabName>,
    /// The networks by name, each a bridge.
    #[serde(default)]
    pub networks: IndexMap<NetworkName, Network>,
    /// The hosts by name; a range such as `rs[1:3]` stands for several.
    pub hosts: IndexMap<HostNames, Host>,
    /// The playbook, relative to this file.
    pub playbook: Option<PathBuf>,
    /// What the kernel must have; `[]` where a lab needs no IPVS.
    #[serde(default = "ipvs")]
    pub requires: Vec<Requirement>,
    /// How long the whole trial may take, in seconds.
    pub timeout: Option<Seconds>,
    /// How the playbook gets onto the hosts.
    #[serde(default)]
    pub connection: Reach,
    #[schemars(skip)]
    #[serde(default, rename = "checks")]
    _checks: Option<IgnoredAny>,
}

/// The schema of a lab file, all but its checks.
pub(crate) fn schema() -> Schema {
    schema_for!(File)
}

fn ipvs() -> Vec<Requirement> {
    vec![Requirement::Ipvs]
}

/// A network of a lab.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    /// Its addresses; a list of two makes it one of both families.
    pub subnet: OneOrMany<Subnet>,
    /// The largest packet, in bytes.
    pub mtu: Option<Mtu>,
    /// How long a packet takes from the network to a host.
    latency: Option<Latency>,
    /// How many packets to a host are lost.
    loss: Option<Loss>,
    /// How much of the network reaches a host in a second.
    rate: Option<Rate>,
    /// The number of a VLAN on another network, whose cables it uses.
    pub vlan: Option<VlanId>,
    /// That network.
    pub parent: Option<NetworkName>,
}

impl Network {
    /// What its cables do to packets.
    pub fn wire(&self) -> Wire {
        Wire { latency: self.latency, loss: self.loss, rate: self.rate }
    }

    /// The key that says something of that.
    pub fn wire_key(&self) -> Option<&'static str> {
        let said = [self.latency.is_some(), self.loss.is_some(), self.rate.is_some()];
        said.into_iter()
            .zip(["latency", "loss", "rate"])
            .find_map(|(said, key)| said.then_some(key))
    }
}

/// The largest packet of an interface, in bytes.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
pub(super) struct Mtu(#[schemars(range(min = 68, max = 65535))] pub u32);

impl TryFrom<u32> for Mtu {
    type Error = String;

    fn try_from(bytes: u32) -> Result<Self, String> {
        // `ETH_MIN_MTU` and `ETH_MAX_MTU` of linux/if_ether.h.
        match (68..=65_535).contains(&bytes) {
            true => Ok(Self(bytes)),
            false => Err(format!("no interface has an MTU of {bytes}\nhint: from 68 to 65535")),
        }
    }
}

/// The number of a VLAN: IEEE 802.1Q keeps 0 and 4095.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
pub(super) struct VlanId(#[schemars(range(min = 1, max = 4094))] pub u16);

impl TryFrom<u32> for VlanId {
    type Error = String;

    fn try_from(id: u32) -> Result<Self, String> {
        let fits = u16::try_from(id).ok().filter(|id| (1..=4094).contains(id));
        fits.map(Self).ok_or_else(|| format!("there is no VLAN {id}\nhint: from 1 to 4094"))
    }
}

/// How many cables a bond has.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
pub(super) struct Cables(#[schemars(range(min = 2, max = 8))] pub u8);

impl TryFrom<u32> for Cables {
    type Error = String;

    fn try_from(count: u32) -> Result<Self, String> {
        let fits = u8::try_from(count).ok().filter(|count| (2..=8).contains(count));
        fits.map(Self)
            .ok_or_else(|| format!("a bond does not have {count} cables\nhint: from 2 to 8"))
    }
}

/// A command: a program and its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>")]
pub(super) struct Argv(#[schemars(length(min = 1))] pub Vec<String>);

impl TryFrom<Vec<String>> for Argv {
    type Error = String;

    fn try_from(words: Vec<String>) -> Result<Self, String> {
        match words.first().is_some_and(|program| !program.is_empty()) {
            true => Ok(Self(words)),
            false => Err("a command begins with a program".into()),
        }
    }
}

/// A host of a lab, or several that are alike.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    /// The groups it is in, as a playbook's `hosts:` names them.
    #[serde(default)]
    pub groups: Vec<GroupName>,
    /// The networks it is in, the first on `eth0`, and its addresses in each. Of several hosts
    /// the first has these, and each other one those that follow.
    #[serde(default)]
    pub networks: IndexMap<NetworkName, Link>,
    /// Where it sends packets for other networks: the next hop for each, or for `default`.
    #[serde(default)]
    pub routes: IndexMap<Destination, OneOrMany<Gateway>>,
    /// Whether it forwards packets of others, of both families: whether it is a router.
    #[serde(default)]
    pub forwarding: bool,
    /// Of how many cables each of its interfaces consists: one is used, the others wait.
    pub bond: Option<Cables>,
    /// What is run in it once the network is there, in this order.
    #[serde(default)]
    pub commands: Vec<Argv>,
    /// The packages that this machine must have for it.
    #[serde(default)]
    pub packages: Vec<PackageName>,
    /// Of how many hosts this is the first: `web` with 3 is `web1`, `web2` and `web3`.
    #[schemars(range(min = 1))]
    pub count: Option<usize>,
}

/// The names of hosts that are written as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct HostNames {
    /// As it is written.
    pub text: String,
    /// What it stands for; one unless it is a range.
    pub names: Vec<HostName>,
}

impl TryFrom<String> for HostNames {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let names = expand(&text).map_err(|error| match error.hint {
            Some(hint) => format!("{}\nhint: {hint}", error.message),
            None => error.message,
        })?;
        let names = names.into_iter().map(HostName::try_from).collect::<Result<_, _>>()?;
        Ok(Self { text, names })
    }
}

/// A host's place in a network.
pub(super) struct Link {
    /// Its addresses there, at least one.
    pub addresses: Vec<Addresses>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// What its cable does to packets.
    pub wire: Wire,
}

impl From<Vec<Addresses>> for Link {
    fn from(addresses: Vec<Addresses>) -> Self {
        Self { addresses, mtu: None, wire: Wire::default() }
    }
}

/// The long form of a place in a network.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongLink {
    /// The address, a range of them, or a list of such; the first is what the host is known by.
    address: OneOrMany<Addresses>,
    /// The largest packet, in bytes; without it, the network's.
    mtu: Option<Mtu>,
    /// How long a packet takes from and to the host, instead of what the network says.
    latency: Option<Latency>,
    /// How many packets from and to the host are lost, instead of what the network says.
    loss: Option<Loss>,
    /// How much passes from and to the host in a second, instead of what the network says.
    rate: Option<Rate>,
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Link;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, a list of them, or a mapping with `address`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Link, E> {
                All(PhantomData).visit_str(text).map(Link::from)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Link, A::Error> {
                All(PhantomData).visit_seq(list).map(Link::from)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Link, A::Error> {
                let long = LongLink::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Link {
                    addresses: long.address.0,
                    mtu: long.mtu.map(|mtu| mtu.0),
                    wire: Wire { latency: long.latency, loss: long.loss, rate: long.rate },
                })
            }
        }

        input.deserialize_any(Either)
    }
}

impl JsonSchema for Link {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Link".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> Schema {
        let short = generator.subschema_for::<OneOrMany<Addresses>>();
        let long = generator.subschema_for::<LongLink>();
        schemars::json_schema!({ "anyOf": [short, long] })
    }
}

/// What a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) enum Destination {
    /// Everything that no other route leads to, in the gateway's family.
    Default,
    /// A network.
    Net(IpNet),
}

impl Destination {
    /// The network, for a gateway of that family.
    pub fn net(self, ipv4: bool) -> IpNet {
        match self {
            Self::Net(net) => net,
            Self::Default if ipv4 => Ipv4Net::default().into(),
            Self::Default => Ipv6Net::default().into(),
        }
    }
}

impl TryFrom<String> for Destination {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "default" => Ok(Self::Default),
            _ => Subnet::try_from(text).map(|subnet| Self::Net(subnet.net())),
        }
    }
}
