//! A plan done with a pause in it: what is to go takes no more clients, and goes when those it has
//! are done.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use super::Plan;
use crate::netlink::ipvs::{DestinationKey, Error, Failure, Handle, Request, ServiceKey};

/// How often the connections are counted.
const PAUSE: Duration = Duration::from_millis(200);

impl Plan {
    /// Does what can be done at once, waits until what is left to go has no connection any more,
    /// or for that long, and removes it. Failures have the places of their changes in the two
    /// lists one after the other.
    pub fn apply(&self, ipvs: &mut Handle, most: Duration) -> Result<Vec<Failure>, Error> {
        let mut failures = ipvs.apply_all(&self.now)?;
        let begun = Instant::now();
        while self.is_in_use(ipvs)? && begun.elapsed() < most {
            thread::sleep(PAUSE.min(most));
        }
        let moved = |failure: Failure| Failure { index: self.now.len() + failure.index, ..failure };
        failures.extend(ipvs.apply_all(&self.later)?.into_iter().map(moved));
        Ok(failures)
    }

    /// Whether anything that is left to go still has connections.
    fn is_in_use(&self, ipvs: &mut Handle) -> Result<bool, Error> {
        // Of each service, those destinations that go; none named means all of them.
        let mut leaving: HashMap<ServiceKey, HashSet<DestinationKey>> = HashMap::new();
        for change in &self.later {
            match &change.request {
                Request::RemoveService(key) => _ = leaving.entry(*key).or_default(),
                Request::RemoveDestination(key, destination) => {
                    leaving.entry(*key).or_default().insert(*destination);
                }
                _ => {}
            }
        }
        for (key, named) in leaving {
            let in_use = ipvs.destinations(&key)?.into_iter().any(|state| {
                let leaves = named.is_empty() || named.contains(&state.destination.key);
                leaves && state.open_connections(&key) > 0
            });
            if in_use {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
