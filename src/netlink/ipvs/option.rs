//! The older interface of IPVS, socket options, of which only reading is used.
//!
//! A service's destinations come in one system call and without their counters in two widths,
//! where generic netlink takes at least three: 2,000 services in 20 ms on an emulated 6.1, while
//! `/proc/net/ip_vs`, which knows no thresholds, took 48 ms and a dump for each 280 ms. It
//! tells nothing of IPv6, tunnels or persistence engines. Layouts: `include/uapi/linux/ip_vs.h`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::attr::protocol_number;
use super::constants::*;
use super::destination::{Destination, DestinationKey, Forward};
use super::service::{Family, Protocol, ServiceKey};

/// `IP_VS_SO_GET_…`
const GET_INFO: i32 = 64 + 1024 + 64 + 1;
const GET_SERVICES: i32 = GET_INFO + 1;
const GET_DESTS: i32 = GET_INFO + 3;

/// `struct ip_vs_getinfo`: version, size, number of services.
const INFO: usize = 12;
/// `struct ip_vs_get_services` without its entries: their number, padded to a 64-bit boundary.
const SERVICES: usize = 8;
/// `struct ip_vs_service_entry`: 48 bytes, the last four the number of destinations, and the
/// statistics.
const SERVICE: usize = 48 + STATS;
/// `struct ip_vs_get_dests` without its entries.
const DESTINATIONS: usize = 24;
/// `struct ip_vs_dest_entry`: 36 bytes, padding, and the statistics.
const DESTINATION: usize = 40 + STATS;
/// `struct ip_vs_stats_user`.
const STATS: usize = 56;
/// The most bytes that are asked for at once: two million services. What is more comes over
/// netlink, piece by piece.
const LARGEST: usize = 256 << 20;

/// A socket whose options are those of IPVS, in the namespace of the thread that opened it.
#[derive(Debug)]
pub(super) struct Options {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Options {
    /// Opens one, where the layouts are the kernel's: a 32-bit program has others.
    pub(super) fn open() -> Option<Self> {
        if cfg!(not(target_pointer_width = "64")) {
            return None;
        }
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None).ok()?;
        Some(Self { socket, buffer: Vec::new() })
    }

    /// How many destinations each IPv4 service has, those of IPv6 included.
    pub(super) fn counts(&mut self) -> Result<HashMap<ServiceKey, u32>, Errno> {
        self.fill(INFO, |_| {})?;
        self.ask(GET_INFO)?;
        // Some may be added meanwhile; those that do not fit are just not told.
        let room = u32_at(&self.buffer, 8).saturating_add(64);
        let length = SERVICES.saturating_add((room as usize).saturating_mul(SERVICE));
        self.fill(length, |out| put(out, 0, &room.to_ne_bytes()))?;
        self.ask(GET_SERVICES)?;
        Ok(counted(&self.buffer))
    }

    /// The destinations of an IPv4 service in the kernel's order, when they are just that many,
    /// and this interface tells all about them.
    pub(super) fn destinations(
        &mut self,
        key: &ServiceKey,
        count: u32,
    ) -> Option<Vec<Destination>> {
        // Room for one more: then there is one more, and the count was of another moment.
        let room = count.checked_add(1)?;
        let length = DESTINATIONS.saturating_add((room as usize).saturating_mul(DESTINATION));
        let filled = self.fill(length, |out| {
            put_service_key(out, key);
            put(out, 16, &room.to_ne_bytes());
        });
        filled.ok()?;
        self.ask(GET_DESTS).ok()?;
        listed(&self.buffer, count)
    }

    fn fill(&mut self, length: usize, write: impl FnOnce(&mut [u8])) -> Result<(), Errno> {
        if length > LARGEST {
            return Err(Errno::E2BIG);
        }
        self.buffer.clear();
        self.buffer.resize(length, 0);
        write(&mut self.buffer);
        Ok(())
    }

    fn ask(&mut self, option: i32) -> Result<(), Errno> {
        let mut length = libc::socklen_t::try_from(self.buffer.len()).map_err(|_| Errno::E2BIG)?;
        // SAFETY: the kernel writes at most `length` bytes, which is how long the buffer is.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::IPPROTO_IP,
                option,
                self.buffer.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        Errno::result(result).map(drop)
    }
}

/// Takes `struct ip_vs_get_services` apart: how many destinations each service has.
pub(super) fn counted(buffer: &[u8]) -> HashMap<ServiceKey, u32> {
    let entries = buffer.get(SERVICES..).unwrap_or_default().chunks_exact(SERVICE);
    entries.filter_map(|entry| Some((service_key(entry)?, u32_at(entry, 44)))).collect()
}

/// Takes `struct ip_vs_get_dests` apart; `None` when the destinations are not just that many.
pub(super) fn listed(buffer: &[u8], count: u32) -> Option<Vec<Destination>> {
    let entries = buffer.get(DESTINATIONS..)?.chunks_exact(DESTINATION);
    // Those that were not filled have no address.
    let filled = entries.take_while(|entry| u32_at(entry, 0) != 0);
    let found = filled.map(destination).collect::<Option<Vec<_>>>()?;
    (found.len() == count as usize).then_some(found)
}

/// The first fields of `struct ip_vs_get_dests`.
fn put_service_key(out: &mut [u8], key: &ServiceKey) {
    match key {
        ServiceKey::Address { protocol, address, port } => {
            put(out, 0, &protocol_number(*protocol).to_ne_bytes());
            if let IpAddr::V4(address) = address {
                put(out, 4, &address.octets());
            }
            put(out, 8, &port.to_be_bytes());
        }
        ServiceKey::Fwmark { mark, .. } => put(out, 12, &mark.get().to_ne_bytes()),
    }
}

/// The same fields of `struct ip_vs_service_entry`; `None` for one that was not filled.
fn service_key(entry: &[u8]) -> Option<ServiceKey> {
    if let Some(mark) = NonZeroU32::new(u32_at(entry, 12)) {
        return Some(ServiceKey::Fwmark { family: Family::Ipv4, mark });
    }
    let protocol = match u16::from_ne_bytes(bytes(entry, 0)) {
        0 => return None,
        IPPROTO_TCP => Protocol::Tcp,
        IPPROTO_UDP => Protocol::Udp,
        IPPROTO_SCTP => Protocol::Sctp,
        number => Protocol::Other(number),
    };
    let address = Ipv4Addr::from(bytes::<4>(entry, 4));
    Some(ServiceKey::address(protocol, address, u16::from_be_bytes(bytes(entry, 8))))
}

/// `struct ip_vs_dest_entry`; `None` for a tunnel, of which it tells not enough.
fn destination(entry: &[u8]) -> Option<Destination> {
    let forward = match u32_at(entry, 8) & IP_VS_CONN_F_FWD_MASK {
        IP_VS_CONN_F_MASQ => Forward::Nat,
        IP_VS_CONN_F_DROUTE => Forward::Direct,
        IP_VS_CONN_F_TUNNEL => return None,
        // The mask leaves three bits.
        method => Forward::Other(method as u8),
    };
    let address = Ipv4Addr::from(bytes::<4>(entry, 0)).into();
    Some(Destination {
        key: DestinationKey { address, port: u16::from_be_bytes(bytes(entry, 4)) },
        forward,
        weight: u32_at(entry, 12),
        upper_threshold: NonZeroU32::new(u32_at(entry, 16)),
        lower_threshold: NonZeroU32::new(u32_at(entry, 20)),
    })
}

/// The bytes at an offset that one of the lengths above has room for.
fn bytes<const N: usize>(buffer: &[u8], at: usize) -> [u8; N] {
    buffer.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn u32_at(buffer: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes(buffer, at))
}

fn put(buffer: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = buffer.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_destination_and_nothing_of_a_tunnel() {
        let mut entry = vec![0; DESTINATION];
        put(&mut entry, 0, &[10, 0, 0, 2]); // addr
        put(&mut entry, 4, &[0x1f, 0x90]); // port 8080, network order
        put(&mut entry, 8, &0x103u32.to_ne_bytes()); // conn_flags, above the mask as well
        put(&mut entry, 12, &7u32.to_ne_bytes()); // weight
        put(&mut entry, 16, &100u32.to_ne_bytes()); // u_threshold
        put(&mut entry, 20, &50u32.to_ne_bytes()); // l_threshold
        let expected = Destination {
            weight: 7,
            upper_threshold: NonZeroU32::new(100),
            lower_threshold: NonZeroU32::new(50),
            ..Destination::new([10, 0, 0, 2], 8080, Forward::Direct)
        };
        assert_eq!(destination(&entry), Some(expected));
        put(&mut entry, 8, &IP_VS_CONN_F_TUNNEL.to_ne_bytes());
        assert_eq!(destination(&entry), None);
    }

    #[test]
    fn writes_the_key_that_it_reads() {
        for text in ["tcp://10.0.0.1:80", "udp://10.0.0.1:65535", "sctp://0.0.0.1:1", "fwmark://9"]
        {
            let key: ServiceKey = text.parse().unwrap();
            let mut entry = vec![0; SERVICE];
            put_service_key(&mut entry, &key);
            assert_eq!(service_key(&entry), Some(key));
        }
        assert_eq!(service_key(&[0; SERVICE]), None);
    }
}
