//! Whole Ethernet frames, sent and received beside the machine's own IP stack.
//!
//! Addresses for `bind` come from `getifaddrs`, which hands out complete link addresses; so
//! none has to be built by hand out of raw memory.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessageOwned, LinkAddr, MsgFlags, SockaddrStorage, bind, recvmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::modules::Error;
use crate::netlink::MacAddress;

/// Every EtherType, our own outgoing frames included: `ETH_P_ALL`.
pub(in crate::lab) const ALL: u16 = 0x0003;
/// Address resolution only: `ETH_P_ARP`.
pub(super) const ARP: u16 = 0x0806;
/// IPv6, and so neighbour discovery: `ETH_P_IPV6`.
pub(super) const IPV6: u16 = 0x86dd;

/// Headers are all that is looked at, so the rest of a frame is cut off.
const SNAP: usize = 256;
/// Room for the frames of one request, so that reading between requests is soon enough.
const RECEIVE_BUFFER: usize = 4 << 20;
/// `PACKET_OUTGOING` in linux/if_packet.h.
const OUTGOING: u8 = 4;
/// `ARPHRD_ETHER` and `ARPHRD_LOOPBACK`: the hardware types whose frames begin with an
/// Ethernet header. A tunnel's do not.
const ETHERNET: [u16; 2] = [1, 772];

/// An interface as a prober sees it.
#[derive(Debug, Clone)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) link: LinkAddr,
    pub(super) flags: InterfaceFlags,
    /// Addresses with their prefix lengths.
    pub(super) addresses: Vec<(IpAddr, u8)>,
}

impl Interface {
    /// The Ethernet address, unless this is a tunnel or the like.
    pub(super) fn mac(&self) -> Option<MacAddress> {
        let ethernet = ETHERNET.contains(&self.link.hatype()) && self.link.halen() == 6;
        ethernet.then(|| self.link.addr().map(MacAddress)).flatten()
    }
}

/// Lists the interfaces of the calling thread's network namespace.
pub(super) fn interfaces() -> Result<Vec<Interface>, Error> {
    let entries = getifaddrs()
        .map_err(|errno| Error::io("failed to list the network interfaces", &errno.into()))?;
    let mut found: Vec<Interface> = Vec::new();
    // The kernel lists all links before the first address.
    for entry in entries {
        let Some(address) = entry.address else { continue };
        if let Some(link) = address.as_link_addr() {
            found.push(Interface {
                name: entry.interface_name,
                link: *link,
                flags: entry.flags,
                addresses: Vec::new(),
            });
        } else if let Some(interface) =
            // An old-style alias such as `eth0:1` is a label on `eth0`.
            found.iter_mut().find(|one| {
                Some(one.name.as_str()) == entry.interface_name.split(':').next()
            })
            && let Some(address) = ip(&address)
        {
            let ones = match entry.netmask.as_ref().and_then(ip) {
                Some(IpAddr::V4(mask)) => mask.to_bits().count_ones(),
                Some(IpAddr::V6(mask)) => mask.to_bits().count_ones(),
                None => 0,
            };
            interface.addresses.push((address, u8::try_from(ones).unwrap_or(u8::MAX)));
        }
    }
    Ok(found)
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
}

/// A frame that arrived, cut to its headers.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) bytes: &'a [u8],
    /// Set when this machine sent it.
    pub(super) outgoing: bool,
}

/// An AF_PACKET socket.
#[derive(Debug)]
pub(super) struct PacketSocket {
    socket: Socket,
    buffer: Box<[u8; SNAP]>,
    lost: u32,
}

impl PacketSocket {
    /// Opens one for frames of a protocol, on every interface or on one.
    pub(super) fn open(protocol: u16, on: Option<&Interface>) -> io::Result<Self> {
        let protocol = Protocol::from(i32::from(protocol.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
        // Without CAP_NET_ADMIN the kernel caps the buffer; the count of lost frames tells.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER));
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        if let Some(interface) = on {
            // Protocol 0 in the address keeps the one that the socket was opened with.
            bind(socket.as_raw_fd(), &interface.link)?;
        }
        let mut opened = Self { socket, buffer: Box::new([0; SNAP]), lost: 0 };
        if on.is_some() {
            // Until `bind` the socket heard every interface.
            while opened.receive(None)?.is_some() {}
        }
        Ok(opened)
    }

    /// How many frames the kernel dropped because they were not fetched soon enough.
    pub(super) fn lost(&self) -> u32 {
        self.lost
    }

    /// Sends one frame; the socket must have been opened on an interface.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send(frame).map(drop)
    }

    /// Takes the next Ethernet frame that is there, waiting for one until `deadline`.
    pub(super) fn receive(&mut self, deadline: Option<Instant>) -> io::Result<Option<Frame<'_>>> {
        let (length, outgoing) = loop {
            let mut control = nix::cmsg_space!(u32);
            let mut parts = [IoSliceMut::new(self.buffer.as_mut_slice())];
            let message = recvmsg::<LinkAddr>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::MSG_DONTWAIT,
            );
            let message = match message {
                Ok(message) => message,
                Err(Errno::EAGAIN) if wait(&self.socket, deadline)? => continue,
                Err(Errno::EAGAIN) => return Ok(None),
                // The interface went down and came back, or a signal: nothing was read.
                Err(Errno::ENETDOWN | Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            for control in message.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::RxqOvfl(lost) = control {
                    self.lost = lost;
                }
            }
            if let Some(from) = message.address
                && ETHERNET.contains(&from.hatype())
            {
                break (message.bytes, from.pkttype() == OUTGOING);
            }
        };
        let bytes = self.buffer.get(..length).unwrap_or(self.buffer.as_slice());
        Ok(Some(Frame { bytes, outgoing }))
    }
}

/// Whether something arrived before the deadline.
pub(super) fn wait(socket: &Socket, deadline: Option<Instant>) -> io::Result<bool> {
    let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
    let Some(left) = left.filter(|left| !left.is_zero()) else { return Ok(false) };
    // Rounded up: a last fraction of a millisecond must not become a busy loop.
    let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).saturating_add(1);
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(Errno::EINTR) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

/// Says what a socket of whole frames needs, where that is why there is none.
pub(super) fn refused(cause: &io::Error) -> Error {
    let error = Error::io("failed to open a packet socket", cause);
    if cause.kind() == ErrorKind::PermissionDenied {
        return error.hint("frames are seen with CAP_NET_RAW only: run as root, or in a lab");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_loopback_interface_with_its_address() {
        let interfaces = interfaces().expect("every namespace has interfaces");
        let loopback = interfaces.iter().find(|one| one.name == "lo").expect("lo is always there");
        assert_eq!(loopback.mac(), Some(MacAddress([0; 6])));
        assert!(loopback.addresses.iter().all(|(_, prefix)| *prefix <= 128), "{loopback:?}");
    }
}
