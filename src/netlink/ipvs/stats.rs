//! Counters, which take no part in any diff, and what a newer kernel says besides.

use serde::{Deserialize, Serialize};

/// The counters of a service or a destination; rates are per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients that passed the director.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients that passed the director.
    pub bytes_out: u64,
    /// Connections per second.
    pub connection_rate: u64,
    /// Packets in per second.
    pub packet_rate_in: u64,
    /// Packets out per second.
    pub packet_rate_out: u64,
    /// Bytes in per second.
    pub byte_rate_in: u64,
    /// Bytes out per second.
    pub byte_rate_out: u64,
}

/// An attribute that this program does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Its number.
    pub kind: u16,
    /// Its value.
    pub value: Vec<u8>,
}
