//! One request, hop by hop: who sent what to whom, as it was seen where the cables end. With direct
//! routing one sees the MAC address change, with masquerading the IP address, with a tunnel the
//! packet around the packet, and always which way the reply takes.

mod svg;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use indexmap::IndexMap;

use super::HostState;
use super::check::CheckReport;
use super::monitor::{Direction, Frame, Ip, Packet, Transport};

/// More hops of a request are not drawn.
const MOST: usize = 60;

/// The port of ssh, by which a playbook may come; it is nobody's request.
const SSH: u16 = 22;
const DNS: u16 = 53;

/// A connection, or an exchange of datagrams, from its first packet on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// The hosts in the order in which they took part; the client is the first.
    hosts: Vec<String>,
    hops: Vec<Hop>,
    /// How many hops there were besides.
    more: usize,
}

/// A packet on its way from a host to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hop {
    /// Since the first.
    after: Duration,
    /// Which of the hosts.
    from: usize,
    /// Nothing where it arrived nowhere.
    to: Option<usize>,
    /// What it is, in a word or two.
    what: String,
    /// Its place in the stream of a connection, counted from the first.
    place: String,
    /// The addresses that it went by, outermost first, and whether each is another than when the
    /// same packet was sent before.
    addresses: Vec<(String, bool)>,
}

/// A packet of the request, where it was seen.
struct Seen<'a> {
    frame: &'a Frame,
    packet: Packet,
    from_client: bool,
}

/// What stays the same while a packet is handed on: its place in the stream, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    from_client: bool,
    numbers: Option<(u32, u32, u8)>,
    data: Vec<u8>,
}

/// What is known of the packets before.
#[derive(Default)]
struct Memory {
    /// By which addresses each packet went last, the outermost first.
    addresses: Vec<(Identity, Vec<String>)>,
    /// Where the streams of client and server begin.
    origins: [Option<u32>; 2],
}

impl Sequence {
    /// The first request of a check; `hosts` says whose a MAC address is.
    #[must_use]
    pub fn of(check: &CheckReport, hosts: &IndexMap<String, HostState>) -> Option<Self> {
        Self::first(&check.packets, check.asker.as_deref(), hosts)
    }

    /// The first request among these frames: of that host, if one is named.
    fn first(
        frames: &[Frame],
        asker: Option<&str>,
        hosts: &IndexMap<String, HostState>,
    ) -> Option<Self> {
        let read = |frame| Some((frame, Frame::packet(frame)?));
        let packets: Vec<(&Frame, Packet)> = frames.iter().filter_map(read).collect();
        let sources = sources(client(asker, &packets)?, &packets);
        let seen = packets.into_iter().filter_map(|(frame, packet)| {
            let inner = packet.ip()?.innermost();
            let one_of = |end: Option<SocketAddr>| end.is_some_and(|end| sources.contains(&end));
            let from_client = one_of(inner.from());
            let ours = from_client || one_of(inner.to());
            ours.then_some(Seen { frame, packet, from_client })
        });
        // The same port may have been used before; that connection's last words are not ours.
        let seen: Vec<Seen<'_>> = seen
            .skip_while(|one| one.frame.direction != Direction::Left || !starts(one.inner()))
            .collect();
        let start = seen.first()?.frame.at;
        let mut sequence = Self { hosts: Vec::new(), hops: Vec::new(), more: 0 };
        let mut memory = Memory::default();
        for (at, one) in seen.iter().enumerate() {
            if one.frame.direction != Direction::Left {
                continue;
            }
            if sequence.hops.len() == MOST {
                sequence.more += 1;
                continue;
            }
            let from = sequence.column(&one.frame.cable.host);
            let to = one.arrived_at(&seen[at..], hosts).map(|host| sequence.column(host));
            sequence.hops.push(Hop {
                after: one.frame.at.duration_since(start).unwrap_or_default(),
                from,
                to,
                what: what(one.inner()),
                place: memory.place(one),
                addresses: memory.compare(one),
            });
        }
        Some(sequence)
    }

    /// The host's column, which it gets when it takes part for the first time.
    fn column(&mut self, host: &str) -> usize {
        self.hosts.iter().position(|known| known == host).unwrap_or_else(|| {
            self.hosts.push(host.to_owned());
            self.hosts.len() - 1
        })
    }
}

impl Seen<'_> {
    fn inner(&self) -> &Ip {
        self.packet.ip().map(Ip::innermost).expect("only packets of IP are kept")
    }

    /// The host that the frame reached, among what was seen since it was sent.
    fn arrived_at<'a>(
        &self,
        since: &'a [Seen<'_>],
        hosts: &IndexMap<String, HostState>,
    ) -> Option<&'a str> {
        let mut arrived = since
            .iter()
            .filter(|one| one.frame.direction == Direction::Entered)
            .filter(|one| one.frame.bytes == self.frame.bytes)
            .map(|one| one.frame.cable.host.as_str());
        let first = arrived.clone().next();
        // A bridge that does not know an address yet sends to all.
        let meant = |host: &&str| {
            let interfaces = hosts.get(*host).map(|host| host.interfaces.as_slice());
            interfaces.unwrap_or_default().iter().any(|one| one.mac == self.packet.destination)
        };
        arrived.find(meant).or(first)
    }

    fn identity(&self) -> Identity {
        let (numbers, data) = match &self.inner().transport {
            Transport::Tcp { sequence, acknowledgment, flags, data, .. } => {
                (Some((*sequence, *acknowledgment, flags.0)), data.clone())
            }
            Transport::Udp { data, .. } | Transport::Sctp { data, .. } => (None, data.clone()),
            _ => (None, Vec::new()),
        };
        Identity { from_client: self.from_client, numbers, data }
    }
}

impl Memory {
    /// The addresses of a packet, each with whether it was rewritten since the packet was seen
    /// last.
    fn compare(&mut self, one: &Seen<'_>) -> Vec<(String, bool)> {
        let (identity, lines) = (one.identity(), addresses(&one.packet));
        let at = self.addresses.iter().position(|(known, _)| *known == identity);
        let last = at.map(|at| self.addresses.swap_remove(at).1);
        // From the innermost on, since a tunnel puts something around the packet; the frame's own
        // addresses are compared with the frame's.
        let counterpart = |number: usize| {
            let last = last.as_ref()?;
            match number {
                0 => last.first(),
                _ => last.iter().skip(1).rev().nth(lines.len() - 1 - number),
            }
        };
        let compared = lines.iter().enumerate().map(|(number, line)| {
            (line.clone(), last.is_some() && counterpart(number) != Some(line))
        });
        let compared = compared.collect();
        self.addresses.push((identity, lines));
        compared
    }

    /// Where a segment stands in its stream, counted from the first one, as people count.
    fn place(&mut self, one: &Seen<'_>) -> String {
        let Transport::Tcp { sequence, acknowledgment, flags, .. } = &one.inner().transport else {
            return String::new();
        };
        let (own, other) = if one.from_client { (0, 1) } else { (1, 0) };
        let origin = *self.origins[own].get_or_insert(*sequence);
        let mut place = format!("seq {}", sequence.wrapping_sub(origin));
        if let Some(origin) = self.origins[other].filter(|_| flags.ack()) {
            place.push_str(&format!(" ack {}", acknowledgment.wrapping_sub(origin)));
        }
        place
    }
}

/// Who asks first: by TCP where there is a connection, or else by a datagram.
fn client(asker: Option<&str>, packets: &[(&Frame, Packet)]) -> Option<SocketAddr> {
    let first = |wanted: fn(&Ip) -> bool| {
        packets.iter().find_map(|(frame, packet)| {
            let inner = packet.ip()?.innermost();
            let left = frame.direction == Direction::Left
                && asker.is_none_or(|asker| asker == frame.cable.host);
            let ssh = inner.ports().is_some_and(|ports| ports.destination == SSH);
            (left && !ssh && wanted(inner)).then(|| inner.from()).flatten()
        })
    };
    first(|inner| matches!(inner.transport, Transport::Tcp { .. }) && starts(inner)).or_else(|| {
        first(|inner| !matches!(inner.transport, Transport::Tcp { .. }) && starts(inner))
    })
}

/// The client, and whom a connection is from where somebody puts another source into its packets: the
/// number that its stream begins with stays.
fn sources(client: SocketAddr, packets: &[(&Frame, Packet)]) -> Vec<SocketAddr> {
    let begins = |(_, packet): &(&Frame, Packet)| {
        let inner = packet.ip()?.innermost();
        match inner.transport {
            Transport::Tcp { sequence, .. } if starts(inner) => Some((inner.from()?, sequence)),
            _ => None,
        }
    };
    let begun: Vec<(SocketAddr, u32)> = packets.iter().filter_map(begins).collect();
    let own = begun.iter().find(|(from, _)| *from == client).map(|(_, number)| *number);
    let mut sources = vec![client];
    sources
        .extend(begun.into_iter().filter(|(_, number)| Some(*number) == own).map(|(from, _)| from));
    sources
}

/// Whether a packet may be the first of its kind.
fn starts(inner: &Ip) -> bool {
    match &inner.transport {
        Transport::Tcp { flags, .. } => flags.syn() && !flags.ack(),
        Transport::Udp { .. } => !inner.destination.is_multicast(),
        Transport::Sctp { .. } => true,
        _ => false,
    }
}

/// The addresses of a packet, the outermost first.
fn addresses(packet: &Packet) -> Vec<String> {
    let mut lines = vec![format!("MAC {} → {}", packet.source, packet.destination)];
    let mut next = packet.ip();
    while let Some(ip) = next {
        let (word, from, to) = match (&ip.transport, ip.from(), ip.to()) {
            (Transport::Tunnel(_), ..) => {
                ("tunnel", ip.source.to_string(), ip.destination.to_string())
            }
            (_, Some(from), Some(to)) => ("IP", from.to_string(), to.to_string()),
            _ => ("IP", ip.source.to_string(), ip.destination.to_string()),
        };
        lines.push(format!("{word} {from} → {to}"));
        next = match &ip.transport {
            Transport::Tunnel(inner) => Some(inner),
            _ => None,
        };
    }
    lines
}

/// What a packet says.
fn what(inner: &Ip) -> String {
    let text = |data: &[u8]| {
        let line = data.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let readable = !line.is_empty() && line.iter().all(|byte| (32..127).contains(byte));
        readable.then(|| String::from_utf8_lossy(line).chars().take(30).collect::<String>())
    };
    match &inner.transport {
        Transport::Tcp { flags, data, .. } if data.is_empty() => flags.to_string(),
        Transport::Tcp { data, .. } => text(data).unwrap_or_else(|| "data".into()),
        Transport::Udp { ports, .. } if ports.destination == DNS => "DNS question".into(),
        Transport::Udp { ports, .. } if ports.source == DNS => "DNS answer".into(),
        Transport::Udp { data, .. } => text(data).unwrap_or_else(|| "UDP".into()),
        Transport::Sctp { data, .. } => data.first().map_or("SCTP", |kind| chunk(*kind)).into(),
        _ => "packet".into(),
    }
}

/// What the first chunk of an SCTP packet is (RFC 9260, 3.2).
fn chunk(kind: u8) -> &'static str {
    match kind {
        0 => "DATA",
        1 => "INIT",
        2 => "INIT ACK",
        3 => "SACK",
        4 => "HEARTBEAT",
        5 => "HEARTBEAT ACK",
        6 => "ABORT",
        7 => "SHUTDOWN",
        8 => "SHUTDOWN ACK",
        9 => "ERROR",
        10 => "COOKIE ECHO",
        11 => "COOKIE ACK",
        14 => "SHUTDOWN COMPLETE",
        _ => "SCTP",
    }
}
