//! What is said to the kernel over netlink: links, addresses and routes.
//!
//! Everything here blocks, and works in the network namespace that the calling thread is in
//! when a handle is made; a handle keeps that namespace however the thread moves on.

mod name;
pub mod route;

pub use name::{BadInterfaceName, InterfaceName, MacAddress};
