//! `link`: a network interface, up or down, and dummies, bridges and tunnels made when missing.

use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::network::HostAddress;
use super::{Error, Host, Resource};
use crate::netlink::InterfaceName;
use crate::netlink::route::{self, Ends, LinkChange, NewKind, NewLink};

/// Sets a network interface up or down, and makes or removes virtual ones.
///
/// An interface that does not exist is made when `type` says what it is. A tunnel between other
/// ends than it should have is made anew.
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
    /// Of a tunnel: this host's address, which its packets are for; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<HostAddress>,
    /// Of a tunnel: the address of its other end; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<HostAddress>,
}

/// A kind of interface that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Swallows what is sent to it; a place for addresses.
    Dummy,
    /// A switch.
    Bridge,
    /// A tunnel of IPv4 within IPv4.
    Ipip,
    /// A tunnel of IPv6 within IPv4.
    Sit,
    /// A tunnel of IPv4 or IPv6 within IPv6.
    Ip6tnl,
    /// A tunnel of IPv4 or IPv6 within GRE within IPv4.
    Gre,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Dummy => "dummy",
            Self::Bridge => "bridge",
            Self::Ipip => "ipip",
            Self::Sit => "sit",
            Self::Ip6tnl => "ip6tnl",
            Self::Gre => "gre",
        }
    }

    /// Whether the ends of such a tunnel have IPv6 addresses; nothing where it is no tunnel.
    fn ends_in_v6(self) -> Option<bool> {
        match self {
            Self::Dummy | Self::Bridge => None,
            Self::Ipip | Self::Sit | Self::Gre => Some(false),
            Self::Ip6tnl => Some(true),
        }
    }

    fn between(self, ends: Ends) -> NewKind<'static> {
        match self {
            Self::Dummy => NewKind::Dummy,
            Self::Bridge => NewKind::Bridge,
            Self::Ipip => NewKind::Ipip(ends),
            Self::Sit => NewKind::Sit(ends),
            Self::Ip6tnl => NewKind::Ip6Tunnel(ends),
            Self::Gre => NewKind::Gre(ends),
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
        /// The ends of a tunnel.
        ends: Ends,
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
            Self::Create { name, kind, up, ends, .. } => {
                write!(f, "create {} {name}", kind.word())?;
                ends.local.iter().try_for_each(|local| write!(f, " local {local}"))?;
                ends.remote.iter().try_for_each(|remote| write!(f, " remote {remote}"))?;
                write!(f, ", {}", word(*up))
            }
            Self::Set { name, up } => write!(f, "{name}: {} -> {}", word(!up), word(*up)),
            Self::Mtu { name, from, to } => write!(f, "{name}: mtu {from} -> {to}"),
            Self::Remove { name } => write!(f, "remove {name}"),
        }
    }
}

impl Link {
    fn ends(&self) -> Ends {
        Ends { local: self.local.map(|local| local.0), remote: self.remote.map(|remote| remote.0) }
    }
}

impl Resource for Link {
    type Observed = Option<route::Link>;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        if self.state == State::Absent && self.name.as_str() == "lo" {
            return Err(Error::new("`lo` cannot be removed").hint("set it `down` instead"));
        }
        let v6 = self.kind.and_then(Kind::ends_in_v6);
        for HostAddress(end) in [self.local, self.remote].into_iter().flatten() {
            match v6 {
                None => {
                    return Err(Error::new("only a tunnel has `local` and `remote`")
                        .hint("say which by `type: ipip`, `sit`, `ip6tnl` or `gre`"));
                }
                Some(v6) if v6 != end.is_ipv6() => {
                    return Err(Error::new(format!("`{end}` cannot be the end of such a tunnel"))
                        .hint("`ipip`, `sit` and `gre` are within IPv4, `ip6tnl` is within IPv6"));
                }
                Some(_) => {}
            }
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
        let ends = self.ends();
        let create = |kind| Change::Create { name: name(), kind, mtu: self.mtu, ends, up };
        let Some(link) = observed else {
            return self.kind.map(create).into_iter().collect();
        };
        let other = |given: Option<IpAddr>, found| given.is_some() && given != found;
        if other(ends.local, link.ends.local) || other(ends.remote, link.ends.remote) {
            let remove = Change::Remove { name: name() };
            return std::iter::once(remove).chain(self.kind.map(create)).collect();
        }
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
            Change::Create { name, kind, mtu, ends, up } => {
                let kind = kind.between(*ends);
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
            ends: Ends::default(),
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
            (
                "{name: t0, type: ip6tnl, local: 'fd00::1'}",
                None,
                vec!["create ip6tnl t0 local fd00::1, up"],
            ),
            (
                "{name: t0, type: ipip, local: 10.0.0.1, remote: 10.0.0.2}",
                found(true, 1480),
                vec!["remove t0", "create ipip t0 local 10.0.0.1 remote 10.0.0.2, up"],
            ),
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
        for yaml in [
            "{name: lo, state: absent}",
            "{name: t0, type: ip6tnl, local: 10.0.0.1}",
            "{name: t0, type: gre, remote: 'fd00::1'}",
            "{name: t0, type: dummy, local: 10.0.0.1}",
            "{name: t0, local: 10.0.0.1}",
        ] {
            assert!(travelled::<Link>(yaml).check().is_err(), "{yaml}");
        }
    }
}
