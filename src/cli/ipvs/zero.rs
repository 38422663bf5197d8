//! `lvsmith ipvs zero`: counters to zero.

use clap::Args;

use super::Outcome;
use crate::cli::Exit;
use crate::netlink::ipvs::ServiceKey;

/// Set the counters of a service and its destinations to zero, or all counters
#[derive(Debug, Args)]
pub(super) struct Zero {
    /// The service, as in `tcp://192.168.0.89:80`; all when there is none
    #[arg(value_parser = super::service_key)]
    service: Option<ServiceKey>,
}

impl Zero {
    pub(super) fn run(self) -> Outcome {
        super::open()?.zero(self.service)?;
        Ok(Exit::Declared)
    }
}
