//! The way of a packet through the kernel: forwarding, filters, and the way back.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::effect::{Effect, settings};
use super::super::site::{Cluster, Declared, Site};
use super::super::words;
use super::super::{Hit, Rule};
use super::hit;
use crate::netlink::ipvs::{Forward, ServiceKey};

pub(super) const STRICT_RP_FILTER: Rule = Rule {
    id: "strict-rp-filter",
    why: "What comes out of a tunnel has the client's address, which is not reached through that \
          tunnel: with `rp_filter` at 1 the kernel drops it without a word.",
    fix: "Set `rp_filter` to 0 for `all` and for the tunnel's interface, or to 2 for one of them.",
    bad: "\
- hosts: directors
  tasks:
    - ipvs_service: {service: tcp://192.168.0.89:80, forward: tunnel, destinations: [192.168.0.93]}
- hosts: rs1
  tasks:
    - sysctl: {name: net.ipv4.conf.all.rp_filter, value: 1} # found here
",
    good: "\
- hosts: directors
  tasks:
    - ipvs_service: {service: tcp://192.168.0.89:80, forward: tunnel, destinations: [192.168.0.93]}
- hosts: rs1
  tasks:
    - sysctl: {name: net.ipv4.conf.all.rp_filter, value: 0}
    - sysctl: {name: net.ipv4.conf.tunl0.rp_filter, value: 0}
",
    check: strict_rp_filter,
};

pub(super) const NAT_FORWARD: Rule = Rule {
    id: "nat-forward",
    why: "With masquerading the director routes packets in both directions; without \
          `net.ipv4.ip_forward` it drops the replies.",
    fix: "Set `net.ipv4.ip_forward` to 1 on the director; with IPv6 `net.ipv6.conf.all.forwarding`.",
    bad: "\
- hosts: directors
  tasks:
    - ipvs_service: {service: tcp://192.168.0.89:80, forward: nat, destinations: [192.168.0.93]} # found here
",
    good: "\
- hosts: directors
  tasks:
    - sysctl: {name: net.ipv4.ip_forward, value: 1}
    - ipvs_service: {service: tcp://192.168.0.89:80, forward: nat, destinations: [192.168.0.93]}
",
    check: nat_forward,
};

pub(super) const NAT_GATEWAY: Rule = Rule {
    id: "nat-gateway",
    why: "The director must see the replies of masqueraded connections to write the addresses \
          back. A real server whose default route is another router answers clients under its \
          own address, and they do not know it.",
    fix: "Make the director the default gateway of its real servers.",
    bad: "\
- hosts: directors
  tasks:
    - sysctl: {name: net.ipv4.ip_forward, value: 1}
    - ipvs_service: {service: tcp://10.0.0.89:80, forward: nat, destinations: [192.168.0.93]}
- hosts: rs1
  tasks:
    - route: {destination: default, gateway: 192.168.0.1} # found here
",
    good: "\
- hosts: directors
  tasks:
    - sysctl: {name: net.ipv4.ip_forward, value: 1}
    - ipvs_service: {service: tcp://10.0.0.89:80, forward: nat, destinations: [192.168.0.93]}
- hosts: rs1
  tasks:
    - route: {destination: default, gateway: 192.168.0.90}
",
    check: nat_gateway,
};

fn strict_rp_filter(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        let tunnelled = cluster
            .roles_of(site)
            .any(|(_, destination)| matches!(destination.forward, Forward::Tunnel(_)));
        let value = |interface: &str| site.sysctl(&format!("net.ipv4.conf.{interface}.rp_filter"));
        let strict = ["all", "tunl0"].into_iter().filter_map(|interface| {
            value(interface).filter(|(_, value)| *value == "1").map(|(step, _)| (interface, step))
        });
        // The larger of the two counts: 2 anywhere is loose.
        let loose = ["all", "tunl0"]
            .into_iter()
            .any(|interface| value(interface).is_some_and(|(_, value)| value == "2"));
        if let Some((interface, step)) = strict.into_iter().next().filter(|_| tunnelled && !loose) {
            let message = format!(
                "`net.ipv4.conf.{interface}.rp_filter` at 1 drops what comes out of the tunnel"
            );
            hits.push(hit(&site.name, step, message, words::LOOSE));
        }
    }
    hits
}

/// The parameters that let a host route packets of the family of a service.
fn forwarding(key: ServiceKey) -> [&'static str; 2] {
    match key.family() {
        crate::netlink::ipvs::Family::Ipv4 => {
            ["net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"]
        }
        crate::netlink::ipvs::Family::Ipv6 => {
            ["net.ipv6.conf.all.forwarding", "net.ipv6.conf.default.forwarding"]
        }
    }
}

fn nat_forward(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for one in cluster.services() {
        let nat = one.service.destinations.iter().any(|one| one.forward == Forward::Nat);
        if !nat {
            continue;
        }
        let names = forwarding(one.key());
        let value = names.iter().find_map(|name| one.site.sysctl(name));
        let file = || {
            one.site.effects().find_map(|(_, effect)| match effect {
                Effect::File { text: Some(text), .. } => settings(text)
                    .find(|(key, _)| names.contains(&key.as_str()))
                    .map(|(_, value)| value),
                _ => None,
            })
        };
        let set = match value {
            Some((_, value)) => value != "0",
            None => match file() {
                Some(value) => value != "0",
                None => names.iter().any(|name| {
                    one.site.may_set(name) || one.site.may_set(&name.replace('.', "/"))
                }),
            },
        };
        if !set {
            let why = if value.is_some() { "is 0" } else { "is not set" };
            let message = format!(
                "`{}` is forwarded by nat, but `{}` {why} on {}",
                one.key(),
                names[0],
                one.site.name
            );
            hits.push(hit(&one.site.name, one.step, message, words::FORWARDS));
        }
    }
    hits
}

/// The addresses that a host is known to have, VIPs included: a gateway may be one.
fn addresses(site: &Site) -> Vec<IpAddr> {
    site.address.into_iter().chain(site.bound().map(|(_, bound)| bound.address)).collect()
}

/// Whether two addresses are probably of one network.
fn near(one: IpAddr, other: IpAddr) -> bool {
    let prefix = if one.is_ipv4() { 24 } else { 64 };
    IpNet::new(one, prefix).is_ok_and(|net| net.contains(&other))
}

fn nat_gateway(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        let gateway = site.effects().filter_map(|(step, effect)| match effect {
            Effect::Gateway(gateway) => Some((step, *gateway)),
            _ => None,
        });
        let Some((step, gateway)) = gateway.last() else { continue };
        let nat: Vec<Declared<'_>> = cluster
            .roles_of(site)
            .filter(|(_, destination)| destination.forward == Forward::Nat)
            .map(|(service, _)| service)
            .collect();
        let is_director = nat.iter().any(|one| addresses(one.site).contains(&gateway));
        // Only where the director's address in that network is known is it known to be another.
        let known = nat
            .iter()
            .find(|one| addresses(one.site).iter().any(|address| near(*address, gateway)));
        if let Some(one) = known.filter(|_| !is_director) {
            let message =
                format!("the default route goes by {gateway}, past the director {}", one.site.name);
            let hint = words::route_back(&site.name, &one.site.name);
            hits.push(hit(&site.name, step, message, hint));
        }
    }
    hits
}
