//! Requests to IPVS as messages, and its replies taken apart.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::attr;
use super::constants::*;
use super::daemon::{Daemon, DaemonKey, Info, Timeouts};
use super::destination::{Destination, DestinationKey, DestinationState};
use super::service::{Family, Service, ServiceKey, ServiceState};
use crate::netlink::generic::{find, reply};
use crate::netlink::wire::{Malformed, Writer};

/// Something to be changed; every command of the kernel that changes anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// `IPVS_CMD_NEW_SERVICE`.
    AddService(Service),
    /// `IPVS_CMD_SET_SERVICE`.
    EditService(Service),
    /// `IPVS_CMD_DEL_SERVICE`: with its destinations.
    RemoveService(ServiceKey),
    /// `IPVS_CMD_NEW_DEST`.
    AddDestination(ServiceKey, Destination),
    /// `IPVS_CMD_SET_DEST`.
    EditDestination(ServiceKey, Destination),
    /// `IPVS_CMD_DEL_DEST`.
    RemoveDestination(ServiceKey, DestinationKey),
    /// `IPVS_CMD_NEW_DAEMON`.
    StartDaemon(Daemon),
    /// `IPVS_CMD_DEL_DAEMON`.
    StopDaemon(DaemonKey),
    /// `IPVS_CMD_SET_CONFIG`.
    SetTimeouts(Timeouts),
    /// `IPVS_CMD_ZERO`, of one service or of all.
    Zero(Option<ServiceKey>),
    /// `IPVS_CMD_FLUSH`: removes every service.
    Flush,
}

impl Request {
    /// What follows the netlink header.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(ROOM));
        self.write(&mut out);
        out.0
    }

    /// Writes what follows the netlink header.
    pub(super) fn write(&self, out: &mut Writer) {
        let service = |out: &mut Writer, key: &ServiceKey| {
            out.nest(IPVS_CMD_ATTR_SERVICE, |out| attr::write_service_key(out, key));
        };
        match self {
            Self::AddService(new) => write_command(out, IPVS_CMD_NEW_SERVICE, |out| {
                out.nest(IPVS_CMD_ATTR_SERVICE, |out| attr::write_service(out, new));
            }),
            Self::EditService(new) => write_command(out, IPVS_CMD_SET_SERVICE, |out| {
                out.nest(IPVS_CMD_ATTR_SERVICE, |out| attr::write_service(out, new));
            }),
            Self::RemoveService(key) => {
                write_command(out, IPVS_CMD_DEL_SERVICE, |out| service(out, key))
            }
            Self::AddDestination(key, new) => write_command(out, IPVS_CMD_NEW_DEST, |out| {
                service(out, key);
                out.nest(IPVS_CMD_ATTR_DEST, |out| attr::write_destination(out, new));
            }),
            Self::EditDestination(key, new) => write_command(out, IPVS_CMD_SET_DEST, |out| {
                service(out, key);
                out.nest(IPVS_CMD_ATTR_DEST, |out| attr::write_destination(out, new));
            }),
            Self::RemoveDestination(key, old) => write_command(out, IPVS_CMD_DEL_DEST, |out| {
                service(out, key);
                out.nest(IPVS_CMD_ATTR_DEST, |out| attr::write_destination_key(out, old));
            }),
            Self::StartDaemon(new) => write_command(out, IPVS_CMD_NEW_DAEMON, |out| {
                out.nest(IPVS_CMD_ATTR_DAEMON, |out| attr::write_daemon(out, new));
            }),
            Self::StopDaemon(key) => write_command(out, IPVS_CMD_DEL_DAEMON, |out| {
                out.nest(IPVS_CMD_ATTR_DAEMON, |out| attr::write_daemon_key(out, key));
            }),
            Self::SetTimeouts(timeouts) => {
                write_command(out, IPVS_CMD_SET_CONFIG, |out| attr::write_timeouts(out, timeouts))
            }
            Self::Zero(Some(key)) => write_command(out, IPVS_CMD_ZERO, |out| service(out, key)),
            Self::Zero(None) => write_command(out, IPVS_CMD_ZERO, |_| {}),
            Self::Flush => write_command(out, IPVS_CMD_FLUSH, |_| {}),
        }
    }

    /// The service that it is about, whether itself or one of its destinations.
    #[must_use]
    pub fn service_key(&self) -> Option<ServiceKey> {
        match self {
            Self::AddService(service) | Self::EditService(service) => Some(service.key),
            Self::RemoveService(key)
            | Self::AddDestination(key, _)
            | Self::EditDestination(key, _)
            | Self::RemoveDestination(key, _) => Some(*key),
            Self::Zero(key) => *key,
            Self::StartDaemon(_) | Self::StopDaemon(_) | Self::SetTimeouts(_) | Self::Flush => None,
        }
    }

    /// Whether what an earlier one made may be another thing, or gone, after this one.
    pub(super) fn overrides(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::Flush, _) => true,
            (Self::StopDaemon(_), Self::StartDaemon(_)) => true,
            (Self::RemoveService(key), _) => earlier.service_key() == Some(*key),
            (Self::EditService(_), Self::AddService(_) | Self::EditService(_)) => {
                self.service_key() == earlier.service_key()
            }
            (
                Self::EditDestination(key, Destination { key: this, .. })
                | Self::RemoveDestination(key, this),
                Self::AddDestination(same, Destination { key: that, .. })
                | Self::EditDestination(same, Destination { key: that, .. }),
            ) => key == same && this == that,
            _ => false,
        }
    }

    /// Refuses what the kernel would take although it makes no sense. What removes or resets
    /// is never refused: it must reach what other programs have made.
    pub(super) fn check(&self) -> Result<(), super::Refused> {
        match self {
            Self::AddService(service) | Self::EditService(service) => service.check(),
            Self::AddDestination(key, destination) | Self::EditDestination(key, destination) => {
                destination.check(key)
            }
            _ => Ok(()),
        }
    }
}

impl AsRef<Self> for Request {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// `add destination 10.0.0.2:80 direct weight 1 to tcp://10.0.0.1:80`.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(service) => write!(f, "add service {service}"),
            Self::EditService(service) => write!(f, "change service {service}"),
            Self::RemoveService(key) => write!(f, "remove service {key}"),
            Self::AddDestination(key, new) => write!(f, "add destination {new} to {key}"),
            Self::EditDestination(key, new) => write!(f, "change destination {new} of {key}"),
            Self::RemoveDestination(key, old) => write!(f, "remove destination {old} from {key}"),
            Self::StartDaemon(daemon) => {
                let Daemon { key, interface, .. } = daemon;
                write!(f, "start {} sync daemon on {interface}", key.role)?;
                write!(f, " with sync id {}", key.sync_id)
            }
            Self::StopDaemon(key) => write!(f, "stop {} sync daemon", key.role),
            Self::SetTimeouts(_) => f.write_str("set the timeouts"),
            Self::Zero(Some(key)) => write!(f, "zero the counters of {key}"),
            Self::Zero(None) => f.write_str("zero all counters"),
            Self::Flush => f.write_str("remove every service"),
        }
    }
}

/// Enough for most commands, so that a message need not grow while it is written.
const ROOM: usize = 192;

/// A message of `struct genlmsghdr` and what belongs to the command.
pub(super) fn command(command: u8, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(ROOM));
    write_command(&mut out, command, fill);
    out.0
}

fn write_command(out: &mut Writer, command: u8, fill: impl FnOnce(&mut Writer)) {
    out.0.extend_from_slice(&[command, IPVS_GENL_VERSION, 0, 0]);
    fill(out);
}

/// Asks for one service.
pub(super) fn service_request(key: &ServiceKey) -> Vec<u8> {
    command(IPVS_CMD_GET_SERVICE, |out| {
        out.nest(IPVS_CMD_ATTR_SERVICE, |out| attr::write_service_key(out, key));
    })
}

/// Asks for the destinations of a service.
pub(super) fn destinations_request(key: &ServiceKey) -> Vec<u8> {
    command(IPVS_CMD_GET_DEST, |out| {
        out.nest(IPVS_CMD_ATTR_SERVICE, |out| attr::write_service_key(out, key));
    })
}

pub(super) fn service(body: &[u8]) -> Result<ServiceState, Malformed> {
    let attributes = reply(body, IPVS_CMD_NEW_SERVICE)?;
    attr::read_service(find(attributes, IPVS_CMD_ATTR_SERVICE)?.nested())
}

pub(super) fn destination(body: &[u8], family: Family) -> Result<DestinationState, Malformed> {
    let attributes = reply(body, IPVS_CMD_NEW_DEST)?;
    attr::read_destination(find(attributes, IPVS_CMD_ATTR_DEST)?.nested(), family)
}

/// What can be declared of a destination, without its counters.
pub(super) fn declared_destination(body: &[u8], family: Family) -> Result<Destination, Malformed> {
    let attributes = reply(body, IPVS_CMD_NEW_DEST)?;
    attr::read_declared_destination(find(attributes, IPVS_CMD_ATTR_DEST)?.nested(), family)
}

pub(super) fn daemon(body: &[u8]) -> Result<Daemon, Malformed> {
    let attributes = reply(body, IPVS_CMD_NEW_DAEMON)?;
    attr::read_daemon(find(attributes, IPVS_CMD_ATTR_DAEMON)?.nested())
}

pub(super) fn timeouts(body: &[u8]) -> Result<Timeouts, Malformed> {
    attr::read_timeouts(reply(body, IPVS_CMD_SET_CONFIG)?)
}

pub(super) fn info(body: &[u8]) -> Result<Info, Malformed> {
    attr::read_info(reply(body, IPVS_CMD_SET_INFO)?)
}
