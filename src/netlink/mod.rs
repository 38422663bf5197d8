//! What is said to the kernel over netlink: IPVS, links, addresses and routes.
//!
//! Everything here blocks, and works in the network namespace that the calling thread is in
//! when a handle is made; a handle keeps that namespace however the thread moves on.
//! [`route`] goes through the rtnetlink crate; [`ipvs`] and [`fou`] have their own codec, over
//! [`socket`].

pub mod fou;
mod generic;
pub mod ipvs;
mod mac;
mod name;
pub mod route;
pub mod socket;
pub mod wire;

pub use mac::BadMacAddress;
pub use name::{BadInterfaceName, InterfaceName, MacAddress};
