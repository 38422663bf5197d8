//! The arguments of `ipvs_service` as they are written, and what they declare.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::Presence;
use super::super::network::HostAddress;
use super::words::{Engine, MarkedFamily, Scheduler, Transport};
use super::{Declared, IpvsService};
use crate::diagnostic::Remark;
use crate::netlink::ipvs::written::{
    Key, Mask, Method, Port, SchedulerFlag, TunnelWords, protocol_of, scheduler_flags, split,
};
use crate::netlink::ipvs::{
    Destination, DestinationKey, Netmask, Persistence, Protocol, Service, ServiceKey,
};

/// The arguments of `ipvs_service`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// What the service is called; for people only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Which one, in one word: `tcp://192.168.0.89:80`, `[fd00::89]:http`, `fwmark://7`.
    /// Instead of `vip`, `port` and `protocol`, or of `fwmark` and `family`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<Key>,
    /// The VIP.
    #[serde(default, alias = "address", skip_serializing_if = "Option::is_none")]
    vip: Option<HostAddress>,
    /// The port, or its name (`http`); 0 is every port, and needs `persistent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<Port>,
    /// `tcp`, which is the default, `udp` or `sctp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocol: Option<Transport>,
    /// Instead of VIP and port: the mark that a firewall gives to the packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fwmark: Option<NonZeroU32>,
    /// The family of the marked packets; `ipv4` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family: Option<MarkedFamily>,
    /// What chooses among the destinations; `wlc` by default.
    #[serde(default)]
    scheduler: Scheduler,
    /// Switches of the scheduler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scheduler_flags: Vec<SchedulerFlag>,
    /// For how many seconds a client stays with its real server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    persistent: Option<NonZeroU32>,
    /// Which clients are one client: `255.255.255.0` or `24`, with IPv6 `64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    netmask: Option<Mask>,
    /// Whether every UDP packet is scheduled by itself.
    #[serde(default)]
    one_packet: bool,
    /// What tells clients apart by more than their address: `sip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    persistence_engine: Option<Engine>,
    /// How packets reach the destinations that do not say it themselves; `direct` by default.
    #[serde(default)]
    forward: Method,
    /// The packet around the packet, for those that do not say it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tunnel: Option<TunnelWords>,
    /// The real servers; all of them, and no others. Not given: left as they are.
    #[serde(default, alias = "real_servers", skip_serializing_if = "Option::is_none")]
    destinations: Option<Destinations>,
    /// For how many seconds at most what is to go keeps the connections that it has: its weight
    /// becomes 0, and it goes with its last connection, or when time is up. Not given: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drain: Option<u32>,
    /// Whether the service is there.
    #[serde(default)]
    state: Presence,
}

/// At least one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<DestinationArguments>", into = "Vec<DestinationArguments>")]
struct Destinations(Vec<DestinationArguments>);

/// One real server; its address alone will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[schemars(extend("x-line" = true))]
struct DestinationArguments {
    /// The RIP.
    #[serde(alias = "rip")]
    #[schemars(extend("x-aliases" = ["rip"]))]
    address: HostAddress,
    /// The port there, or its name; the service's by default, and always but for `nat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<Port>,
    /// Its share; 0 takes no new connections. Not given: as it is, or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    /// How packets reach it; the service's `forward` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forward: Option<Method>,
    /// The packet around the packet; the service's `tunnel` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tunnel: Option<TunnelWords>,
    /// With this many active connections it gets no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upper_threshold: Option<NonZeroU32>,
    /// Below this many it gets new ones again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lower_threshold: Option<NonZeroU32>,
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
        let (address, port) = match split(text) {
            Some((address, port)) => {
                let port: StrDeserializer<'_, E> = port.into_deserializer();
                (address.to_string(), Some(Port::deserialize(port)?))
            }
            None => (text.to_owned(), None),
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

impl Arguments {
    fn key(&self) -> Result<ServiceKey, Remark> {
        if let Some(Key(key)) = self.service {
            let twice = self.vip.is_some()
                || self.port.is_some()
                || self.protocol.is_some()
                || self.fwmark.is_some()
                || self.family.is_some();
            if twice {
                return Err(Remark::new(
                    "`service` excludes `vip`, `port`, `protocol`, `fwmark` and `family`",
                ));
            }
            return Ok(key);
        }
        match (self.vip, &self.port, self.fwmark) {
            (Some(HostAddress(address)), Some(port), None) => {
                if self.family.is_some() {
                    return Err(Remark::new("`family` goes only with `fwmark`")
                        .hint("a VIP has its family in itself"));
                }
                let protocol = self.protocol.map_or(Protocol::Tcp, Into::into);
                Ok(ServiceKey::Address { protocol, address, port: port.number(protocol)? })
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
                Err(Remark::new("a service needs a `service`, a `vip` and a `port`, or a `fwmark`"))
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
        let scheduler = self.scheduler.name()?;
        let service = Service {
            key,
            scheduler_flags: scheduler_flags(&scheduler, &self.scheduler_flags)?,
            scheduler,
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
        let forward = method.with(tunnel)?;
        let port = match &arguments.port {
            Some(port) => port.number(protocol_of(key))?,
            None => key.port(),
        };
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

impl Arguments {
    /// Puts numbers in place of names, so that every host understands the same by them.
    fn number_ports(&mut self, key: &ServiceKey) -> Result<(), Remark> {
        let destinations = self.destinations.iter_mut().flat_map(|all| &mut all.0);
        let ports = destinations.filter_map(|destination| destination.port.as_mut());
        for port in self.port.as_mut().into_iter().chain(ports) {
            *port = Port::Number(port.number(protocol_of(key))?);
        }
        Ok(())
    }
}

impl TryFrom<Arguments> for IpvsService {
    type Error = Remark;

    fn try_from(mut arguments: Arguments) -> Result<Self, Remark> {
        let service = arguments.service()?;
        arguments.number_ports(&service.key)?;
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
        let (drain, state) = (arguments.drain, arguments.state);
        Ok(Self { arguments, service, destinations, drain, state })
    }
}

impl From<IpvsService> for Arguments {
    fn from(service: IpvsService) -> Self {
        service.arguments
    }
}
