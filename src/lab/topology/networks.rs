//! The networks of a lab: no two have an address in common, and a VLAN has another one below it.

use indexmap::IndexMap;

use super::address::Subnet;
use super::name::NetworkName;
use super::place::{nth, value_at};
use super::{Network, Vlan, written};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::yaml::Node;

/// The fewest bytes of a packet that IPv6 can do with (RFC 8200).
pub(super) const IPV6_MTU: u32 = 1280;

/// Lays out what is written below `networks` of a lab file.
pub(super) fn lay_out(
    written: &IndexMap<NetworkName, written::Network>,
    file: &Node,
    mistakes: &mut Diagnostics,
) -> IndexMap<NetworkName, Network> {
    let mut before: Vec<(&NetworkName, Subnet)> = Vec::new();
    let mut networks: IndexMap<NetworkName, Network> = IndexMap::new();
    for (name, network) in written {
        let at = |key| value_at(file, &["networks", name.as_str(), key]);
        for (number, subnet) in network.subnet.0.iter().enumerate() {
            if let Some((other, first)) = before.iter().find(|(_, one)| one.overlaps(*subnet)) {
                let (net, other_net) = (subnet.net(), first.net());
                mistakes.push(
                    Diagnostic::new(format!(
                        "network `{name}` (`{net}`) overlaps network `{other}` (`{other_net}`)"
                    ))
                    .at(&nth(file, &["networks", name.as_str(), "subnet"], number))
                    .hint("an address must be in one network only"),
                );
            }
            before.push((name, *subnet));
        }
        let mtu = network.mtu.map(|mtu| mtu.0);
        if network.subnet.0.iter().any(|one| one.net().addr().is_ipv6()) && too_small(mtu) {
            mistakes.push(small(name.as_str()).at(&at("mtu")));
        }
        let laid =
            Network { subnets: network.subnet.0.clone(), mtu, wire: network.wire(), vlan: None };
        match vlan(name, network, written, &networks) {
            Ok(vlan) => networks.insert(name.clone(), Network { vlan, ..laid }),
            Err((key, error)) => {
                mistakes.push(error.at(&at(key)));
                networks.insert(name.clone(), laid)
            }
        };
    }
    networks
}

/// Whether IPv6 cannot do with so little.
pub(super) fn too_small(mtu: Option<u32>) -> bool {
    mtu.is_some_and(|mtu| mtu < IPV6_MTU)
}

pub(super) fn small(name: &str) -> Diagnostic {
    Diagnostic::new(format!("IPv6 in `{name}` needs packets of {IPV6_MTU} bytes"))
        .hint("the kernel takes IPv6 away from an interface with less")
}

/// What makes it a VLAN, if anything does; or the key that is wrong.
fn vlan(
    name: &NetworkName,
    network: &written::Network,
    written: &IndexMap<NetworkName, written::Network>,
    before: &IndexMap<NetworkName, Network>,
) -> Result<Option<Vlan>, (&'static str, Diagnostic)> {
    let (id, parent) = match (&network.vlan, &network.parent) {
        (None, None) => return Ok(None),
        (Some(id), Some(parent)) => (id.0, parent),
        (Some(_), None) => {
            let error = Diagnostic::new(format!("VLAN `{name}` has no `parent`"));
            return Err(("vlan", error.hint("name the network whose cables it uses")));
        }
        (None, Some(_)) => {
            let error = Diagnostic::new(format!("network `{name}` has a `parent` and no `vlan`"));
            return Err(("parent", error.hint("give it a number from 1 to 4094")));
        }
    };
    let Some(below) = written.get(parent) else {
        let error = Diagnostic::new(format!("there is no network `{parent}`"));
        let others = written.keys().filter(|other| *other != name).map(NetworkName::as_str);
        return Err(("parent", error.did_you_mean(parent.as_str(), others)));
    };
    if below.vlan.is_some() {
        let error = Diagnostic::new(format!("`{parent}` is a VLAN itself"));
        return Err(("parent", error.hint("a VLAN lies on a network that is none")));
    }
    let same = |other: &Network| other.vlan.as_ref() == Some(&Vlan { id, parent: parent.clone() });
    if let Some((other, _)) = before.iter().find(|(_, other)| same(other)) {
        let error = Diagnostic::new(format!("VLAN {id} of `{parent}` is `{other}` already"));
        return Err(("vlan", error.hint("give it another number")));
    }
    if !network.wire().is_plain() {
        let error = Diagnostic::new(format!("packets of `{name}` pass the cables of `{parent}`"));
        let key = network.wire_key().unwrap_or("vlan");
        return Err((key, error.hint(format!("say it of `{parent}`"))));
    }
    let larger = |mtu: u32| mtu > below.mtu.map_or(1500, |mtu| mtu.0);
    if network.mtu.is_some_and(|mtu| larger(mtu.0)) {
        let error = Diagnostic::new(format!("packets of `{name}` do not fit into `{parent}`"));
        return Err(("mtu", error.hint(format!("give `{parent}` an `mtu` as large"))));
    }
    Ok(Some(Vlan { id, parent: parent.clone() }))
}
