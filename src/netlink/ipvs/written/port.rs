//! Ports by the names of `/etc/services`.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::netlink::ipvs::{Protocol, Refused};

const FILE: &str = "/etc/services";

/// A port where serde meets it: a number, or a name whose protocol is said elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Port {
    /// `80`.
    Number(u16),
    /// `http`.
    Name(String),
}

impl Port {
    /// The number that it has with this protocol.
    pub(crate) fn number(&self, protocol: Protocol) -> Result<u16, Refused> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Name(name) => port(name, protocol),
        }
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(NumberOrName)
    }
}

struct NumberOrName;

impl Visitor<'_> for NumberOrName {
    type Value = Port;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port: a whole number from 0 to 65535, or a name in `/etc/services`")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Port, E> {
        let wrong = |_| E::invalid_value(de::Unexpected::Unsigned(number), &self);
        u16::try_from(number).map(Port::Number).map_err(wrong)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Port, E> {
        // What a template renders to is a text, also where it is a number.
        match text.parse() {
            Ok(number) => Ok(Port::Number(number)),
            Err(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(E::invalid_value(de::Unexpected::Str(text), &self))
            }
            Err(_) => Ok(Port::Name(text.to_owned())),
        }
    }
}

/// The port that a text means.
pub(super) fn port(text: &str, protocol: Protocol) -> Result<u16, Refused> {
    named(text, protocol).ok_or_else(|| {
        Refused::new(format!("`{text}` is not a port of {protocol}"))
            .hint("it is a number up to 65535, or a name in `/etc/services`")
    })
}

/// A number, or the port of that name. Reads the file and asks no name service.
fn named(text: &str, protocol: Protocol) -> Option<u16> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit());
    if number {
        return text.parse().ok();
    }
    find(&std::fs::read_to_string(FILE).ok()?, text, &protocol.to_string())
}

/// Each line is `http  80/tcp  www  # World Wide Web`: a name, a port, and other names.
fn find(services: &str, name: &str, protocol: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let first = words.next()?;
        let (port, of) = words.next()?.split_once('/')?;
        let named = first == name || words.any(|alias| alias == name);
        (named && of == protocol).then(|| port.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: &str = "# comment\n\
        domain\t53/tcp\t\t# Domain Name Server\n\
        domain\t53/udp\n\
        http\t\t80/tcp\t\twww\t# World Wide Web #www2\n\
        odd\nodd2 x/tcp\n";

    #[test]
    fn finds_names_and_aliases_of_the_protocol() {
        assert_eq!(find(SERVICES, "http", "tcp"), Some(80));
        assert_eq!(find(SERVICES, "www", "tcp"), Some(80));
        assert_eq!(find(SERVICES, "www2", "tcp"), None);
        assert_eq!(find(SERVICES, "http", "udp"), None);
        assert_eq!(find(SERVICES, "domain", "udp"), Some(53));
        assert_eq!(find(SERVICES, "odd2", "tcp"), None);
    }

    #[test]
    fn takes_numbers_as_they_are() {
        assert_eq!(named("80", Protocol::Tcp), Some(80));
        assert_eq!(named("65536", Protocol::Tcp), None);
        assert_eq!(named("", Protocol::Tcp), None);
        assert_eq!(named("-1", Protocol::Tcp), None);
    }
}
