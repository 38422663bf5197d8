//! The question of ARP.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::{ArpEthIpv4Packet, ArpOperation, PacketBuilder};

use super::neighbour_of;
use crate::lab::probe::packet::Interface;
use crate::netlink::MacAddress;

/// "Who has `target`?", to everybody. Who we say we are: as the kernel would, an address in the
/// same network, since hosts with `arp_ignore=2` answer to no other. Without one, the
/// unspecified address of RFC 5227.
pub(super) fn question(interface: &Interface, mac: MacAddress, target: Ipv4Addr) -> Vec<u8> {
    let sender = match neighbour_of(interface, target.into()) {
        Some(IpAddr::V4(own)) => own,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    request(mac, sender, target)
}

/// "Who has `target`? Tell `sender`."
pub(super) fn request(mac: MacAddress, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let question = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: mac.0,
        sender_ipv4: sender.octets(),
        target_mac: [0; 6],
        target_ipv4: target.octets(),
    };
    let mut frame = Vec::with_capacity(42);
    PacketBuilder::ethernet2(mac.0, [0xff; 6])
        .arp(question.into())
        .write(&mut frame)
        .expect("a vector takes any frame, and an ARP packet has no length to exceed");
    frame
}
