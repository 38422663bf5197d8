//! `host[:port]`, read and written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use super::names::Names;
use super::number;
use crate::netlink::ipvs::Protocol;

/// A host, and a port where one was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
}

/// Reads `host`, `host:port`, `[host]:port` or an IPv6 address without a port.
///
/// Digits alone are nothing. In brackets, what is not an IPv6 address loses the port behind
/// them: the real one does that, too.
pub(super) fn endpoint(text: &str, protocol: Option<Protocol>, names: &Names) -> Option<Endpoint> {
    match text.parse::<SocketAddrV4>() {
        // What nearly every rule has is read at once, and not otherwise than below.
        Ok(usual) => Some(Endpoint { address: (*usual.ip()).into(), port: Some(usual.port()) }),
        Err(_) => unusual(text, protocol, names),
    }
}

fn unusual(text: &str, protocol: Option<Protocol>, names: &Names) -> Option<Endpoint> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            (host, Some(behind.strip_prefix(':')?))
        }
        None => (text, None),
    };
    let (address, port) = match host.parse::<Ipv6Addr>() {
        Ok(address) => (address.into(), port),
        Err(_) => {
            let (host, port) = match host.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (host, None),
            };
            (ipv4(host, names)?.into(), port)
        }
    };
    let number = |text: &str| {
        let number = number::between(text, 0, 65535).and_then(|number| u16::try_from(number).ok());
        number.or_else(|| names.port(text, protocol))
    };
    let port = match port {
        Some(port) => Some(number(port)?),
        None => None,
    };
    Some(Endpoint { address, port })
}

/// Reads an IPv4 address, or looks a host's up.
pub(super) fn ipv4(host: &str, names: &Names) -> Option<Ipv4Addr> {
    number::ipv4(host).or_else(|| names.address(host))
}

/// Writes a host and a port, as names where there are any.
pub(super) fn write(
    address: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
    names: Option<&Names>,
) -> String {
    let host = names.and_then(|names| names.host(address));
    let service = names.and_then(|names| names.service(port, protocol));
    let host = host.unwrap_or_else(|| plain(address));
    let service = service.map_or_else(|| port.to_string(), str::to_owned);
    if address.is_ipv6() { format!("[{host}]:{service}") } else { format!("{host}:{service}") }
}

/// Writes an address as `inet_ntop` does, which still knows IPv4-compatible IPv6 addresses.
pub(super) fn plain(address: IpAddr) -> String {
    if let IpAddr::V6(address) = address
        && let [0, 0, 0, 0, 0, 0, high, _] = address.segments()
        && high != 0
    {
        let [.., a, b, c, d] = address.octets();
        return format!("::{}", Ipv4Addr::new(a, b, c, d));
    }
    address.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Option<u16>)> {
        let found = endpoint(text, Some(Protocol::Tcp), &Names::default())?;
        Some((found.address.to_string(), found.port))
    }

    #[test]
    fn reads_hosts_and_ports() {
        let cases = [
            ("10.0.0.1:80", "10.0.0.1", Some(80)),
            ("10.0.0.1", "10.0.0.1", None),
            ("10.1:0", "10.0.0.1", Some(0)),
            ("fd00::1", "fd00::1", None),
            ("fd00::1:80", "fd00::1:80", None),
            ("[fd00::1]:80", "fd00::1", Some(80)),
            ("[10.0.0.4]:95", "10.0.0.4", None),
            ("[10.0.0.4:5]:95", "10.0.0.4", Some(5)),
            ("localhost:90", "127.0.0.1", Some(90)),
        ];
        for (text, address, port) in cases {
            assert_eq!(read(text), Some((address.into(), port)), "{text}");
        }
        for text in ["", "12345", ":80", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1"] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in ["[fd00::1]", "[fd00::1]80", "[fd00::1:80", "[fd00::1]:", "[fd00::1%lo]:80"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn reads_the_usual_as_everything_else() {
        let (names, tcp) = (Names::default(), Some(Protocol::Tcp));
        let hosts = ["10.0.0.1", "0.0.0.0", "255.255.255.255", "010.0.0.1", "10.1"];
        let ports = ["80", "0", "65535", "65536", "080", "0000000080", "+80", " 80", "0x50", "80 "];
        for (host, port) in hosts.into_iter().flat_map(|host| ports.map(|port| (host, port))) {
            let text = format!("{host}:{port}");
            assert_eq!(endpoint(&text, tcp, &names), unusual(&text, tcp, &names), "{text}");
        }
        for bits in 0..1000_u32 {
            // Some of every length, which an odd factor spreads over all bits.
            let place = bits.wrapping_mul(2_654_435_761);
            let text = format!("{}:{}", Ipv4Addr::from(place), place >> (bits % 16 + 16));
            assert_eq!(endpoint(&text, tcp, &names), unusual(&text, tcp, &names), "{text}");
        }
    }

    #[test]
    fn writes_addresses_as_the_c_library_does() {
        let cases = [
            ("10.0.0.1", "10.0.0.1:80"),
            ("fd00::1", "[fd00::1]:80"),
            ("::1", "[::1]:80"),
            ("::", "[::]:80"),
            ("::10.0.0.1", "[::10.0.0.1]:80"),
            ("::ffff:10.0.0.1", "[::ffff:10.0.0.1]:80"),
            ("fd00:0:0:1::1", "[fd00:0:0:1::1]:80"),
            ("fd00:0:1:1:1:1:1:1", "[fd00:0:1:1:1:1:1:1]:80"),
        ];
        for (address, written) in cases {
            assert_eq!(write(address.parse().unwrap(), 80, None, None), written);
        }
    }
}
