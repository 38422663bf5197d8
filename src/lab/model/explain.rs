//! Explaining a service to somebody who wants to know where a client will go.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::{Choice, Model, Prediction, Request, View, held};
use crate::netlink::ipvs::{Connection, Service};

/// Who asks for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The client; where its port is known, later connections come from the next ones.
    pub client: SocketAddr,
    /// What it asks for.
    pub to: IpAddr,
    /// How many connections it makes.
    pub connections: u32,
}

/// What IPVS remembers that decides before a scheduler is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Connections, and what persistence remembers of clients.
    pub connections: Vec<Connection>,
    /// Whether persistence gives up a destination of weight 0 (`expire_quiescent_template`).
    pub expires: bool,
    /// Whether the destinations were just added, and nothing came yet.
    pub fresh: bool,
}

/// Which destinations take a client's next connections, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The service, as `tcp://192.168.0.89:80`.
    pub service: String,
    /// Its scheduler.
    pub scheduler: &'static str,
    /// What decides besides what can be seen, where something does.
    pub hidden: Option<&'static str>,
    /// What may happen to each of the connections.
    pub connections: Vec<Prediction>,
}

impl Explanation {
    /// Explains a service; `None` when there is no model of its scheduler.
    #[must_use]
    pub fn of(service: &Service, view: &View, known: &Known, asked: &Asked) -> Option<Self> {
        let scheduler = service.scheduler.as_str();
        let model = if known.fresh { Model::fresh } else { Model::new }(scheduler, view)?;
        let requests: Vec<Request> = (0..asked.connections)
            .map(|number| {
                let mut client = asked.client;
                // The kernel's ports are 16 bits, and so are those after the last.
                let port = u32::from(client.port());
                let next = if port == 0 { 0 } else { (port + number) % (1 << 16) };
                client.set_port(u16::try_from(next).unwrap_or_default());
                Request { client, to: asked.to }
            })
            .collect();
        let held =
            |request: &Request| held(service, view, request, &known.connections, known.expires);
        let scheduled: Vec<Request> =
            requests.iter().filter(|request| held(request).is_none()).copied().collect();
        let mut scheduled = model.ahead(view, &scheduled).into_iter();
        let mut first: Option<(usize, Prediction)> = None;
        let mut connections = Vec::new();
        for (number, request) in (1..).zip(&requests) {
            let prediction = match (held(request), &first) {
                (Some(choice), _) => Prediction { choices: vec![choice] },
                (None, Some((number, first))) => follows(*number, first),
                (None, None) => scheduled.next()?,
            };
            let chosen = prediction.choices.iter().any(|choice| choice.destination.is_some());
            if service.persistence.is_some() && first.is_none() && chosen {
                first = Some((number, prediction.clone()));
            }
            connections.push(prediction);
        }
        Some(Self {
            service: service.key.to_string(),
            scheduler: model.name(),
            hidden: model.hidden(),
            connections,
        })
    }

    /// Why more than one thing may happen.
    fn secret(&self) -> &'static str {
        self.hidden.unwrap_or("whether a destination between its thresholds is full")
    }
}

/// Where persistence sends what comes after a first connection.
fn follows(number: usize, first: &Prediction) -> Prediction {
    let because = format!("persistence sends it where connection {number} went");
    let choice = |one: &Choice| Choice { destination: one.destination, because: because.clone() };
    Prediction { choices: first.choices.iter().map(choice).collect() }
}

/// A paragraph for each connection, numbered where there are several.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = self.connections.len() > 1;
        for (number, Prediction { choices }) in (1..).zip(&self.connections) {
            if several {
                write!(f, "{number}. ")?;
            }
            if let [only] = choices.as_slice() {
                writeln!(f, "{only}")?;
                continue;
            }
            let turns = if matches!(self.scheduler, "rr" | "wrr") { ", in turns" } else { "" };
            let (count, secret) = (choices.len(), self.secret());
            writeln!(f, "one of {count}{turns}: the kernel does not show {secret}")?;
            for choice in choices {
                writeln!(f, "   {choice}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::netlink::ipvs::{
        Destination, Family, Forward, Netmask, Persistence, Scheduler, SchedulerFlags,
    };

    fn service(scheduler: &str) -> Service {
        let key = "tcp://192.168.0.89:80".parse().expect("literal");
        Service::new(key, Scheduler::new(scheduler).expect("short"))
    }

    fn view(weights: &[u32]) -> View {
        let destination = |(last, weight): (u8, &u32)| Destination {
            weight: *weight,
            ..Destination::new([192, 168, 0, last], 80, Forward::Direct)
        };
        let all: Vec<Destination> = (93..).zip(weights).map(destination).collect();
        View::fresh(SchedulerFlags::default(), &all)
    }

    fn told(service: &Service, view: &View, known: &[&str], connections: u32) -> String {
        let parse = |line: &&str| Connection::parse(line).expect(line);
        let known =
            Known { connections: known.iter().map(parse).collect(), expires: true, fresh: false };
        let client = "10.0.0.9:40000".parse().expect("literal");
        let asked = Asked { client, to: [192, 168, 0, 89].into(), connections };
        Explanation::of(service, view, &known, &asked).expect("a model").to_string()
    }

    #[test]
    fn says_who_and_why() {
        insta::assert_snapshot!(told(&service("wlc"), &view(&[2, 1]), &[], 3), @r"
        1. 192.168.0.94:80: 256 × 0 active + 0 inactive = 0, for a weight of 1: the least, and the first of 2 with as much
        2. 192.168.0.93:80: 256 × 0 active + 0 inactive = 0, for a weight of 2: the least
        3. 192.168.0.93:80: 256 × 1 active + 0 inactive = 256, for a weight of 2: the least
        ");
        insta::assert_snapshot!(told(&service("fo"), &view(&[0]), &[], 1), @"nobody: every weight is 0");
    }

    #[test]
    fn says_what_cannot_be_seen() {
        insta::assert_snapshot!(told(&service("rr"), &view(&[1, 1]), &[], 2), @r"
        1. one of 2, in turns: the kernel does not show whose turn it is
           192.168.0.94:80: it is the first in the list, and nobody had a turn yet
           192.168.0.93:80: its turn comes after 192.168.0.94:80
        2. one of 2, in turns: the kernel does not show whose turn it is
           192.168.0.93:80: its turn comes after 192.168.0.94:80
           192.168.0.94:80: its turn comes after 192.168.0.93:80
        ");
    }

    #[test]
    fn asks_what_is_remembered_before_the_scheduler() {
        let known = ["TCP 0A000009 9C40 C0A80059 0050 C0A8005D 0050 ESTABLISHED 899"];
        insta::assert_snapshot!(told(&service("fo"), &view(&[1, 5]), &known, 2), @r"
        1. 192.168.0.93:80: this connection is known already (ESTABLISHED), and is forgotten in 899 s
        2. 192.168.0.94:80: 5 is the highest weight
        ");
        let mut persistent = service("fo");
        let timeout = NonZeroU32::new(300).expect("not zero");
        let netmask = Netmask::single(Family::Ipv4);
        persistent.persistence = Some(Persistence { timeout, netmask });
        insta::assert_snapshot!(told(&persistent, &view(&[1, 5]), &[], 2), @r"
        1. 192.168.0.94:80: 5 is the highest weight
        2. 192.168.0.94:80: persistence sends it where connection 1 went
        ");
        let template = ["TCP 0A000009 0000 C0A80059 0050 C0A8005D 0050 NONE 290"];
        insta::assert_snapshot!(told(&persistent, &view(&[1, 5]), &template, 1), @"192.168.0.93:80: persistence holds its client there for 290 s more");
        // A destination of weight 0 is given up, as `expire_quiescent_template` says.
        insta::assert_snapshot!(told(&persistent, &view(&[0, 5]), &template, 1), @"192.168.0.94:80: 5 is the highest weight");
    }
}
