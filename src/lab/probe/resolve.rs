//! Asks the network who has an address, and listens to everybody who answers: by ARP for an
//! address of IPv4, by neighbour discovery for one of IPv6.
//!
//! The kernel believes one answer and forgets the rest; a cluster whose real servers
//! answer for the VIP works or fails by that chance. Here every answer counts.

use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;
use nix::net::if_::InterfaceFlags;
use serde::{Deserialize, Serialize};

use super::Seconds;
use super::packet::{self, Interface, PacketSocket};
use crate::lab::monitor::{Packet, Payload, Transport};
use crate::modules::Error;
use crate::netlink::MacAddress;

mod arp;
mod ndp;

/// Who says to have an address?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// The address, usually a VIP.
    pub address: IpAddr,
    /// Where to ask; by default the interface whose network the address is in.
    #[serde(default)]
    pub interface: Option<String>,
    /// How often to ask, evenly over the wait.
    #[serde(default = "three")]
    pub asks: u32,
    /// How long to listen in all.
    #[serde(default = "Resolve::default_wait")]
    pub wait: Seconds,
}

fn three() -> u32 {
    3
}

/// Everybody who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Where was asked.
    pub interface: String,
    /// How often.
    pub asks: u32,
    /// One for each Ethernet address, first heard first.
    pub answers: Vec<Claim>,
    /// Frames that the kernel dropped, so that an answer may be missing.
    pub lost: u32,
}

/// One who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Where it says that the address is.
    pub mac: MacAddress,
    /// How often it did.
    pub count: u32,
}

/// ARP, or neighbour discovery.
#[must_use]
pub fn protocol(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ARP" } else { "NDP" }
}

impl Resolve {
    /// Asks as usual: three times, in half a second.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self { address, interface: None, asks: three(), wait: Self::default_wait() }
    }

    /// Half a second: a neighbour answers within a millisecond, an emulated one within fifty.
    #[must_use]
    pub fn default_wait() -> Seconds {
        Seconds::from_millis(500)
    }

    pub(super) fn run(&self) -> Result<Resolved, Error> {
        let interfaces = packet::interfaces()?;
        let interface = self.interface(&interfaces)?;
        let mac = interface.mac().ok_or_else(|| {
            let protocol = protocol(self.address);
            Error::new(format!("interface `{}` speaks no {protocol}", interface.name))
        })?;
        let (ether_type, question) = match self.address {
            IpAddr::V4(address) => (packet::ARP, arp::question(interface, mac, address)),
            IpAddr::V6(address) => (packet::IPV6, ndp::question(interface, mac, address)?),
        };
        let mut socket = PacketSocket::open(ether_type, Some(interface))
            .map_err(|error| packet::refused(&error))?;
        let failed = |error| Error::io(format!("failed to ask on `{}`", interface.name), &error);

        let asks = self.asks.max(1);
        let pause = self.wait.0 / asks;
        let mut answers: Vec<Claim> = Vec::new();
        for _ in 0..asks {
            let until = Instant::now() + pause;
            socket.send(&question).map_err(failed)?;
            while let Some(frame) = socket.receive(Some(until)).map_err(failed)? {
                if frame.outgoing {
                    continue;
                }
                let Some(from) = answer(frame.bytes, self.address) else { continue };
                match answers.iter_mut().find(|answer| answer.mac == from) {
                    Some(known) => known.count += 1,
                    None => answers.push(Claim { mac: from, count: 1 }),
                }
            }
        }
        Ok(Resolved { interface: interface.name.clone(), asks, answers, lost: socket.lost() })
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
                .find(|one| neighbour_of(one, self.address).is_some())
                .ok_or_else(|| {
                    let protocol = protocol(self.address);
                    let hint = format!(
                        "{protocol} reaches one network only; say `interface` to ask there anyway"
                    );
                    Error::new(format!("no interface is in the network of `{}`", self.address))
                        .hint(hint)
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
fn neighbour_of(interface: &Interface, address: IpAddr) -> Option<IpAddr> {
    interface.addresses.iter().find_map(|(own, prefix)| {
        let network = IpNet::new(*own, *prefix).ok()?;
        // A network of one address, such as a VIP of ours, has no neighbours.
        let reaches = *prefix < network.max_prefix_len() && network.contains(&address);
        reaches.then_some(*own)
    })
}

/// The Ethernet address that a frame says `address` is at, when it is such an answer.
fn answer(frame: &[u8], address: IpAddr) -> Option<MacAddress> {
    let packet = Packet::read(frame)?;
    match &packet.payload {
        Payload::Arp(arp) => (arp.reply && arp.sender == address).then_some(arp.sender_mac),
        Payload::Ip(ip) => match ip.transport {
            // No router has passed it on, or nobody would believe it: RFC 4861, section 7.1.2.
            Transport::Advertisement { address: about, mac, .. }
                if about == address && ip.ttl == ndp::HOP_LIMIT =>
            {
                Some(mac.unwrap_or(packet.source))
            }
            _ => None,
        },
        Payload::Other(_) => None,
    }
}

#[cfg(test)]
mod tests;
