//! Names of hosts and ports, both ways. Each is looked up once.
//!
//! Ports go by `/etc/services`, hosts by the resolver of the C library, as its `getaddrinfo`
//! and `getnameinfo` see it.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use nix::libc;
use nix::sys::socket::{SockaddrLike, SockaddrStorage};

use crate::netlink::ipvs::Protocol;

const SERVICES: &str = "/etc/services";

/// Looks names up.
#[derive(Debug, Default)]
pub(super) struct Names {
    services: OnceCell<Services>,
    addresses: RefCell<HashMap<String, Option<Ipv4Addr>>>,
    hosts: RefCell<HashMap<IpAddr, Option<String>>>,
}

impl Names {
    /// The first IPv4 address of a host. There are no names for IPv6, as in the real one.
    pub(super) fn address(&self, host: &str) -> Option<Ipv4Addr> {
        // A fuzzer makes up thousands of names a second, which are nobody's business.
        if host.is_empty() || cfg!(fuzzing) {
            return None;
        }
        let mut known = self.addresses.borrow_mut();
        *known.entry(host.to_owned()).or_insert_with(|| {
            let found = (host, 0).to_socket_addrs().ok()?;
            found.into_iter().find_map(|found| match found.ip() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
        })
    }

    /// The name of a host.
    pub(super) fn host(&self, address: IpAddr) -> Option<String> {
        self.hosts.borrow_mut().entry(address).or_insert_with(|| reverse(address)).clone()
    }

    /// The port of a service.
    pub(super) fn port(&self, service: &str, protocol: Option<Protocol>) -> Option<u16> {
        let protocol = word(protocol?)?;
        self.services().by_name.get(&(service.to_owned(), protocol.to_owned())).copied()
    }

    /// The name of a port.
    pub(super) fn service(&self, port: u16, protocol: Option<Protocol>) -> Option<&str> {
        let protocol = word(protocol?)?;
        let found = self.services().by_port.get(&(port, protocol.to_owned()));
        found.map(String::as_str)
    }

    fn services(&self) -> &Services {
        self.services
            .get_or_init(|| Services::read(&std::fs::read_to_string(SERVICES).unwrap_or_default()))
    }
}

fn word(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Tcp => Some("tcp"),
        Protocol::Udp => Some("udp"),
        Protocol::Sctp => Some("sctp"),
        Protocol::Other(_) => None,
    }
}

/// What `/etc/services` says; the first line about a port or name counts.
#[derive(Debug, Default)]
struct Services {
    by_name: HashMap<(String, String), u16>,
    by_port: HashMap<(u16, String), String>,
}

impl Services {
    fn read(text: &str) -> Self {
        let mut services = Self::default();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let (Some(name), Some(number)) = (words.next(), words.next()) else { continue };
            let Some((port, protocol)) = number.split_once('/') else { continue };
            let Ok(port) = port.parse() else { continue };
            let of_port = services.by_port.entry((port, protocol.to_owned()));
            of_port.or_insert_with(|| name.to_owned());
            for name in std::iter::once(name).chain(words) {
                services.by_name.entry((name.to_owned(), protocol.to_owned())).or_insert(port);
            }
        }
        services
    }
}

fn reverse(address: IpAddr) -> Option<String> {
    let address = SockaddrStorage::from(SocketAddr::new(address, 0));
    let mut host = [0u8; 1025];
    // SAFETY: both buffers are as long as is said, and live until the call returns.
    let code = unsafe {
        libc::getnameinfo(
            address.as_ptr(),
            address.len(),
            host.as_mut_ptr().cast(),
            host.len() as libc::socklen_t,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    let host = (code == 0).then(|| CStr::from_bytes_until_nul(&host).ok()).flatten()?;
    host.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_services() {
        let services = Services::read(
            "# a comment\n\
             http\t80/tcp\twww www-http # the web\n\
             other 80/tcp\n\
             domain 53/udp\n\
             bad line\nbad 99999/tcp\n",
        );
        let port = |name: &str, protocol: &str| {
            services.by_name.get(&(name.to_owned(), protocol.to_owned())).copied()
        };
        assert_eq!(port("http", "tcp"), Some(80));
        assert_eq!(port("www-http", "tcp"), Some(80));
        assert_eq!(port("http", "udp"), None);
        assert_eq!(port("domain", "udp"), Some(53));
        assert_eq!(services.by_port[&(80, "tcp".to_owned())], "http");
    }

    #[test]
    fn finds_this_very_host() {
        let names = Names::default();
        assert_eq!(names.address("localhost"), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(names.host(Ipv4Addr::LOCALHOST.into()).as_deref(), Some("localhost"));
        assert_eq!(names.address(""), None);
    }
}
