//! The nested attributes of IPVS: each structure to bytes and back.
//!
//! Both directions of a structure stand next to each other, and tests hold them against
//! bytes that a kernel sent.

mod daemon;
mod destination;
mod service;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::constants::*;
use super::service::Family;
use super::stats::{Stats, Unknown};
use crate::netlink::wire::{Attribute, Attributes, Malformed};

pub(super) use self::daemon::{
    read_daemon, read_info, read_timeouts, role_number, role_of, version_of, write_daemon,
    write_daemon_key, write_timeouts,
};
pub(super) use self::destination::{
    method_number, method_of, read_declared_destination, read_destination, write_destination,
    write_destination_key,
};
pub(super) use self::service::{
    flagged, flags_of, protocol_number, protocol_of, read_service, write_service, write_service_key,
};

/// Reads counters: with `wide` all are of 64 bits, without it only the two of bytes.
fn read_stats(attributes: Attributes<'_>, wide: bool) -> Result<Stats, Malformed> {
    let mut stats = Stats::default();
    for attribute in attributes {
        let attribute = attribute?;
        let (counter, is_wide) = match attribute.kind {
            IPVS_STATS_ATTR_CONNS => (&mut stats.connections, wide),
            IPVS_STATS_ATTR_INPKTS => (&mut stats.packets_in, wide),
            IPVS_STATS_ATTR_OUTPKTS => (&mut stats.packets_out, wide),
            IPVS_STATS_ATTR_INBYTES => (&mut stats.bytes_in, true),
            IPVS_STATS_ATTR_OUTBYTES => (&mut stats.bytes_out, true),
            IPVS_STATS_ATTR_CPS => (&mut stats.connection_rate, wide),
            IPVS_STATS_ATTR_INPPS => (&mut stats.packet_rate_in, wide),
            IPVS_STATS_ATTR_OUTPPS => (&mut stats.packet_rate_out, wide),
            IPVS_STATS_ATTR_INBPS => (&mut stats.byte_rate_in, wide),
            IPVS_STATS_ATTR_OUTBPS => (&mut stats.byte_rate_out, wide),
            _ => continue,
        };
        *counter = if is_wide { attribute.u64()? } else { attribute.u32()?.into() };
    }
    Ok(stats)
}

/// Reads the counters of 64 bits, or those that an older kernel has.
fn read_either(
    wide: Option<Attribute<'_>>,
    narrow: Option<Attribute<'_>>,
) -> Result<Stats, Malformed> {
    match (wide, narrow) {
        (Some(wide), _) => read_stats(wide.nested(), true),
        (None, Some(narrow)) => read_stats(narrow.nested(), false),
        (None, None) => Ok(Stats::default()),
    }
}

fn kept(attribute: &Attribute<'_>) -> Unknown {
    Unknown { kind: attribute.kind, value: attribute.value.to_vec() }
}

fn number_of(family: Family) -> u16 {
    match family {
        Family::Ipv4 => AF_INET,
        Family::Ipv6 => AF_INET6,
    }
}

fn family_of(number: u16) -> Result<Family, Malformed> {
    match number {
        AF_INET => Ok(Family::Ipv4),
        AF_INET6 => Ok(Family::Ipv6),
        _ => Err(Malformed("an address family that is neither IPv4 nor IPv6")),
    }
}

fn ip(attribute: &Attribute<'_>, family: Family) -> Result<IpAddr, Malformed> {
    Ok(match family {
        Family::Ipv4 => Ipv4Addr::from(attribute.first::<4>()?).into(),
        Family::Ipv6 => Ipv6Addr::from(attribute.first::<16>()?).into(),
    })
}

/// `union nf_inet_addr`: an IPv4 address is its first four bytes.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => address.octets(),
    }
}
