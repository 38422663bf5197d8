//! `tcp://10.0.0.1:80`, `fwmark://7`, `10.0.0.2:http`: services and destinations as people
//! name them, on a command line as in a file.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::port::port;
use crate::diagnostic::Remark;
use crate::netlink::ipvs::{DestinationKey, Family, Protocol, Refused, ServiceKey};

/// A service's key where serde meets it, as `tcp://10.0.0.1:80`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct Key(pub(crate) ServiceKey);

impl TryFrom<String> for Key {
    type Error = Remark;

    fn try_from(text: String) -> Result<Self, Remark> {
        Ok(Self(text.parse()?))
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0.to_string()
    }
}

/// Reads what `Display` writes: `tcp://192.168.0.89:80`, `sctp://[fd00::89]:80`, `fwmark://7`,
/// and `fwmark6://7` for marked IPv6 packets. Without a scheme it is TCP, and a port may have
/// a name of `/etc/services`.
impl FromStr for ServiceKey {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let text = text.trim();
        let wrong = || Refused::new(format!("`{text}` is not a virtual service"));
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let protocol = match scheme {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            "fwmark" | "fwmark6" => {
                let family = if scheme == "fwmark" { Family::Ipv4 } else { Family::Ipv6 };
                let mark = mark(rest)
                    .ok_or_else(|| wrong().hint("a mark is a number from 1 to 4294967295"))?;
                return Ok(Self::Fwmark { family, mark });
            }
            _ => {
                return Err(wrong().hint("it begins with tcp://, udp://, sctp:// or fwmark://"));
            }
        };
        match place(rest, protocol)? {
            Some((address, Some(port))) => Ok(Self::Address { protocol, address, port }),
            Some((_, None)) => Err(wrong().hint("its port is missing")),
            None => Err(wrong().hint("write it as `tcp://192.168.0.89:80` or `[fd00::89]:80`")),
        }
    }
}

impl DestinationKey {
    /// Reads `192.168.0.93:8080`, or an address alone, whose port is then the service's.
    pub fn parse(text: &str, service: &ServiceKey) -> Result<Self, Refused> {
        match place(text.trim(), protocol_of(service))? {
            Some((address, port)) => Ok(Self { address, port: port.unwrap_or(service.port()) }),
            None => Err(Refused::new(format!("`{text}` is not a destination"))
                .hint("write it as `192.168.0.93`, `192.168.0.93:8080` or `[fd00::93]:80`")),
        }
    }
}

/// Decimal, or with `0x`, as firewalls show marks.
fn mark(text: &str) -> Option<std::num::NonZeroU32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok().and_then(std::num::NonZeroU32::new),
        None => text.parse().ok(),
    }
}

/// An address, and a port when there is one; `None` when it is neither.
fn place(text: &str, protocol: Protocol) -> Result<Option<(IpAddr, Option<u16>)>, Refused> {
    if let Ok(both) = text.parse::<SocketAddr>() {
        return Ok(Some((both.ip(), Some(both.port()))));
    }
    if let Ok(address) = bare(text).unwrap_or(text).parse() {
        return Ok(Some((address, None)));
    }
    match split(text) {
        Some((address, name)) => Ok(Some((address, Some(port(name, protocol)?)))),
        None => Ok(None),
    }
}

/// An address and what stands behind its colon, which may be the name of a port.
pub(crate) fn split(text: &str) -> Option<(IpAddr, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let address = match bare(host) {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    };
    Some((address?, port))
}

/// Whose ports those of a service's destinations are: of marked packets nothing is known, and
/// most of them are TCP.
pub(crate) fn protocol_of(service: &ServiceKey) -> Protocol {
    match service {
        ServiceKey::Address { protocol, .. } => *protocol,
        ServiceKey::Fwmark { .. } => Protocol::Tcp,
    }
}

/// What stands in brackets, as an IPv6 address does before a port.
fn bare(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in [
            "tcp://10.0.0.1:80",
            "udp://10.0.0.1:53",
            "sctp://[fd00::1]:9899",
            "fwmark://7",
            "fwmark6://4294967295",
        ] {
            let key: ServiceKey = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn understands_short_forms() {
        for (short, long) in [
            ("10.0.0.1:80", "tcp://10.0.0.1:80"),
            ("[fd00::1]:80", "tcp://[fd00::1]:80"),
            (" udp://10.0.0.1:53\n", "udp://10.0.0.1:53"),
            ("fwmark://0x1f", "fwmark://31"),
        ] {
            assert_eq!(short.parse::<ServiceKey>().unwrap().to_string(), long);
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_service() {
        for (text, part) in [
            ("", "write it as"),
            ("tcp://", "write it as"),
            ("10.0.0.1", "its port is missing"),
            ("fd00::1", "its port is missing"),
            ("10.0.0.1:70000", "a number up to 65535"),
            ("10.0.0.1:no-such-name", "a name in `/etc/services`"),
            ("icmp://10.0.0.1:1", "begins with tcp://"),
            ("fwmark://0", "a mark is a number"),
            ("fwmark://", "a mark is a number"),
            ("[10.0.0.1]:x", "write it as"),
            ("web:80", "write it as"),
        ] {
            let refused = text.parse::<ServiceKey>().expect_err(text);
            assert!(refused.hint.as_deref().unwrap_or("").contains(part), "{text}: {refused:?}");
        }
    }

    #[test]
    fn gives_a_destination_its_services_port() {
        let service: ServiceKey = "udp://10.0.0.1:53".parse().unwrap();
        for (text, long) in [
            ("10.0.0.2", "10.0.0.2:53"),
            ("10.0.0.2:5353", "10.0.0.2:5353"),
            ("fd00::2", "[fd00::2]:53"),
            ("[fd00::2]", "[fd00::2]:53"),
            ("[fd00::2]:54", "[fd00::2]:54"),
        ] {
            assert_eq!(DestinationKey::parse(text, &service).unwrap().to_string(), long);
        }
        assert!(DestinationKey::parse("rs1", &service).is_err());
        let marked: ServiceKey = "fwmark://7".parse().unwrap();
        assert_eq!(DestinationKey::parse("10.0.0.2", &marked).unwrap().port, 0);
    }
}
