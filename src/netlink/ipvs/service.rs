//! Virtual services: what is declared of them, and what is observed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::refused::Refused;
use super::stats::{Stats, Unknown};
use super::written::SchedulerFlag;

/// The family of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family that an address is of.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// Another one, which the kernel takes but cannot balance: read, never made.
    Other(u16),
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Sctp => f.write_str("sctp"),
            Self::Other(number) => write!(f, "protocol-{number}"),
        }
    }
}

/// What makes a virtual service the one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceKey {
    /// What comes for an address and a port.
    Address {
        /// The protocol.
        protocol: Protocol,
        /// The VIP.
        address: IpAddr,
        /// The port; 0, for every port, needs persistence.
        port: u16,
    },
    /// What a firewall has marked.
    Fwmark {
        /// The family of the packets and, but for tunnels, of the destinations.
        family: Family,
        /// The mark.
        mark: NonZeroU32,
    },
}

impl ServiceKey {
    /// What comes for an address and a port.
    pub fn address(protocol: Protocol, address: impl Into<IpAddr>, port: u16) -> Self {
        Self::Address { protocol, address: address.into(), port }
    }

    /// The family of its packets.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(*address),
            Self::Fwmark { family, .. } => *family,
        }
    }

    /// The port that destinations have which are reached without translation: the packet
    /// arrives there as it is. With a mark the service has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Address { port, .. } => *port,
            Self::Fwmark { .. } => 0,
        }
    }
}

/// `tcp://192.168.0.89:80`, `fwmark://7`, `fwmark6://7`.
impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address, port } => {
                write!(f, "{protocol}://{}", SocketAddr::new(*address, *port))
            }
            Self::Fwmark { family: Family::Ipv4, mark } => write!(f, "fwmark://{mark}"),
            Self::Fwmark { family: Family::Ipv6, mark } => write!(f, "fwmark6://{mark}"),
        }
    }
}

/// The schedulers in the kernel's tree. `none` is not one: it is how a service reads back
/// whose scheduler was taken away.
pub const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "twos",
];

/// The name of a scheduler: 1 to 15 bytes without white space (`IP_VS_SCHEDNAME_MAXLEN`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scheduler(String);

/// The name of a persistence engine, of which the kernel has one: `sip`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Engine(String);

impl Scheduler {
    /// Checks the length and the characters, not whether the kernel has it.
    pub fn new(name: impl Into<String>) -> Result<Self, Refused> {
        short_name("scheduler", name.into()).map(Self)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Engine {
    /// Checks the length and the characters, not whether the kernel has it.
    pub fn new(name: impl Into<String>) -> Result<Self, Refused> {
        short_name("persistence engine", name.into()).map(Self)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn short_name(what: &str, name: String) -> Result<String, Refused> {
    if (1..16).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(name);
    }
    Err(Refused::new(format!("`{name}` is not the name of a {what}"))
        .hint("such a name has 1 to 15 letters or digits"))
}

macro_rules! name {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Refused;

            fn try_from(name: String) -> Result<Self, Refused> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

name!(Scheduler);
name!(Engine);

/// The three switches that a scheduler may give a meaning to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SchedulerFlags {
    /// `IP_VS_SVC_F_SCHED1`: with `sh` and `mh`, try another server when the chosen one is out.
    pub first: bool,
    /// `IP_VS_SVC_F_SCHED2`: with `sh` and `mh`, the client's port counts too.
    pub second: bool,
    /// `IP_VS_SVC_F_SCHED3`: unused by the schedulers in the tree.
    pub third: bool,
}

/// Which clients are one client to persistence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Netmask {
    /// An IPv4 mask.
    V4(Ipv4Addr),
    /// The length of an IPv6 prefix, 1 to 128.
    V6(u8),
}

impl Netmask {
    /// The mask under which every address is a client of its own.
    #[must_use]
    pub fn single(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::V4(Ipv4Addr::BROADCAST),
            Family::Ipv6 => Self::V6(128),
        }
    }
}

impl fmt::Display for Netmask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(mask) => mask.fmt(f),
            Self::V6(prefix) => write!(f, "/{prefix}"),
        }
    }
}

/// A client stays with its real server for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Persistence {
    /// For how long after its last connection, in seconds.
    pub timeout: NonZeroU32,
    /// Which clients are one client.
    pub netmask: Netmask,
}

/// A virtual service, as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Which one.
    pub key: ServiceKey,
    /// What chooses among its destinations.
    pub scheduler: Scheduler,
    /// Switches of the scheduler.
    pub scheduler_flags: SchedulerFlags,
    /// Whether clients stay with their real server.
    pub persistence: Option<Persistence>,
    /// Whether every packet is scheduled by itself, for UDP.
    pub one_packet: bool,
    /// What tells clients apart by more than their address.
    pub engine: Option<Engine>,
}

impl Service {
    /// A service with nothing but a scheduler.
    #[must_use]
    pub fn new(key: ServiceKey, scheduler: Scheduler) -> Self {
        Self {
            key,
            scheduler,
            scheduler_flags: SchedulerFlags::default(),
            persistence: None,
            one_packet: false,
            engine: None,
        }
    }
}

/// `tcp://192.168.0.89:80 sh (sh-port) persistent 300 mask 255.255.255.0 ops`.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.scheduler)?;
        let flags = SchedulerFlag::all_of(self.scheduler_flags, &self.scheduler);
        if !flags.is_empty() {
            let names: Vec<String> = flags.iter().map(ToString::to_string).collect();
            write!(f, " ({})", names.join(","))?;
        }
        if let Some(persistence) = &self.persistence {
            write!(f, " persistent {}", persistence.timeout)?;
            if persistence.netmask != Netmask::single(self.key.family()) {
                write!(f, " mask {}", persistence.netmask)?;
            }
        }
        if let Some(engine) = &self.engine {
            write!(f, " pe {engine}")?;
        }
        if self.one_packet {
            f.write_str(" ops")?;
        }
        Ok(())
    }
}

/// A virtual service, as observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// What can be declared of it.
    pub service: Service,
    /// Its counters.
    pub stats: Stats,
    /// What a newer kernel says besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_its_users_would_write_it() {
        let v6 = ServiceKey::address(Protocol::Sctp, [0xfd00, 0, 0, 0, 0, 0, 0, 1], 443);
        let flags = SchedulerFlags { second: true, third: true, ..SchedulerFlags::default() };
        let netmask = Netmask::V6(64);
        let timeout = NonZeroU32::new(300).unwrap();
        let service = |name| Service {
            scheduler_flags: flags,
            persistence: Some(Persistence { timeout, netmask }),
            ..Service::new(v6, Scheduler::new(name).unwrap())
        };
        assert_eq!(
            service("sh").to_string(),
            "sctp://[fd00::1]:443 sh (sh-port,flag-3) persistent 300 mask /64"
        );
        assert!(service("rr").to_string().contains(" (flag-2,flag-3) "));
    }

    #[test]
    fn refuses_names_the_kernel_could_not_hold() {
        for name in ["", "a name", "sixteen-letters-", "r\0r", "rrü"] {
            assert!(Scheduler::new(name).is_err(), "{name:?}");
            assert!(Engine::new(name).is_err(), "{name:?}");
        }
        assert!(Scheduler::new("fifteen-letters").is_ok());
    }
}
