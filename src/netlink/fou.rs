//! Ports at which the kernel unpacks tunnels out of UDP: FOU and GUE.

use std::fmt;
use std::num::NonZeroU16;

use netlink_sys::protocols::NETLINK_GENERIC;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::generic::{self, GENL_ID_CTRL};
use super::ipvs::Family;
use super::socket::{self, Request, Socket};
use super::wire::{Attributes, Malformed};

// The numbers of `include/uapi/linux/fou.h`, by their kernel names.
const FOU_GENL_NAME: &str = "fou";
const FOU_CMD_ADD: u8 = 1;
const FOU_CMD_DEL: u8 = 2;
const FOU_CMD_GET: u8 = 3;
const FOU_ATTR_PORT: u16 = 1;
const FOU_ATTR_AF: u16 = 2;
const FOU_ATTR_IPPROTO: u16 = 3;
const FOU_ATTR_TYPE: u16 = 4;
const FOU_ENCAP_DIRECT: u8 = 1;
const FOU_ENCAP_GUE: u8 = 2;

/// What is in the datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Generic UDP encapsulation, whose header says what follows.
    Gue,
    /// Packets of one protocol, by its number, and nothing else.
    Protocol(u8),
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gue => f.write_str("gue"),
            Self::Protocol(protocol) => write!(f, "protocol {protocol}"),
        }
    }
}

/// A port at which the kernel unpacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its number.
    pub port: NonZeroU16,
    /// The family of the datagrams.
    pub family: Family,
    /// What is in them.
    pub content: Content,
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The module is not there.
    #[error("the kernel has no FOU")]
    NoFou,
    /// The kernel refused, or its answer makes no sense.
    #[error("failed to {what}: {source}")]
    Socket {
        /// What was to be done.
        what: String,
        /// Why not.
        source: socket::Error,
    },
}

impl Error {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoFou => Some("load the module `fou`, and `fou6` for IPv6"),
            Self::Socket { source: socket::Error::Kernel(Errno::EPERM), .. } => {
                Some("run as root, set `become: true`, or try it in a lab")
            }
            Self::Socket { source: socket::Error::Kernel(Errno::EADDRINUSE), .. } => {
                Some("another program, or another kind of tunnel, has that port")
            }
            Self::Socket { .. } => None,
        }
    }
}

/// A socket to the FOU of the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Handle {
    socket: Socket,
    family: u16,
}

impl Handle {
    /// Opens a socket to a FOU that is there; `None` when none is. Loads nothing.
    pub fn open_loaded() -> Result<Option<Self>, Error> {
        let failed = |source| Error::Socket { what: "look for FOU in the kernel".into(), source };
        let mut socket =
            Socket::open(NETLINK_GENERIC).map_err(|error| failed(socket::Error::Io(error)))?;
        let body = generic::families_request();
        let request = Request { kind: GENL_ID_CTRL, body: &body };
        let families = socket.dump(request, generic::named_family).map_err(failed)?;
        let found = families.into_iter().find(|(name, _)| name == FOU_GENL_NAME);
        Ok(found.map(|(_, family)| Self { socket, family }))
    }

    /// Opens a socket to FOU, upon which the kernel loads it where it can.
    pub fn open() -> Result<Self, Error> {
        let failed = |source| Error::Socket { what: "find FOU in the kernel".into(), source };
        let mut socket =
            Socket::open(NETLINK_GENERIC).map_err(|error| failed(socket::Error::Io(error)))?;
        let body = generic::family_request(FOU_GENL_NAME);
        match socket.get(Request { kind: GENL_ID_CTRL, body: &body }, generic::family) {
            Ok(Some(family)) => Ok(Self { socket, family }),
            Ok(None) | Err(socket::Error::Kernel(Errno::ENOENT)) => Err(Error::NoFou),
            Err(source) => Err(failed(source)),
        }
    }

    /// Lists the ports.
    pub fn ports(&mut self) -> Result<Vec<Port>, Error> {
        let body = generic::command(FOU_CMD_GET, |_| {});
        let found = self
            .socket
            .dump(Request { kind: self.family, body: &body }, port)
            .map_err(|source| Error::Socket { what: "list the ports of FOU".into(), source })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Has the kernel unpack at a port.
    pub fn add(&mut self, port: &Port) -> Result<(), Error> {
        let body = addition(port);
        self.change(&body, || format!("unpack {} at UDP port {}", port.content, port.port))
    }

    /// Has it unpack there no longer.
    pub fn remove(&mut self, port: &Port) -> Result<(), Error> {
        let body = generic::command(FOU_CMD_DEL, |out| {
            out.be16(FOU_ATTR_PORT, port.port.get()).push(FOU_ATTR_AF, &[af(port.family)]);
        });
        self.change(&body, || format!("free UDP port {} of FOU", port.port))
    }

    fn change(&mut self, body: &[u8], what: impl FnOnce() -> String) -> Result<(), Error> {
        let request = Request { kind: self.family, body };
        self.socket.change(request).map_err(|source| Error::Socket { what: what(), source })
    }
}

fn af(family: Family) -> u8 {
    // `AF_INET` and `AF_INET6`, which are the same everywhere on Linux.
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

fn addition(port: &Port) -> Vec<u8> {
    generic::command(FOU_CMD_ADD, |out| {
        out.be16(FOU_ATTR_PORT, port.port.get()).push(FOU_ATTR_AF, &[af(port.family)]);
        match port.content {
            Content::Gue => out.push(FOU_ATTR_TYPE, &[FOU_ENCAP_GUE]),
            Content::Protocol(protocol) => {
                out.push(FOU_ATTR_TYPE, &[FOU_ENCAP_DIRECT]).push(FOU_ATTR_IPPROTO, &[protocol])
            }
        };
    })
}

/// Reads a port; nothing where it is of a family or kind that is not known here.
fn port(body: &[u8]) -> Result<Option<Port>, Malformed> {
    let attributes: Attributes<'_> = generic::reply(body, FOU_CMD_GET)?;
    let byte = |kind| generic::find(attributes.clone(), kind).and_then(|found| found.u8());
    let number = generic::find(attributes.clone(), FOU_ATTR_PORT)?.be16()?;
    let family = match byte(FOU_ATTR_AF)? {
        2 => Family::Ipv4,
        10 => Family::Ipv6,
        _ => return Ok(None),
    };
    let content = match byte(FOU_ATTR_TYPE)? {
        FOU_ENCAP_GUE => Content::Gue,
        FOU_ENCAP_DIRECT => Content::Protocol(byte(FOU_ATTR_IPPROTO)?),
        _ => return Ok(None),
    };
    Ok(NonZeroU16::new(number).map(|port| Port { port, family, content }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        for (family, content) in [
            (Family::Ipv4, Content::Gue),
            (Family::Ipv6, Content::Gue),
            (Family::Ipv4, Content::Protocol(4)),
        ] {
            let wanted = Port { port: NonZeroU16::new(6080).unwrap(), family, content };
            let mut body = addition(&wanted);
            // The kernel answers with the same attributes under another command.
            body[0] = FOU_CMD_GET;
            assert_eq!(port(&body), Ok(Some(wanted)));
        }
    }

    #[test]
    fn writes_a_port_in_the_networks_order() {
        let gue = Port {
            port: NonZeroU16::new(6080).unwrap(),
            family: Family::Ipv4,
            content: Content::Gue,
        };
        #[rustfmt::skip]
        assert_eq!(addition(&gue), [
            FOU_CMD_ADD, 1, 0, 0,
            6, 0, 1, 0, 0x17, 0xc0, 0, 0, // FOU_ATTR_PORT 6080
            5, 0, 2, 0, 2, 0, 0, 0,       // FOU_ATTR_AF AF_INET
            5, 0, 4, 0, 2, 0, 0, 0,       // FOU_ATTR_TYPE FOU_ENCAP_GUE
        ]);
    }
}
