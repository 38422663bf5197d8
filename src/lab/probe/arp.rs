//! Asks the network who has an address, and listens to everybody who answers.
//!
//! The kernel believes the first answer and forgets the rest; a cluster whose real servers
//! answer for the VIP works or fails by that chance. Here every answer counts.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use etherparse::{ArpEthIpv4Packet, ArpOperation, LaxNetSlice, LaxSlicedPacket, PacketBuilder};
use ipnet::Ipv4Net;
use nix::net::if_::InterfaceFlags;
use serde::{Deserialize, Serialize};

use super::Seconds;
use super::packet::{self, Interface, PacketSocket};
use crate::modules::Error;
use crate::netlink::MacAddress;

/// Who answers ARP for an address?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arp {
    /// The address, usually a VIP.
    pub address: Ipv4Addr,
    /// Where to ask; by default the interface whose network the address is in.
    #[serde(default)]
    pub interface: Option<String>,
    /// How often to ask, evenly over the wait.
    #[serde(default = "three")]
    pub asks: u32,
    /// How long to listen in all.
    #[serde(default = "Arp::default_wait")]
    pub wait: Seconds,
}

fn three() -> u32 {
    3
}

/// Everybody who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArpAnswers {
    /// Where was asked.
    pub interface: String,
    /// How often.
    pub asks: u32,
    /// One for each Ethernet address, first heard first.
    pub answers: Vec<ArpAnswer>,
    /// Frames that the kernel dropped, so that an answer may be missing.
    pub lost: u32,
}

/// One who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArpAnswer {
    /// The address it says to have.
    pub mac: MacAddress,
    /// How often it did.
    pub count: u32,
}

impl Arp {
    /// Asks as usual: three times, in half a second.
    #[must_use]
    pub fn new(address: Ipv4Addr) -> Self {
        Self { address, interface: None, asks: three(), wait: Self::default_wait() }
    }

    /// Half a second: a neighbour answers within a millisecond, an emulated one within fifty.
    #[must_use]
    pub fn default_wait() -> Seconds {
        Seconds::from_millis(500)
    }

    pub(super) fn run(&self) -> Result<ArpAnswers, Error> {
        let interfaces = packet::interfaces()?;
        let interface = self.interface(&interfaces)?;
        let mac = interface
            .mac()
            .ok_or_else(|| Error::new(format!("interface `{}` speaks no ARP", interface.name)))?;
        let sender = sender(interface, self.address);
        let mut socket = PacketSocket::open(packet::ARP, Some(interface))
            .map_err(|error| packet::refused(&error))?;
        let failed = |error| Error::io(format!("failed to ask on `{}`", interface.name), &error);

        let asks = self.asks.max(1);
        let pause = self.wait.0 / asks;
        let mut answers: Vec<ArpAnswer> = Vec::new();
        for _ in 0..asks {
            let until = Instant::now() + pause;
            socket.send(&request(mac, sender, self.address)).map_err(failed)?;
            while let Some(frame) = socket.receive(Some(until)).map_err(failed)? {
                if frame.outgoing {
                    continue;
                }
                let Some(from) = answer(frame.bytes, self.address) else { continue };
                match answers.iter_mut().find(|answer| answer.mac == from) {
                    Some(known) => known.count += 1,
                    None => answers.push(ArpAnswer { mac: from, count: 1 }),
                }
            }
        }
        Ok(ArpAnswers { interface: interface.name.clone(), asks, answers, lost: socket.lost() })
    }

    fn interface<'a>(&self, interfaces: &'a [Interface]) -> Result<&'a Interface, Error> {
        let found = match &self.interface {
            Some(name) => interfaces.iter().find(|one| one.name == *name).ok_or_else(|| {
                let known: Vec<&str> = interfaces.iter().map(|one| one.name.as_str()).collect();
                Error::new(format!("there is no interface `{name}`"))
                    .hint(format!("there are: {}", known.join(", ")))
            })?,
            None => interfaces
                .iter()
                .filter(|one| !one.flags.contains(InterfaceFlags::IFF_LOOPBACK))
                .find(|one| network_of(one, self.address).is_some())
                .ok_or_else(|| {
                    Error::new(format!("no interface is in the network of `{}`", self.address))
                        .hint("ARP reaches one network only; say `interface` to ask there anyway")
                })?,
        };
        if found.flags.contains(InterfaceFlags::IFF_UP) {
            Ok(found)
        } else {
            Err(Error::new(format!("interface `{}` is down", found.name)))
        }
    }
}

/// The address of ours in whose network `address` is.
fn network_of(interface: &Interface, address: Ipv4Addr) -> Option<Ipv4Addr> {
    interface.addresses.iter().find_map(|(own, prefix)| match own {
        // A /32 of ours, such as a VIP, makes no neighbours.
        IpAddr::V4(own) if *prefix < 32 => {
            Ipv4Net::new(*own, *prefix).ok()?.contains(&address).then_some(*own)
        }
        _ => None,
    })
}

/// Who we say we are: as the kernel would, an address in the same network, since hosts with
/// `arp_ignore=2` answer to no other. Without one, the unspecified address of RFC 5227.
fn sender(interface: &Interface, address: Ipv4Addr) -> Ipv4Addr {
    network_of(interface, address).unwrap_or(Ipv4Addr::UNSPECIFIED)
}

/// "Who has `target`? Tell `sender`", to everybody.
fn request(mac: MacAddress, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
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

/// The Ethernet address that a frame says `address` is at, when it is such an answer.
fn answer(frame: &[u8], address: Ipv4Addr) -> Option<MacAddress> {
    let packet = LaxSlicedPacket::from_ethernet(frame).ok()?;
    let Some(LaxNetSlice::Arp(arp)) = packet.net else { return None };
    let arp = arp.to_packet().try_eth_ipv4().ok()?;
    let answers = arp.operation == ArpOperation::REPLY && arp.sender_ipv4_addr() == address;
    answers.then_some(MacAddress(arp.sender_mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 89);
    const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 10);

    /// Captured from `arping` on a veth pair.
    const REQUEST: [u8; 42] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // to everybody
        0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // from the client
        0x08, 0x06, // EtherType ARP
        0x00, 0x01, 0x08, 0x00, 6, 4, // Ethernet, IPv4, their address lengths
        0x00, 0x01, // request
        0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // sender's MAC
        192, 168, 0, 10, // sender's address
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // target's MAC, which is the question
        192, 168, 0, 89, // target's address
    ];

    fn reply() -> Vec<u8> {
        let mut frame = REQUEST.to_vec();
        frame[21] = 2;
        frame[22..28].copy_from_slice(&[2, 0, 0, 0, 0, 90]);
        frame[28..32].copy_from_slice(&VIP.octets());
        frame
    }

    #[test]
    fn asks_in_the_bytes_that_go_over_the_wire() {
        assert_eq!(request(MacAddress([2, 0, 0, 0, 0, 0x0a]), CLIENT, VIP), REQUEST);
    }

    #[test]
    fn hears_replies_for_the_address_only() {
        assert_eq!(answer(&reply(), VIP), Some(MacAddress([2, 0, 0, 0, 0, 90])));
        assert_eq!(answer(&reply(), CLIENT), None);
        assert_eq!(answer(&REQUEST, CLIENT), None, "a request is not an answer");
    }

    #[test]
    fn hears_a_reply_padded_to_the_shortest_frame_and_none_that_is_cut() {
        let mut padded = reply();
        padded.resize(60, 0);
        assert_eq!(answer(&padded, VIP), Some(MacAddress([2, 0, 0, 0, 0, 90])));
        for length in 0..42 {
            assert_eq!(answer(&reply()[..length], VIP), None, "cut at {length}");
        }
    }
}
