//! The connections that IPVS remembers, from `/proc/net/ip_vs_conn`: netlink tells none.
//!
//! One line a connection, as `ip_vs_conn_seq_show` in `net/netfilter/ipvs/ip_vs_conn.c` writes
//! it, in no order. There may be millions, so they are read one by one.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::constants::{IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP};
use super::service::{Family, Protocol, ServiceKey};

/// Of this thread's namespace: `/proc/net` would be that of the main thread.
const FILE: &str = "/proc/thread-self/net/ip_vs_conn";

/// The longest line that makes sense: persistence data may have 255 bytes.
const LONGEST: usize = 1024;

/// A connection, or what persistence remembers of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its protocol; 0 for what persistence remembers of marked packets.
    pub protocol: Protocol,
    /// Where the client sends from; with persistence its network, and port 0.
    pub client: SocketAddr,
    /// Where it sends to, which is the service.
    pub service: SocketAddr,
    /// The real server that was chosen, which may be of another family.
    pub destination: SocketAddr,
    /// `ESTABLISHED`, `FIN_WAIT`, `UDP` and others, as the kernel calls them.
    pub state: String,
    /// In how many seconds it is forgotten, unless another packet comes.
    pub expires: u32,
    /// What a persistence engine told the client by.
    pub engine: Option<EngineData>,
}

/// What a persistence engine knows about a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineData {
    /// Its name: `sip`.
    pub name: String,
    /// For `sip`, the Call-ID.
    pub data: String,
}

/// Why connections cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionsError {
    /// There is no such file.
    #[error("this kernel has no IPVS")]
    NoIpvs,
    /// The file could not be read.
    #[error("failed to read `{FILE}`: {0}")]
    Io(#[from] io::Error),
    /// A line is not what the kernel writes.
    #[error("`{FILE}`: line {line} is not a connection")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
}

/// Reads the connections of the calling thread's network namespace, one by one. What changes
/// meanwhile may be told twice or not at all.
pub fn connections()
-> Result<impl Iterator<Item = Result<Connection, ConnectionsError>>, ConnectionsError> {
    match File::open(FILE) {
        Ok(file) => Ok(parse_all(BufReader::with_capacity(1 << 16, file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ConnectionsError::NoIpvs),
        Err(error) => Err(error.into()),
    }
}

/// The first line names the columns.
pub(super) fn parse_all(
    lines: impl BufRead,
) -> impl Iterator<Item = Result<Connection, ConnectionsError>> {
    let numbered = lines.lines().enumerate().skip(1);
    numbered.map(|(index, line)| {
        Connection::parse(&line?).ok_or(ConnectionsError::Line { line: index + 1 })
    })
}

impl Connection {
    /// Takes one line apart; `None` when it is not one of the kernel's.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        if line.len() > LONGEST {
            return None;
        }
        let mut words = line.split_ascii_whitespace();
        let protocol = protocol(words.next()?)?;
        let mut place = || {
            let address = address(words.next()?)?;
            let port = u16::from_str_radix(words.next()?, 16).ok()?;
            Some(SocketAddr::new(address, port))
        };
        let (client, service, destination) = (place()?, place()?, place()?);
        let state = words.next()?.to_owned();
        let expires = words.next()?.parse().ok()?;
        let engine = words.next().map(|name| EngineData {
            name: name.to_owned(),
            // What it shows may have spaces.
            data: words.collect::<Vec<_>>().join(" "),
        });
        Some(Self { protocol, client, service, destination, state, expires, engine })
    }

    /// Whether it is no connection, but what persistence remembers of a client (a template).
    #[must_use]
    pub fn is_template(&self) -> bool {
        // A client's port is 0 too while FTP's data connection is only expected; that has the
        // state of a connection.
        self.client.port() == 0 && matches!(self.state.as_str(), "NONE" | "ASSURED" | "ERR!")
    }

    /// The service it belongs to. With persistence over all ports that is the one of port 0.
    #[must_use]
    pub fn key(&self) -> Option<ServiceKey> {
        let address = self.service.ip();
        if self.protocol == Protocol::Other(0) {
            // In place of the VIP there is the mark, in the first four bytes of either family.
            let (family, number) = match address {
                IpAddr::V4(address) => (Family::Ipv4, u32::from(address)),
                IpAddr::V6(address) => {
                    let [a, b, c, d, ..] = address.octets();
                    (Family::Ipv6, u32::from_be_bytes([a, b, c, d]))
                }
            };
            return NonZeroU32::new(number).map(|mark| ServiceKey::Fwmark { family, mark });
        }
        Some(ServiceKey::address(self.protocol, address, self.service.port()))
    }
}

/// `tcp 10.0.0.9:40000 -> 10.0.0.1:80 -> 10.9.0.2:80 ESTABLISHED 899 s`.
impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, client, service, destination, state, expires, engine } = self;
        write!(f, "{protocol} {client} -> {service} -> {destination} {state} {expires} s")?;
        match engine {
            Some(EngineData { name, data }) => write!(f, " {name} {data}"),
            None => Ok(()),
        }
    }
}

/// `ip_vs_proto_name`
fn protocol(word: &str) -> Option<Protocol> {
    Some(match word {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        "IP" => Protocol::Other(0),
        "ICMP" => Protocol::Other(1),
        "ICMPv6" => Protocol::Other(58),
        other => match other.strip_prefix("IP_")?.parse().ok()? {
            IPPROTO_TCP => Protocol::Tcp,
            IPPROTO_UDP => Protocol::Udp,
            IPPROTO_SCTP => Protocol::Sctp,
            number => Protocol::Other(number),
        },
    })
}

/// IPv4 in eight hexadecimal digits, or IPv6 with all its zeros.
fn address(word: &str) -> Option<IpAddr> {
    if word.contains(':') {
        return word.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let digits = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = if digits { u32::from_str_radix(word, 16).ok()? } else { return None };
    Some(Ipv4Addr::from_bits(number).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured on a 6.1, each kind of line once.
    const CAPTURED: &str = include_str!("connections/captured.txt");

    #[test]
    fn reads_what_a_kernel_wrote() {
        let all: Vec<Connection> =
            parse_all(CAPTURED.as_bytes()).collect::<Result<_, _>>().unwrap();
        let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(shown.join("\n"));
        let templates: Vec<String> = all
            .iter()
            .filter(|one| one.is_template())
            .map(|one| one.key().unwrap().to_string())
            .collect();
        insta::assert_snapshot!("templates", templates.join("\n"));
    }

    #[test]
    fn refuses_what_no_kernel_writes() {
        let line = "TCP 0A080002 8CA0 0A080001 0050 0A080003 0050 ESTABLISHED     899";
        assert!(Connection::parse(line).is_some());
        // Cut within its last word it is still a number; anywhere else it is nothing.
        for end in 0..line.len() - 3 {
            assert_eq!(Connection::parse(&line[..end]), None, "{}", &line[..end]);
        }
        for bad in [
            line.replace("TCP", "TPC"),
            line.replace("0A080002", "+A080002"),
            line.replace("0A080002", "0A08000200"),
            line.replace("8CA0", "18CA0"),
            line.replace("899", "-1"),
            format!("{line} sip {}", "x".repeat(2000)),
        ] {
            assert_eq!(Connection::parse(&bad), None, "{bad}");
        }
    }
}
