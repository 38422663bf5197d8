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
use super::name::{GroupName, HostName, LabName, NetworkName};
use super::{Reach, Requirement};
use crate::inventory::expand;

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
}

/// The long form of a place in a network.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongLink {
    /// The address, a range of them, or a list of such; the first is what the host is known by.
    address: OneOrMany<Addresses>,
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
                Ok(Link { addresses: All(PhantomData).visit_str(text)? })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Link, A::Error> {
                Ok(Link { addresses: All(PhantomData).visit_seq(list)? })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Link, A::Error> {
                let long = LongLink::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Link { addresses: long.address.0 })
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
