//! Interfaces, addresses and the ways out, as Ansible lays them out.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde_json::{Map, Value, json};

use crate::netlink::route::{Address, Handle, Link, Route, RouteKind, Scope, Table};

/// What the kernel told, all of one moment.
struct Seen {
    links: Vec<Link>,
    addresses: Vec<Address>,
    routes: Vec<Route>,
}

pub(super) fn add(facts: &mut Map<String, Value>) {
    let seen = look().unwrap_or(Seen { links: vec![], addresses: vec![], routes: vec![] });
    let names = seen.links.iter().map(|link| Value::from(link.name.as_str()));
    facts.insert("interfaces".into(), names.collect());
    for link in &seen.links {
        // Ansible's facts are variables, whose names have neither `-` nor `.`.
        let name = link.name.replace(['-', '.', ':'], "_");
        facts.insert(name, seen.interface(link));
    }
    facts.insert("default_ipv4".into(), seen.default(false));
    facts.insert("default_ipv6".into(), seen.default(true));
    facts.insert("all_ipv4_addresses".into(), seen.all(false));
    facts.insert("all_ipv6_addresses".into(), seen.all(true));
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

    /// One interface: its first IPv4 address, the others, and all of IPv6.
    fn interface(&self, link: &Link) -> Value {
        let mut map = Map::new();
        map.insert("device".into(), link.name.as_str().into());
        map.insert("active".into(), link.up.into());
        map.insert("mtu".into(), link.mtu.into());
        map.insert("type".into(), kind(link).into());
        if let Some(mac) = &link.mac {
            map.insert("macaddress".into(), mac.to_string().into());
        }
        let mut v4 = self.of(link, false).filter_map(ipv4);
        if let Some(first) = v4.next() {
            map.insert("ipv4".into(), first);
        }
        let others: Vec<Value> = v4.collect();
        if !others.is_empty() {
            map.insert("ipv4_secondaries".into(), others.into());
        }
        let v6: Vec<Value> = self.of(link, true).map(ipv6).collect();
        if !v6.is_empty() {
            map.insert("ipv6".into(), v6.into());
        }
        Value::Object(map)
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
        map.insert("interface".into(), link.name.as_str().into());
        map.insert("gateway".into(), route.gateway.map(|gateway| gateway.to_string()).into());
        map.insert("mtu".into(), link.mtu.into());
        map.insert("type".into(), kind(link).into());
        if let Some(mac) = &link.mac {
            map.insert("macaddress".into(), mac.to_string().into());
        }
        Value::Object(map)
    }

    fn all(&self, v6: bool) -> Value {
        let outward = self.links.iter().filter(|link| !link.loopback);
        outward.flat_map(|link| self.of(link, v6)).map(|a| a.address.to_string()).collect()
    }
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

fn kind(link: &Link) -> &str {
    match &link.kind {
        _ if link.loopback => "loopback",
        Some(kind) => kind,
        None => "ether",
    }
}

fn ipv4(address: &Address) -> Option<Value> {
    let IpAddr::V4(v4) = address.address else { return None };
    let network = Ipv4Net::new(v4, address.prefix).ok()?;
    Some(json!({
        "address": v4.to_string(),
        "broadcast": address.broadcast.map(|broadcast| broadcast.to_string()).unwrap_or_default(),
        "netmask": network.netmask().to_string(),
        "network": network.network().to_string(),
        "prefix": address.prefix.to_string(),
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
