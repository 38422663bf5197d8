//! Sync daemons, timeouts, and what the kernel says about its IPVS.

use std::fmt;
use std::net::IpAddr;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::netlink::InterfaceName;

/// Which end of the synchronisation a daemon is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum DaemonRole {
    /// Sends its connections.
    Master,
    /// Takes those of a master.
    Backup,
}

impl fmt::Display for DaemonRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// What makes a sync daemon the one it is: there is at most one of each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DaemonKey {
    /// Its role.
    pub role: DaemonRole,
    /// Its number, which tells pairs of directors apart; 0 listens to every one.
    pub sync_id: u8,
}

/// A sync daemon; what is not given is the kernel's choice, and is told when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// Which one.
    pub key: DaemonKey,
    /// Where it sends or listens.
    pub interface: InterfaceName,
    /// The most bytes in a datagram.
    pub max_length: Option<u16>,
    /// The multicast group.
    pub group: Option<IpAddr>,
    /// The first UDP port.
    pub port: Option<u16>,
    /// How far datagrams go.
    pub ttl: Option<u8>,
}

impl Daemon {
    /// Whether a running daemon is the declared one, as far as that was declared.
    #[must_use]
    pub fn is(&self, declared: &Self) -> bool {
        fn as_declared<T: PartialEq>(declared: &Option<T>, running: &Option<T>) -> bool {
            declared.is_none() || declared == running
        }
        declared.key == self.key
            && declared.interface == self.interface
            && as_declared(&declared.max_length, &self.max_length)
            && as_declared(&declared.group, &self.group)
            && as_declared(&declared.port, &self.port)
            && as_declared(&declared.ttl, &self.ttl)
    }
}

/// For how long idle connections are kept, in seconds. What is not given is not changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// Established TCP; the kernel's default is 900.
    pub tcp: Option<u32>,
    /// TCP after a FIN; 120.
    pub tcp_fin: Option<u32>,
    /// UDP; 300.
    pub udp: Option<u32>,
}

/// What the kernel says about its IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Its version, as in `1.2.1`.
    pub version: (u8, u8, u8),
    /// The size of the connection table.
    pub table_size: u32,
}
