//! `address`: an address of an interface, such as the VIP.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, Host, Presence, Resource};
use crate::netlink::InterfaceName;
use crate::netlink::route::{self, NewAddress};

mod arguments;

pub use arguments::Arguments;

/// Gives an interface an address, or takes it away.
///
/// Without a prefix length it is one address and no network: /32 or /128, which is right for
/// a VIP. Other addresses of the interface stay. Label and scope are compared when given.
///
/// ```yaml
/// address:
///   interface: lo
///   address: 192.168.0.89
///   label: lo:0
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Arguments", into = "Arguments")]
pub struct Address {
    interface: InterfaceName,
    declared: NewAddress,
    state: Presence,
}

/// The addresses of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// `None` when there is no such interface.
    pub addresses: Option<Vec<route::Address>>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Add the address.
    Add {
        /// To which interface.
        interface: InterfaceName,
        /// Which address.
        address: NewAddress,
    },
    /// Remove the address and add it with another label or scope, which cannot be edited. If
    /// it is the last one of the interface, the routes through that go with it.
    Replace {
        /// Of which interface.
        interface: InterfaceName,
        /// What it was.
        from: route::Address,
        /// What it will be.
        to: NewAddress,
    },
    /// Remove the address.
    Remove {
        /// From which interface.
        interface: InterfaceName,
        /// Which address.
        address: route::Address,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { interface, address } => {
                write!(f, "add {}/{} to {interface}", address.address, address.prefix)?;
                if let Some(label) = &address.label {
                    write!(f, " label {label}")?;
                }
                Ok(())
            }
            Self::Replace { interface, from, to } => {
                write!(f, "change {}/{} of {interface}:", from.address, from.prefix)?;
                if let Some(label) = &to.label {
                    write!(f, " label {} -> {label}", from.label.as_deref().unwrap_or("(none)"))?;
                }
                if let Some(scope) = to.scope {
                    write!(f, " scope {} -> {scope}", from.scope)?;
                }
                Ok(())
            }
            Self::Remove { interface, address } => {
                write!(f, "remove {}/{} from {interface}", address.address, address.prefix)
            }
        }
    }
}

impl Resource for Address {
    type Observed = Observed;
    type Change = Change;

    fn observe(&self, host: &mut Host) -> Result<Observed, Error> {
        let routes = host.routes()?;
        let addresses = match routes.link(&self.interface)? {
            // An earlier task may be going to make it, and this one may be only a plan.
            None => None,
            Some(_) => Some(routes.addresses_of(&self.interface)?),
        };
        Ok(Observed { addresses })
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        let declared = &self.declared;
        let same = |found: &&route::Address| {
            found.address == declared.address
                && found.prefix == declared.prefix
                && found.peer.is_none()
        };
        let found = observed.addresses.iter().flatten().find(same);
        let interface = self.interface.clone();
        match (self.state, found) {
            (Presence::Present, None) => {
                vec![Change::Add { interface, address: declared.clone() }]
            }
            (Presence::Present, Some(found)) => {
                let other_label = declared.label.is_some() && declared.label != found.label;
                let other_scope = declared.scope.is_some_and(|scope| scope != found.scope);
                if !other_label && !other_scope {
                    return Vec::new();
                }
                vec![Change::Replace { interface, from: found.clone(), to: declared.clone() }]
            }
            (Presence::Absent, Some(found)) => {
                vec![Change::Remove { interface, address: found.clone() }]
            }
            (Presence::Absent, None) => Vec::new(),
        }
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        let routes = host.routes()?;
        match change {
            Change::Add { interface, address } => routes.add_address(interface, address)?,
            Change::Remove { interface, address } => remove(routes, interface, address)?,
            Change::Replace { interface, from, to } => {
                remove(routes, interface, from)?;
                routes.add_address(interface, to)?;
            }
        }
        Ok(())
    }

    fn report(&self, observed: &Observed) -> Map<String, Value> {
        let addresses = observed.addresses.iter().flatten();
        let addresses = addresses.map(|one| format!("{}/{}", one.address, one.prefix));
        let mut map = Map::new();
        map.insert("interface".into(), self.interface.to_string().into());
        map.insert("addresses".into(), addresses.collect::<Vec<_>>().into());
        map
    }
}

/// Removes an address and nothing else. With the first IPv4 address of a network the kernel
/// removes the others in it, and with the last address every route through the interface,
/// unless it is told to put the second in the place of the first.
fn remove(
    routes: &mut route::Handle,
    interface: &InterfaceName,
    address: &route::Address,
) -> Result<(), Error> {
    let first = address.address.is_ipv4() && !address.secondary;
    let followed = first && routes.addresses_of(interface)?.iter().any(|one| one.secondary);
    let promotion = if followed { Some(Promotion::on(interface)?) } else { None };
    let removed = routes.delete_address(interface, address.address, address.prefix);
    promotion.map_or(Ok(()), Promotion::restore)?;
    Ok(removed?)
}

/// `promote_secondaries` of an interface, switched on for a moment.
struct Promotion {
    path: String,
    before: String,
}

impl Promotion {
    fn on(interface: &InterfaceName) -> Result<Self, Error> {
        // Through the file, since a name with a dot in it cannot be written with dots.
        let path = format!("/proc/sys/net/ipv4/conf/{interface}/promote_secondaries");
        let before = std::fs::read_to_string(&path)
            .map_err(|error| Error::io(format!("failed to read `{path}`"), &error))?;
        let promotion = Self { path, before };
        promotion.write("1")?;
        Ok(promotion)
    }

    fn restore(self) -> Result<(), Error> {
        self.write(self.before.trim_end())
    }

    fn write(&self, value: &str) -> Result<(), Error> {
        std::fs::write(&self.path, value)
            .map_err(|error| Error::io(format!("failed to write `{}`", self.path), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::{mistake, travelled};
    use super::*;
    use crate::netlink::route::Scope;

    fn found(address: &str, prefix: u8, label: Option<&str>) -> route::Address {
        route::Address {
            interface: 1,
            address: address.parse().unwrap(),
            prefix,
            scope: Scope::Global,
            label: label.map(Into::into),
            broadcast: None,
            peer: None,
            secondary: false,
            tentative: false,
            duplicate: false,
        }
    }

    fn shown(yaml: &str, addresses: Vec<route::Address>) -> Vec<String> {
        let changes = travelled::<Address>(yaml).diff(&Observed { addresses: Some(addresses) });
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn takes_a_lone_address_for_a_whole_prefix() {
        let v4: Address = travelled("{interface: lo, address: 192.168.0.89}");
        assert_eq!(v4.declared.prefix, 32);
        let v6: Address = travelled("{interface: lo, address: 'fd00::89'}");
        assert_eq!(v6.declared.prefix, 128);
        let written: Address = travelled("{interface: lo, address: 10.0.0.1/24}");
        let given: Address = travelled("{interface: lo, address: 10.0.0.1, prefix: 24}");
        assert_eq!(written, given);
    }

    #[test]
    fn leaves_an_equal_address_and_all_others_alone() {
        let vip = "{interface: lo, address: 192.168.0.89}";
        let labelled = found("192.168.0.89", 32, Some("lo:9"));
        assert!(shown(vip, vec![found("127.0.0.1", 8, None), labelled]).is_empty());
    }

    #[test]
    fn adds_what_is_missing_and_takes_another_prefix_for_another_address() {
        let vip = "{interface: lo, address: 192.168.0.89}";
        assert_eq!(shown(vip, vec![]), ["add 192.168.0.89/32 to lo"]);
        let wider = vec![found("192.168.0.89", 24, None)];
        assert_eq!(shown(vip, wider), ["add 192.168.0.89/32 to lo"]);
    }

    #[test]
    fn changes_a_label_or_scope_only_when_given() {
        let eth0 = "{interface: lo, address: 10.0.0.1, label: 'lo:0', scope: host}";
        assert_eq!(
            shown(eth0, vec![found("10.0.0.1", 32, Some("lo"))]),
            ["change 10.0.0.1/32 of lo: label lo -> lo:0 scope global -> host"]
        );
    }

    #[test]
    fn removes_exactly_what_is_declared_absent() {
        let gone = "{interface: lo, address: 10.0.0.1/24, state: absent}";
        let extra = found("10.0.0.2", 24, None);
        assert_eq!(
            shown(gone, vec![found("10.0.0.1", 24, None), extra.clone()]),
            ["remove 10.0.0.1/24 from lo"]
        );
        assert!(shown(gone, vec![found("10.0.0.1", 32, None), extra]).is_empty());
    }

    #[test]
    fn plans_for_an_interface_that_is_not_there_yet() {
        let nowhere = Observed { addresses: None };
        let vip: Address = travelled("{interface: dummy0, address: 10.0.0.1}");
        assert_eq!(vip.diff(&nowhere).len(), 1);
        let gone: Address = travelled("{interface: dummy0, address: 10.0.0.1, state: absent}");
        assert!(gone.diff(&nowhere).is_empty());
    }

    #[test]
    fn says_where_a_mistake_is_and_what_to_do() {
        let cases = [
            ("interface: lo\naddress: 10.0.0.1/33", "t.yml:2:10: a prefix of 33 bits"),
            ("interface: lo\naddress: 10.0.0.1/x", "t.yml:2:10: `/x` is not a prefix length"),
            ("interface: lo\naddress: 10.0.0.300", "t.yml:2:10: `10.0.0.300` is not an IP"),
            ("interface: eth0:1\naddress: 10.0.0.1", "t.yml:1:12: interface name `eth0:1`"),
            ("interface: lo\naddress: 10.0.0.1\nprefix: 33", "the longest is /32"),
            ("interface: lo\naddress: 10.0.0.1/24\nprefix: 32", "give only one of them"),
            ("interface: lo\naddress: fd00::1\nlabel: lo:1", "an IPv6 address has no label"),
            ("interface: lo\naddress: 10.0.0.1\nlabel: eth0:1", "such as `lo:0`"),
            ("interface: lo\naddress: 10.0.0.1\nlable: x", "did you mean `label`?"),
            ("interface: lo", "`address` is missing"),
        ];
        for (yaml, part) in cases {
            let error = mistake::<Address>(yaml);
            assert!(error.contains(part), "{error} does not say `{part}`");
        }
    }
}
