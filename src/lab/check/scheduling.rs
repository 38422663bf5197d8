//! `scheduling`: each connection goes where the model of the scheduler sends it.
//!
//! Before each connection the director's table is read, so that the model sees what the scheduler
//! will see; afterwards the director's own record of the connection says whom the kernel chose.
//! Whatever the kernel keeps to itself, the model learns from the first connections.

use std::net::IpAddr;

use serde::Deserialize;

use super::cause::{self, Traffic};
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, draw};
use crate::connection::CallError;
use crate::lab::probe::{Answer, Answers, Coverage, Outcome, Response, Seconds, Transport};
use crate::netlink::ipvs::{DestinationKey, Protocol};

mod judge;
mod look;
mod written;

use judge::{Played, play};
pub use look::{Course, Step};
use written::Target;
pub(super) use written::Written;

/// Connections one after the other, some of which stay open.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Scheduling {
    from: String,
    on: Option<String>,
    target: Target,
    model: Option<String>,
    weights: indexmap::IndexMap<String, u32>,
    requests: u32,
    hold: u32,
    clients: Option<u32>,
    seed: u64,
    timeout: Seconds,
}

impl Check for Scheduling {
    type Seen = Course;

    fn title(&self) -> String {
        let model = self.model.as_deref().map_or("the scheduler", |name| name);
        let service = self.target.service;
        format!("{} from {} to {service} go where {model} sends them", self.counted(), self.from)
    }

    fn hosts(&self) -> Vec<&str> {
        let named = [Some(self.from.as_str()), self.on.as_deref()];
        named.into_iter().flatten().chain(self.weights.keys().map(String::as_str)).collect()
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Course, CallError> {
        look::look(self, hosts)
    }

    fn judge(&self, seen: &Course, lab: &Roster) -> Verdict {
        judge::judge(self, seen, lab)
    }

    fn causes(&self, seen: &Course, scene: &Scene) -> Vec<Cause> {
        let mut causes = cause::of_scheduling(
            &cause::Scheduled {
                director: &seen.director,
                service: seen.service.as_ref(),
                model: self.model.as_deref(),
                weights: &self.weights,
                servers: seen.steps.first().map_or(&[], |step| &step.view.servers),
                edits: judge::edits(seen),
            },
            scene,
        );
        if seen.service.is_none() || seen.steps.iter().any(|step| step.failure.is_some()) {
            causes.extend(self.of_failures(seen, scene));
        }
        causes
    }

    fn draw(&self, seen: &Course, lab: &Roster) -> Option<String> {
        let Some(Played { known, .. }) = play(self, seen, lab) else {
            return Some(format!(
                "{} is not in the table of {}",
                self.target.service, seen.director
            ));
        };
        let servers = seen.steps.first().map_or(&[][..], |step| &step.view.servers);
        let taken =
            |key: DestinationKey| seen.steps.iter().filter(|step| step.chosen == Some(key)).count();
        let rows = servers.iter().map(|server| draw::Share {
            name: name(Some(server.key), lab),
            weight: server.weight,
            taken: taken(server.key),
        });
        let order: Vec<String> = seen.steps.iter().map(|step| name(step.chosen, lab)).collect();
        let order: Vec<&str> = order.iter().map(String::as_str).collect();
        let table = draw::shares(rows.collect(), seen.steps.len());
        let order = draw::order(&order);
        Some(format!("{table}\norder: {order}\nforetold: {known} of {}", seen.steps.len()))
    }
}

impl Scheduling {
    fn counted(&self) -> String {
        crate::report::counted(self.requests as usize, "connection")
    }

    /// Why connections failed, as for any traffic.
    fn of_failures(&self, seen: &Course, scene: &Scene) -> Vec<Cause> {
        let answer = |step: &Step| {
            let outcome = match &step.failure {
                Some(failure) => Outcome::Failed(failure.clone()),
                None => Outcome::Response(Response {
                    status: None,
                    headers: indexmap::IndexMap::new(),
                    body: name(step.chosen, scene.lab),
                    bytes: None,
                    truncated: false,
                }),
            };
            let (local, peer) = (step.client, self.target.to);
            Answer {
                local,
                peer,
                seconds: 0.0,
                reply_macs: Vec::new(),
                certificate: None,
                outcome,
                later: Vec::new(),
            }
        };
        let answers = Answers {
            requests: seen.steps.iter().map(answer).collect(),
            not_sent: 0,
            capture: Coverage::Unavailable("nothing was captured".into()),
        };
        let traffic = Traffic::to_any(
            &self.from,
            self.target.to,
            if self.target.udp { Protocol::Udp } else { Protocol::Tcp },
            &answers,
        );
        cause::of_traffic(&traffic, scene)
    }
}

/// A destination by the name of its host.
fn name(key: Option<DestinationKey>, lab: &Roster) -> String {
    match key {
        Some(key) => lab.by_address(key.address).map_or_else(|| key.to_string(), str::to_owned),
        None => "nobody".into(),
    }
}

/// Numbers that look random, and are the same for the same seed (SplitMix64).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    /// A number below a bound.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound.max(1) as u64).unwrap_or(0)
    }
}

/// What a probe calls a transport.
fn transport(udp: bool) -> Transport {
    if udp { Transport::Udp } else { Transport::Tcp }
}

/// An address of another family than what is asked for cannot ask.
fn of_family(address: &IpAddr, to: IpAddr) -> bool {
    address.is_ipv4() == to.is_ipv4()
}

#[cfg(test)]
mod tests;
