//! `fou`: a UDP port at which the kernel unpacks tunnels.

use std::fmt;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, Host, Presence, Resource};
use crate::netlink::fou::{self, Content, Port};
use crate::netlink::ipvs;

/// Has the kernel unpack tunnels by GUE, which come in UDP datagrams to a port.
///
/// A real server that is reached by such a tunnel needs it, beside an interface for what is unpacked
/// that is up, such as `tunl0`. A port of bare FOU is made one of GUE.
///
/// ```yaml
/// fou:
///   port: 6080
///   family: ipv4
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fou {
    /// The UDP port.
    pub port: NonZeroU16,
    /// The family of the datagrams.
    #[serde(default)]
    pub family: Family,
    /// Whether they are unpacked.
    #[serde(default)]
    pub state: Presence,
}

/// The family of the datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6, for which the kernel needs the module `fou6`.
    Ipv6,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Unpack there.
    Add(Port),
    /// Unpack there no longer.
    Remove(Port),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(port) => write!(f, "unpack {} at UDP port {}", port.content, port.port),
            Self::Remove(port) => {
                write!(f, "no longer unpack {} at UDP port {}", port.content, port.port)
            }
        }
    }
}

impl Fou {
    fn declared(&self) -> Port {
        let family = match self.family {
            Family::Ipv4 => ipvs::Family::Ipv4,
            Family::Ipv6 => ipvs::Family::Ipv6,
        };
        Port { port: self.port, family, content: Content::Gue }
    }
}

impl Resource for Fou {
    type Observed = Option<Port>;
    type Change = Change;

    fn observe(&self, _host: &mut Host) -> Result<Option<Port>, Error> {
        let wanted = self.declared();
        let ports = match fou::Handle::open_loaded()? {
            Some(mut handle) => handle.ports()?,
            // An earlier task may be going to load it, and this one may be only a plan.
            None => Vec::new(),
        };
        let here = |one: &Port| (one.port, one.family) == (wanted.port, wanted.family);
        Ok(ports.into_iter().find(here))
    }

    fn diff(&self, observed: &Option<Port>) -> Vec<Change> {
        let declared = self.declared();
        let present = self.state == Presence::Present;
        let wrong = observed.filter(|found| !present || *found != declared);
        let missing = present && *observed != Some(declared);
        let add = missing.then_some(Change::Add(declared));
        wrong.map(Change::Remove).into_iter().chain(add).collect()
    }

    fn apply(&self, _host: &mut Host, change: &Change) -> Result<(), Error> {
        let mut handle = fou::Handle::open()?;
        match change {
            Change::Add(port) => handle.add(port)?,
            Change::Remove(port) => handle.remove(port)?,
        }
        Ok(())
    }

    fn report(&self, observed: &Option<Port>) -> Map<String, Value> {
        let found = observed.map(|port| port.content.to_string());
        [("port".into(), self.port.get().into()), ("unpacks".into(), found.into())]
            .into_iter()
            .collect()
    }
}

impl From<fou::Error> for Error {
    fn from(error: fou::Error) -> Self {
        let hint = error.hint().map(String::from);
        Self { hint, ..Self::new(error.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::{mistake, travelled};
    use super::*;

    #[test]
    fn does_only_what_differs() {
        let port = |content| {
            let port = NonZeroU16::new(6080).unwrap();
            Some(Port { port, family: ipvs::Family::Ipv4, content })
        };
        let cases = [
            ("{port: 6080}", None, vec!["unpack gue at UDP port 6080"]),
            ("{port: 6080}", port(Content::Gue), vec![]),
            (
                "{port: 6080}",
                port(Content::Protocol(4)),
                vec!["no longer unpack protocol 4 at UDP port 6080", "unpack gue at UDP port 6080"],
            ),
            ("{port: 6080, state: absent}", None, vec![]),
            (
                "{port: 6080, state: absent}",
                port(Content::Gue),
                vec!["no longer unpack gue at UDP port 6080"],
            ),
        ];
        for (yaml, observed, expected) in cases {
            let changes = travelled::<Fou>(yaml).diff(&observed);
            let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
            assert_eq!(shown, expected, "{yaml}");
        }
    }

    #[test]
    fn says_where_a_mistake_is() {
        for (yaml, part) in [
            ("port: 0", "t.yml:1:7: "),
            ("port: 6080\nfamily: ip4", "t.yml:2:9: `ip4` is not known here (did you mean"),
        ] {
            let error = mistake::<Fou>(yaml);
            assert!(error.contains(part), "{error} does not say `{part}`");
        }
    }
}
