//! A director as `lvsmith ipvs` shows it: its table as a tree, its counters, its rates.
//!
//! Everything here is pure: what was read of the kernel goes in, text or serializable
//! values come out. Reading and changing the kernel is [`crate::netlink::ipvs`]'s.

mod grid;
mod listing;
mod quantity;
mod rates;
mod statistics;
mod view;

pub use listing::listing;
pub use rates::Rates;
pub use statistics::{Precision, statistics};
pub use view::{Counters, DestinationView, ServiceView, State, view};

use crate::netlink::ipvs::{DestinationState, ServiceState};

/// The services of a director with their destinations, as the kernel has them.
pub type Observed = Vec<(ServiceState, Vec<DestinationState>)>;

#[cfg(test)]
mod tests;
