//! The check as a lab file writes it.

use std::net::SocketAddr;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Scheduling;
use crate::diagnostic::nearest;
use crate::lab::model;
use crate::lab::probe::Seconds;
use crate::netlink::ipvs::written::Key;
use crate::netlink::ipvs::{Protocol, ServiceKey};

/// How many connections without a number.
const REQUESTS: u32 = 24;
/// More would fill the director's table with what it remembers for minutes.
const MOST: u32 = 10_000;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// The service that is looked at.
    pub(super) service: ServiceKey,
    /// Where connections go; with a mark that is not the service.
    pub(super) to: SocketAddr,
    pub(super) udp: bool,
}

/// The check as written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// The host that connects.
    from: String,
    /// The director; without it, the one in whose table the service is.
    on: Option<String>,
    /// The virtual service: `tcp://192.168.0.89:80`, `udp://…`, `fwmark://7`.
    service: Key,
    /// Where to connect to, of a marked service or one of every port: `tcp://192.168.0.89:80`.
    to: Option<Key>,
    /// The scheduler whose model is asked; without it, the one in the table.
    model: Option<String>,
    /// The weights that the model goes by, by real server; without it, those in the table.
    #[serde(default)]
    weights: IndexMap<String, u32>,
    /// How many connections, 24 by default.
    requests: Option<u32>,
    /// How many of them are open at a time, once there are as many; which one is closed then is up
    /// to `seed`. By default each is closed before the next.
    #[serde(default)]
    hold: u32,
    /// From how many addresses of the host, in turn; by default from the one that it uses itself.
    clients: Option<u32>,
    /// What decides which connection is closed; the same seed, the same course.
    #[serde(default = "one")]
    seed: u64,
    /// For how many seconds to wait for a connection.
    timeout: Option<Seconds>,
}

fn one() -> u64 {
    1
}

impl TryFrom<Written> for Scheduling {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let target = target(written.service.0, written.to.map(|to| to.0))?;
        if let Some(name) = &written.model
            && !model::names().any(|known| known == name)
        {
            let known: Vec<&str> = model::names().collect();
            let hint = match nearest(name, known.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("there are {}", known.join(", ")),
            };
            return Err(format!("there is no model of a scheduler `{name}`\nhint: {hint}"));
        }
        let requests = written.requests.unwrap_or(REQUESTS);
        for (name, number) in [("requests", Some(requests)), ("clients", written.clients)] {
            match number {
                Some(0) => return Err(format!("`{name}` is 0, which proves nothing")),
                Some(number) if number > MOST => {
                    return Err(format!("`{name}` is {number}, and {MOST} is the most"));
                }
                _ => {}
            }
        }
        if written.hold > requests {
            let hold = written.hold;
            return Err(format!(
                "`hold` is {hold}, but only {requests} connections are made\n\
                 hint: make more `requests`"
            ));
        }
        Ok(Self {
            from: written.from,
            on: written.on,
            target,
            model: written.model,
            weights: written.weights,
            requests,
            hold: written.hold,
            clients: written.clients,
            seed: written.seed,
            timeout: written.timeout.unwrap_or(Seconds::from_millis(3_000)),
        })
    }
}

fn target(service: ServiceKey, to: Option<ServiceKey>) -> Result<Target, String> {
    let example = "hint: `to: tcp://192.168.0.89:80` says where to connect to";
    match to.unwrap_or(service) {
        ServiceKey::Address { port: 0, .. } if to.is_none() => {
            Err(format!("`{service}` is every port\n{example}"))
        }
        ServiceKey::Fwmark { .. } if to.is_none() => {
            Err(format!("`{service}` is no place to connect to\n{example}"))
        }
        ServiceKey::Fwmark { .. } | ServiceKey::Address { port: 0, .. } => {
            Err(format!("`to` is no place to connect to\n{example}"))
        }
        ServiceKey::Address { protocol, address, port } => {
            let udp = match protocol {
                Protocol::Tcp => false,
                Protocol::Udp => true,
                other => {
                    return Err(format!("connections are made of TCP and UDP, not of {other}"));
                }
            };
            Ok(Target { service, to: SocketAddr::new(address, port), udp })
        }
    }
}
