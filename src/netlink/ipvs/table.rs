//! A whole table, as declared: what it takes to get there from what is, and the way back.
//!
//! [`Table::reconcile`] is pure; [`Table::converge`] reads, reconciles and applies. Counters,
//! timeouts and sync daemons are no part of a table.

use std::collections::{HashMap, HashSet};
use std::fmt;

use nix::errno::Errno;
use serde::Serialize;

use super::destination::Destination;
use super::error::Error;
use super::handle::{Failure, Handle};
use super::message::Request;
use super::refused::Refused;
use super::service::{Service, ServiceKey};

mod drain;
mod reconcile;
#[cfg(test)]
mod tests;

pub use reconcile::Policy;

/// A service with its destinations, as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualService {
    /// The service.
    pub service: Service,
    /// Its destinations; all of them.
    pub destinations: Vec<Destination>,
}

/// Services with their destinations, each of them once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    services: Vec<VirtualService>,
}

/// One step from one table to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What is asked of the kernel.
    pub request: Request,
    /// What it is now, when something is edited.
    pub before: Option<Before>,
}

/// What is edited, as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// A service.
    Service(Box<Service>),
    /// A destination.
    Destination(Destination),
}

/// The steps from one table to another, in the order in which they must be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What can be done at once.
    pub now: Vec<Change>,
    /// What goes when its last connection is gone; empty unless draining was asked for.
    pub later: Vec<Change>,
}

/// What [`Table::converge`] has done.
#[derive(Debug, Default)]
pub struct Converged {
    /// What was asked of the kernel, in its order.
    pub changes: Vec<Change>,
    /// Which of these failed; the others are done.
    pub failures: Vec<Failure>,
    /// What is left to be removed when it is drained.
    pub later: Vec<Change>,
}

impl Table {
    /// A table of these services, each of which has another key, and so have the destinations
    /// of each.
    pub fn new(services: Vec<VirtualService>) -> Result<Self, Refused> {
        let mut keys = HashSet::with_capacity(services.len());
        let mut destinations = HashSet::new();
        for VirtualService { service, destinations: all } in &services {
            if !keys.insert(service.key) {
                return Err(Refused::new(format!("service `{}` is there twice", service.key)));
            }
            destinations.clear();
            for destination in all {
                if !destinations.insert(destination.key) {
                    return Err(Refused::new(format!(
                        "destination `{}` is there twice in `{}`",
                        destination.key, service.key
                    )));
                }
            }
        }
        Ok(Self { services })
    }

    /// Checks what the kernel does not; see [`Refused`].
    pub fn check(&self) -> Result<(), Refused> {
        for VirtualService { service, destinations } in &self.services {
            service.check()?;
            destinations.iter().try_for_each(|destination| destination.check(&service.key))?;
        }
        Ok(())
    }

    /// Reads the kernel's table, in the kernel's order. Much faster than [`Handle::table`], since
    /// it asks for no counters where it need not, and as exact.
    pub fn read(ipvs: &mut Handle) -> Result<Self, Error> {
        Ok(Self { services: ipvs.declared()? })
    }

    /// Its services.
    #[must_use]
    pub fn services(&self) -> &[VirtualService] {
        &self.services
    }

    /// Gives its services away.
    #[must_use]
    pub fn into_services(self) -> Vec<VirtualService> {
        self.services
    }

    /// The service of that key, by looking at one after the other.
    #[must_use]
    pub fn find(&self, key: &ServiceKey) -> Option<&VirtualService> {
        self.services.iter().find(|one| one.service.key == *key)
    }

    /// Its services by their keys.
    #[must_use]
    pub fn by_key(&self) -> HashMap<ServiceKey, &VirtualService> {
        self.services.iter().map(|one| (one.service.key, one)).collect()
    }

    /// Makes the kernel's table this one, as far as the policy goes.
    ///
    /// When another program removes or adds something in the middle, what is left to do is
    /// found out and done once more; only what fails then is a failure. What cannot be done at
    /// all, such as a scheduler that the kernel lacks, fails without another attempt.
    pub fn converge(&self, ipvs: &mut Handle, policy: Policy) -> Result<Converged, Error> {
        let mut converged = Converged::default();
        for last in [false, true] {
            let Plan { now, later } = self.reconcile(&Self::read(ipvs)?, policy);
            let failures = ipvs.apply_all(&now)?;
            let again = !last && raced(&failures);
            converged.later = later;
            if again {
                let failed: HashSet<usize> = failures.iter().map(|one| one.index).collect();
                let done = now.into_iter().enumerate().filter(|(at, _)| !failed.contains(at));
                converged.changes = done.map(|(_, change)| change).collect();
                continue;
            }
            let before = converged.changes.len();
            let moved = |failure: Failure| Failure { index: before + failure.index, ..failure };
            converged.failures = failures.into_iter().map(moved).collect();
            converged.changes.extend(now);
            break;
        }
        Ok(converged)
    }
}

/// Whether another program seems to have changed the table at the same time: something is gone,
/// or there already. That destinations fail whose service could not be added does not count.
pub(crate) fn raced(failures: &[Failure]) -> bool {
    let mut hopeless = HashSet::new();
    failures.iter().any(|Failure { request, error, .. }| match (request, error.errno()) {
        (Request::AddService(service), errno) if errno != Some(Errno::EEXIST) => {
            hopeless.insert(service.key);
            false
        }
        (_, Some(Errno::ESRCH | Errno::EEXIST)) => {
            request.service_key().is_none_or(|key| !hopeless.contains(&key))
        }
        (Request::EditDestination(..) | Request::RemoveDestination(..), Some(Errno::ENOENT)) => {
            true
        }
        _ => false,
    })
}

/// Takes services whose keys are known to differ; of two with the same key the later one counts
/// for nothing.
impl FromIterator<VirtualService> for Table {
    fn from_iter<I: IntoIterator<Item = VirtualService>>(services: I) -> Self {
        let mut seen = HashSet::new();
        let services = services.into_iter().filter(|one| seen.insert(one.service.key)).collect();
        Self { services }
    }
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.now.is_empty() && self.later.is_empty()
    }
}

/// A step that edits nothing.
impl From<Request> for Change {
    fn from(request: Request) -> Self {
        Self { request, before: None }
    }
}

impl AsRef<Request> for Change {
    fn as_ref(&self) -> &Request {
        &self.request
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)?;
        match &self.before {
            Some(Before::Service(before)) => write!(f, " (was {before})"),
            Some(Before::Destination(before)) => write!(f, " (was {before})"),
            None => Ok(()),
        }
    }
}
