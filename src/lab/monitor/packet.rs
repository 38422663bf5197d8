//! What a frame says: decoded when somebody wants to know, as far as its first bytes tell.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{ArpOperation, LaxNetSlice, LaxSlicedPacket, LinkSlice};

use crate::netlink::MacAddress;

/// EtherTypes, and protocols within IP, as IANA numbers them.
const ETHER_ARP: [u8; 2] = [0x08, 0x06];
const ETHER_IPV6: [u8; 2] = [0x86, 0xdd];
const ICMP: u8 = 1;
const IN_IPV4: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IN_IPV6: u8 = 41;
const GRE: u8 = 47;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
/// ICMPv6's neighbour solicitation, and its option with the sender's hardware address.
const SOLICITATION: u8 = 135;
const SOURCE_MAC: u8 = 1;
/// ICMPv6's neighbour advertisement, and its option with the target's hardware address.
const ADVERTISEMENT: u8 = 136;
const TARGET_MAC: u8 = 2;

/// A packet on Ethernet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The Ethernet address it is from.
    pub source: MacAddress,
    /// And to.
    pub destination: MacAddress,
    /// What is in it.
    pub payload: Payload,
}

/// What an Ethernet frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Address resolution.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip),
    /// Something else, by its EtherType.
    Other(u16),
}

/// A message of address resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arp {
    /// Whether it answers.
    pub reply: bool,
    /// The address that its sender says to have.
    pub sender: Ipv4Addr,
    /// And where.
    pub sender_mac: MacAddress,
    /// The address that it is about.
    pub target: Ipv4Addr,
}

/// An IP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// Where it is from.
    pub source: IpAddr,
    /// Where it is going.
    pub destination: IpAddr,
    /// How many more routers it may pass.
    pub ttl: u8,
    /// What it carries.
    pub transport: Transport,
}

/// What an IP packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// A segment of a TCP connection.
    Tcp {
        /// The ports it is from and to.
        ports: Ports,
        /// Where its data stands in the stream.
        sequence: u32,
        /// What it has of the other direction, where ACK is set.
        acknowledgment: u32,
        /// SYN, ACK and their like.
        flags: TcpFlags,
        /// The beginning of its data.
        data: Vec<u8>,
    },
    /// A UDP datagram.
    Udp {
        /// The ports it is from and to.
        ports: Ports,
        /// The beginning of its data.
        data: Vec<u8>,
    },
    /// An SCTP packet.
    Sctp {
        /// The ports it is from and to.
        ports: Ports,
        /// Its chunks, as far as they were kept.
        data: Vec<u8>,
    },
    /// ICMP or ICMPv6.
    Icmp {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
        /// The four bytes after the checksum: the MTU of a packet that is too big, say.
        rest: u32,
    },
    /// A neighbour solicitation of IPv6.
    Solicitation {
        /// The address that is asked for.
        address: Ipv6Addr,
        /// Where the sender is, if it says so.
        mac: Option<MacAddress>,
    },
    /// A neighbour advertisement of IPv6.
    Advertisement {
        /// The address that it is about.
        address: Ipv6Addr,
        /// Where it is, if it says so.
        mac: Option<MacAddress>,
        /// Whether somebody had asked.
        solicited: bool,
    },
    /// Another packet: a tunnel by IPIP, or by GRE.
    Tunnel(Box<Ip>),
    /// A later part of a packet that was taken apart; ports are in the first.
    Fragment,
    /// Something else, by its protocol number, or what was cut too short.
    Other(u8),
}

/// Two port numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ports {
    /// Whence.
    pub source: u16,
    /// Whither.
    pub destination: u16,
}

/// The flags of a TCP segment, as its header has them: FIN is 1, SYN 2, RST 4, PSH 8, ACK 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The connection's first segment, in either direction.
    #[must_use]
    pub fn syn(self) -> bool {
        self.0 & 2 != 0
    }

    /// The connection is refused or broken off.
    #[must_use]
    pub fn rst(self) -> bool {
        self.0 & 4 != 0
    }

    /// Nothing more comes in this direction.
    #[must_use]
    pub fn fin(self) -> bool {
        self.0 & 1 != 0
    }

    /// It acknowledges something.
    #[must_use]
    pub fn ack(self) -> bool {
        self.0 & 16 != 0
    }
}

impl Packet {
    /// Reads the first bytes of a frame.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let sliced = LaxSlicedPacket::from_ethernet(frame).ok()?;
        let Some(LinkSlice::Ethernet2(ethernet)) = &sliced.link else { return None };
        let payload = match &sliced.net {
            Some(LaxNetSlice::Arp(arp)) => {
                let arp = arp.to_packet().try_eth_ipv4().ok()?;
                Payload::Arp(Arp {
                    reply: arp.operation == ArpOperation::REPLY,
                    sender: arp.sender_ipv4_addr(),
                    sender_mac: MacAddress(arp.sender_mac),
                    target: Ipv4Addr::from(arp.target_ipv4),
                })
            }
            Some(net) => Payload::Ip(ip(net)?),
            None => Payload::Other(ethernet.ether_type().0),
        };
        Some(Self {
            source: MacAddress(ethernet.source()),
            destination: MacAddress(ethernet.destination()),
            payload,
        })
    }

    /// Whether it is worth reading a frame for what it says of neighbours; most are not.
    pub(super) fn may_tell_of_neighbours(frame: &[u8]) -> bool {
        match frame.get(12..14) {
            Some(kind) if kind == ETHER_ARP => true,
            // The next header stands 6 bytes into that of IPv6.
            Some(kind) if kind == ETHER_IPV6 => frame.get(20) == Some(&ICMPV6),
            _ => false,
        }
    }

    /// Its IP packet, if it carries one.
    #[must_use]
    pub fn ip(&self) -> Option<&Ip> {
        match &self.payload {
            Payload::Ip(ip) => Some(ip),
            _ => None,
        }
    }
}

impl Ip {
    /// The innermost packet: what a tunnel carries, or else this one.
    #[must_use]
    pub fn innermost(&self) -> &Self {
        match &self.transport {
            Transport::Tunnel(inner) => inner.innermost(),
            _ => self,
        }
    }

    /// Its ports, where it has any.
    #[must_use]
    pub fn ports(&self) -> Option<Ports> {
        match &self.transport {
            Transport::Tcp { ports, .. }
            | Transport::Udp { ports, .. }
            | Transport::Sctp { ports, .. } => Some(*ports),
            _ => None,
        }
    }

    /// Where it is from, with the port.
    #[must_use]
    pub fn from(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.source, self.ports()?.source))
    }

    /// Where it is going, with the port.
    #[must_use]
    pub fn to(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.destination, self.ports()?.destination))
    }
}

fn ip(net: &LaxNetSlice<'_>) -> Option<Ip> {
    let (source, destination, ttl, payload): (IpAddr, IpAddr, u8, _) = match net {
        LaxNetSlice::Ipv4(v4) => {
            let header = v4.header();
            let (source, destination) = (header.source_addr(), header.destination_addr());
            if header.fragments_offset().value() > 0 {
                let (source, destination) = (source.into(), destination.into());
                let transport = Transport::Fragment;
                return Some(Ip { source, destination, ttl: header.ttl(), transport });
            }
            (source.into(), destination.into(), header.ttl(), v4.payload())
        }
        LaxNetSlice::Ipv6(v6) => {
            let header = v6.header();
            let (source, destination) = (header.source_addr(), header.destination_addr());
            (source.into(), destination.into(), header.hop_limit(), v6.payload())
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let number = payload.ip_number.0;
    let transport = transport(number, payload.payload).unwrap_or(Transport::Other(number));
    Some(Ip { source, destination, ttl, transport })
}

/// Reads what is within IP; `None` when it is cut too short.
fn transport(number: u8, bytes: &[u8]) -> Option<Transport> {
    let two = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let four = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let ports = || Some(Ports { source: two(0)?, destination: two(2)? });
    Some(match number {
        TCP => {
            let header = usize::from(bytes.get(12)? >> 4) * 4;
            Transport::Tcp {
                ports: ports()?,
                sequence: four(4)?,
                acknowledgment: four(8)?,
                flags: TcpFlags(*bytes.get(13)?),
                data: bytes.get(header..).unwrap_or_default().to_vec(),
            }
        }
        UDP => Transport::Udp { ports: ports()?, data: bytes.get(8..)?.to_vec() },
        SCTP => Transport::Sctp { ports: ports()?, data: bytes.get(12..)?.to_vec() },
        ICMPV6 if matches!(bytes.first(), Some(&(SOLICITATION | ADVERTISEMENT))) => {
            let address: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            let address = address.into();
            let solicits = bytes.first() == Some(&SOLICITATION);
            let wanted = if solicits { SOURCE_MAC } else { TARGET_MAC };
            let mac = hardware_address(bytes.get(24..)?, wanted);
            match solicits {
                true => Transport::Solicitation { address, mac },
                false => {
                    let solicited = bytes.get(4)? & 0x40 != 0;
                    Transport::Advertisement { address, mac, solicited }
                }
            }
        }
        ICMP | ICMPV6 => {
            Transport::Icmp { kind: *bytes.first()?, code: *bytes.get(1)?, rest: four(4)? }
        }
        IN_IPV4 | IN_IPV6 => within(bytes)?,
        // Without a checksum the header has four bytes, and four more with one.
        GRE => within(bytes.get(if bytes.first()? & 0x80 == 0 { 4 } else { 8 }..)?)?,
        other => Transport::Other(other),
    })
}

/// The hardware address in an option of neighbour discovery; each says its length in units of 8.
fn hardware_address(mut options: &[u8], wanted: u8) -> Option<MacAddress> {
    loop {
        let length = usize::from(*options.get(1)?) * 8;
        if options.first() == Some(&wanted) {
            return options.get(2..8)?.try_into().ok().map(MacAddress);
        }
        // A length of nothing would go on for ever.
        options = options.get(length..).filter(|_| length > 0)?;
    }
}

fn within(bytes: &[u8]) -> Option<Transport> {
    let inner = LaxSlicedPacket::from_ip(bytes).ok()?;
    Some(Transport::Tunnel(Box::new(ip(inner.net.as_ref()?)?)))
}

/// As short as a line of a trace.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.payload {
            Payload::Arp(Arp { reply: true, sender, sender_mac, .. }) => {
                write!(f, "ARP {sender} is at {sender_mac}")
            }
            Payload::Arp(Arp { sender, target, .. }) => {
                write!(f, "ARP who has {target}? tell {sender}")
            }
            Payload::Ip(ip) => write!(f, "{ip}"),
            Payload::Other(kind) => write!(f, "EtherType 0x{kind:04x}"),
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from(), self.to()) {
            (Some(from), Some(to)) => write!(f, "{from} > {to} ")?,
            _ => write!(f, "{} > {} ", self.source, self.destination)?,
        }
        match &self.transport {
            Transport::Tcp { flags, data, .. } => {
                write!(f, "tcp {flags}")?;
                first_line(data).map_or(Ok(()), |line| write!(f, " `{line}`"))
            }
            Transport::Udp { data, .. } => write!(f, "udp, {} bytes", data.len()),
            Transport::Sctp { .. } => f.write_str("sctp"),
            Transport::Icmp { kind, code, .. } => {
                f.write_str(icmp_words(self.source.is_ipv6(), *kind, *code))
            }
            Transport::Solicitation { address, .. } => write!(f, "NDP who has {address}?"),
            Transport::Advertisement { address, mac, .. } => match mac {
                Some(mac) => write!(f, "NDP {address} is at {mac}"),
                None => write!(f, "NDP {address} is here"),
            },
            Transport::Tunnel(inner) => write!(f, "tunnel [{inner}]"),
            Transport::Fragment => f.write_str("fragment"),
            Transport::Other(number) => write!(f, "protocol {number}"),
        }
    }
}

/// What people call the flags that matter.
impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            [(self.syn(), "SYN"), (self.fin(), "FIN"), (self.rst(), "RST"), (self.ack(), "ACK")];
        let set: Vec<&str> = names.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        f.write_str(&set.join("+"))
    }
}

/// The first line of what looks like text.
fn first_line(data: &[u8]) -> Option<String> {
    let line = data.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let readable = !line.is_empty() && line.iter().all(|byte| (32..127).contains(byte));
    readable.then(|| String::from_utf8_lossy(line).chars().take(60).collect())
}

fn icmp_words(v6: bool, kind: u8, code: u8) -> &'static str {
    match (v6, kind, code) {
        (false, 8, _) | (true, 128, _) => "icmp echo request",
        (false, 0, _) | (true, 129, _) => "icmp echo reply",
        (false, 3, 4) | (true, 2, _) => "icmp packet too big",
        (false, 3, 3) | (true, 1, 4) => "icmp port unreachable",
        (false, 3, _) | (true, 1, _) => "icmp unreachable",
        (false, 5, _) | (true, 137, _) => "icmp redirect",
        (false, 11, _) | (true, 3, _) => "icmp time exceeded",
        (true, 133 | 134, _) => "icmp router discovery",
        _ => "icmp",
    }
}

#[cfg(test)]
mod tests;
