//! Virtual services as a lab file writes them.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::netlink::ipvs::written::{Key, Method, TunnelWords};
use crate::netlink::ipvs::{Destination, Netmask, Persistence, SCHEDULERS, Scheduler, Service};

/// A service as written, with its destinations.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WrittenService")]
pub(super) struct Wanted {
    pub(super) service: Service,
    pub(super) destinations: Vec<Destination>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenService {
    /// `tcp://192.168.0.89:80`, `fwmark://7`.
    service: Key,
    /// `rr`, `wlc`, `sh`, …
    #[schemars(with = "String")]
    scheduler: SchedulerName,
    /// How packets reach a destination that says nothing of its own.
    #[serde(default)]
    forward: Option<Method>,
    /// The packet around the packet to all of them, where that is not IP in IP.
    #[serde(default)]
    tunnel: Option<TunnelWords>,
    /// Seconds for which a client stays with its real server.
    persistence: Option<NonZeroU32>,
    /// The real servers: addresses, with a port where it is not the service's, or mappings.
    #[serde(default)]
    #[schemars(with = "Vec<AddressOrMore>")]
    destinations: Vec<WrittenDestination>,
}

/// What a destination may be written as.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "its shape is what is wanted")]
enum AddressOrMore {
    Address(String),
    More(Long),
}

/// `192.168.0.93`, `192.168.0.93:8080`, or a mapping that says more.
struct WrittenDestination {
    address: Place,
    weight: Option<u32>,
    forward: Option<Method>,
}

/// A destination as a mapping.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Long {
    /// The RIP, with a port where it is not the service's.
    #[schemars(with = "String")]
    address: Place,
    /// Its share.
    weight: Option<u32>,
    /// How packets reach it.
    forward: Option<Method>,
}

/// An address, and a port when it is not the service's.
#[derive(Clone, Copy)]
struct Place(IpAddr, Option<u16>);

struct SchedulerName(Scheduler);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        place(&text).map_err(de::Error::custom)
    }
}

fn place(text: &str) -> Result<Place, String> {
    let alone = text.parse().map(|address| Place(address, None));
    let with_port = |_| text.parse().map(|at: SocketAddr| Place(at.ip(), Some(at.port())));
    alone.or_else(with_port).map_err(|_| {
        format!("`{text}` is not an address, or an address and a port such as `192.168.0.93:80`")
    })
}

impl<'de> Deserialize<'de> for SchedulerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !SCHEDULERS.contains(&text.as_str()) {
            return Err(de::Error::unknown_variant(&text, SCHEDULERS));
        }
        Scheduler::new(text).map(Self).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for WrittenDestination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> de::Visitor<'de> for Either {
            type Value = WrittenDestination;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an address or a mapping with `address`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let address = place(text).map_err(E::custom)?;
                Ok(WrittenDestination { address, weight: None, forward: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let long = Long::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let Long { address, weight, forward } = long;
                Ok(WrittenDestination { address, weight, forward })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl TryFrom<WrittenService> for Wanted {
    type Error = String;

    fn try_from(written: WrittenService) -> Result<Self, String> {
        let key = written.service.0;
        let mut service = Service::new(key, written.scheduler.0);
        service.persistence = written
            .persistence
            .map(|timeout| Persistence { timeout, netmask: Netmask::single(key.family()) });
        let mut destinations: Vec<Destination> = Vec::new();
        for one in written.destinations {
            let Place(address, port) = one.address;
            let forward = one.forward.or(written.forward).ok_or_else(|| {
                format!(
                    "how packets reach `{address}` is not said\n\
                     hint: give `forward: direct`, `nat` or `tunnel`, for the service or for it"
                )
            })?;
            let port = port.unwrap_or_else(|| key.port());
            let forward = forward.with(written.tunnel).map_err(|remark| remark.to_string())?;
            let mut destination = Destination::new(address, port, forward);
            destination.weight = one.weight.unwrap_or(1);
            if destinations.iter().any(|other| other.key == destination.key) {
                return Err(format!("destination `{}` is written twice", destination.key));
            }
            destinations.push(destination);
        }
        Ok(Self { service, destinations })
    }
}
