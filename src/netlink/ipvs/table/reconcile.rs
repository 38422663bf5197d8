//! From one table to another in the fewest steps, and in an order that leaves clients
//! somewhere to go: what takes load first, what gives it away last.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Before, Change, Plan, Table, VirtualService};
use crate::netlink::ipvs::{Destination, DestinationKey, Request, Service, ServiceKey};

/// How far a reconciliation may go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Whether services go that are not declared. Without it they are not touched.
    pub purge: bool,
    /// Whether what goes gets a weight of 0 first, and is removed in a later step.
    pub drain: bool,
}

impl Table {
    /// Lists what it takes to get from the observed table to this one.
    ///
    /// What is equal is not touched, and what differs is edited in place. Each service is
    /// added or edited before its destinations; of these some are added, then edited, and
    /// only then the others removed. Services are removed last of all.
    #[must_use]
    pub fn reconcile(&self, observed: &Self, policy: Policy) -> Plan {
        self.within(observed, policy, |_| true)
    }

    /// Lists what it takes to undo these requests, failed ones among them: `self` is the table
    /// before them, `now` the one that was read afterwards. Services that none of them is
    /// about are not touched.
    ///
    /// A service that was removed and comes back has its counters at zero.
    #[must_use]
    pub fn undo<R: AsRef<Request>>(&self, now: &Self, requests: &[R]) -> Vec<Change> {
        let mut touched = HashSet::new();
        let mut all = false;
        for request in requests {
            match request.as_ref() {
                Request::Flush => all = true,
                request => touched.extend(request.service_key()),
            }
        }
        let policy = Policy { purge: true, drain: false };
        self.within(now, policy, |key| all || touched.contains(key)).now
    }

    fn within(
        &self,
        observed: &Self,
        policy: Policy,
        in_scope: impl Fn(&ServiceKey) -> bool,
    ) -> Plan {
        let mut plan = Plan::default();
        let found = observed.by_key();
        for wanted in self.services.iter().filter(|one| in_scope(&one.service.key)) {
            let key = wanted.service.key;
            match found.get(&key) {
                None => plan.add(wanted),
                Some(now) => {
                    plan.edit_service(&now.service, &wanted.service);
                    plan.destinations(key, &now.destinations, &wanted.destinations, policy.drain);
                }
            }
        }
        if policy.purge {
            let wanted: HashSet<ServiceKey> =
                self.services.iter().map(|one| one.service.key).collect();
            let extra = observed
                .services
                .iter()
                .filter(|one| !wanted.contains(&one.service.key) && in_scope(&one.service.key));
            extra.for_each(|service| plan.remove(service, policy.drain));
        }
        plan
    }
}

impl Plan {
    fn add(&mut self, wanted: &VirtualService) {
        let key = wanted.service.key;
        self.now.push(Change::from(Request::AddService(wanted.service.clone())));
        let added = wanted.destinations.iter();
        self.now.extend(added.map(|one| Change::from(Request::AddDestination(key, *one))));
    }

    fn edit_service(&mut self, now: &Service, wanted: &Service) {
        if now != wanted {
            let before = Some(Before::Service(Box::new(now.clone())));
            self.now.push(Change { request: Request::EditService(wanted.clone()), before });
        }
    }

    fn destinations(
        &mut self,
        key: ServiceKey,
        now: &[Destination],
        wanted: &[Destination],
        drain: bool,
    ) {
        let (found, declared) = (Sorted::new(now), Sorted::new(wanted));
        let (mut edited, mut emptied) = (Vec::new(), Vec::new());
        for destination in wanted {
            match found.find(&destination.key) {
                None => {
                    let request = Request::AddDestination(key, *destination);
                    self.now.push(Change::from(request));
                }
                Some(now) if now == destination => {}
                // Before one takes no more clients, another one takes some.
                Some(now) if destination.weight == 0 => emptied.push(edit(key, now, *destination)),
                Some(now) => edited.push(edit(key, now, *destination)),
            }
        }
        self.now.extend(edited.into_iter().chain(emptied));
        for extra in now.iter().filter(|one| declared.find(&one.key).is_none()) {
            let removal = Change::from(Request::RemoveDestination(key, extra.key));
            if drain {
                self.drain(key, extra);
                self.later.push(removal);
            } else {
                self.now.push(removal);
            }
        }
    }

    fn remove(&mut self, extra: &VirtualService, drain: bool) {
        let key = extra.service.key;
        let removal = Change::from(Request::RemoveService(key));
        if drain {
            extra.destinations.iter().for_each(|one| self.drain(key, one));
            self.later.push(removal);
        } else {
            self.now.push(removal);
        }
    }

    /// Gives a destination no more new connections.
    fn drain(&mut self, key: ServiceKey, destination: &Destination) {
        if destination.weight != 0 {
            self.now.push(edit(key, destination, Destination { weight: 0, ..*destination }));
        }
    }
}

fn edit(key: ServiceKey, now: &Destination, wanted: Destination) -> Change {
    let before = Some(Before::Destination(*now));
    Change { request: Request::EditDestination(key, wanted), before }
}

/// Destinations in the order of their keys, so that one is found quickly among thousands.
struct Sorted<'a>(Vec<&'a Destination>);

impl<'a> Sorted<'a> {
    fn new(destinations: &'a [Destination]) -> Self {
        let mut sorted: Vec<&Destination> = destinations.iter().collect();
        sorted.sort_unstable_by_key(|destination| destination.key);
        Self(sorted)
    }

    fn find(&self, key: &DestinationKey) -> Option<&'a Destination> {
        let at = self.0.binary_search_by_key(key, |destination| destination.key).ok()?;
        self.0.get(at).copied()
    }
}
