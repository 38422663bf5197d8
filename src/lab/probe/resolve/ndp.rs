//! The question of neighbour discovery: a neighbour solicitation (RFC 4861, section 4.3).

use std::net::{IpAddr, Ipv6Addr};

use etherparse::{Icmpv6Type, PacketBuilder};

use super::neighbour_of;
use crate::lab::probe::packet::Interface;
use crate::modules::Error;
use crate::netlink::MacAddress;

/// What messages of neighbour discovery have, so that none comes from beyond a router.
pub(super) const HOP_LIMIT: u8 = 255;
/// The option with the hardware address of who asks, and its length in units of 8 bytes.
const SOURCE_MAC: [u8; 2] = [1, 1];

/// "Who has `target`?" From an address in the same network as the kernel would, or else from the
/// link-local one: without either this would be the search for duplicates of somebody who is
/// about to take the address.
pub(super) fn question(
    interface: &Interface,
    mac: MacAddress,
    target: Ipv6Addr,
) -> Result<Vec<u8>, Error> {
    let v6 = |address: IpAddr| match address {
        IpAddr::V6(own) => Some(own),
        IpAddr::V4(_) => None,
    };
    let neighbour = neighbour_of(interface, target.into()).and_then(v6);
    let mut own = interface.addresses.iter().filter_map(|(own, _)| v6(*own));
    let sender = neighbour.or_else(|| own.find(Ipv6Addr::is_unicast_link_local));
    let sender = sender.ok_or_else(|| {
        Error::new(format!("interface `{}` has no IPv6 address to ask from", interface.name))
            .hint("a link-local one is enough")
    })?;
    Ok(solicitation(mac, sender, target))
}

/// "Who has `target`? Tell `sender`", to all whose addresses end alike.
pub(super) fn solicitation(mac: MacAddress, sender: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    let [high, low] = [u16::from_be_bytes([0xff, a]), u16::from_be_bytes([b, c])];
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, high, low);
    let message = [target.octets().as_slice(), &SOURCE_MAC, &mac.0].concat();
    let mut frame = Vec::with_capacity(86);
    PacketBuilder::ethernet2(mac.0, [0x33, 0x33, 0xff, a, b, c])
        .ipv6(sender.octets(), group.octets(), HOP_LIMIT)
        .icmpv6(Icmpv6Type::NeighborSolicitation)
        .write(&mut frame, &message)
        .expect("a vector takes any frame, and this is one of 86 bytes");
    frame
}
