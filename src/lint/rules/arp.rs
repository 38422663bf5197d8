//! Who answers ARP for the VIP.

use super::super::effect::Effect;
use super::super::site::{Bound, Cluster, Declared, Site, Step};
use super::super::words;
use super::super::{Hit, Rule};
use super::hit;

const PARAMETERS: [&str; 2] = ["arp_ignore", "arp_announce"];

pub(super) const VIP_BEFORE_ARP: Rule = Rule {
    id: "vip-before-arp",
    why: "From the moment a real server has the VIP it answers ARP for it, and takes it from the \
          director, unless `arp_ignore` and `arp_announce` say otherwise first.",
    fix: "Set `net.ipv4.conf.all.arp_ignore` to 1 and `net.ipv4.conf.all.arp_announce` to 2 in \
          tasks before the one that binds the VIP.",
    bad: "\
- hosts: real_servers
  tasks:
    - address: {interface: lo, address: 192.168.0.89/32} # found here
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
",
    good: "\
- hosts: real_servers
  tasks:
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
    - address: {interface: lo, address: 192.168.0.89/32}
",
    check: vip_before_arp,
};

pub(super) const ARP_ON_LO: Rule = Rule {
    id: "arp-on-lo",
    why: "ARP requests do not come in by `lo`, so `net.ipv4.conf.lo.arp_ignore` keeps nobody \
          quiet: what counts is the setting of the interface that hears them, or of `all`.",
    fix: "Set the parameter of `all`, or of the interface that faces the network.",
    bad: "\
- hosts: real_servers
  tasks:
    - sysctl: {name: net.ipv4.conf.lo.arp_ignore, value: 1} # found here
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
    - address: {interface: lo, address: 192.168.0.89/32}
",
    good: "\
- hosts: real_servers
  tasks:
    - sysctl: {name: net.ipv4.conf.lo.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
    - address: {interface: lo, address: 192.168.0.89/32}
",
    check: arp_on_lo,
};

pub(super) const ARP_ANNOUNCE: Rule = Rule {
    id: "arp-announce",
    why: "With `arp_announce` at 1 a real server still names the VIP in its own ARP requests \
          when it is of the network that it asks in, and neighbours learn it from there; 2 names \
          an address of the sending interface.",
    fix: "Set `arp_announce` to 2.",
    bad: "\
- hosts: real_servers
  tasks:
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 1} # found here
    - address: {interface: lo, address: 192.168.0.89/32}
",
    good: "\
- hosts: real_servers
  tasks:
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
    - address: {interface: lo, address: 192.168.0.89/32}
",
    check: arp_announce,
};

/// The VIPs that a host has as a real server, which must not answer ARP for them.
fn inward_vips<'a>(
    cluster: &'a Cluster,
    site: &'a Site,
) -> impl Iterator<Item = (&'a Step, &'a Bound)> {
    let balances = |bound: &Bound| site.services().any(|one| one.vip() == Some(bound.address));
    site.bound().filter(move |(_, bound)| {
        bound.address.is_ipv4() && bound.is_inward() && cluster.is_vip(bound) && !balances(bound)
    })
}

/// The settings of a parameter, by interface.
fn settings<'a>(
    site: &'a Site,
    parameter: &'a str,
) -> impl Iterator<Item = (&'a Step, &'a str, &'a str)> {
    site.effects().filter_map(move |(step, effect)| match effect {
        Effect::Sysctl(one) if one.live => {
            let name = one.key.strip_prefix("net.ipv4.conf.")?;
            let interface = name.strip_suffix(parameter)?.strip_suffix('.')?;
            Some((step, interface, one.value.as_str()))
        }
        _ => None,
    })
}

fn vip_before_arp(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        for (step, bound) in inward_vips(cluster, site) {
            let place = |of: &Step| site.steps.iter().position(|one| std::ptr::eq(&**one, of));
            for parameter in PARAMETERS {
                let mut set = settings(site, parameter).filter(|(_, _, value)| *value != "0");
                let first = set.find(|(_, interface, _)| *interface != "lo");
                if first.is_some_and(|(first, ..)| place(first) <= place(step)) {
                    continue;
                }
                // On `lo` alone it is another rule's; what may be set somehow is nobody's.
                if first.is_none() && site.may_set(parameter) {
                    continue;
                }
                let name = format!("net.ipv4.conf.all.{parameter}");
                let when = if first.is_some() { "is set" } else { "is ever set" };
                let message = format!(
                    "`{}` goes onto `{}` before `{name}` {when}",
                    bound.address, bound.interface
                );
                hits.push(hit(
                    &site.name,
                    step,
                    message,
                    words::quiet_first(&name, &bound.interface),
                ));
                break;
            }
        }
    }
    hits
}

fn arp_on_lo(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        if inward_vips(cluster, site).next().is_none() {
            continue;
        }
        for parameter in PARAMETERS {
            let all: Vec<_> = settings(site, parameter).collect();
            let Some((step, ..)) = all.iter().find(|(.., value)| *value != "0") else { continue };
            let known: Vec<&Step> = all.iter().map(|(step, ..)| *step).collect();
            let elsewhere = site.steps.iter().any(|step| {
                let one_of_them = known.iter().any(|known| std::ptr::eq(*known, &**step));
                !one_of_them && !step.skipped && step.mentions(parameter)
            });
            if all.iter().all(|(_, interface, _)| *interface == "lo") && !elsewhere {
                let message = format!(
                    "`net.ipv4.conf.lo.{parameter}` alone has no effect on requests from outside"
                );
                let hint = format!("set `net.ipv4.conf.all.{parameter}`");
                hits.push(hit(&site.name, step, message, hint));
            }
        }
    }
    hits
}

fn arp_announce(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        let Some((_, bound)) = inward_vips(cluster, site).next() else { continue };
        let all = || settings(site, "arp_announce").filter(|(_, interface, _)| *interface != "lo");
        let enough = all().any(|(.., value)| value == "2");
        if let Some((step, interface, "1")) = all().last().filter(|_| !enough) {
            let name = format!("net.ipv4.conf.{interface}.arp_announce");
            let message =
                format!("with `{name}` at 1, requests may still name the VIP `{}`", bound.address);
            hits.push(hit(&site.name, step, message, format!("set `{name}` to 2")));
        }
    }
    hits
}

/// Whether a host gets packets for the VIP as they are.
pub(super) fn keeps_vip(cluster: &Cluster, site: &Site, bound: &Bound) -> bool {
    cluster.roles_of(site).any(|(service, destination)| {
        service.vip() == Some(bound.address) && Declared::keeps_vip(destination)
    })
}
