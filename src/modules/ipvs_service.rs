//! `ipvs_service`: a virtual service with its destinations.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Error, Host, Presence, Resource, TextDiff, modprobe};
use crate::netlink::ipvs::{
    Destination, DestinationKey, DestinationState, Request, Service, ServiceKey, ServiceState,
};

mod arguments;
mod words;

pub use arguments::Arguments;

/// Declares a virtual service of IPVS, with its destinations.
///
/// What differs is added, edited in place or removed, in this order; what is equal is not
/// touched, and other services never are. Without `destinations` only the service itself is
/// declared. A destination without `weight` keeps the one it has, or gets 1.
///
/// ```yaml
/// ipvs_service:
///   vip: 192.168.0.89
///   port: 80
///   scheduler: rr
///   forward: direct
///   destinations:
///     - address: 192.168.0.93
///     - address: 192.168.0.94
///       weight: 2
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Arguments", into = "Arguments")]
pub struct IpvsService {
    // As written, so that what travels to the agent is what was read.
    arguments: Arguments,
    service: Service,
    destinations: Option<Vec<Declared>>,
    state: Presence,
}

/// A destination whose weight may be left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Declared {
    key: DestinationKey,
    weight: Option<u32>,
    /// With the weight that it gets when it is new.
    destination: Destination,
}

/// The service and its destinations in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Observed {
    /// `None` when there is no such service.
    pub service: Option<ServiceState>,
    /// Its destinations.
    pub destinations: Vec<DestinationState>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What is asked of the kernel.
    pub request: Request,
    /// What it was, when something is edited.
    pub before: Option<String>,
}

impl Change {
    fn new(request: Request) -> Self {
        Self { request, before: None }
    }

    fn edit(request: Request, before: &impl fmt::Display) -> Self {
        Self { request, before: Some(before.to_string()) }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)?;
        match &self.before {
            Some(before) => write!(f, " (was {before})"),
            None => Ok(()),
        }
    }
}

impl IpvsService {
    fn key(&self) -> ServiceKey {
        self.service.key
    }

    /// The destinations as they are to be, given those there are.
    fn wanted(&self, found: &[DestinationState]) -> Option<Vec<Destination>> {
        let wanted = self.destinations.as_ref()?.iter().map(|declared| {
            let kept = found
                .iter()
                .find(|state| state.destination.key == declared.key)
                .map(|state| state.destination.weight);
            let weight = declared.weight.or(kept).unwrap_or(declared.destination.weight);
            Destination { weight, ..declared.destination }
        });
        Some(wanted.collect())
    }

    fn destination_changes(&self, found: &[DestinationState]) -> Vec<Change> {
        let Some(wanted) = self.wanted(found) else { return Vec::new() };
        let key = self.key();
        let (mut added, mut edited) = (Vec::new(), Vec::new());
        for destination in &wanted {
            let now = found.iter().map(|state| state.destination);
            match now.into_iter().find(|now| now.key == destination.key) {
                None => added.push(Change::new(Request::AddDestination(key, *destination))),
                Some(now) if now != *destination => {
                    let request = Request::EditDestination(key, *destination);
                    edited.push(Change::edit(request, &now));
                }
                Some(_) => {}
            }
        }
        let extra = found.iter().map(|state| state.destination.key);
        let removed = extra
            .filter(|key| wanted.iter().all(|wanted| wanted.key != *key))
            .map(|extra| Change::new(Request::RemoveDestination(key, extra)));
        // First what takes load, last what gives it away: there is always somewhere to go.
        added.into_iter().chain(edited).chain(removed).collect()
    }
}

impl Resource for IpvsService {
    type Observed = Observed;
    type Change = Change;

    fn observe(&self, host: &mut Host) -> Result<Observed, Error> {
        // Without IPVS there is no service; an earlier task may be going to load it, and this
        // one may be only a plan.
        let Some(ipvs) = host.loaded_ipvs()? else { return Ok(Observed::default()) };
        let Some(service) = ipvs.service(&self.key())? else { return Ok(Observed::default()) };
        let destinations = ipvs.destinations(&self.key())?;
        Ok(Observed { service: Some(service), destinations })
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        let service = observed.service.as_ref().map(|state| &state.service);
        let change = match (self.state, service) {
            (Presence::Absent, None) => return Vec::new(),
            (Presence::Absent, Some(_)) => {
                return vec![Change::new(Request::RemoveService(self.key()))];
            }
            (Presence::Present, None) => {
                Some(Change::new(Request::AddService(self.service.clone())))
            }
            (Presence::Present, Some(now)) if *now != self.service => {
                Some(Change::edit(Request::EditService(self.service.clone()), now))
            }
            (Presence::Present, Some(_)) => None,
        };
        change.into_iter().chain(self.destination_changes(&observed.destinations)).collect()
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        if let Request::AddService(service) | Request::EditService(service) = &change.request {
            modprobe::load_scheduler(&service.scheduler);
        }
        Ok(host.ipvs()?.apply(&change.request)?)
    }

    fn preview(&self, observed: &Observed) -> Option<TextDiff> {
        let now: Vec<Destination> =
            observed.destinations.iter().map(|state| state.destination).collect();
        let service = observed.service.as_ref().map(|state| &state.service);
        let wanted = self.wanted(&observed.destinations).unwrap_or_else(|| now.clone());
        let after = match self.state {
            Presence::Present => listing(Some(&self.service), &wanted),
            Presence::Absent => String::new(),
        };
        Some(TextDiff { name: "the IPVS table".into(), before: listing(service, &now), after })
    }

    fn report(&self, observed: &Observed) -> Map<String, Value> {
        let destinations: Vec<Value> = observed
            .destinations
            .iter()
            .map(|state| {
                json!({
                    "address": state.destination.key.address,
                    "port": state.destination.key.port,
                    "weight": state.destination.weight,
                    "active_connections": state.active_connections,
                    "inactive_connections": state.inactive_connections,
                })
            })
            .collect();
        let mut map = Map::new();
        map.insert("service".into(), self.key().to_string().into());
        map.insert("destinations".into(), destinations.into());
        map
    }
}

/// The service and its destinations, a line for each, in an order that is always the same.
fn listing(service: Option<&Service>, destinations: &[Destination]) -> String {
    let mut destinations = destinations.to_vec();
    destinations.sort_by_key(|destination| destination.key);
    let mut lines: Vec<String> =
        service.map(|service| format!("{service}\n")).into_iter().collect();
    lines.extend(destinations.iter().map(|destination| format!("  -> {destination}\n")));
    lines.concat()
}

#[cfg(test)]
mod tests;
