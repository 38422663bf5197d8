//! A virtual service of this host, as its scheduler sees it, with what decides before any
//! scheduler is asked: connections that are known, and what persistence remembers.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::VirtualService;
use super::ipvs::failed;
use crate::modules::Error;
use crate::netlink::ipvs::{Connection, Handle, ServiceKey, connections};

/// Sends a persistent client elsewhere when its destination has weight 0.
const EXPIRES: &str = "/proc/sys/net/ipv4/vs/expire_quiescent_template";

/// What is a service like right now?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduledBy {
    /// The service.
    pub service: ServiceKey,
    /// The client whose connection is looked for among those that are known.
    pub client: Option<SocketAddr>,
}

/// What a service is like right now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// The service with its destinations in the kernel's order; `None` when there is none.
    pub service: Option<VirtualService>,
    /// The client's connection, and what persistence remembers of any client.
    pub known: Vec<Connection>,
    /// Whether persistence gives up a destination of weight 0.
    pub expires: bool,
}

impl ScheduledBy {
    pub(super) fn run(self) -> Result<Scheduled, Error> {
        let mut ipvs = Handle::open().map_err(failed)?;
        let Some(state) = ipvs.service(&self.service).map_err(failed)? else {
            return Ok(Scheduled::default());
        };
        let destinations = ipvs.destinations(&self.service).map_err(failed)?;
        let wanted = |one: &Connection| one.is_template() || Some(one.client) == self.client;
        let known = connections()
            .and_then(|all| {
                all.filter(|one| one.as_ref().map_or(true, wanted)).collect::<Result<Vec<_>, _>>()
            })
            .map_err(|error| Error::new(error.to_string()))?;
        // It is there as soon as IPVS is.
        let expires = std::fs::read_to_string(EXPIRES).is_ok_and(|value| value.trim() != "0");
        Ok(Scheduled { service: Some(VirtualService { state, destinations }), known, expires })
    }
}
