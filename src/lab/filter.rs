//! Which packets somebody wants to see: a few words, all of which must be true of a packet.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::monitor::{Frame, Ip, Packet, Payload, Transport};
use crate::diagnostic::Diagnostic;

/// The words that stand alone.
const WORDS: [(&str, Word); 8] = [
    ("arp", Word::Arp),
    ("ndp", Word::Ndp),
    ("ip", Word::Ip),
    ("ip6", Word::Ip6),
    ("tcp", Word::Tcp),
    ("udp", Word::Udp),
    ("sctp", Word::Sctp),
    ("icmp", Word::Icmp),
];

/// ICMPv6's messages of neighbour discovery, from router solicitation to redirect (RFC 4861, 4);
/// as tcpdump's `icmp6 and ip6[40] >= 133 and ip6[40] <= 137`.
const DISCOVERY: RangeInclusive<u8> = 133..=137;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Arp,
    Ndp,
    Ip,
    Ip6,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Port(u16),
    Host(IpAddr),
}

/// What a packet must be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter(Vec<Word>);

impl Filter {
    /// Reads words such as `tcp port 80 host 192.168.0.89`.
    pub fn parse<T: AsRef<str>>(words: &[T]) -> Result<Self, Diagnostic> {
        let mut filter = Vec::new();
        let mut words = words.iter().flat_map(|word| word.as_ref().split_whitespace());
        while let Some(word) = words.next() {
            let lacks = |what: &str| {
                Diagnostic::new(format!("`{word}` is followed by no {what}"))
                    .hint("such as `port 80` or `host 192.168.0.89`")
            };
            filter.push(match word {
                "and" => continue,
                "port" => {
                    let port = words.next().and_then(|port| port.parse().ok());
                    Word::Port(port.ok_or_else(|| lacks("port number"))?)
                }
                "host" => {
                    let address = words.next().and_then(|address| address.parse().ok());
                    Word::Host(address.ok_or_else(|| lacks("address"))?)
                }
                _ => match WORDS.iter().find(|(name, _)| *name == word) {
                    Some((_, word)) => *word,
                    None => {
                        let names = WORDS.iter().map(|(name, _)| *name);
                        return Err(Diagnostic::new(format!(
                            "unknown word `{word}` in the filter"
                        ))
                        .did_you_mean(word, names.chain(["port", "host"])));
                    }
                },
            });
        }
        Ok(Self(filter))
    }

    /// Whether a frame is like that; in a tunnel also what it carries counts.
    #[must_use]
    pub fn takes(&self, frame: &Frame) -> bool {
        if self.0.is_empty() {
            return true;
        }
        frame.packet().is_some_and(|packet| self.0.iter().all(|word| word.is_true_of(&packet)))
    }
}

impl Word {
    fn is_true_of(self, packet: &Packet) -> bool {
        let ip = match (&packet.payload, self) {
            (Payload::Arp(_), Self::Arp) => return true,
            (Payload::Arp(arp), Self::Host(address)) => {
                return address == IpAddr::from(arp.sender) || address == IpAddr::from(arp.target);
            }
            (Payload::Ip(ip), _) => ip,
            _ => return false,
        };
        let mut layers = Vec::new();
        let mut next = Some(ip);
        while let Some(ip) = next {
            layers.push(ip);
            next = match &ip.transport {
                Transport::Tunnel(inner) => Some(inner),
                _ => None,
            };
        }
        layers.into_iter().any(|ip| self.is_true_of_ip(ip))
    }

    fn is_true_of_ip(self, ip: &Ip) -> bool {
        match self {
            Self::Arp => false,
            Self::Ip => ip.source.is_ipv4(),
            Self::Ip6 => ip.source.is_ipv6(),
            Self::Tcp => matches!(ip.transport, Transport::Tcp { .. }),
            Self::Udp => matches!(ip.transport, Transport::Udp { .. }),
            Self::Sctp => matches!(ip.transport, Transport::Sctp { .. }),
            Self::Icmp => matches!(
                ip.transport,
                Transport::Icmp { .. }
                    | Transport::Solicitation { .. }
                    | Transport::Advertisement { .. }
            ),
            Self::Ndp => match ip.transport {
                Transport::Solicitation { .. } | Transport::Advertisement { .. } => true,
                Transport::Icmp { kind, .. } => ip.source.is_ipv6() && DISCOVERY.contains(&kind),
                _ => false,
            },
            Self::Port(port) => {
                ip.ports().is_some_and(|ports| ports.source == port || ports.destination == port)
            }
            Self::Host(address) => ip.source == address || ip.destination == address,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use etherparse::PacketBuilder;

    use super::*;
    use crate::lab::monitor::{Cable, Direction};

    fn frame() -> Frame {
        let mut bytes = Vec::new();
        PacketBuilder::ethernet2([2; 6], [3; 6])
            .ipv4([192, 168, 0, 10], [192, 168, 0, 89], 64)
            .tcp(40_001, 80, 7, 1024)
            .write(&mut bytes, b"")
            .unwrap();
        of(bytes)
    }

    /// An ICMP message of this type; 20 bytes follow its first four.
    fn icmp(six: bool, kind: u8) -> Frame {
        let mut bytes = Vec::new();
        let ethernet = PacketBuilder::ethernet2([2; 6], [3; 6]);
        let written = match six {
            true => ethernet
                .ipv6([1; 16], [2; 16], 255)
                .icmpv6_raw(kind, 0, [0; 4])
                .write(&mut bytes, &[0; 16]),
            false => ethernet
                .ipv4([1; 4], [2; 4], 255)
                .icmpv4_raw(kind, 0, [0; 4])
                .write(&mut bytes, &[0; 16]),
        };
        written.unwrap();
        of(bytes)
    }

    fn of(bytes: Vec<u8>) -> Frame {
        let cable = Cable { host: "rs1".into(), interface: "eth0".into(), network: "lan".into() };
        Frame {
            at: SystemTime::UNIX_EPOCH,
            cable: Arc::new(cable),
            direction: Direction::Left,
            length: bytes.len().try_into().unwrap(),
            bytes: bytes.into(),
        }
    }

    #[test]
    fn takes_what_all_words_are_true_of() {
        for (words, expected) in [
            ("", true),
            ("tcp", true),
            ("tcp port 80", true),
            ("ip and port 40001 and host 192.168.0.89", true),
            ("tcp port 81", false),
            ("udp port 80", false),
            ("ip6", false),
            ("arp", false),
            ("ndp", false),
            ("icmp", false),
            ("host 192.168.0.90", false),
        ] {
            let filter = Filter::parse(&[words]).unwrap();
            assert_eq!(filter.takes(&frame()), expected, "{words}");
        }
        assert_eq!(Filter::parse(&["port", "80"]), Filter::parse(&["port 80"]));
    }

    #[test]
    fn neighbour_discovery_is_five_types_of_icmp_in_ipv6() {
        let takes = |word: &str, frame: &Frame| Filter::parse(&[word]).unwrap().takes(frame);
        for kind in 0..=u8::MAX {
            let (four, six) = (icmp(false, kind), icmp(true, kind));
            assert_eq!(takes("ndp", &six), (133..=137).contains(&kind), "{kind}");
            assert!(!takes("ndp", &four), "{kind}");
            assert!(takes("icmp", &four) && takes("icmp", &six), "{kind}");
        }
    }

    #[test]
    fn says_what_a_word_lacks() {
        let said = |words: &str| Filter::parse(&[words]).unwrap_err().render(false);
        assert!(said("tpc").contains("did you mean `tcp`"), "{}", said("tpc"));
        assert!(said("port").contains("`port` is followed by no port number"));
        assert!(said("host lb1").contains("`host` is followed by no address"));
    }
}
