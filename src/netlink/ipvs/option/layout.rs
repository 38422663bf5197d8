//! The structures of `include/uapi/linux/ip_vs.h` that go through socket options: to bytes and
//! back, in the layout of a 64-bit machine.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use crate::netlink::InterfaceName;
use crate::netlink::ipvs::attr::{
    flagged, flags_of, method_number, method_of, protocol_number, protocol_of, role_number,
    role_of, version_of,
};
use crate::netlink::ipvs::constants::IPPROTO_TCP;
use crate::netlink::ipvs::{
    Daemon, DaemonKey, Destination, DestinationKey, DestinationState, Family, Forward, Info,
    Netmask, Scheduler, Service, ServiceKey, ServiceState, Stats, Timeouts, Tunnel,
};
use crate::netlink::wire::Malformed;

/// `struct ip_vs_getinfo`.
pub(super) const INFO: usize = 12;
/// `struct ip_vs_timeout_user`.
pub(super) const TIMEOUTS: usize = 12;
/// `struct ip_vs_daemon_user`.
pub(super) const DAEMON: usize = 24;
/// `struct ip_vs_service_user`.
pub(super) const SERVICE_USER: usize = 44;
/// `struct ip_vs_dest_user`.
pub(super) const DESTINATION_USER: usize = 24;
/// `struct ip_vs_service_entry`: a service as above, its number of destinations, the counters.
pub(super) const SERVICE: usize = SERVICE_STATS + STATS;
const SERVICE_STATS: usize = 48;
/// `struct ip_vs_get_services` without its entries: their number, padded to a 64-bit boundary.
const SERVICES: usize = 8;
/// `struct ip_vs_dest_entry`: a destination as above, its connections, padding, the counters.
const DESTINATION: usize = DESTINATION_STATS + STATS;
const DESTINATION_STATS: usize = 40;
/// `struct ip_vs_get_dests` without its entries.
const DESTINATIONS: usize = 24;
/// `struct ip_vs_stats_user`.
const STATS: usize = 56;

/// How long `struct ip_vs_get_services` is with room for that many.
pub(super) fn services_length(room: u32) -> usize {
    (room as usize).saturating_mul(SERVICE).saturating_add(SERVICES)
}

/// How long `struct ip_vs_get_dests` is with room for that many.
pub(super) fn destinations_length(room: u32) -> usize {
    (room as usize).saturating_mul(DESTINATION).saturating_add(DESTINATIONS)
}

/// Asks for that many services.
pub(super) fn put_services_request(out: &mut [u8], room: u32) {
    put(out, 0, &room.to_ne_bytes());
}

/// Asks for that many destinations of a service.
pub(super) fn put_destinations_request(out: &mut [u8], key: &ServiceKey, room: u32) {
    put_service_key(out, key);
    put(out, 16, &room.to_ne_bytes());
}

/// How many services there are.
pub(super) fn number_of_services(buffer: &[u8]) -> u32 {
    u32_at(buffer, 8)
}

/// The rest of the same structure.
pub(super) fn info(buffer: &[u8]) -> Info {
    Info { version: version_of(u32_at(buffer, 0)), table_size: u32_at(buffer, 4) }
}

pub(super) fn timeouts(buffer: &[u8]) -> Timeouts {
    Timeouts {
        tcp: Some(u32_at(buffer, 0)),
        tcp_fin: Some(u32_at(buffer, 4)),
        udp: Some(u32_at(buffer, 8)),
    }
}

pub(super) fn put_timeouts(out: &mut [u8], timeouts: &Timeouts) {
    for (at, timeout) in [(0, timeouts.tcp), (4, timeouts.tcp_fin), (8, timeouts.udp)] {
        // 0 is "as it is".
        put(out, at, &timeout.unwrap_or(0).to_ne_bytes());
    }
}

/// Those of the two that run.
pub(in crate::netlink::ipvs) fn daemons(buffer: &[u8]) -> Result<Vec<Daemon>, Malformed> {
    let running = buffer.chunks_exact(DAEMON).filter(|entry| u32_at(entry, 0) != 0);
    running.map(daemon).collect()
}

fn daemon(entry: &[u8]) -> Result<Daemon, Malformed> {
    let unnamed = Malformed("a sync daemon on an interface without a valid name");
    let interface = InterfaceName::new(text(entry, 4)?).map_err(|_| unnamed)?;
    // The kernel takes larger ones, and sends only their last byte.
    let sync_id = u32_at(entry, 20).to_le_bytes()[0];
    Ok(Daemon {
        key: DaemonKey { role: role_of(u32_at(entry, 0))?, sync_id },
        interface,
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    })
}

pub(super) fn put_daemon(out: &mut [u8], daemon: &Daemon) {
    put_daemon_key(out, &daemon.key);
    put(out, 4, daemon.interface.as_str().as_bytes());
}

pub(super) fn put_daemon_key(out: &mut [u8], key: &DaemonKey) {
    put(out, 0, &role_number(key.role).to_ne_bytes());
    put(out, 20, &u32::from(key.sync_id).to_ne_bytes());
}

/// Takes `struct ip_vs_get_services` apart: how many destinations each service has.
pub(in crate::netlink::ipvs) fn counted(buffer: &[u8]) -> HashMap<ServiceKey, u32> {
    let entries = buffer.get(SERVICES..).unwrap_or_default().chunks_exact(SERVICE);
    entries.filter_map(|entry| Some((service_key(entry)?, number_of_destinations(entry)))).collect()
}

/// The same: the services.
pub(in crate::netlink::ipvs) fn services(buffer: &[u8]) -> Result<Vec<ServiceState>, Malformed> {
    let entries = buffer.get(SERVICES..).unwrap_or_default().chunks_exact(SERVICE);
    entries.filter_map(|entry| service_state(entry).transpose()).collect()
}

/// Takes `struct ip_vs_service_entry` apart; `None` for one that was not filled.
pub(super) fn service_state(entry: &[u8]) -> Result<Option<ServiceState>, Malformed> {
    let Some(key) = service_key(entry) else { return Ok(None) };
    let name = Scheduler::new(text(entry, 16)?);
    let scheduler = name.map_err(|_| Malformed("a scheduler whose name is none"))?;
    let netmask = Netmask::V4(Ipv4Addr::from(bytes::<4>(entry, 40)));
    Ok(Some(ServiceState {
        service: flagged(key, scheduler, u32_at(entry, 32), u32_at(entry, 36), netmask),
        stats: stats(entry.get(SERVICE_STATS..).unwrap_or_default()),
        unknown: Vec::new(),
    }))
}

pub(super) fn number_of_destinations(entry: &[u8]) -> u32 {
    u32_at(entry, 44)
}

pub(super) fn put_service(out: &mut [u8], service: &Service) {
    put_service_key(out, &service.key);
    put(out, 16, service.scheduler.as_str().as_bytes());
    put(out, 32, &flags_of(service).to_ne_bytes());
    put(out, 36, &service.persistence.map_or(0, |one| one.timeout.get()).to_ne_bytes());
    let single = Netmask::single(Family::Ipv4);
    if let Netmask::V4(mask) = service.persistence.map_or(single, |one| one.netmask) {
        put(out, 40, &mask.octets());
    }
}

/// What every structure about a service begins with.
pub(super) fn put_service_key(out: &mut [u8], key: &ServiceKey) {
    match key {
        ServiceKey::Address { protocol, address, port } => {
            put(out, 0, &protocol_number(*protocol).to_ne_bytes());
            if let IpAddr::V4(address) = address {
                put(out, 4, &address.octets());
            }
            put(out, 8, &port.to_be_bytes());
        }
        ServiceKey::Fwmark { mark, .. } => {
            // Compared with what the service was made with, which over netlink is TCP.
            put(out, 0, &IPPROTO_TCP.to_ne_bytes());
            put(out, 12, &mark.get().to_ne_bytes());
        }
    }
}

fn service_key(entry: &[u8]) -> Option<ServiceKey> {
    if let Some(mark) = NonZeroU32::new(u32_at(entry, 12)) {
        return Some(ServiceKey::Fwmark { family: Family::Ipv4, mark });
    }
    let protocol = match u16::from_ne_bytes(bytes(entry, 0)) {
        0 => return None,
        number => protocol_of(number),
    };
    let address = Ipv4Addr::from(bytes::<4>(entry, 4));
    Some(ServiceKey::address(protocol, address, u16::from_be_bytes(bytes(entry, 8))))
}

/// Takes `struct ip_vs_get_dests` apart; `None` when the destinations are not just that many, or
/// one is a tunnel, of which it tells not enough.
pub(in crate::netlink::ipvs) fn listed(buffer: &[u8], count: u32) -> Option<Vec<Destination>> {
    let found: Vec<Destination> = filled(buffer).map(destination).collect();
    let is_tunnel = |one: &Destination| matches!(one.forward, Forward::Tunnel(_));
    (found.len() == count as usize && !found.iter().any(is_tunnel)).then_some(found)
}

/// The same: the destinations with their counters. In a user namespace all tunnels are IP in IP.
pub(in crate::netlink::ipvs) fn destination_states(buffer: &[u8]) -> Vec<DestinationState> {
    let state = |entry: &[u8]| DestinationState {
        destination: destination(entry),
        active_connections: u32_at(entry, 24),
        inactive_connections: u32_at(entry, 28),
        persistent_connections: u32_at(entry, 32),
        stats: stats(entry.get(DESTINATION_STATS..).unwrap_or_default()),
        unknown: Vec::new(),
    };
    filled(buffer).map(state).collect()
}

/// Those that were not filled have no address.
fn filled(buffer: &[u8]) -> impl Iterator<Item = &[u8]> {
    let entries = buffer.get(DESTINATIONS..).unwrap_or_default().chunks_exact(DESTINATION);
    entries.take_while(|entry| u32_at(entry, 0) != 0)
}

/// Reads `struct ip_vs_dest_user`, which `struct ip_vs_dest_entry` begins with.
fn destination(entry: &[u8]) -> Destination {
    let address = Ipv4Addr::from(bytes::<4>(entry, 0)).into();
    Destination {
        key: DestinationKey { address, port: u16::from_be_bytes(bytes(entry, 4)) },
        forward: method_of(u32_at(entry, 8), Tunnel::Ipip),
        weight: u32_at(entry, 12),
        upper_threshold: NonZeroU32::new(u32_at(entry, 16)),
        lower_threshold: NonZeroU32::new(u32_at(entry, 20)),
    }
}

pub(super) fn put_destination(out: &mut [u8], destination: &Destination) {
    put_destination_key(out, &destination.key);
    put(out, 8, &method_number(destination.forward).to_ne_bytes());
    put(out, 12, &destination.weight.to_ne_bytes());
    put(out, 16, &destination.upper_threshold.map_or(0, NonZeroU32::get).to_ne_bytes());
    put(out, 20, &destination.lower_threshold.map_or(0, NonZeroU32::get).to_ne_bytes());
}

pub(super) fn put_destination_key(out: &mut [u8], key: &DestinationKey) {
    if let IpAddr::V4(address) = key.address {
        put(out, 0, &address.octets());
    }
    put(out, 4, &key.port.to_be_bytes());
}

fn stats(entry: &[u8]) -> Stats {
    let narrow = |at| u64::from(u32_at(entry, at));
    let wide = |at| u64::from_ne_bytes(bytes(entry, at));
    Stats {
        connections: narrow(0),
        packets_in: narrow(4),
        packets_out: narrow(8),
        bytes_in: wide(16),
        bytes_out: wide(24),
        connection_rate: narrow(32),
        packet_rate_in: narrow(36),
        packet_rate_out: narrow(40),
        byte_rate_in: narrow(44),
        byte_rate_out: narrow(48),
    }
}

/// A name in 16 bytes, up to its NUL.
fn text(buffer: &[u8], at: usize) -> Result<String, Malformed> {
    let name = bytes::<16>(buffer, at);
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    let name = std::str::from_utf8(&name[..end]);
    name.map(str::to_owned).map_err(|_| Malformed("a name that is not text"))
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
mod tests;
