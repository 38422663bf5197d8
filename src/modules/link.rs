//! `link`: a network interface, up or down, and dummies and bridges made when missing.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, Host, Resource};
use crate::netlink::InterfaceName;
use crate::netlink::route::{self, LinkChange, NewKind, NewLink};

/// Sets a network interface up or down, and makes or removes virtual ones.
///
/// An interface that does not exist is made when `type` says what it is.
///
/// ```yaml
/// link:
///   name: vip0
///   type: dummy
///   state: up
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The name of the interface.
    #[serde(alias = "interface", alias = "dev")]
    pub name: InterfaceName,
    /// What it is made as when it does not exist.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Whether it is set up, or there at all.
    #[serde(default)]
    pub state: State,
    /// The largest packet, in bytes; left as it is when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// A kind of interface that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Swallows what is sent to it; a place for addresses.
    Dummy,
    /// A switch.
    Bridge,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Dummy => "dummy",
            Self::Bridge => "bridge",
        }
    }
}

/// The state of an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Set up.
    #[default]
    #[serde(alias = "present")]
    Up,
    /// There, and set down.
    Down,
    /// Not there.
    Absent,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Make the interface.
    Create {
        /// Its name.
        name: InterfaceName,
        /// What it is.
        kind: Kind,
        /// Its MTU, when given.
        mtu: Option<u32>,
        /// Whether it is set up at once.
        up: bool,
    },
    /// Set it up or down.
    Set {
        /// Its name.
        name: InterfaceName,
        /// Up or down.
        up: bool,
    },
    /// Set its MTU.
    Mtu {
        /// Its name.
        name: InterfaceName,
        /// What it was.
        from: u32,
        /// What it will be.
        to: u32,
    },
    /// Remove it.
    Remove {
        /// Its name.
        name: InterfaceName,
    },
}

fn word(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { name, kind, up, .. } => {
                write!(f, "create {} {name}, {}", kind.word(), word(*up))
            }
            Self::Set { name, up } => write!(f, "{name}: {} -> {}", word(!up), word(*up)),
            Self::Mtu { name, from, to } => write!(f, "{name}: mtu {from} -> {to}"),
            Self::Remove { name } => write!(f, "remove {name}"),
        }
    }
}

impl Resource for Link {
    type Observed = Option<route::Link>;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        if self.state == State::Absent && self.name.as_str() == "lo" {
            return Err(Error::new("`lo` cannot be removed").hint("set it `down` instead"));
        }
        Ok(())
    }

    fn observe(&self, host: &mut Host) -> Result<Option<route::Link>, Error> {
        let found = host.routes()?.link(&self.name)?;
        match (&found, self.kind) {
            (None, None) if self.state != State::Absent => {
                Err(Error::new(format!("there is no interface `{}`", self.name))
                    .hint("check the name, or say what to make with `type: dummy`"))
            }
            (Some(link), Some(kind)) if link.kind.as_deref() != Some(kind.word()) => {
                let other = link.kind.as_deref().unwrap_or("something else");
                Err(Error::new(format!(
                    "interface `{}` is there, but it is {other} and not {}",
                    self.name,
                    kind.word()
                ))
                .hint("leave `type` out, or take another name"))
            }
            _ => Ok(found),
        }
    }

    fn diff(&self, observed: &Option<route::Link>) -> Vec<Change> {
        let name = || self.name.clone();
        let up = match self.state {
            State::Up => true,
            State::Down => false,
            State::Absent => {
                let there = observed.is_some();
                return there.then(|| Change::Remove { name: name() }).into_iter().collect();
            }
        };
        let Some(link) = observed else {
            let create = |kind| Change::Create { name: name(), kind, mtu: self.mtu, up };
            return self.kind.map(create).into_iter().collect();
        };
        let mut changes = Vec::new();
        if let Some(to) = self.mtu
            && to != link.mtu
        {
            changes.push(Change::Mtu { name: name(), from: link.mtu, to });
        }
        if up != link.up {
            changes.push(Change::Set { name: name(), up });
        }
        changes
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        let routes = host.routes()?;
        match change {
            Change::Create { name, kind, mtu, up } => {
                let kind = match kind {
                    Kind::Dummy => NewKind::Dummy,
                    Kind::Bridge => NewKind::Bridge,
                };
                let new = NewLink { mtu: *mtu, up: *up, ..NewLink::new(name.clone(), kind) };
                routes.create_link(&new)?;
            }
            Change::Set { name, up } => {
                routes.change_link(name, &LinkChange { up: Some(*up), ..LinkChange::default() })?;
            }
            Change::Mtu { name, to, .. } => {
                routes
                    .change_link(name, &LinkChange { mtu: Some(*to), ..LinkChange::default() })?;
            }
            Change::Remove { name } => routes.delete_link(name)?,
        }
        Ok(())
    }

    fn report(&self, observed: &Option<route::Link>) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("name".into(), self.name.to_string().into());
        if let Some(link) = observed {
            map.insert("up".into(), link.up.into());
            map.insert("mtu".into(), link.mtu.into());
            map.insert("mac".into(), link.mac.map(|mac| mac.to_string()).into());
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::{mistake, travelled};
    use super::*;

    fn found(up: bool, mtu: u32) -> Option<route::Link> {
        Some(route::Link {
            index: 2,
            name: "vip0".into(),
            kind: Some("dummy".into()),
            up,
            running: up,
            loopback: false,
            mtu,
            mac: None,
            master: None,
        })
    }

    #[test]
    fn does_only_what_differs() {
        let cases = [
            ("{name: vip0}", found(true, 1500), vec![]),
            ("{name: vip0}", found(false, 1500), vec!["vip0: down -> up"]),
            ("{name: vip0, state: down}", found(true, 1500), vec!["vip0: up -> down"]),
            (
                "{name: vip0, mtu: 1400}",
                found(false, 1500),
                vec!["vip0: mtu 1500 -> 1400", "vip0: down -> up"],
            ),
            ("{name: vip0, type: dummy}", None, vec!["create dummy vip0, up"]),
            ("{name: vip0, type: dummy, state: down}", None, vec!["create dummy vip0, down"]),
            ("{name: vip0, state: absent}", found(true, 1500), vec!["remove vip0"]),
            ("{name: vip0, state: absent}", None, vec![]),
        ];
        for (yaml, observed, expected) in cases {
            let changes = travelled::<Link>(yaml).diff(&observed);
            let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
            assert_eq!(shown, expected, "{yaml}");
        }
    }

    #[test]
    fn says_where_a_mistake_is() {
        let cases = [
            ("name: vip0\ntype: dumy", "t.yml:2:7: `dumy` is not known here (did you mean"),
            ("name: a-name-that-is-too-long", "t.yml:1:7: interface name"),
            ("state: up", "`name` is missing"),
        ];
        for (yaml, part) in cases {
            let error = mistake::<Link>(yaml);
            assert!(error.contains(part), "{error} does not say `{part}`");
        }
        assert!(travelled::<Link>("{name: lo, state: absent}").check().is_err());
    }
}
