//! Who handed a reply to this machine: the Ethernet sources of the frames of a connection.
//!
//! With direct routing they are the real server's although the IP source is the VIP, and
//! this is the proof that the director was passed by. Frames are filtered here rather than
//! by a BPF program: a prober's own traffic is small, and the filter is then plain code.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::packet::{self, PacketSocket};
use crate::lab::monitor::Packet;
use crate::netlink::MacAddress;

/// How far the captured frames can be relied on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// Every frame was seen.
    #[default]
    Complete,
    /// The kernel dropped this many: a sender that was not seen may still have sent.
    Lossy(u32),
    /// No frame was seen, because.
    Unavailable(String),
}

/// A frame of a connection, or a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    ethernet_source: MacAddress,
    source: SocketAddr,
    destination: SocketAddr,
}

/// A capture that runs while requests are made.
#[derive(Debug)]
pub(super) struct Capture {
    socket: Result<PacketSocket, String>,
    /// The senders to each port of this host, first seen first, by whom they speak for.
    seen: HashMap<(SocketAddr, u16), Vec<MacAddress>>,
}

impl Capture {
    /// Starts; a capture that cannot start is not an error, but says so in its coverage.
    pub(super) fn start() -> Self {
        let socket = PacketSocket::open(packet::ALL, None);
        Self { socket: socket.map_err(|error| describe(&error)), seen: HashMap::new() }
    }

    /// The senders, first seen first, of what came over one connection since it was last asked
    /// for. What came over others is kept: they may be in use at the same time.
    pub(super) fn replies(&mut self, peer: SocketAddr, local_port: u16) -> Vec<MacAddress> {
        self.drain();
        self.seen.remove(&(peer, local_port)).unwrap_or_default()
    }

    /// Ends, and says what it is worth.
    pub(super) fn finish(self) -> Coverage {
        match self.socket {
            Ok(socket) if socket.lost() == 0 => Coverage::Complete,
            Ok(socket) => Coverage::Lossy(socket.lost()),
            Err(reason) => Coverage::Unavailable(reason),
        }
    }

    fn drain(&mut self) {
        let Ok(socket) = &mut self.socket else { return };
        let failure = loop {
            match socket.receive(None) {
                Ok(Some(frame)) if frame.outgoing => {}
                Ok(Some(frame)) => {
                    let Some(segment) = segment(frame.bytes) else { continue };
                    let connection = (segment.source, segment.destination.port());
                    let senders = self.seen.entry(connection).or_default();
                    if !senders.contains(&segment.ethernet_source) {
                        senders.push(segment.ethernet_source);
                    }
                }
                Ok(None) => return,
                Err(error) => break describe(&error),
            }
        };
        self.socket = Err(failure);
    }
}

fn describe(error: &std::io::Error) -> String {
    let error = packet::refused(error);
    match &error.hint {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

/// Reads where a frame comes from and goes, if it carries ports; it may be cut after its headers.
fn segment(frame: &[u8]) -> Option<Segment> {
    let packet = Packet::read(frame)?;
    let ip = packet.ip()?;
    let (source, destination) = (ip.from()?, ip.to()?);
    Some(Segment { ethernet_source: packet.source, source, destination })
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    const SERVER: MacAddress = MacAddress([2, 0, 0, 0, 0, 93]);
    const CLIENT: MacAddress = MacAddress([2, 0, 0, 0, 0, 10]);

    fn reply(payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(SERVER.0, CLIENT.0)
            .ipv4([192, 168, 0, 89], [192, 168, 0, 10], 64)
            .tcp(80, 40001, 7, 1024)
            .write(&mut frame, payload)
            .expect("a vector takes any frame");
        frame
    }

    fn expected() -> Segment {
        Segment {
            ethernet_source: SERVER,
            source: "192.168.0.89:80".parse().expect("literal"),
            destination: "192.168.0.10:40001".parse().expect("literal"),
        }
    }

    #[test]
    fn reads_the_sender_of_a_segment_even_of_a_cut_frame() {
        let frame = reply(&[b'x'; 1000]);
        assert_eq!(segment(&frame), Some(expected()));
        assert_eq!(segment(&frame[..64]), Some(expected()));
    }

    #[test]
    fn reads_ipv6() {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(SERVER.0, CLIENT.0)
            .ipv6([0xfd; 16], [0xfe; 16], 64)
            .tcp(80, 40001, 7, 1024)
            .write(&mut frame, b"")
            .expect("a vector takes any frame");
        let segment = segment(&frame).expect("a TCP segment");
        assert_eq!(segment.ethernet_source, SERVER);
        assert!(segment.source.is_ipv6());
    }

    #[test]
    fn passes_over_what_has_no_ports_and_never_panics() {
        let frame = reply(b"hello");
        for length in 0..48 {
            assert_eq!(segment(&frame[..length]), None, "cut at {length}");
        }
        let mut ospf = frame.clone();
        ospf[23] = 89;
        assert_eq!(segment(&ospf), None);
        assert_eq!(segment(&[0xff; 200]), None);
    }
}
