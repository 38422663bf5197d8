//! The IPVS table of the kernel: virtual services, their destinations, sync daemons,
//! timeouts and counters, over generic netlink, and by socket options in a user namespace.
//!
//! What is declared ([`Service`], [`Destination`]) and what is observed ([`ServiceState`],
//! [`DestinationState`], with counters) are types of their own. What the kernel would take
//! although it makes no sense is refused by [`Handle`] before it is sent; see [`Refused`].
//!
//! One by one, to list and to add:
//!
//! ```no_run
//! use lvsmith::netlink::ipvs::{Destination, Forward, Handle, Scheduler, Service, ServiceKey};
//!
//! let mut ipvs = Handle::open()?;
//! for (service, destinations) in ipvs.table()? {
//!     let connections: u32 = destinations.iter().map(|one| one.active_connections).sum();
//!     println!("{} has {connections} open connections", service.service);
//! }
//! let web: ServiceKey = "tcp://192.168.0.89:80".parse()?;
//! ipvs.add_service(&Service::new(web, Scheduler::new("rr")?))?;
//! ipvs.add_destination(web, &Destination::new([192, 168, 0, 93], 80, Forward::Direct))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A whole [`Table`], of which only what differs is sent, in batches:
//!
//! ```no_run
//! use lvsmith::netlink::ipvs::{Handle, Policy, Table};
//!
//! let wanted: Table = serde_json::from_str(
//!     r#"{"services": [{"service": "tcp://192.168.0.89:80", "scheduler": "wrr", "destinations": [
//!         {"address": "192.168.0.93", "forward": "direct", "weight": 2},
//!         {"address": "192.168.0.94", "forward": "direct"}]}]}"#,
//! )?;
//! let mut ipvs = Handle::open()?;
//! for change in wanted.reconcile(&Table::read(&mut ipvs)?, Policy::default()).now {
//!     println!("would {change}");
//! }
//! let converged = wanted.converge(&mut ipvs, Policy { purge: false, drain: false })?;
//! for failure in &converged.failures {
//!     eprintln!("{}", failure.error);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attr;
mod connections;
mod constants;
mod daemon;
mod destination;
mod error;
mod feature;
mod generic;
mod handle;
mod message;
mod option;
mod refused;
#[cfg(any(test, fuzzing))]
pub(crate) mod replies;
mod service;
mod settings;
mod stats;
mod table;
pub(crate) mod written;

pub use connections::{Connection, ConnectionsError, EngineData, connections};
pub use daemon::{Daemon, DaemonKey, DaemonRole, Info, Timeouts};
pub use destination::{Checksum, Destination, DestinationKey, DestinationState, Forward, Tunnel};
pub use error::Error;
pub(crate) use handle::{Encoded, Encoder};
pub use handle::{Failure, Handle};
pub use message::Request;
pub use refused::Refused;
pub(crate) use refused::check_host;
pub use service::{
    Engine, Family, Netmask, Persistence, Protocol, SCHEDULERS, Scheduler, SchedulerFlags, Service,
    ServiceKey, ServiceState,
};
pub use settings::{Range, Release, SETTINGS, Setting, setting};
pub use stats::{Stats, Unknown};
pub(crate) use table::raced;
pub use table::{Before, Change, Converged, Plan, Policy, Table, VirtualService};
