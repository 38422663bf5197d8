//! The arguments of `ipvs_service` as they are written, and what they declare.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::Presence;
use super::super::network::{HostAddress, Remark};
use super::words::{Engine, MarkedFamily, Mask, Method, Scheduler, SchedulerFlag, Transport};
use super::{Declared, IpvsService, words};
use crate::netlink::ipvs::{
    Checksum, Destination, DestinationKey, Forward, Netmask, Persistence, Protocol, Service,
    ServiceKey, Tunnel,
};

/// The arguments of `ipvs_service`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// What the service is called; for people only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// The VIP.
    #[serde(default, alias = "address", skip_serializing_if = "Option::is_none")]
    pub(super) vip: Option<HostAddress>,
    /// The port; 0 is every port, and needs `persistent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<u16>,
    /// `tcp`, which is the default, `udp` or `sctp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<Transport>,
    /// Instead of VIP and port: the mark that a firewall gives to the packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fwmark: Option<NonZeroU32>,
    /// The family of the marked packets; `ipv4` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) family: Option<MarkedFamily>,
    /// What chooses among the destinations; `wlc` by default.
    #[serde(default)]
    pub(super) scheduler: Scheduler,
    /// Switches of the scheduler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) scheduler_flags: Vec<SchedulerFlag>,
    /// For how many seconds a client stays with its real server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) persistent: Option<NonZeroU32>,
    /// Which clients are one client: `255.255.255.0` or `24`, with IPv6 `64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) netmask: Option<Mask>,
    /// Whether every UDP packet is scheduled by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) one_packet: bool,
    /// What tells clients apart by more than their address: `sip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) persistence_engine: Option<Engine>,
    /// How packets reach the destinations that do not say it themselves; `direct` by default.
    #[serde(default)]
    pub(super) forward: Method,
    /// The packet around the packet, for those that do not say it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tunnel: Option<TunnelArguments>,
    /// The real servers; all of them, and no others. Not given: left as they are.
    #[serde(default, alias = "real_servers", skip_serializing_if = "Option::is_none")]
    pub(super) destinations: Option<Destinations>,
    /// Whether the service is there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) state: Presence,
}

/// At least one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<DestinationArguments>", into = "Vec<DestinationArguments>")]
pub(super) struct Destinations(pub(super) Vec<DestinationArguments>);

/// One real server; its address alone will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(super) struct DestinationArguments {
    /// The RIP.
    #[serde(alias = "rip")]
    pub(super) address: HostAddress,
    /// The port there; the service's by default, and always but for `nat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<u16>,
    /// Its share; 0 takes no new connections. Not given: as it is, or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<u32>,
    /// How packets reach it; the service's `forward` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) forward: Option<Method>,
    /// The packet around the packet; the service's `tunnel` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tunnel: Option<TunnelArguments>,
    /// With this many active connections it gets no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upper_threshold: Option<NonZeroU32>,
    /// Below this many it gets new ones again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lower_threshold: Option<NonZeroU32>,
}

/// The packet around the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TunnelArguments {
    /// `ipip`, which is the default, `gue` or `gre`.
    #[serde(default, rename = "type")]
    pub(super) kind: TunnelKind,
    /// The UDP port that the real server takes `gue` at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<NonZeroU16>,
    /// What `gue` and `gre` sum: `none`, `outer`, or, only `gue`, `remote`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) checksum: SumWord,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TunnelKind {
    #[default]
    Ipip,
    Gue,
    Gre,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SumWord {
    #[default]
    None,
    Outer,
    Remote,
}

/// What is as it would be anyway need not be said.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A text is an address, with a port or without; everything else is a mapping.
impl<'de> Deserialize<'de> for DestinationArguments {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(AddressOrMapping)
    }
}

struct AddressOrMapping;

impl<'de> Visitor<'de> for AddressOrMapping {
    type Value = DestinationArguments;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address, or a mapping with `address`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<DestinationArguments, E> {
        let (address, port) = match text.parse::<SocketAddr>() {
            Ok(both) => (both.ip().to_string(), Some(both.port())),
            Err(_) => (text.to_owned(), None),
        };
        Ok(DestinationArguments {
            address: HostAddress::deserialize(IntoDeserializer::<E>::into_deserializer(address))?,
            port,
            weight: None,
            forward: None,
            tunnel: None,
            upper_threshold: None,
            lower_threshold: None,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DestinationArguments, A::Error> {
        // What the derive made is a function of the type, since `remote` names the type itself.
        DestinationArguments::deserialize(MapAccessDeserializer::new(map))
    }
}

impl Serialize for DestinationArguments {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, output)
    }
}

impl TryFrom<Vec<DestinationArguments>> for Destinations {
    type Error = Remark;

    fn try_from(destinations: Vec<DestinationArguments>) -> Result<Self, Remark> {
        if destinations.is_empty() {
            return Err(Remark::new("the list of destinations is empty").hint(
                "an empty group must not empty the service: leave `destinations` out to keep \
                 them, set a weight to 0 to drain one, or use `state: absent`",
            ));
        }
        Ok(Self(destinations))
    }
}

impl From<Destinations> for Vec<DestinationArguments> {
    fn from(destinations: Destinations) -> Self {
        destinations.0
    }
}

impl TunnelArguments {
    fn tunnel(self) -> Result<Tunnel, Remark> {
        match (self.kind, self.port, self.checksum) {
            (TunnelKind::Ipip, None, SumWord::None) => Ok(Tunnel::Ipip),
            (TunnelKind::Ipip, ..) => {
                Err(Remark::new("an `ipip` tunnel has neither a port nor a checksum")
                    .hint("say `type: gue` or `type: gre`"))
            }
            (TunnelKind::Gue, None, _) => Err(Remark::new("a `gue` tunnel needs a `port`")),
            (TunnelKind::Gue, Some(port), sum) => {
                let checksum = match sum {
                    SumWord::None => Checksum::None,
                    SumWord::Outer => Checksum::Outer,
                    SumWord::Remote => Checksum::Remote,
                };
                Ok(Tunnel::Gue { port, checksum })
            }
            (TunnelKind::Gre, Some(_), _) => Err(Remark::new("a `gre` tunnel has no port")),
            (TunnelKind::Gre, None, SumWord::Remote) => {
                Err(Remark::new("a `gre` tunnel has no remote checksum"))
            }
            (TunnelKind::Gre, None, sum) => Ok(Tunnel::Gre { checksum: sum == SumWord::Outer }),
        }
    }
}

impl Arguments {
    fn key(&self) -> Result<ServiceKey, Remark> {
        match (self.vip, self.port, self.fwmark) {
            (Some(HostAddress(address)), Some(port), None) => {
                if self.family.is_some() {
                    return Err(Remark::new("`family` goes only with `fwmark`")
                        .hint("a VIP has its family in itself"));
                }
                let protocol = self.protocol.map_or(Protocol::Tcp, Into::into);
                Ok(ServiceKey::Address { protocol, address, port })
            }
            (None, None, Some(mark)) => {
                if self.protocol.is_some() {
                    return Err(Remark::new("marked packets have no `protocol`")
                        .hint("let the firewall mark only those of that protocol"));
                }
                let family = self.family.unwrap_or_default().into();
                Ok(ServiceKey::Fwmark { family, mark })
            }
            (_, _, Some(_)) => Err(Remark::new("`fwmark` excludes `vip` and `port`")),
            (None, _, None) => {
                Err(Remark::new("a service needs a `vip` and a `port`, or a `fwmark`"))
            }
            (Some(_), None, None) => {
                Err(Remark::new("`port` is missing")
                    .hint("port 0, with `persistent`, is every port"))
            }
        }
    }

    fn service(&self) -> Result<Service, Remark> {
        let key = self.key()?;
        if self.netmask.is_some() && self.persistent.is_none() {
            return Err(Remark::new("`netmask` goes only with `persistent`"));
        }
        let netmask = match self.netmask {
            Some(mask) => mask.of(key.family())?,
            None => Netmask::single(key.family()),
        };
        let service = Service {
            key,
            scheduler: self.scheduler.name()?,
            scheduler_flags: words::scheduler_flags(&self.scheduler, &self.scheduler_flags)?,
            persistence: self.persistent.map(|timeout| Persistence { timeout, netmask }),
            one_packet: self.one_packet,
            engine: self.persistence_engine.map(Engine::name).transpose()?,
        };
        service.check()?;
        Ok(service)
    }

    fn destination(
        &self,
        key: &ServiceKey,
        arguments: &DestinationArguments,
    ) -> Result<Declared, Remark> {
        let method = arguments.forward.unwrap_or(self.forward);
        let tunnel = match method {
            Method::Tunnel => arguments.tunnel.or(self.tunnel),
            _ if arguments.tunnel.is_some() => {
                return Err(Remark::new(format!(
                    "destination `{}` has a `tunnel` but is not forwarded by one",
                    arguments.address
                ))
                .hint("say `forward: tunnel`"));
            }
            _ => None,
        };
        let forward = match method {
            Method::Direct => Forward::Direct,
            Method::Nat => Forward::Nat,
            Method::Tunnel => {
                let tunnel = tunnel.map_or(Ok(Tunnel::Ipip), TunnelArguments::tunnel)?;
                Forward::Tunnel(tunnel)
            }
        };
        let port = arguments.port.unwrap_or(key.port());
        let destination = Destination {
            key: DestinationKey { address: arguments.address.0, port },
            forward,
            weight: arguments.weight.unwrap_or(1),
            upper_threshold: arguments.upper_threshold,
            lower_threshold: arguments.lower_threshold,
        };
        destination.check(key)?;
        Ok(Declared { key: destination.key, weight: arguments.weight, destination })
    }

    fn declared(&self, key: &ServiceKey) -> Result<Option<Vec<Declared>>, Remark> {
        let Some(Destinations(arguments)) = &self.destinations else { return Ok(None) };
        let mut seen = HashSet::new();
        let declared = arguments.iter().map(|one| {
            let declared = self.destination(key, one)?;
            if seen.insert(declared.key) {
                Ok(declared)
            } else {
                Err(Remark::new(format!("destination `{}` is there twice", declared.key)))
            }
        });
        declared.collect::<Result<_, _>>().map(Some)
    }
}

impl TryFrom<Arguments> for IpvsService {
    type Error = Remark;

    fn try_from(arguments: Arguments) -> Result<Self, Remark> {
        let service = arguments.service()?;
        let used = arguments.forward == Method::Tunnel
            || arguments
                .destinations
                .iter()
                .flat_map(|all| &all.0)
                .any(|destination| destination.forward == Some(Method::Tunnel));
        if arguments.tunnel.is_some() && !used {
            return Err(Remark::new("there is a `tunnel` but nothing is forwarded by one")
                .hint("say `forward: tunnel`"));
        }
        let destinations = arguments.declared(&service.key)?;
        let state = arguments.state;
        Ok(Self { arguments, service, destinations, state })
    }
}

impl From<IpvsService> for Arguments {
    fn from(service: IpvsService) -> Self {
        service.arguments
    }
}
