//! `ipvs_service`: a virtual service with its destinations.

use std::collections::HashMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Error, Host, Presence, Resource, TextDiff, modprobe};
use crate::netlink::ipvs::{
    self, Change, Destination, DestinationKey, DestinationState, Failure, Handle, Plan, Policy,
    Request, Service, ServiceKey, ServiceState, Table, VirtualService,
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
    drain: Option<u32>,
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

impl Observed {
    /// What can be declared of it.
    fn table(&self) -> Table {
        let service = self.service.iter().map(|state| VirtualService {
            service: state.service.clone(),
            destinations: self.destinations.iter().map(|state| state.destination).collect(),
        });
        service.collect()
    }
}

impl IpvsService {
    pub(super) fn key(&self) -> ServiceKey {
        self.service.key
    }

    pub(super) fn state(&self) -> Presence {
        self.state
    }

    pub(super) fn drain(&self) -> Option<u32> {
        self.drain
    }

    /// The service as it is to be, given the destinations there are.
    pub(super) fn wanted(&self, found: &[Destination]) -> VirtualService {
        let destinations = match &self.destinations {
            None => found.to_vec(),
            Some(declared) => {
                let found: HashMap<DestinationKey, u32> =
                    found.iter().map(|destination| (destination.key, destination.weight)).collect();
                let wanted = declared.iter().map(|one| {
                    let kept = found.get(&one.key).copied();
                    let weight = one.weight.or(kept).unwrap_or(one.destination.weight);
                    Destination { weight, ..one.destination }
                });
                wanted.collect()
            }
        };
        VirtualService { service: self.service.clone(), destinations }
    }

    fn wanted_table(&self, observed: &Table) -> Table {
        match self.state {
            Presence::Absent => Table::default(),
            Presence::Present => {
                let found = observed.services().first().map(|one| one.destinations.as_slice());
                Table::from_iter([self.wanted(found.unwrap_or_default())])
            }
        }
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
        // Nothing but this service was observed, so nothing else can be purged.
        let policy = Policy { purge: true, drain: self.drain.is_some() };
        let observed = observed.table();
        let Plan { now, later } = self.wanted_table(&observed).reconcile(&observed, policy);
        now.into_iter().chain(later).collect()
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        modprobe::load_schedulers([&change.request]);
        Ok(host.ipvs()?.apply(&change.request)?)
    }

    fn apply_all(&self, host: &mut Host, changes: &[Change]) -> Result<(), Error> {
        let Some(seconds) = self.drain else {
            return changes.iter().try_for_each(|change| self.apply(host, change));
        };
        modprobe::load_schedulers(changes.iter().map(|change| &change.request));
        let failures = drained(changes, host.ipvs()?, seconds)?;
        failures.into_iter().next().map_or(Ok(()), |first| Err(first.error.into()))
    }

    fn preview(&self, observed: &Observed) -> Option<TextDiff> {
        let observed = observed.table();
        Some(preview(&observed, &self.wanted_table(&observed)))
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

/// Makes changes, and waits so many seconds at most before the removals, which are the last.
pub(super) fn drained(
    changes: &[Change],
    ipvs: &mut Handle,
    seconds: u32,
) -> Result<Vec<Failure>, ipvs::Error> {
    let removes = |change: &Change| {
        matches!(change.request, Request::RemoveService(_) | Request::RemoveDestination(..))
    };
    let (later, now) = changes.iter().cloned().partition(removes);
    Plan { now, later }.apply(ipvs, Duration::from_secs(seconds.into()))
}

/// The table before and after, as it is shown to people.
pub(super) fn preview(before: &Table, after: &Table) -> TextDiff {
    TextDiff { name: "the IPVS table".into(), before: listing(before), after: listing(after) }
}

/// Services and destinations, a line for each, in an order that is always the same.
fn listing(table: &Table) -> String {
    let mut services: Vec<&VirtualService> = table.services().iter().collect();
    services.sort_by_key(|one| one.service.key);
    let mut text = String::new();
    for VirtualService { service, destinations } in services {
        text.push_str(&format!("{service}\n"));
        let mut destinations: Vec<&Destination> = destinations.iter().collect();
        destinations.sort_by_key(|destination| destination.key);
        for destination in destinations {
            text.push_str(&format!("  -> {destination}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
