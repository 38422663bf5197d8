//! `ipvs`: the table of a director equals what is written. Counters take no part.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, de};

use super::{Cause, Check, Hosts, Roster, Scene, Verdict, cause, draw, look};
use crate::connection::CallError;
use crate::lab::probe::{self, Table, VirtualService};
use crate::netlink::ipvs::{
    Destination, Family, Forward, Netmask, Persistence, Protocol, SCHEDULERS, Scheduler, Service,
    ServiceKey, Tunnel,
};

/// The whole table of a host.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ipvs {
    /// The host.
    on: String,
    /// Every service, and no other; the order does not matter.
    equals: Vec<Wanted>,
}

/// A service as written, with its destinations.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WrittenService")]
struct Wanted {
    service: Service,
    destinations: Vec<Destination>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenService {
    /// `tcp://192.168.0.89:80`, `fwmark://7`.
    service: Key,
    scheduler: SchedulerName,
    /// How packets reach a destination that says nothing of its own.
    #[serde(default)]
    forward: Option<Method>,
    /// Seconds for which a client stays with its real server.
    persistence: Option<NonZeroU32>,
    #[serde(default)]
    destinations: Vec<WrittenDestination>,
}

/// `192.168.0.93`, `192.168.0.93:8080`, or a mapping that says more.
struct WrittenDestination {
    address: Place,
    weight: Option<u32>,
    forward: Option<Method>,
}

/// An address, and a port when it is not the service's.
#[derive(Clone, Copy)]
struct Place(IpAddr, Option<u16>);

#[derive(Clone, Copy)]
struct Key(ServiceKey);

struct SchedulerName(Scheduler);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    #[serde(alias = "gatewaying")]
    Direct,
    #[serde(alias = "masquerading")]
    Nat,
    #[serde(alias = "ipip")]
    Tunnel,
}

impl From<Method> for Forward {
    fn from(method: Method) -> Self {
        match method {
            Method::Direct => Self::Direct,
            Method::Nat => Self::Nat,
            Method::Tunnel => Self::Tunnel(Tunnel::Ipip),
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        key(&text).map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is not a virtual service\n\
                 hint: write it as `tcp://192.168.0.89:80`, `udp://[fd00::89]:53`, `fwmark://7`"
            ))
        })
    }
}

fn key(text: &str) -> Option<ServiceKey> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
    let protocol = match scheme {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        "fwmark" | "fwmark6" => {
            let family = if scheme == "fwmark" { Family::Ipv4 } else { Family::Ipv6 };
            return Some(ServiceKey::Fwmark { family, mark: rest.parse().ok()? });
        }
        _ => return None,
    };
    let address: SocketAddr = rest.parse().ok()?;
    Some(ServiceKey::address(protocol, address.ip(), address.port()))
}

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
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            address: Place,
            weight: Option<u32>,
            forward: Option<Method>,
        }

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
            let mut destination = Destination::new(address, port, forward.into());
            destination.weight = one.weight.unwrap_or(1);
            if destinations.iter().any(|other| other.key == destination.key) {
                return Err(format!("destination `{}` is written twice", destination.key));
            }
            destinations.push(destination);
        }
        Ok(Self { service, destinations })
    }
}

impl Check for Ipvs {
    type Seen = Table;

    fn title(&self) -> String {
        format!("the IPVS table of {}", self.on)
    }

    fn hosts(&self) -> Vec<&str> {
        vec![&self.on]
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Table, CallError> {
        look(hosts, &self.on, probe::Ipvs {})
    }

    fn judge(&self, seen: &Table, lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        for wanted in &self.equals {
            verdict.expect(wanted.service.to_string());
            verdict.expected.extend(wanted.destinations.iter().map(|one| format!("  -> {one}")));
        }
        for found in &seen.services {
            verdict.see(found.state.service.to_string());
            let rows = found.destinations.iter();
            verdict.seen.extend(rows.map(|one| format!("  -> {}", one.destination)));
        }
        verdict.problems = self.differences(seen, lab);
        verdict
    }

    fn causes(&self, _seen: &Table, scene: &Scene) -> Vec<Cause> {
        cause::of_table(&self.on, scene)
    }

    fn draw(&self, seen: &Table, lab: &Roster) -> Option<String> {
        Some(draw::table(seen, lab))
    }
}

impl Ipvs {
    fn differences(&self, seen: &Table, lab: &Roster) -> Vec<String> {
        let on = &self.on;
        let mut lines = Vec::new();
        for wanted in &self.equals {
            let key = wanted.service.key;
            match seen.services.iter().find(|found| found.state.service.key == key) {
                Some(found) => wanted.differences(found, on, lab, &mut lines),
                None => lines.push(format!("service {key} does not exist on {on}")),
            }
        }
        for found in &seen.services {
            let key = found.state.service.key;
            if !self.equals.iter().any(|wanted| wanted.service.key == key) {
                lines.push(format!("service {key} is on {on} and is not written"));
            }
        }
        lines
    }
}

impl Wanted {
    fn differences(&self, found: &VirtualService, on: &str, lab: &Roster, lines: &mut Vec<String>) {
        let (wanted, service) = (&self.service, &found.state.service);
        let key = wanted.key;
        if wanted.scheduler != service.scheduler {
            lines.push(format!(
                "the scheduler of {key} is {}, not {}",
                service.scheduler, wanted.scheduler
            ));
        }
        let mut rest = service.clone();
        rest.scheduler = wanted.scheduler.clone();
        if rest != *wanted {
            lines.push(format!("the service is `{rest}`, not `{wanted}`"));
        }
        for want in &self.destinations {
            let name = destination(want, lab);
            let found = found.destinations.iter().map(|one| one.destination);
            let Some(have) = found.into_iter().find(|one| one.key == want.key) else {
                lines.push(format!("destination {name} of {key} is missing from {on}'s table"));
                continue;
            };
            if have.weight != want.weight {
                let (is, not) = (have.weight, want.weight);
                lines.push(format!("the weight of {name} is {is}, not {not}"));
            }
            if have.forward != want.forward {
                let (is, not) = (have.forward, want.forward);
                lines.push(format!("the forwarding method of {name} is {is}, not {not}"));
            }
            let thresholds = |one: &Destination| (one.upper_threshold, one.lower_threshold);
            if thresholds(&have) != thresholds(want) {
                lines.push(format!("destination {name} has thresholds: `{have}`"));
            }
        }
        for have in &found.destinations {
            let have = have.destination;
            if !self.destinations.iter().any(|want| want.key == have.key) {
                let name = destination(&have, lab);
                lines.push(format!("destination {name} of {key} is on {on} and is not written"));
            }
        }
    }
}

/// A destination with the name of its real server.
fn destination(one: &Destination, lab: &Roster) -> String {
    match lab.by_address(one.key.address) {
        Some(host) => format!("{} ({host})", one.key),
        None => one.key.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_error, lab, table};
    use super::*;

    const WRITTEN: &str = "
on: lb1
equals:
  - service: tcp://192.168.0.89:80
    scheduler: rr
    forward: direct
    destinations: [192.168.0.93, '192.168.0.94:80', { address: 192.168.0.95, weight: 1 }]
";

    fn problems(change: impl FnOnce(&mut Table)) -> Vec<String> {
        let mut seen = table();
        change(&mut seen);
        check::<Ipvs>(WRITTEN).judge(&seen, &lab()).problems
    }

    #[test]
    fn passes_when_the_table_is_what_is_written_in_any_order() {
        assert_eq!(problems(|_| {}), [""; 0]);
        assert_eq!(problems(|table| table.services[0].destinations.reverse()), [""; 0]);
        assert_eq!(
            problems(|table| table.services[0].destinations[1].active_connections = 7),
            [""; 0]
        );
    }

    #[test]
    fn names_each_difference() {
        let first = |table: &mut Table| table.services.remove(0);
        assert_eq!(
            problems(|table| drop(first(table))),
            ["service tcp://192.168.0.89:80 does not exist on lb1"]
        );
        assert_eq!(
            problems(|table| drop(table.services[0].destinations.remove(1))),
            [
                "destination 192.168.0.94:80 (rs2) of tcp://192.168.0.89:80 is missing from lb1's table"
            ]
        );
        assert_eq!(
            problems(|table| table.services[0].destinations[1].destination.weight = 0),
            ["the weight of 192.168.0.94:80 (rs2) is 0, not 1"]
        );
        assert_eq!(
            problems(|table| {
                table.services[0].destinations[0].destination.forward = Forward::Nat;
            }),
            ["the forwarding method of 192.168.0.93:80 (rs1) is nat, not direct"]
        );
        assert_eq!(
            problems(|table| {
                let service = &mut table.services[0].state.service;
                service.scheduler = Scheduler::new("wlc").expect("a scheduler");
            }),
            ["the scheduler of tcp://192.168.0.89:80 is wlc, not rr"]
        );
        assert_eq!(
            problems(|table| {
                let service = &mut table.services[0].state.service;
                let timeout = NonZeroU32::new(300).expect("not zero");
                let netmask = Netmask::single(Family::Ipv4);
                service.persistence = Some(Persistence { timeout, netmask });
            }),
            ["the service is `tcp://192.168.0.89:80 rr persistent 300`, not \
              `tcp://192.168.0.89:80 rr`"]
        );
        assert_eq!(
            problems(|table| {
                let mut more = table.services[0].clone();
                more.state.service.key = key("udp://192.168.0.89:53").expect("a service");
                table.services.push(more);
                let mut extra = table.services[0].destinations[0].clone();
                extra.destination.key.port = 81;
                table.services[0].destinations.push(extra);
            }),
            [
                "destination 192.168.0.93:81 (rs1) of tcp://192.168.0.89:80 is on lb1 and is not \
                 written",
                "service udp://192.168.0.89:53 is on lb1 and is not written"
            ]
        );
    }

    #[test]
    fn reads_services_of_every_form() {
        for (text, again) in [
            ("192.168.0.89:80", "tcp://192.168.0.89:80"),
            ("udp://[fd00::89]:53", "udp://[fd00::89]:53"),
            ("sctp://10.0.0.1:99", "sctp://10.0.0.1:99"),
            ("fwmark://7", "fwmark://7"),
            ("fwmark6://7", "fwmark://7 (ipv6)"),
        ] {
            assert_eq!(key(text).map(|key| key.to_string()).as_deref(), Some(again));
        }
        for text in
            ["", "tcp://", "tcp://10.0.0.1", "10.0.0.1:70000", "icmp://10.0.0.1:1", "fwmark://0"]
        {
            assert_eq!(key(text), None, "{text}");
        }
    }

    #[test]
    fn shows_mistakes_at_their_places() {
        let error = |yaml: &str| check_error::<Ipvs>(yaml);
        let one = |service: &str| error(&format!("on: lb1\nequals:\n  - {{ {service} }}\n"));
        assert!(one("service: 'x', scheduler: rr").contains("lab.yml:3:16: `x` is not a virtual"));
        let scheduler = one("service: '10.0.0.1:80', scheduler: wrrr");
        assert!(scheduler.contains("`wrrr`") && scheduler.contains("`wrr`"), "{scheduler}");
        let port = one("service: '10.0.0.1:80', scheduler: rr, destinations: ['10.0.0.2:70000']");
        assert!(port.contains("`10.0.0.2:70000` is not an address"), "{port}");
        let forward = one("service: '10.0.0.1:80', scheduler: rr, destinations: [10.0.0.2]");
        assert!(forward.contains("`10.0.0.2` is not said"), "{forward}");
        let twice = one(
            "service: '10.0.0.1:80', scheduler: rr, forward: nat, destinations: [10.0.0.2, 10.0.0.2]",
        );
        assert!(twice.contains("written twice"), "{twice}");
        let key = one("service: '10.0.0.1:80', scheduler: rr, destinations: [{ adress: 1 }]");
        assert!(key.contains("unknown key `adress`"), "{key}");
    }
}
