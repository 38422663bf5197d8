//! What an interface does to the packets that leave through it: `sch_netem`, the kernel's own
//! imitation of long, narrow and bad lines.
//!
//! The layout of its options: `struct tc_netem_qopt` and `TCA_NETEM_*` in linux/pkt_sched.h.

use std::time::Duration;

use netlink_packet_core::{DefaultNla, Emitable, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use super::{Error, Handle};
use crate::netlink::InterfaceName;

const TCA_OPTIONS: u16 = 2;
const TCA_NETEM_RATE: u16 = 6;
const TCA_NETEM_RATE64: u16 = 8;
const TCA_NETEM_LATENCY64: u16 = 10;

/// How many packets wait where a rate holds them up; tc's own default.
const QUEUE: u32 = 1000;

/// How many are under way at a time where nothing does.
const UNDER_WAY: u32 = 100_000;

/// What becomes of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Netem {
    /// How long each one takes.
    pub latency: Duration,
    /// How many of 2^32 are lost.
    pub loss: u32,
    /// How many bytes pass in a second; as many as there are when there is none.
    pub rate: Option<u64>,
}

impl Handle {
    /// Makes an interface do that to what leaves through it, and nothing else any more.
    pub fn set_netem(&mut self, interface: &InterfaceName, netem: Netem) -> Result<(), Error> {
        let mut message = TcMessage::default();
        let index = self.existing_link(interface)?.index;
        message.header.index = i32::try_from(index).unwrap_or(i32::MAX);
        message.header.parent = TcHandle::ROOT;
        message.attributes.push(TcAttribute::Kind("netem".into()));
        message.attributes.push(TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options(netem))));
        self.change(
            || format!("give `{interface}` latency, loss or a rate by `sch_netem`"),
            RouteNetlinkMessage::NewQueueDiscipline(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }
}

/// A structure, and attributes behind it.
fn options(netem: Netem) -> Vec<u8> {
    let limit = if netem.rate.is_some() { QUEUE } else { UNDER_WAY };
    // latency in old units, limit, loss, gap, duplicate, jitter
    let mut bytes: Vec<u8> =
        [0, limit, netem.loss, 0, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
    let nanoseconds = i64::try_from(netem.latency.as_nanos()).unwrap_or(i64::MAX);
    push(&mut bytes, TCA_NETEM_LATENCY64, &nanoseconds.to_ne_bytes());
    if let Some(rate) = netem.rate {
        // A rate that 32 bits do not hold stands beside, and all ones here.
        let narrow = u32::try_from(rate).unwrap_or(u32::MAX);
        if narrow == u32::MAX {
            push(&mut bytes, TCA_NETEM_RATE64, &rate.to_ne_bytes());
        }
        // rate, overhead of a packet, size of a cell, overhead of a cell
        let rate: Vec<u8> = [narrow, 0, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
        push(&mut bytes, TCA_NETEM_RATE, &rate);
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let attribute = DefaultNla::new(kind, value.to_vec());
    let from = bytes.len();
    bytes.resize(from + attribute.buffer_len(), 0);
    attribute.emit(&mut bytes[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `tc qdisc add … netem limit 1000 delay 20ms loss 1% rate 10mbit` sent on x86-64, but
    /// for the latency in old units, which the kernel passes over where the new ones stand.
    #[test]
    fn is_what_tc_sends() {
        let netem = Netem {
            latency: Duration::from_millis(20),
            loss: 42_949_673,
            rate: Some(10_000_000 / 8),
        };
        let expected: Vec<u8> = [
            &[0, 0, 0, 0][..],
            &1000_u32.to_le_bytes(),
            &[0x29, 0x5c, 0x8f, 0x02], // loss
            &[0; 12],
            &[12, 0, 10, 0, 0, 0x2d, 0x31, 0x01, 0, 0, 0, 0], // 20,000,000 ns
            &[20, 0, 6, 0, 0xd0, 0x12, 0x13, 0],              // 1,250,000 bytes
            &[0; 12],
        ]
        .concat();
        assert_eq!(options(netem), expected);
    }

    #[test]
    fn a_high_rate_stands_in_64_bits() {
        let rate = 10_000_000_000;
        let bytes = options(Netem { rate: Some(rate), ..Netem::default() });
        let wide = [&[12, 0, 8, 0][..], &rate.to_ne_bytes()].concat();
        assert!(bytes.windows(12).any(|window| window == wide), "{bytes:?}");
    }
}
