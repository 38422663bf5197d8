//! The URL of a request: `http://HOST[:PORT][/PATH]`. Who can speak TLS reads it by
//! [`Url::with_tls`], which takes `https://` as well; for all others that is a mistake.
//!
//! A host is an address or a name in `/etc/hosts`: a lab has no name server, and the agent
//! is a static binary that cannot use NSS.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Url {
    /// How the server is spoken to.
    pub scheme: Scheme,
    /// The host as written, without brackets.
    pub host: String,
    /// 80 unless written, with TLS 443.
    pub port: u16,
    /// Path and query, from the first `/`.
    pub path: String,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// As it is.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A text is not a URL that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAUrl {
    /// Another scheme, or none.
    #[error("`{0}` does not begin with `http://`, the only scheme here")]
    Scheme(String),
    /// Another scheme, or none, where TLS is spoken, too.
    #[error("`{0}` begins neither with `http://` nor with `https://`")]
    NoScheme(String),
    /// No host, or one with characters that no host has.
    #[error("`{0}` has no usable host: an address, an IPv6 address in brackets, or a name")]
    Host(String),
    /// A port outside 1..65535.
    #[error("`{port}` in `{url}` is not a port from 1 to 65535")]
    Port {
        /// The whole text.
        url: String,
        /// What stands after the colon.
        port: String,
    },
    /// A blank or control character, which would break the request's first line.
    #[error("`{0}` has a blank or a control character in it")]
    Blank(String),
}

impl Url {
    /// The host when it is an address, as the VIP mostly is.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Finds the address, in `hosts` (the text of `/etc/hosts`) when the host is a name.
    #[must_use]
    pub fn resolve(&self, hosts: &str) -> Option<SocketAddr> {
        let address = self.address().or_else(|| {
            hosts.lines().find_map(|line| {
                let mut words = line.split('#').next()?.split_whitespace();
                let address = words.next()?.parse().ok()?;
                words.any(|name| name.eq_ignore_ascii_case(&self.host)).then_some(address)
            })
        })?;
        Some(SocketAddr::new(address, self.port))
    }

    /// What the `Host` header says: brackets where needed, the port where it is not 80.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = match self.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.host.clone(),
        };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }

    /// Reads a URL that may be one of `https://`.
    pub(crate) fn with_tls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let schemes = [Scheme::Http, Scheme::Https];
        let scheme = schemes.into_iter().find(|scheme| text.starts_with(scheme.prefix()));
        scheme
            .ok_or_else(|| NotAUrl::NoScheme(text.clone()))
            .and_then(|scheme| Self::read(&text, scheme))
            .map_err(de::Error::custom)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.scheme.prefix(), self.authority(), self.path)
    }
}

impl Url {
    fn read(text: &str, scheme: Scheme) -> Result<Self, NotAUrl> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(NotAUrl::Blank(text.escape_debug().to_string()));
        }
        let rest =
            text.strip_prefix(scheme.prefix()).ok_or_else(|| NotAUrl::Scheme(text.into()))?;
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let no_host = || NotAUrl::Host(text.into());
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or_else(no_host)?;
                host.parse::<Ipv6Addr>().map_err(|_| no_host())?;
                let port = match port {
                    "" => None,
                    _ => Some(port.strip_prefix(':').ok_or_else(no_host)?),
                };
                (host, port)
            }
            None => authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p))),
        };
        let usable = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || !host.chars().all(usable) {
            return Err(no_host());
        }
        let bad_port = |port: &str| NotAUrl::Port { url: text.into(), port: port.into() };
        let port = match port {
            None => scheme.port(),
            Some(port) => {
                port.parse().ok().filter(|port| *port != 0).ok_or_else(|| bad_port(port))?
            }
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { scheme, host: host.into(), port, path: format!("{slash}{path}") })
    }
}

impl FromStr for Url {
    type Err = NotAUrl;

    fn from_str(text: &str) -> Result<Self, NotAUrl> {
        Self::read(text, Scheme::Http)
    }
}

impl TryFrom<String> for Url {
    type Error = NotAUrl;

    fn try_from(text: String) -> Result<Self, NotAUrl> {
        text.parse()
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_url_apart_and_puts_it_together() {
        for (text, host, port, path, again) in [
            ("http://192.168.0.89/", "192.168.0.89", 80, "/", "http://192.168.0.89/"),
            ("http://web", "web", 80, "/", "http://web/"),
            ("http://web:8080/a?b=c", "web", 8080, "/a?b=c", "http://web:8080/a?b=c"),
            ("http://web?b", "web", 80, "/?b", "http://web/?b"),
            ("http://[fd00::89]:81/", "fd00::89", 81, "/", "http://[fd00::89]:81/"),
        ] {
            let url: Url = text.parse().expect(text);
            assert_eq!((url.host.as_str(), url.port, url.path.as_str()), (host, port, path));
            assert_eq!(url.to_string(), again);
        }
    }

    #[test]
    fn takes_tls_only_where_it_is_spoken() {
        let read = |text: &str| {
            let text = de::value::StrDeserializer::<de::value::Error>::new(text);
            Url::with_tls(text).map_err(|error| error.to_string())
        };
        for (text, port, authority) in [
            ("https://web/a", 443, "web"),
            ("https://web:80/a", 80, "web:80"),
            ("http://web:443/a", 443, "web:443"),
        ] {
            let url = read(text).expect(text);
            assert_eq!((url.port, url.authority().as_str()), (port, authority));
            assert_eq!(url.to_string(), text);
        }
        assert!(read("ftp://web/").expect_err("no scheme").contains("nor with `https://`"));
        assert!(read("https://web:0/").expect_err("no port").contains("port"));
    }

    #[test]
    fn says_what_is_wrong_with_a_url() {
        let wrong = |text: &str| text.parse::<Url>().expect_err(text).to_string();
        assert!(wrong("https://web/").contains("`http://`"));
        assert!(wrong("192.168.0.89").contains("`http://`"));
        assert!(wrong("http://web:70000/").contains("`70000`"));
        assert!(wrong("http://web:0/").contains("port"));
        assert!(wrong("http:///x").contains("no usable host"));
        assert!(wrong("http://[fd00::89/").contains("no usable host"));
        assert!(wrong("http://a@b/").contains("no usable host"));
        assert!(wrong("http://web/a\r\nX: y").contains("control character"));
    }

    #[test]
    fn resolves_addresses_and_names_in_etc_hosts_only() {
        let hosts = "127.0.0.1 localhost\n192.168.0.89 www web # the VIP\nbroken\n";
        let resolve = |text: &str| text.parse::<Url>().expect(text).resolve(hosts);
        assert_eq!(resolve("http://10.0.0.1:81/"), "10.0.0.1:81".parse().ok());
        assert_eq!(resolve("http://WEB/"), "192.168.0.89:80".parse().ok());
        assert_eq!(resolve("http://nowhere/"), None);
        assert_eq!(resolve("http://the/"), None);
    }
}
