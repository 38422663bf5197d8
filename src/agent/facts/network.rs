//! Interfaces, addresses and the ways out, as Ansible lays them out.

use std::net::IpAddr;

use indexmap::IndexSet;
use ipnet::{IpNet, Ipv4Net};
use serde_json::{Map, Value, json};

use super::Facts;
use crate::netlink::route::{Address, Handle, Link, Route, RouteKind, Scope, Table};

/// What the kernel told, all of one moment.
struct Seen {
    links: Vec<Link>,
    addresses: Vec<Address>,
    routes: Vec<Route>,
}

pub(super) fn add(facts: &mut Facts) {
    let seen = look().unwrap_or(Seen { links: vec![], addresses: vec![], routes: vec![] });
    let mut interfaces = Facts::new();
    for link in &seen.links {
        seen.add_interface(link, &mut interfaces);
    }
    // In the name of a variable there is neither a colon nor a dash.
    let named = interfaces.keys().map(|name| Value::from(name.replace(':', "_")));
    facts.insert("interfaces".into(), named.collect());
    for (name, interface) in interfaces {
        facts.insert(name.replace([':', '-'], "_"), interface);
    }
    facts.insert("default_ipv4".into(), seen.default(false));
    facts.insert("default_ipv6".into(), seen.default(true));
    facts.insert("all_ipv4_addresses".into(), seen.all(false));
    facts.insert("all_ipv6_addresses".into(), seen.all(true));
    let local = |v6| seen.local(v6);
    facts
        .insert("locally_reachable_ips".into(), json!({"ipv4": local(false), "ipv6": local(true)}));
}

fn look() -> Option<Seen> {
    let mut handle = Handle::new().ok()?;
    Some(Seen {
        links: handle.links().ok()?,
        addresses: handle.addresses().ok()?,
        routes: handle.routes().ok()?,
    })
}

impl Seen {
    fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    fn of<'a>(&'a self, link: &Link, v6: bool) -> impl Iterator<Item = &'a Address> {
        let index = link.index;
        self.addresses.iter().filter(move |a| a.interface == index && a.address.is_ipv6() == v6)
    }

    /// One interface, with its first IPv4 address, the others, and all of IPv6. An address with a
    /// label of its own is one more interface.
    fn add_interface(&self, link: &Link, interfaces: &mut Facts) {
        let mut map = Map::new();
        map.insert("device".into(), link.name.as_str().into());
        if let Some(mac) = link.mac.as_ref().filter(|_| !link.loopback) {
            map.insert("macaddress".into(), mac.to_string().into());
        }
        map.insert("mtu".into(), link.mtu.into());
        map.insert("active".into(), is_active(link).into());
        map.insert("type".into(), kind(link).into());
        if link.kind.as_deref() == Some("bridge") {
            let ports = self.links.iter().filter(|port| port.master == Some(link.index));
            let ports: Vec<&str> = ports.map(|port| port.name.as_str()).collect();
            map.insert("interfaces".into(), ports.into());
        }
        let device = std::fs::read_link(format!("/sys/class/net/{}/device", link.name)).ok();
        if let Some(bus) = device.as_ref().and_then(|device| device.file_name()) {
            map.insert("pciid".into(), bus.to_string_lossy().into());
        }
        if let Some(speed) = of_class(link, "speed").and_then(|speed| speed.parse::<i64>().ok()) {
            map.insert("speed".into(), speed.into());
        }
        map.insert("promisc".into(), is_promiscuous(link).into());
        let v6: Vec<Value> = self.of(link, true).map(ipv6).collect();
        interfaces.insert(link.name.clone(), map.into());
        let (second, first): (Vec<&Address>, Vec<&Address>) =
            self.of(link, false).partition(|address| address.secondary);
        for address in first.into_iter().chain(second) {
            let Some(told) = ipv4(address) else { continue };
            let label = address.label.as_deref().unwrap_or(&link.name);
            add_ipv4(interfaces, label, told.clone(), address.secondary);
            if address.secondary && label != link.name {
                add_ipv4(interfaces, &link.name, told, true);
            }
        }
        if let Some(Value::Object(map)) = interfaces.get_mut(&link.name)
            && !v6.is_empty()
        {
            map.insert("ipv6".into(), v6.into());
        }
    }

    /// The way out; an empty mapping when there is none.
    fn default(&self, v6: bool) -> Value {
        let ways = self.routes.iter().filter(|route| is_default(route, v6));
        let Some(route) = ways.min_by_key(|route| route.metric) else { return json!({}) };
        let Some(link) = route.interface.and_then(|index| self.link(index)) else {
            return json!({});
        };
        let addresses: Vec<&Address> = self.of(link, v6).collect();
        // The address that the kernel would send from: the route's own, else the first
        // one in the gateway's network, else the first that reaches beyond the link.
        let address = addresses
            .iter()
            .find(|a| Some(a.address) == route.source)
            .or_else(|| addresses.iter().find(|a| in_network(a, route.gateway)))
            .or_else(|| addresses.iter().find(|a| a.scope == Scope::Global));
        let described = address.and_then(|a| if v6 { Some(ipv6(a)) } else { ipv4(a) });
        let mut map = match described {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        if let Some(label) = address.and_then(|address| address.label.as_deref()) {
            map.insert("alias".into(), label.into());
        }
        map.insert("interface".into(), link.name.as_str().into());
        map.insert("gateway".into(), route.gateway.map(|gateway| gateway.to_string()).into());
        map.insert("mtu".into(), link.mtu.into());
        map.insert("type".into(), kind(link).into());
        if let Some(mac) = &link.mac {
            map.insert("macaddress".into(), mac.to_string().into());
        }
        Value::Object(map)
    }

    /// Every address that others could know; a VIP on `lo` is one.
    fn all(&self, v6: bool) -> Value {
        let of = self.links.iter().flat_map(|link| self.of(link, v6));
        of.filter(|a| !a.address.is_loopback()).map(|a| a.address.to_string()).collect()
    }

    /// What the kernel takes as meant for this host: addresses and whole networks.
    fn local(&self, v6: bool) -> Vec<String> {
        let local = self.routes.iter().filter(|route| {
            let destination = route.destination;
            let is_local = route.table == Table::LOCAL && route.kind == RouteKind::Local;
            is_local && destination.addr().is_ipv6() == v6
        });
        let told = local.map(|route| match route.destination {
            whole if whole.prefix_len() == whole.max_prefix_len() => whole.addr().to_string(),
            network => network.to_string(),
        });
        told.collect::<IndexSet<String>>().into_iter().collect()
    }
}

/// The first address of an interface is its own, the others are secondary ones.
fn add_ipv4(interfaces: &mut Facts, name: &str, told: Value, secondary: bool) {
    let interface = interfaces.entry(name).or_insert_with(|| Facts::new().into());
    let Value::Object(map) = interface else { return };
    if !secondary && !map.contains_key("ipv4") {
        map.insert("ipv4".into(), told);
    } else if let Value::Array(others) = map.entry("ipv4_secondaries").or_insert_with(|| json!([]))
    {
        others.push(told);
    }
}

/// A file of `/sys/class/net`, which knows more than a dump of links.
fn of_class(link: &Link, name: &str) -> Option<String> {
    super::content(&format!("/sys/class/net/{}/{name}", link.name))
}

fn is_active(link: &Link) -> bool {
    of_class(link, "operstate").map_or(link.running, |state| state != "down")
}

fn is_promiscuous(link: &Link) -> bool {
    let flags = of_class(link, "flags").unwrap_or_default();
    let flags = flags.strip_prefix("0x").and_then(|flags| u32::from_str_radix(flags, 16).ok());
    flags.is_some_and(|flags| flags & 0x100 != 0)
}

fn is_default(route: &Route, v6: bool) -> bool {
    route.destination.prefix_len() == 0
        && route.destination.addr().is_ipv6() == v6
        && route.kind == RouteKind::Unicast
        && route.table == Table::MAIN
}

fn in_network(address: &Address, gateway: Option<IpAddr>) -> bool {
    let network = IpNet::new(address.address, address.prefix);
    gateway.is_some_and(|gateway| network.is_ok_and(|network| network.contains(&gateway)))
}

/// What it is to those who send: a cable between namespaces is Ethernet, too.
fn kind(link: &Link) -> &str {
    match (link.kind.as_deref(), of_class(link, "type").as_deref()) {
        _ if link.loopback => "loopback",
        (Some("bridge"), _) => "bridge",
        (Some("bond"), _) => "bonding",
        (_, Some("1")) => "ether",
        (_, Some("32")) => "infiniband",
        (_, Some("512")) => "ppp",
        (_, Some("65534")) => "tunnel",
        (_, None) if link.mac.is_some() => "ether",
        _ => "unknown",
    }
}

fn ipv4(address: &Address) -> Option<Value> {
    let IpAddr::V4(v4) = address.address else { return None };
    // The other end of a line is the whole network.
    let prefix = if address.peer.is_some() { 32 } else { address.prefix };
    let network = Ipv4Net::new(v4, prefix).ok()?;
    Some(json!({
        "address": v4.to_string(),
        "broadcast": address.broadcast.map(|broadcast| broadcast.to_string()).unwrap_or_default(),
        "netmask": network.netmask().to_string(),
        "network": network.network().to_string(),
        "prefix": prefix.to_string(),
    }))
}

fn ipv6(address: &Address) -> Value {
    let scope = match address.scope {
        Scope::Global => "global",
        Scope::Site => "site",
        Scope::Link => "link",
        Scope::Host | Scope::Nowhere => "host",
    };
    json!({
        "address": address.address.to_string(),
        "prefix": address.prefix.to_string(),
        "scope": scope,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str, label: Option<&str>, secondary: bool) -> Address {
        let network: IpNet = text.parse().expect("an address");
        Address {
            interface: 1,
            address: network.addr(),
            prefix: network.prefix_len(),
            scope: Scope::Global,
            label: label.map(Into::into),
            broadcast: None,
            peer: None,
            secondary,
            tentative: false,
            duplicate: false,
        }
    }

    #[test]
    fn an_address_with_a_label_is_an_interface_of_its_own() {
        let link = Link {
            index: 1,
            name: "no-such0".into(),
            kind: None,
            up: true,
            running: true,
            loopback: false,
            mtu: 1500,
            mac: None,
            master: None,
            ends: crate::netlink::route::Ends::default(),
        };
        let addresses = vec![
            address("10.0.0.5/24", Some("no-such0"), false),
            address("10.0.0.9/32", Some("no-such0:0"), false),
            address("10.0.0.6/24", Some("no-such0"), true),
            address("fd00::5/64", None, false),
        ];
        let seen = Seen { links: vec![link.clone()], addresses, routes: vec![] };
        let mut interfaces = Facts::new();
        seen.add_interface(&link, &mut interfaces);
        let own = &interfaces["no-such0"];
        assert_eq!(own["ipv4"]["address"], "10.0.0.5");
        assert_eq!(own["ipv4_secondaries"][0]["address"], "10.0.0.6");
        assert_eq!(own["ipv6"][0]["address"], "fd00::5");
        assert_eq!(interfaces["no-such0:0"]["ipv4"]["netmask"], "255.255.255.255");
        assert_eq!(seen.all(false), json!(["10.0.0.5", "10.0.0.9", "10.0.0.6"]));
    }
}
