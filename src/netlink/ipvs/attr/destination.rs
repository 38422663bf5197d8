//! `IPVS_DEST_ATTR_…`: a destination to bytes and back.

use std::num::{NonZeroU16, NonZeroU32};

use super::{family_of, ip, kept, number_of, octets, read_either};
use crate::netlink::ipvs::constants::*;
use crate::netlink::ipvs::{
    Checksum, Destination, DestinationKey, DestinationState, Family, Forward, Tunnel,
};
use crate::netlink::wire::{Attributes, Malformed, Writer};

/// The number of a forwarding method, in the kernel's two interfaces.
pub(in crate::netlink::ipvs) fn method_number(forward: Forward) -> u32 {
    match forward {
        Forward::Direct => IP_VS_CONN_F_DROUTE,
        Forward::Nat => IP_VS_CONN_F_MASQ,
        Forward::Tunnel(_) => IP_VS_CONN_F_TUNNEL,
        Forward::Other(method) => method.into(),
    }
}

/// The forwarding method among the flags of connections; what kind of tunnel is not told there.
pub(in crate::netlink::ipvs) fn method_of(flags: u32, tunnel: Tunnel) -> Forward {
    match flags & IP_VS_CONN_F_FWD_MASK {
        IP_VS_CONN_F_DROUTE => Forward::Direct,
        IP_VS_CONN_F_MASQ => Forward::Nat,
        IP_VS_CONN_F_TUNNEL => Forward::Tunnel(tunnel),
        // The mask leaves three bits.
        method => Forward::Other(method as u8),
    }
}

pub(in crate::netlink::ipvs) fn write_destination_key(out: &mut Writer, key: &DestinationKey) {
    out.u16(IPVS_DEST_ATTR_ADDR_FAMILY, number_of(Family::of(key.address)));
    out.push(IPVS_DEST_ATTR_ADDR, &octets(key.address));
    out.be16(IPVS_DEST_ATTR_PORT, key.port);
}

pub(in crate::netlink::ipvs) fn write_destination(out: &mut Writer, destination: &Destination) {
    write_destination_key(out, &destination.key);
    out.u32(IPVS_DEST_ATTR_FWD_METHOD, method_number(destination.forward));
    out.u32(IPVS_DEST_ATTR_WEIGHT, destination.weight);
    if let Forward::Tunnel(tunnel) = destination.forward {
        write_tunnel(out, tunnel);
    }
    let threshold = |threshold: Option<NonZeroU32>| threshold.map_or(0, NonZeroU32::get);
    out.u32(IPVS_DEST_ATTR_U_THRESH, threshold(destination.upper_threshold));
    out.u32(IPVS_DEST_ATTR_L_THRESH, threshold(destination.lower_threshold));
}

fn write_tunnel(out: &mut Writer, tunnel: Tunnel) {
    let (kind, port, flags) = match tunnel {
        Tunnel::Ipip => (IP_VS_CONN_F_TUNNEL_TYPE_IPIP, 0, 0),
        Tunnel::Gue { port, checksum } => {
            let flags = match checksum {
                Checksum::None => 0,
                Checksum::Outer => IP_VS_TUNNEL_ENCAP_FLAG_CSUM,
                Checksum::Remote => IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM,
            };
            (IP_VS_CONN_F_TUNNEL_TYPE_GUE, port.get(), flags)
        }
        Tunnel::Gre { checksum } => {
            let flags = if checksum { IP_VS_TUNNEL_ENCAP_FLAG_CSUM } else { 0 };
            (IP_VS_CONN_F_TUNNEL_TYPE_GRE, 0, flags)
        }
        Tunnel::Other(kind) => (kind, 0, 0),
    };
    out.push(IPVS_DEST_ATTR_TUN_TYPE, &[kind]);
    out.be16(IPVS_DEST_ATTR_TUN_PORT, port);
    out.u16(IPVS_DEST_ATTR_TUN_FLAGS, flags);
}

/// Reads a destination of a service of that family, which is its own unless it says otherwise.
pub(in crate::netlink::ipvs) fn read_destination(
    attributes: Attributes<'_>,
    family: Family,
) -> Result<DestinationState, Malformed> {
    let destination = read_declared_destination(attributes.clone(), family)?;
    let (mut active, mut inactive, mut persistent) = (0, 0, 0);
    let (mut stats, mut stats64, mut unknown) = (None, None, Vec::new());
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_DEST_ATTR_ADDR
            | IPVS_DEST_ATTR_PORT
            | IPVS_DEST_ATTR_FWD_METHOD
            | IPVS_DEST_ATTR_WEIGHT
            | IPVS_DEST_ATTR_U_THRESH
            | IPVS_DEST_ATTR_L_THRESH
            | IPVS_DEST_ATTR_ADDR_FAMILY
            | IPVS_DEST_ATTR_TUN_TYPE
            | IPVS_DEST_ATTR_TUN_PORT
            | IPVS_DEST_ATTR_TUN_FLAGS => {}
            IPVS_DEST_ATTR_ACTIVE_CONNS => active = attribute.u32()?,
            IPVS_DEST_ATTR_INACT_CONNS => inactive = attribute.u32()?,
            IPVS_DEST_ATTR_PERSIST_CONNS => persistent = attribute.u32()?,
            IPVS_DEST_ATTR_STATS => stats = Some(attribute),
            IPVS_DEST_ATTR_STATS64 => stats64 = Some(attribute),
            _ => unknown.push(kept(&attribute)),
        }
    }
    Ok(DestinationState {
        destination,
        active_connections: active,
        inactive_connections: inactive,
        persistent_connections: persistent,
        stats: read_either(stats64, stats)?,
        unknown,
    })
}

/// Reads what can be declared of a destination, and nothing else.
pub(in crate::netlink::ipvs) fn read_declared_destination(
    attributes: Attributes<'_>,
    family: Family,
) -> Result<Destination, Malformed> {
    let (mut family, mut address, mut port, mut method) = (family, None, None, None);
    let (mut kind, mut outer_port, mut tunnel_flags) = (0, 0, 0);
    let (mut weight, mut upper, mut lower) = (0, 0, 0);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_DEST_ATTR_ADDR => address = Some(attribute),
            IPVS_DEST_ATTR_PORT => port = Some(attribute.be16()?),
            IPVS_DEST_ATTR_FWD_METHOD => method = Some(attribute.u32()?),
            IPVS_DEST_ATTR_WEIGHT => weight = attribute.u32()?,
            IPVS_DEST_ATTR_U_THRESH => upper = attribute.u32()?,
            IPVS_DEST_ATTR_L_THRESH => lower = attribute.u32()?,
            IPVS_DEST_ATTR_ADDR_FAMILY => family = family_of(attribute.u16()?)?,
            IPVS_DEST_ATTR_TUN_TYPE => kind = attribute.u8()?,
            IPVS_DEST_ATTR_TUN_PORT => outer_port = attribute.be16()?,
            IPVS_DEST_ATTR_TUN_FLAGS => tunnel_flags = attribute.u16()?,
            _ => {}
        }
    }
    let missing = Malformed("a destination without an address, port or method");
    let (Some(address), Some(port), Some(method)) = (address, port, method) else {
        return Err(missing);
    };
    let forward = method_of(method, read_tunnel(kind, outer_port, tunnel_flags));
    Ok(Destination {
        key: DestinationKey { address: ip(&address, family)?, port },
        forward,
        weight,
        upper_threshold: NonZeroU32::new(upper),
        lower_threshold: NonZeroU32::new(lower),
    })
}

fn read_tunnel(kind: u8, port: u16, flags: u16) -> Tunnel {
    match (kind, NonZeroU16::new(port)) {
        (IP_VS_CONN_F_TUNNEL_TYPE_IPIP, _) => Tunnel::Ipip,
        (IP_VS_CONN_F_TUNNEL_TYPE_GRE, _) => {
            Tunnel::Gre { checksum: flags & IP_VS_TUNNEL_ENCAP_FLAG_CSUM != 0 }
        }
        (IP_VS_CONN_F_TUNNEL_TYPE_GUE, Some(port)) => {
            let checksum = if flags & IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM != 0 {
                Checksum::Remote
            } else if flags & IP_VS_TUNNEL_ENCAP_FLAG_CSUM != 0 {
                Checksum::Outer
            } else {
                Checksum::None
            };
            Tunnel::Gue { port, checksum }
        }
        (kind, _) => Tunnel::Other(kind),
    }
}
