//! Where a connection goes: an address or a name in `/etc/hosts`, and a port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Scheme, Url};
use crate::modules::Error;

/// `192.168.0.89:53`, `[fd00::89]:53`, `web:80`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    /// The address or the name, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address or a name with a port, such as `192.168.0.89:53`")]
pub struct NotAnEndpoint(String);

impl Endpoint {
    /// Its address, where it is written as one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, self.port))
    }

    /// Finds the address on this host.
    pub(super) fn resolve(&self) -> Result<SocketAddr, Error> {
        Url { scheme: Scheme::Http, host: self.host.clone(), port: self.port, path: "/".into() }
            .here()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]:{}", self.port),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let wrong = || NotAnEndpoint(text.into());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().map(|_| v6).map_err(|_| wrong())?,
            None => host,
        };
        let usable = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let plain = host.parse::<Ipv6Addr>().is_ok() && text.starts_with('[');
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        if host.is_empty() || !(plain || host.chars().all(usable)) {
            return Err(wrong());
        }
        Ok(Self { host: host.into(), port })
    }
}

impl TryFrom<String> for Endpoint {
    type Error = NotAnEndpoint;

    fn try_from(text: String) -> Result<Self, NotAnEndpoint> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_names_with_a_port() {
        for text in ["192.168.0.89:53", "[fd00::89]:53", "web-1:8080"] {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!(endpoint.to_string(), text);
        }
        for text in ["192.168.0.89", "web", "web:0", "web:70000", "fd00::89:53", ":53", "[x]:1"] {
            let error = text.parse::<Endpoint>().expect_err(text).to_string();
            assert!(error.contains("with a port, such as"), "{error}");
        }
    }
}
