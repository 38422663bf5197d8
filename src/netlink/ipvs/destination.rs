//! Destinations, which are a service's real servers: declared and observed.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};

use serde::{Deserialize, Serialize};

use super::service::{Protocol, ServiceKey};
use super::stats::{Stats, Unknown};

/// What makes a destination the one it is, within its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DestinationKey {
    /// The RIP.
    pub address: IpAddr,
    /// The port there.
    pub port: u16,
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// How packets reach a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forward {
    /// Direct routing: only the MAC address changes, and the reply does not pass the director.
    Direct,
    /// Masquerading: addresses are rewritten, and the reply must pass the director.
    Nat,
    /// In another packet; the reply does not pass the director.
    Tunnel(Tunnel),
    /// Something else that the kernel takes (1 local, 4 bypass, or no method): read, never made.
    Other(u8),
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Nat => f.write_str("nat"),
            Self::Tunnel(tunnel) => write!(f, "tunnel {tunnel}"),
            Self::Other(method) => write!(f, "method-{method}"),
        }
    }
}

/// The packet around the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation; kernel 5.2 or newer.
    Gue {
        /// The UDP port that the real server decapsulates at.
        port: NonZeroU16,
        /// What is summed.
        checksum: Checksum,
    },
    /// Generic routing encapsulation; kernel 5.3 or newer.
    Gre {
        /// Whether the outer packet is summed.
        checksum: bool,
    },
    /// A number that the kernel takes without knowing it: read, never made.
    Other(u8),
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipip => f.write_str("ipip"),
            Self::Gue { port, checksum: Checksum::None } => write!(f, "gue:{port}"),
            Self::Gue { port, checksum: Checksum::Outer } => write!(f, "gue:{port} checksum"),
            Self::Gue { port, checksum: Checksum::Remote } => {
                write!(f, "gue:{port} remote checksum")
            }
            Self::Gre { checksum: false } => f.write_str("gre"),
            Self::Gre { checksum: true } => f.write_str("gre checksum"),
            Self::Other(kind) => write!(f, "type-{kind}"),
        }
    }
}

/// What GUE sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// Nothing.
    #[default]
    None,
    /// The outer packet.
    Outer,
    /// The inner one, offloaded to the far end.
    Remote,
}

/// A destination, as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Destination {
    /// Which one.
    pub key: DestinationKey,
    /// How packets reach it.
    pub forward: Forward,
    /// Its share; 0 takes no new connections.
    pub weight: u32,
    /// With this many active connections it gets no more.
    pub upper_threshold: Option<NonZeroU32>,
    /// Below this many it gets new ones again.
    pub lower_threshold: Option<NonZeroU32>,
}

impl Destination {
    /// A destination of weight 1 without thresholds.
    pub fn new(address: impl Into<IpAddr>, port: u16, forward: Forward) -> Self {
        Self {
            key: DestinationKey { address: address.into(), port },
            forward,
            weight: 1,
            upper_threshold: None,
            lower_threshold: None,
        }
    }
}

/// `192.168.0.93:80 direct weight 1`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} weight {}", self.key, self.forward, self.weight)?;
        if let Some(threshold) = self.upper_threshold {
            write!(f, " upper threshold {threshold}")?;
        }
        if let Some(threshold) = self.lower_threshold {
            write!(f, " lower threshold {threshold}")?;
        }
        Ok(())
    }
}

/// A destination, as observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationState {
    /// What can be declared of it.
    pub destination: Destination,
    /// Connections that are open.
    pub active_connections: u32,
    /// Connections that are being closed, or of UDP.
    pub inactive_connections: u32,
    /// Clients that persistence holds here.
    pub persistent_connections: u32,
    /// Its counters.
    pub stats: Stats,
    /// What a newer kernel says besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
}

impl DestinationState {
    /// The connections that draining waits for. IPVS counts those of UDP among the inactive ones,
    /// and marked packets may be of any protocol; of TCP these are closed already.
    #[must_use]
    pub fn open_connections(&self, service: &ServiceKey) -> u64 {
        let inactive = match service {
            ServiceKey::Address { protocol: Protocol::Udp, .. } | ServiceKey::Fwmark { .. } => {
                self.inactive_connections
            }
            ServiceKey::Address { .. } => 0,
        };
        u64::from(self.active_connections) + u64::from(inactive)
    }
}
