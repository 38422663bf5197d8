//! The hosts of a lab, one by one: ranges and counts are laid out, every address is held against
//! its network, and every next hop against the host's own networks.

use std::net::IpAddr;

use indexmap::IndexMap;
use ipnet::IpNet;

use super::address::Addresses;
use super::name::{HostName, NetworkName};
use super::networks::{small, too_small};
use super::place::{key_at, nth, value_at};
use super::{Host, Link, Network, Route, written};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::yaml::{Key, Node};

/// The most hosts of a lab.
const LIMIT: usize = 4096;

/// The ports of a bridge: `BR_MAX_PORTS` of the kernel, less the number 0.
const PORTS: usize = 1023;

/// Lays out what is written below `hosts` of a lab file.
pub(super) fn lay_out(
    written: &IndexMap<written::HostNames, written::Host>,
    networks: &IndexMap<NetworkName, Network>,
    file: &Node,
    mistakes: &mut Diagnostics,
) -> IndexMap<HostName, Host> {
    let mut layout =
        Layout { networks, hosts: IndexMap::new(), taken: IndexMap::new(), mistakes: Vec::new() };
    // What is decoded is in the order of the nodes.
    let entries = file.get("hosts").and_then(|hosts| hosts.mapping().ok()).unwrap_or_default();
    for ((names, declared), (key, node)) in written.iter().zip(entries) {
        layout.add(names, declared, key, node);
    }
    layout.count_ports(file);
    mistakes.0.extend(layout.mistakes);
    layout.hosts
}

/// The names of the hosts that are written under one key.
pub(super) fn names(
    written: &written::HostNames,
    count: Option<usize>,
) -> Result<Vec<HostName>, Diagnostic> {
    let text = &written.text;
    let Some(count) = count else { return Ok(written.names.clone()) };
    if text.contains('[') {
        return Err(Diagnostic::new(format!("`{text}` says already how many there are"))
            .hint("leave out `count`, or the brackets"));
    }
    if !(1..=LIMIT).contains(&count) {
        return Err(Diagnostic::new(format!("there cannot be {count} hosts `{text}`"))
            .hint(format!("from 1 to {LIMIT}")));
    }
    let name = |number| HostName::try_from(format!("{text}{number}"));
    (1..=count).map(name).collect::<Result<_, _>>().map_err(Diagnostic::new)
}

/// The names of all hosts in a lab file that may have mistakes.
pub(super) fn all_names(file: &Node) -> Vec<String> {
    let entries = file.get("hosts").and_then(|hosts| hosts.mapping().ok()).unwrap_or_default();
    let named = |(key, node): &(Key, Node)| {
        let written = written::HostNames::try_from(key.text.clone()).ok()?;
        let count = node.get("count").and_then(|count| count.decode().ok());
        names(&written, count).ok()
    };
    let names = entries.iter().flat_map(|entry| named(entry).unwrap_or_default());
    names.map(|name| name.to_string()).collect()
}

struct Layout<'a> {
    networks: &'a IndexMap<NetworkName, Network>,
    hosts: IndexMap<HostName, Host>,
    taken: IndexMap<IpAddr, HostName>,
    mistakes: Vec<Diagnostic>,
}

impl Layout<'_> {
    /// Adds the hosts that are written under one key, up to the first one that cannot be.
    fn add(
        &mut self,
        written: &written::HostNames,
        declared: &written::Host,
        key: &Key,
        node: &Node,
    ) {
        let names = match names(written, declared.count) {
            Ok(names) => names,
            Err(error) => return self.mistakes.push(error.at(&value_at(node, &["count"]))),
        };
        let all = self.hosts.len() + names.len();
        if all > LIMIT {
            let message = format!("the lab has {all} hosts, and {LIMIT} is the most");
            return self.mistakes.push(Diagnostic::new(message).at(&key.span));
        }
        let before = self.mistakes.len();
        for (ordinal, name) in names.into_iter().enumerate() {
            let networks = self.links(&name, ordinal, declared, node);
            let routes = self.routes(&name, &networks, declared, node);
            let host = Host {
                groups: declared.groups.clone(),
                networks,
                routes,
                forwarding: declared.forwarding,
                bond: declared.bond.map(|cables| cables.0),
                commands: declared.commands.iter().map(|command| command.0.clone()).collect(),
                packages: declared.packages.clone(),
            };
            if self.hosts.contains_key(&name) {
                self.mistakes.push(
                    Diagnostic::new(format!("host `{name}` is there twice"))
                        .at(&key.span)
                        .hint("a range, or a `count`, has that name as well"),
                );
            }
            self.hosts.insert(name, host);
            // The next ones would say the same again.
            if self.mistakes.len() > before {
                return;
            }
        }
    }

    fn links(
        &mut self,
        host: &HostName,
        ordinal: usize,
        declared: &written::Host,
        node: &Node,
    ) -> IndexMap<NetworkName, Link> {
        let mut links = IndexMap::new();
        for (name, link) in &declared.networks {
            let path = ["networks", name.as_str()];
            let Some(network) = self.networks.get(name) else {
                self.mistakes.push(
                    Diagnostic::new(format!("host `{host}` is in an unknown network `{name}`"))
                        .at(&key_at(node, &path))
                        .did_you_mean(name.as_str(), self.networks.keys().map(|n| n.as_str())),
                );
                continue;
            };
            let mut addresses = Vec::new();
            for (number, range) in link.addresses.iter().enumerate() {
                match self.addresses(host, ordinal, *range, network) {
                    Ok(found) => addresses.extend(found),
                    Err(error) => {
                        let error = match error.hint {
                            Some(_) => error,
                            None => error.hint(format!("network `{name}` is {network}")),
                        };
                        self.mistakes.push(error.at(&nth(node, &path, number)));
                    }
                }
            }
            if let Some((key, error)) = unwired(host, name, link, network, declared) {
                let path = [&path[..], &[key]].concat();
                self.mistakes.push(error.at(&value_at(node, &path)));
            }
            links.insert(name.clone(), Link { addresses, mtu: link.mtu, wire: link.wire });
        }
        links
    }

    /// What a host has of what is written as one address or range.
    fn addresses(
        &mut self,
        host: &HostName,
        ordinal: usize,
        range: Addresses,
        network: &Network,
    ) -> Result<Vec<IpNet>, Diagnostic> {
        let ended = || Diagnostic::new(format!("there is no address left for host `{host}`"));
        let mut found = Vec::new();
        for address in range.of_host(ordinal).ok_or_else(ended)? {
            let own = network.own(address);
            let own = own
                .map_err(|why| Diagnostic::new(format!("host `{host}` cannot be there: {why}")))?;
            if let Some(first) = self.taken.insert(address, host.clone()) {
                let had = if first == *host {
                    "it has it already".into()
                } else {
                    format!("host `{first}` has it already")
                };
                return Err(
                    Diagnostic::new(format!("address `{address}` is given twice")).hint(had)
                );
            }
            found.push(own);
        }
        Ok(found)
    }

    fn routes(
        &mut self,
        host: &HostName,
        links: &IndexMap<NetworkName, Link>,
        declared: &written::Host,
        node: &Node,
    ) -> Vec<Route> {
        let own: Vec<IpNet> = links.values().flat_map(|link| &link.addresses).copied().collect();
        let mut routes: Vec<Route> = Vec::new();
        // What is decoded is in the order of the nodes, here too.
        let entries = node.get("routes").and_then(|node| node.mapping().ok()).unwrap_or_default();
        for ((destination, gateways), (key, value)) in declared.routes.iter().zip(entries) {
            for (number, gateway) in gateways.0.iter().enumerate() {
                let route = Route { to: destination.net(gateway.0.is_ipv4()), via: gateway.0 };
                let at = nth(value, &[], number);
                match unroutable(host, route, &own, &routes) {
                    // Of a network that cannot be gone to the network is what is wrong.
                    Some((error, Wrong::Destination)) => self.mistakes.push(error.at(&key.span)),
                    Some((error, Wrong::Gateway)) => self.mistakes.push(error.at(&at)),
                    None => routes.push(route),
                }
            }
        }
        routes
    }

    /// A bridge has only so many ports, and says so late.
    fn count_ports(&mut self, file: &Node) {
        for (name, _) in self.networks.iter().filter(|(_, network)| network.vlan.is_none()) {
            let inside = self.hosts.values().filter(|host| host.networks.contains_key(name));
            let count: usize = inside.map(|host| usize::from(host.bond.unwrap_or(1))).sum();
            if count > PORTS {
                let message = format!("network `{name}` has {count} cables to hosts");
                self.mistakes.push(
                    Diagnostic::new(message)
                        .at(&key_at(file, &["networks", name.as_str()]))
                        .hint(format!("a bridge of the kernel has {PORTS} ports")),
                );
            }
        }
    }
}

/// Says what is wrong with a host's cable to a network, and at which key.
fn unwired(
    host: &HostName,
    name: &NetworkName,
    link: &written::Link,
    network: &Network,
    declared: &written::Host,
) -> Option<(&'static str, Diagnostic)> {
    if network.subnets.iter().any(|one| one.net().addr().is_ipv6()) && too_small(link.mtu) {
        return Some(("mtu", small(name.as_str())));
    }
    let parent = &network.vlan.as_ref()?.parent;
    let Some(below) = declared.networks.get(parent) else {
        let error =
            Diagnostic::new(format!("host `{host}` is in VLAN `{name}` and not in `{parent}`"));
        return Some(("", error.hint(format!("the VLAN's packets go through `{parent}`"))));
    };
    if !link.wire.is_plain() {
        let error = Diagnostic::new(format!("packets of `{name}` pass the cable to `{parent}`"));
        return Some(("", error.hint(format!("say it of `{parent}`"))));
    }
    if link.mtu > below.mtu.or(Some(65_535)) {
        let error = Diagnostic::new(format!("packets of `{name}` do not fit into `{parent}`"));
        return Some(("mtu", error.hint(format!("give `{parent}` an `mtu` as large"))));
    }
    None
}

/// Which end of a route is wrong.
enum Wrong {
    Destination,
    Gateway,
}

/// Says why a host with those addresses and routes cannot have that route as well.
fn unroutable(
    host: &HostName,
    route: Route,
    own: &[IpNet],
    others: &[Route],
) -> Option<(Diagnostic, Wrong)> {
    let Route { to, via } = route;
    let shown = if to.prefix_len() == 0 { "default".to_owned() } else { to.to_string() };
    if to.addr().is_ipv4() != via.is_ipv4() {
        let error = Diagnostic::new(format!("a route to `{shown}` cannot lead over `{via}`"));
        return Some((error.hint("one is IPv4, the other IPv6"), Wrong::Gateway));
    }
    if others.iter().any(|other| other.to == to) {
        let error = Diagnostic::new(format!("host `{host}` has two routes to `{shown}`"));
        return Some((error.hint("one next hop for each family"), Wrong::Gateway));
    }
    if own.iter().any(|own| own.trunc() == to) {
        let error = Diagnostic::new(format!("host `{host}` is in `{shown}` itself"));
        return Some((error.hint("it needs no route there"), Wrong::Destination));
    }
    if own.iter().any(|own| own.addr() == via) {
        let error = Diagnostic::new(format!("`{via}` is host `{host}` itself"));
        return Some((error.hint("a next hop is another host"), Wrong::Gateway));
    }
    if !own.iter().any(|own| own.contains(&via)) {
        let mut nets: Vec<String> = own.iter().map(|own| format!("`{}`", own.trunc())).collect();
        nets.dedup();
        let error = Diagnostic::new(format!("host `{host}` is in no network with `{via}`"));
        let hint = match nets.is_empty() {
            true => "it is in no network at all".to_owned(),
            false => format!("it is in {}", nets.join(" and ")),
        };
        return Some((error.hint(hint), Wrong::Gateway));
    }
    None
}
