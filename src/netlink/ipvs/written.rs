//! A table as it stands in a file, in the words that the modules use too:
//!
//! ```yaml
//! services:
//!   - service: tcp://192.168.0.89:80
//!     scheduler: wrr
//!     destinations:
//!       - { address: 192.168.0.93, forward: direct, weight: 2 }
//! ```

use std::net::IpAddr;
use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

mod key;
mod port;
mod words;

pub(crate) use key::{Key, protocol_of, split};
pub(crate) use port::Port;
pub(crate) use words::{Mask, Method, SchedulerFlag, TunnelWords, scheduler_flags};

use super::destination::{Destination, DestinationKey, Forward};
use super::service::{Engine, Netmask, Persistence, Scheduler, Service, ServiceKey};
use super::table::{Table, VirtualService};
use crate::diagnostic::Remark;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTable<T> {
    services: T,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenService {
    service: Key,
    scheduler: Scheduler,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scheduler_flags: Vec<SchedulerFlag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    persistent: Option<NonZeroU32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    netmask: Option<Mask>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    one_packet: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    persistence_engine: Option<Engine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    destinations: Vec<WrittenDestination>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDestination {
    address: IpAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<Port>,
    forward: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tunnel: Option<TunnelWords>,
    #[serde(default = "one")]
    weight: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upper_threshold: Option<NonZeroU32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lower_threshold: Option<NonZeroU32>,
}

fn one() -> u32 {
    1
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        WrittenTable { services: self.services() }.serialize(output)
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let written = WrittenTable::<Vec<VirtualService>>::deserialize(input)?;
        Self::new(written.services)
            .map_err(|refused| serde::de::Error::custom(Remark::from(refused)))
    }
}

/// Fails for what the kernel has though it makes no sense, and nobody can write down.
impl Serialize for VirtualService {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        self.written().map_err(ser::Error::custom)?.serialize(output)
    }
}

impl<'de> Deserialize<'de> for VirtualService {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        WrittenService::deserialize(input)?.read().map_err(serde::de::Error::custom)
    }
}

impl VirtualService {
    fn written(&self) -> Result<WrittenService, Remark> {
        let Service { key, scheduler, scheduler_flags, persistence, one_packet, engine } =
            &self.service;
        // What has no words is refused by the same rules as when it is written.
        key.check()?;
        let destinations = self.destinations.iter().map(|one| WrittenDestination::of(key, one));
        let netmask = persistence.map(|persistence| persistence.netmask);
        Ok(WrittenService {
            service: Key(*key),
            scheduler: scheduler.clone(),
            scheduler_flags: SchedulerFlag::all_of(*scheduler_flags, scheduler),
            persistent: persistence.map(|persistence| persistence.timeout),
            netmask: netmask.filter(|mask| *mask != Netmask::single(key.family())).map(Mask::from),
            one_packet: *one_packet,
            persistence_engine: engine.clone(),
            destinations: destinations.collect::<Result<_, _>>()?,
        })
    }
}

impl WrittenService {
    fn read(self) -> Result<VirtualService, Remark> {
        let key = self.service.0;
        if self.netmask.is_some() && self.persistent.is_none() {
            return Err(Remark::new("`netmask` goes only with `persistent`"));
        }
        let netmask = match self.netmask {
            Some(mask) => mask.of(key.family())?,
            None => Netmask::single(key.family()),
        };
        let service = Service {
            key,
            scheduler_flags: scheduler_flags(&self.scheduler, &self.scheduler_flags)?,
            scheduler: self.scheduler,
            persistence: self.persistent.map(|timeout| Persistence { timeout, netmask }),
            one_packet: self.one_packet,
            engine: self.persistence_engine,
        };
        service.check()?;
        let destinations = self.destinations.into_iter().map(|one| one.read(&key));
        let destinations = destinations.collect::<Result<_, Remark>>()?;
        Ok(VirtualService { service, destinations })
    }
}

impl WrittenDestination {
    fn of(service: &ServiceKey, destination: &Destination) -> Result<Self, Remark> {
        let DestinationKey { address, port } = destination.key;
        let (forward, tunnel) = match destination.forward {
            Forward::Direct => (Method::Direct, None),
            Forward::Nat => (Method::Nat, None),
            Forward::Tunnel(tunnel) => (Method::Tunnel, TunnelWords::of(tunnel)?),
            Forward::Other(method) => {
                return Err(Remark::new(format!(
                    "destination `{}` of `{service}` has forwarding method {method}, which has \
                     no name",
                    destination.key
                )));
            }
        };
        Ok(Self {
            address,
            port: (port != service.port()).then_some(Port::Number(port)),
            forward,
            tunnel,
            weight: destination.weight,
            upper_threshold: destination.upper_threshold,
            lower_threshold: destination.lower_threshold,
        })
    }

    fn read(self, service: &ServiceKey) -> Result<Destination, Remark> {
        let port = match self.port {
            Some(port) => port.number(protocol_of(service))?,
            None => service.port(),
        };
        let destination = Destination {
            key: DestinationKey { address: self.address, port },
            forward: self.forward.with(self.tunnel)?,
            weight: self.weight,
            upper_threshold: self.upper_threshold,
            lower_threshold: self.lower_threshold,
        };
        destination.check(service)?;
        Ok(destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "\
services:
- service: tcp://10.0.0.1:80
  scheduler: wrr
  destinations:
  - address: 10.0.0.2
    forward: direct
    weight: 0
  - address: 10.0.0.3
    port: 8080
    forward: nat
    weight: 65536
    upper_threshold: 100
    lower_threshold: 50
  - address: fd00::4
    forward: tunnel
    weight: 1
  - address: 10.0.0.5
    forward: tunnel
    tunnel:
      type: gue
      port: 6080
      checksum: remote
    weight: 1
  - address: 10.0.0.6
    forward: tunnel
    tunnel:
      type: gre
      checksum: outer
    weight: 1
- service: udp://[fd00::1]:5060
  scheduler: mh
  scheduler_flags:
  - mh-fallback
  - mh-port
  - flag-3
  persistent: 300
  netmask: '64'
  one_packet: true
  persistence_engine: sip
- service: fwmark6://7
  scheduler: none
- service: fwmark://7
  scheduler: lc
  persistent: 60
  netmask: 255.255.255.0
  destinations:
  - address: 10.0.0.2
    forward: direct
    weight: 1
";

    #[test]
    fn writes_what_it_reads() {
        let table: Table = serde_yaml::from_str(ALL).unwrap();
        assert_eq!(table.check(), Ok(()));
        assert_eq!(serde_yaml::to_string(&table).unwrap(), ALL);
        let json = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<Table>(&json).unwrap(), table);
    }

    #[test]
    fn says_what_is_wrong() {
        let service = |more: &str| {
            format!("{{services: [{{service: 'tcp://10.0.0.1:80', scheduler: rr, {more}}}]}}")
        };
        let rs = |more: &str| service(&format!("destinations: [{{address: 10.0.0.2, {more}}}]"));
        for (text, part) in [
            (service("weight: 1"), "unknown field `weight`"),
            (service("netmask: 24"), "goes only with `persistent`"),
            (service("scheduler_flags: [sh-port]"), "does nothing with scheduler `rr`"),
            (service("one_packet: true"), "not for tcp"),
            (rs("port: 8080, forward: direct"), "another port"),
            (rs("forward: nat, tunnel: {type: gre}"), "say `forward: tunnel`"),
            (rs("forward: tunnel, tunnel: {type: gue}"), "needs a `port`"),
            (rs("forward: nat, weight: 3000000000"), "is above"),
            ("{services: [{service: 'tcp://10.0.0.1', scheduler: rr}]}".into(), "port is missing"),
            (
                service(
                    "destinations: [{address: 10.0.0.2, forward: nat}, \
                    {address: 10.0.0.2, forward: nat, port: 80}]",
                ),
                "`10.0.0.2:80` is there twice",
            ),
        ] {
            let error = serde_yaml::from_str::<Table>(&text).expect_err(part).to_string();
            assert!(error.contains(part), "{error} does not say `{part}`");
        }
    }

    #[test]
    fn has_no_words_for_what_makes_no_sense() {
        let mut web: VirtualService =
            serde_json::from_str(r#"{"service": "tcp://10.0.0.1:80", "scheduler": "rr"}"#).unwrap();
        web.destinations.push(Destination::new([10, 0, 0, 2], 80, Forward::Other(4)));
        let error = serde_json::to_string(&web).unwrap_err().to_string();
        assert!(error.contains("forwarding method 4"), "{error}");
    }
}
