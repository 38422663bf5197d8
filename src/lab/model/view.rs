//! What a scheduler sees: a service with the load of its destinations, and a request.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use serde::Serialize;

use crate::netlink::ipvs::{Destination, DestinationKey, DestinationState, SchedulerFlags};

/// A service as its scheduler sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct View {
    /// The switches of the scheduler.
    pub flags: SchedulerFlags,
    /// Its destinations in the kernel's order, which is that of netlink's answers: the one that
    /// was added last comes first.
    pub servers: Vec<Server>,
}

/// A destination as a scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Which one.
    pub key: DestinationKey,
    /// Its share; 0 takes nothing new.
    pub weight: u32,
    /// Connections that are open.
    pub active: u32,
    /// Connections that are being closed, or of UDP.
    pub inactive: u32,
    /// With this many connections of both kinds it is full.
    pub upper: Option<NonZeroU32>,
    /// Below this many it is not any more.
    pub lower: Option<NonZeroU32>,
    /// Whether it is full. Between the thresholds that depends on what was before, and the
    /// kernel does not show it; a model knows.
    #[serde(skip)]
    pub(super) full: bool,
}

/// A connection that is to be given a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Where it comes from.
    pub client: SocketAddr,
    /// Where it goes to: the VIP, or with a mark any address.
    pub to: IpAddr,
}

impl View {
    /// A service as netlink tells it.
    #[must_use]
    pub fn observed(flags: SchedulerFlags, destinations: &[DestinationState]) -> Self {
        Self { flags, servers: destinations.iter().map(Server::from).collect() }
    }

    /// A service as it is when these destinations were added in this order, and nothing has
    /// come yet.
    #[must_use]
    pub fn fresh(flags: SchedulerFlags, destinations: &[Destination]) -> Self {
        Self { flags, servers: destinations.iter().rev().map(Server::from).collect() }
    }

    /// A destination.
    #[must_use]
    pub fn server(&self, key: DestinationKey) -> Option<&Server> {
        self.servers.iter().find(|server| server.key == key)
    }

    /// Its destinations that can take something.
    pub(super) fn available(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(|server| server.is_available())
    }

    /// What an edit of the table changes, and a connection does not.
    pub(super) fn shape(&self) -> Vec<(DestinationKey, u32)> {
        self.servers.iter().map(|server| (server.key, server.weight)).collect()
    }
}

impl Server {
    /// Whether it takes new connections.
    pub(super) fn is_available(&self) -> bool {
        self.weight > 0 && !self.full
    }

    /// Why it does not take new connections.
    pub(super) fn out(&self) -> &'static str {
        if self.weight == 0 { "has weight 0" } else { "has reached its upper threshold" }
    }

    /// Its load as `lc`, `wlc` and those built on them reckon it.
    pub(super) fn overhead(&self) -> u64 {
        (u64::from(self.active) << 8) + u64::from(self.inactive)
    }
}

impl From<&Destination> for Server {
    fn from(one: &Destination) -> Self {
        Self {
            key: one.key,
            weight: one.weight,
            active: 0,
            inactive: 0,
            upper: one.upper_threshold,
            lower: one.lower_threshold,
            full: false,
        }
    }
}

impl From<&DestinationState> for Server {
    fn from(state: &DestinationState) -> Self {
        Self {
            active: state.active_connections,
            inactive: state.inactive_connections,
            ..Self::from(&state.destination)
        }
    }
}
