//! The IPVS table of this host, as the kernel tells it.

use serde::{Deserialize, Serialize};

use crate::modules::Error;
use crate::netlink::ipvs::{DestinationState, Handle, ServiceState};

/// What is in the IPVS table?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ipvs {}

/// An IPVS table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its virtual services, in the kernel's order.
    pub services: Vec<VirtualService>,
}

/// A virtual service with its destinations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualService {
    /// The service, with its counters apart.
    #[serde(flatten)]
    pub state: ServiceState,
    /// Its destinations, in the kernel's order.
    pub destinations: Vec<DestinationState>,
}

impl Ipvs {
    pub(super) fn run(self) -> Result<Table, Error> {
        let table = Handle::open().and_then(|mut ipvs| ipvs.table()).map_err(failed)?;
        let services = table
            .into_iter()
            .map(|(state, destinations)| VirtualService { state, destinations })
            .collect();
        Ok(Table { services })
    }
}

/// An error of the kernel's table, with its hint.
pub(super) fn failed(error: crate::netlink::ipvs::Error) -> Error {
    let told = Error::new(error.to_string());
    match error.hint() {
        Some(hint) => told.hint(hint),
        None => told,
    }
}
