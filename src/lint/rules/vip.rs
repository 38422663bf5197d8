//! Who has the VIP, and on which interface.

use super::super::site::{Bound, Cluster, Declared, Site};
use super::super::words;
use super::super::{Hit, Rule};
use super::arp::keeps_vip;
use super::hit;
use crate::netlink::ipvs::Forward;

pub(super) const VIP_PREFIX: Rule = Rule {
    id: "vip-prefix",
    why: "A prefix shorter than /32 makes a whole network local to the interface: a real server \
          with 192.168.0.89/24 on `lo` takes every address of that network for its own, and its \
          neighbours and clients there get no answer.",
    fix: "Bind the VIP as /32, or /128; that is what `address` does without a prefix.",
    bad: "\
- hosts: real_servers
  tasks:
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
    - address: {interface: lo, address: 192.168.0.89/24} # found here
",
    good: "\
- hosts: real_servers
  tasks:
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
    - address: {interface: lo, address: 192.168.0.89}
",
    check: vip_prefix,
};

pub(super) const VIP_ON_DIRECTOR_LO: Rule = Rule {
    id: "vip-on-director-lo",
    why: "Clients find the director by ARP. A VIP on its `lo` is announced to nobody, a takeover \
          stays unnoticed, and with `arp_ignore` set it is not even answered for.",
    fix: "Bind the VIP on the director's interface that faces the clients.",
    bad: "\
- hosts: directors
  tasks:
    - ipvs_service: {service: tcp://192.168.0.89:80, scheduler: wlc, destinations: [192.168.0.93]}
    - address: {interface: lo, address: 192.168.0.89} # found here
",
    good: "\
- hosts: directors
  tasks:
    - ipvs_service: {service: tcp://192.168.0.89:80, scheduler: wlc, destinations: [192.168.0.93]}
    - address: {interface: eth0, address: 192.168.0.89}
",
    check: vip_on_director_lo,
};

pub(super) const VIP_WITH_NAT: Rule = Rule {
    id: "vip-with-nat",
    why: "With masquerading packets reach a real server under its own address. A VIP there helps \
          nobody: what the server itself sends to the VIP never leaves it, and one ARP answer takes \
          the VIP from the director.",
    fix: "Take the VIP off the real server, or forward by `direct` or `tunnel`.",
    bad: "\
- hosts: directors
  tasks:
    - sysctl: {name: net.ipv4.ip_forward, value: 1}
    - ipvs_service: {service: tcp://192.168.0.89:80, forward: nat, destinations: [192.168.0.93]}
    - address: {interface: eth0, address: 192.168.0.89}
- hosts: rs1
  tasks:
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
    - address: {interface: lo, address: 192.168.0.89} # found here
",
    good: "\
- hosts: directors
  tasks:
    - sysctl: {name: net.ipv4.ip_forward, value: 1}
    - ipvs_service: {service: tcp://192.168.0.89:80, forward: nat, destinations: [192.168.0.93]}
    - address: {interface: eth0, address: 192.168.0.89}
- hosts: rs1
  tasks:
    - route: {destination: default, gateway: 192.168.0.90}
",
    check: vip_with_nat,
};

pub(super) const VIP_MISSING: Rule = Rule {
    id: "vip-missing",
    why: "A director that balances for an address it does not have never sees a packet for it.",
    fix: "Bind the VIP on the director, or let keepalived do so.",
    bad: "\
- hosts: directors
  tasks:
    - ipvs_service: {service: tcp://192.168.0.89:80, destinations: [192.168.0.93]}
    - ipvs_service: {service: tcp://192.168.0.88:80, destinations: [192.168.0.94]} # found here
    - address: {interface: eth0, address: 192.168.0.89}
",
    good: "\
- hosts: directors
  tasks:
    - ipvs_service: {service: tcp://192.168.0.89:80, destinations: [192.168.0.93]}
    - ipvs_service: {service: tcp://192.168.0.88:80, destinations: [192.168.0.94]}
    - address: {interface: eth0, address: 192.168.0.89}
    - address: {interface: eth0, address: 192.168.0.88}
",
    check: vip_missing,
};

pub(super) const REAL_SERVER_WITHOUT_VIP: Rule = Rule {
    id: "real-server-without-vip",
    why: "With direct routing and tunnels a packet arrives for the VIP; a real server that does \
          not have it drops it, or sends it on.",
    fix: "Bind the VIP on `lo` of every real server, after the ARP sysctls.",
    bad: "\
- hosts: real_servers
  tasks:
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
- hosts: rs1
  tasks:
    - address: {interface: lo, address: 192.168.0.89}
- hosts: directors
  tasks:
    - ipvs_service: {service: tcp://192.168.0.89:80, destinations: [192.168.0.93, 192.168.0.94]} # found here
    - address: {interface: eth0, address: 192.168.0.89}
",
    good: "\
- hosts: real_servers
  tasks:
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
    - address: {interface: lo, address: 192.168.0.89}
- hosts: directors
  tasks:
    - ipvs_service: {service: tcp://192.168.0.89:80, destinations: [192.168.0.93, 192.168.0.94]}
    - address: {interface: eth0, address: 192.168.0.89}
",
    check: real_server_without_vip,
};

fn is_balanced(site: &Site, bound: &Bound) -> bool {
    site.services().any(|one| one.vip() == Some(bound.address))
}

/// Whether a host may have an address by what is not known of its tasks.
fn may_have(site: &Site, vip: &str) -> bool {
    let by_step = site.steps.iter().any(|step| {
        let binds = step.module == "address" && (step.skipped || !step.known);
        let tells = !step.module.starts_with("ipvs_") && step.mentions(vip);
        binds || (tells && !step.skipped)
    });
    by_step
        || ["keepalived", "vrrp", "pacemaker", "corosync", "heartbeat", "ucarp", "pulse"]
            .iter()
            .any(|word| site.mentions(word))
}

fn vip_prefix(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    let services = cluster.services().next().is_some();
    for site in cluster.sites.values() {
        for (step, bound) in site.bound() {
            let vip = cluster.is_vip(bound) || (!services && site.mentions("arp_ignore"));
            let real_server = bound.is_inward() && !bound.address.is_loopback();
            if real_server && vip && !bound.is_alone() && !is_balanced(site, bound) {
                let message = format!(
                    "`{}/{}` makes its whole network local to `{}`",
                    bound.address, bound.prefix, bound.interface
                );
                hits.push(hit(&site.name, step, message, words::INWARD));
            }
        }
    }
    hits
}

fn vip_on_director_lo(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        for (step, bound) in site.bound() {
            if bound.interface == "lo" && is_balanced(site, bound) {
                let message = format!("the director has its VIP `{}` on `lo`", bound.address);
                hits.push(hit(&site.name, step, message, words::OUTWARD));
            }
        }
    }
    hits
}

fn vip_with_nat(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        for (step, bound) in site.bound() {
            let by_nat = cluster.roles_of(site).find(|(service, destination)| {
                service.vip() == Some(bound.address) && destination.forward == Forward::Nat
            });
            let Some((service, _)) = by_nat else { continue };
            if !keeps_vip(cluster, site, bound) && !is_balanced(site, bound) {
                let message = format!(
                    "a real server has the VIP `{}`, and {} reaches it by masquerading",
                    bound.address, service.site.name
                );
                let hint = "masquerading needs no VIP there; `direct` and `tunnel` do";
                hits.push(hit(&site.name, step, message, hint));
            }
        }
    }
    hits
}

fn vip_missing(cluster: &Cluster) -> Vec<Hit> {
    let bound_anywhere = |one: &Declared<'_>| {
        let mut sites = cluster.sites.values();
        sites.any(|site| site.bound().any(|(_, bound)| Some(bound.address) == one.vip()))
    };
    let mut hits = Vec::new();
    for one in cluster.services() {
        let Some(vip) = one.vip() else { continue };
        let site = one.site;
        let has = site.address == Some(vip) || site.bound().any(|(_, bound)| bound.address == vip);
        // Where no task binds any VIP, something else does.
        let tasks_bind =
            bound_anywhere(&one) || site.bound().any(|(_, bound)| is_balanced(site, bound));
        if !has && tasks_bind && !may_have(site, &vip.to_string()) {
            let message = format!("the director does not get the VIP `{vip}` of `{}`", one.key());
            hits.push(hit(&site.name, one.step, message, words::OUTWARD));
        }
    }
    hits
}

fn real_server_without_vip(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for one in cluster.services() {
        let Some(vip) = one.vip() else { continue };
        let has = |site: &Site| site.bound().any(|(_, bound)| bound.address == vip);
        for destination in one.service.destinations.iter().filter(|one| Declared::keeps_vip(one)) {
            let Some(site) = cluster.owner(destination.key.address) else { continue };
            let set_up = site.mentions("arp_ignore")
                || cluster.sites.values().any(|other| !other.is_director() && has(other));
            if site.name != one.site.name
                && set_up
                && !has(site)
                && !may_have(site, &vip.to_string())
            {
                let message =
                    format!("the real server `{}` does not get the VIP `{vip}`", site.name);
                hits.push(hit(&site.name, one.step, message, words::INWARD));
            }
        }
    }
    hits
}
