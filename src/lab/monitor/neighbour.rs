//! Who says to have which address: what ARP and neighbour discovery make others believe.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::packet::{Packet, Payload, Transport};
use super::{Cable, Frame};
use crate::netlink::MacAddress;

/// So many different facts are kept: more than a lab of hundreds of hosts has.
const LIMIT: usize = 50_000;

/// How a host came to say that it has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Said {
    /// Somebody had asked for it.
    Answer,
    /// Nobody had: a gratuitous ARP or an unsolicited advertisement.
    Announcement,
    /// It asked for another address, and gave this one as its own; who knows the address
    /// believes that, too.
    Question,
    /// It was about to take the address, and asked whether somebody has it already.
    Detection,
}

/// A host said to have an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The address.
    pub address: IpAddr,
    /// Where it is said to be.
    pub mac: MacAddress,
    /// Who said it: the cable that it left its host by.
    pub cable: Arc<Cable>,
    /// How.
    pub said: Said,
    /// When it was said first.
    pub first: SystemTime,
    /// And last.
    pub last: SystemTime,
    /// How often.
    pub count: u64,
}

type Key = (IpAddr, MacAddress, Arc<Cable>, Said);

/// All that was said.
#[derive(Debug, Default)]
pub(super) struct Neighbours(HashMap<Key, Neighbour>);

impl Neighbours {
    /// Notes what a frame says, which must be one that left a host.
    pub(super) fn hear(&mut self, frame: &Frame) {
        if !Packet::may_tell_of_neighbours(&frame.bytes) {
            return;
        }
        let Some((address, mac, said)) = frame.packet().as_ref().and_then(told) else { return };
        let key = (address, mac, Arc::clone(&frame.cable), said);
        if let Some(known) = self.0.get_mut(&key) {
            known.last = frame.at;
            known.count += 1;
        } else if self.0.len() < LIMIT {
            let cable = Arc::clone(&frame.cable);
            let (first, last, count) = (frame.at, frame.at, 1);
            self.0.insert(key, Neighbour { address, mac, cable, said, first, last, count });
        }
    }

    /// All of it, the earliest first.
    pub(super) fn all(&self) -> Vec<Neighbour> {
        let mut all: Vec<Neighbour> = self.0.values().cloned().collect();
        all.sort_by_key(|one| (one.first, one.address, one.mac, one.said));
        all
    }
}

/// What a packet says of its sender's address.
fn told(packet: &Packet) -> Option<(IpAddr, MacAddress, Said)> {
    match &packet.payload {
        Payload::Arp(arp) if arp.sender.is_unspecified() => None,
        Payload::Arp(arp) => {
            let said = match (arp.sender == arp.target, arp.reply) {
                (true, _) => Said::Announcement,
                (false, true) => Said::Answer,
                (false, false) => Said::Question,
            };
            Some((arp.sender.into(), arp.sender_mac, said))
        }
        Payload::Ip(ip) => match ip.transport {
            // Duplicates are looked for by who has no address yet.
            Transport::Solicitation { address, .. } if ip.source.is_unspecified() => {
                Some((address.into(), packet.source, Said::Detection))
            }
            Transport::Solicitation { mac, .. } => Some((ip.source, mac?, Said::Question)),
            Transport::Advertisement { address, mac, solicited } => {
                let said = if solicited { Said::Answer } else { Said::Announcement };
                // Without the option the sender of the frame is meant.
                Some((address.into(), mac.unwrap_or(packet.source), said))
            }
            _ => None,
        },
        Payload::Other(_) => None,
    }
}
