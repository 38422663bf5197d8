//! The IPVS table of the kernel: virtual services, their destinations, sync daemons,
//! timeouts and counters, over generic netlink.
//!
//! What is declared ([`Service`], [`Destination`]) and what is observed ([`ServiceState`],
//! [`DestinationState`], with counters) are types of their own. What the kernel would take
//! although it makes no sense is refused by [`Handle`] before it is sent; see [`Refused`].
//!
//! ```no_run
//! use lvsmith::netlink::ipvs::{
//!     Destination, Forward, Handle, Protocol, Scheduler, Service, ServiceKey,
//! };
//!
//! let mut ipvs = Handle::open()?;
//! let web = ServiceKey::address(Protocol::Tcp, [192, 168, 0, 89], 80);
//! ipvs.add_service(&Service::new(web, Scheduler::new("rr")?))?;
//! ipvs.add_destination(web, &Destination::new([192, 168, 0, 93], 80, Forward::Direct))?;
//! for (service, destinations) in ipvs.table()? {
//!     println!("{} has {} destinations", service.service.key, destinations.len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attr;
mod constants;
mod daemon;
mod destination;
mod error;
mod handle;
mod message;
mod option;
mod refused;
mod service;
mod stats;
mod table;
pub(crate) mod written;

pub use daemon::{Daemon, DaemonKey, DaemonRole, Info, Timeouts};
pub use destination::{Checksum, Destination, DestinationKey, DestinationState, Forward, Tunnel};
pub use error::Error;
pub use handle::{Failure, Handle};
pub use message::Request;
pub use refused::Refused;
pub(crate) use refused::check_host;
pub use service::{
    Engine, Family, Netmask, Persistence, Protocol, SCHEDULERS, Scheduler, SchedulerFlags, Service,
    ServiceKey, ServiceState,
};
pub use stats::{Stats, Unknown};
pub use table::{Before, Change, Converged, Plan, Policy, Table, VirtualService};
