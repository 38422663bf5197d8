//! Labs: clusters of network namespaces on this machine.

pub mod topology;

pub use topology::Topology;
