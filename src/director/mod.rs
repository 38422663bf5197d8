//! A director's IPVS as a whole: shown, written to a file, compared, made what a file says.
//!
//! [`view`] and what draws it ([`listing`], [`statistics`]) are about what is observed, with
//! counters and rates; [`Setup`] is what can be declared, [`Document`] a setup as YAML,
//! [`difference`] what lies between two of them. All of that is pure: only [`Setup::read`] and
//! [`Setup::make`] talk to the kernel, through [`crate::netlink::ipvs`].

pub mod adopt;
mod change;
mod connections;
mod difference;
mod document;
mod drain;
mod grid;
mod listing;
mod quantity;
mod rates;
mod rules;
mod setup;
mod share;
mod statistics;
mod view;

pub(crate) use adopt::flow;
pub use change::{Ending, Made, Way};
pub use connections::{Place, Wanted, connection_table};
pub use difference::difference;
pub use document::Document;
pub use drain::{Drain, Drained};
pub use listing::listing;
pub use rates::Rates;
pub use rules::{are_rules, read_rules, write_rules};
pub use setup::{Setup, Step, daemon_in_words};
pub use share::shares;
pub use statistics::{Precision, statistics};
pub use view::{Counters, DestinationView, ServiceView, State, view};

use crate::netlink::ipvs::{DestinationState, ServiceState};

/// After so many mistakes a file is probably something else, and is read no further.
const MISTAKES: usize = 20;

/// The services of a director with their destinations, as the kernel has them.
pub type Observed = Vec<(ServiceState, Vec<DestinationState>)>;

#[cfg(test)]
mod tests;
