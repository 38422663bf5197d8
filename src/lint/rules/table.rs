//! Services and destinations that the kernel takes, and that do not balance as they seem to.

use super::super::effect::Effect;
use super::super::site::{Cluster, Declared};
use super::super::{Hit, Rule};
use super::hit;
use crate::netlink::ipvs::{Netmask, ServiceKey};

pub(super) const DR_PORT: Rule = Rule {
    id: "dr-port",
    why: "Direct routing and tunnels hand on the packet as it is, port included: a real server \
          that listens on another port than the service's is never asked there. A task that says \
          so is refused; this finds it in keepalived.conf and in rules of ipvsadm.",
    fix: "Give the real server the service's port, or forward by `nat`.",
    bad: "\
- hosts: directors
  tasks:
    - copy: # found here
        dest: /etc/keepalived/keepalived.conf
        content: |
          virtual_server 192.168.0.89 80 {
              lvs_method DR
              real_server 192.168.0.93 8080 {
              }
          }
",
    good: "\
- hosts: directors
  tasks:
    - copy:
        dest: /etc/keepalived/keepalived.conf
        content: |
          virtual_server 192.168.0.89 80 {
              lvs_method DR
              real_server 192.168.0.93 80 {
              }
          }
",
    check: dr_port,
};

pub(super) const PERSISTENCE_DEFEATS_RR: Rule = Rule {
    id: "persistence-defeats-rr",
    why: "Persistence comes before the scheduler, which is asked for a client's first connection \
          alone: with `rr` and `wrr` all later ones stay where that went, and with a wide netmask \
          those of whole networks do.",
    fix: "Leave `persistent` out, or choose `wlc` or `sh`, which go by what the servers really have.",
    bad: "\
- hosts: directors
  tasks:
    - ipvs_service: # found here
        service: tcp://192.168.0.89:443
        scheduler: rr
        persistent: 300
        destinations: [192.168.0.93, 192.168.0.94]
",
    good: "\
- hosts: directors
  tasks:
    - ipvs_service:
        service: tcp://192.168.0.89:443
        scheduler: wlc
        persistent: 300
        destinations: [192.168.0.93, 192.168.0.94]
",
    check: persistence_defeats_rr,
};

pub(super) const WEIGHT_ZERO: Rule = Rule {
    id: "weight-zero-everywhere",
    why: "A destination of weight 0 takes no new connections; where all have it, clients are \
          refused.",
    fix: "Give at least one destination a weight of 1 or more, or use `state: absent`.",
    bad: "\
- hosts: directors
  tasks:
    - ipvs_service: # found here
        service: tcp://192.168.0.89:80
        destinations: [{address: 192.168.0.93, weight: 0}]
",
    good: "\
- hosts: directors
  tasks:
    - ipvs_service:
        service: tcp://192.168.0.89:80
        destinations: [{address: 192.168.0.93, weight: 0}, {address: 192.168.0.94, weight: 1}]
",
    check: weight_zero,
};

pub(super) const DESTINATION_HASH: Rule = Rule {
    id: "destination-hash",
    why: "`dh`, `lblc` and `lblcr` choose by the address that the client asks for, which of a \
          service with a VIP is always the VIP: one real server gets everything. They are for \
          caches that marked traffic to many addresses passes through.",
    fix: "Choose `sh` or `mh` to go by the client's address, or balance a `fwmark`.",
    bad: "\
- hosts: directors
  tasks:
    - ipvs_service: # found here
        service: tcp://192.168.0.89:80
        scheduler: dh
        destinations: [192.168.0.93, 192.168.0.94]
",
    good: "\
- hosts: directors
  tasks:
    - ipvs_service:
        service: tcp://192.168.0.89:80
        scheduler: mh
        destinations: [192.168.0.93, 192.168.0.94]
",
    check: destination_hash,
};

pub(super) const SH_WITHOUT_FALLBACK: Rule = Rule {
    id: "sh-without-fallback",
    why: "With `sh` a server of weight 0 keeps its place among the clients' hashes, and without \
          `sh-fallback` those clients are refused instead of going elsewhere.",
    fix: "Add `scheduler_flags: [sh-fallback]`.",
    bad: "\
- hosts: directors
  tasks:
    - ipvs_service: # found here
        service: tcp://192.168.0.89:80
        scheduler: sh
        destinations: [{address: 192.168.0.93, weight: 0}, {address: 192.168.0.94, weight: 1}]
",
    good: "\
- hosts: directors
  tasks:
    - ipvs_service:
        service: tcp://192.168.0.89:80
        scheduler: sh
        scheduler_flags: [sh-fallback]
        destinations: [{address: 192.168.0.93, weight: 0}, {address: 192.168.0.94, weight: 1}]
",
    check: sh_without_fallback,
};

pub(super) const FWMARK_UNMARKED: Rule = Rule {
    id: "fwmark-unmarked",
    why: "A service with a fwmark gets the packets that a firewall has marked; where nothing \
          marks any, it gets none.",
    fix: "Mark the packets before routing, with nftables (`meta mark set 7`) or iptables.",
    bad: "\
- hosts: directors
  tasks:
    - ipvs_service: {fwmark: 7, destinations: [192.168.0.93]} # found here
",
    good: "\
- hosts: directors
  tasks:
    - copy:
        dest: /etc/nftables.conf
        content: |
          table ip lvs {
            chain mark {
              type filter hook prerouting priority mangle
              ip daddr 192.168.0.89 tcp dport {80, 443} meta mark set 7
            }
          }
    - service: {name: nftables, state: reloaded, enabled: true}
    - ipvs_service: {fwmark: 7, destinations: [192.168.0.93]}
",
    check: fwmark_unmarked,
};

fn at(one: &Declared<'_>, message: String, hint: &str) -> Hit {
    hit(&one.site.name, one.step, message, hint)
}

fn dr_port(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        for (step, effect) in site.effects() {
            let differs = match effect {
                Effect::Command { line, .. } => forced_port(line),
                Effect::File { path, text: Some(text) } if path.contains("keepalived") => {
                    untranslated_port(text)
                }
                _ => None,
            };
            if let Some((service, destination)) = differs {
                let message = format!(
                    "`{destination}` has another port than `{service}`, and nothing translates it"
                );
                hits.push(hit(&site.name, step, message, "only `nat` translates ports"));
            }
        }
    }
    hits
}

/// A virtual server of keepalived and one of its real servers, whose port is not translated.
fn untranslated_port(text: &str) -> Option<(String, String)> {
    let (mut service, mut as_it_is) = (None, false);
    let mut others = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["virtual_server", address, port, ..] => {
                service = Some((*address, *port));
                as_it_is = false;
                others.clear();
            }
            ["lvs_method" | "lb_kind", method, ..] => as_it_is = matches!(*method, "DR" | "TUN"),
            ["real_server", address, port, ..] => others.push((*address, *port)),
            _ => {}
        }
        let Some((address, port)) = service.filter(|_| as_it_is) else { continue };
        let other = others.iter().find(|(_, other)| other.parse::<u16>().is_ok() && *other != port);
        if let Some((real, other)) = other {
            return Some((format!("{address}:{port}"), format!("{real}:{other}")));
        }
    }
    None
}

/// The service and the destination of a rule whose ports differ and are not translated.
fn forced_port(line: &str) -> Option<(String, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let behind = |letters: &[&str]| {
        let at = words.iter().position(|word| letters.contains(word))?;
        words.get(at + 1).copied()
    };
    let translates = ["-m", "--masquerading"].iter().any(|word| words.contains(word));
    let service = behind(&["-t", "-u", "--tcp-service", "--udp-service", "--sctp-service"])?;
    let destination = behind(&["-r", "--real-server"])?;
    let port = |text: &str| text.rsplit_once(':').map(|(_, port)| port.to_owned());
    let differ = port(destination)? != port(service)?;
    (words[0].ends_with("ipvsadm") && differ && !translates)
        .then(|| (service.to_owned(), destination.to_owned()))
}

fn persistence_defeats_rr(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for one in cluster.services() {
        let declared = &one.service.service;
        let scheduler = declared.scheduler.as_str();
        let Some(persistence) = declared.persistence else { continue };
        if !matches!(scheduler, "rr" | "wrr") || one.service.destinations.len() < 2 {
            continue;
        }
        let who = match persistence.netmask {
            mask if mask == Netmask::single(declared.key.family()) => "a client".to_owned(),
            Netmask::V6(prefix) => format!("all of a /{prefix}"),
            mask @ Netmask::V4(_) => format!("all of a network of {mask}"),
        };
        let message = format!(
            "`{scheduler}` does not go round in `{}`: {who} stays with one real server for {} s",
            declared.key, persistence.timeout
        );
        hits.push(at(&one, message, "leave `persistent` out, or choose `wlc` or `sh`"));
    }
    hits
}

fn weight_zero(cluster: &Cluster) -> Vec<Hit> {
    let zero = |one: &Declared<'_>| {
        let destinations = &one.service.destinations;
        !destinations.is_empty() && destinations.iter().all(|destination| destination.weight == 0)
    };
    let hint = "one of them must have a weight of 1 or more";
    let found = cluster.services().filter(zero);
    found
        .map(|one| at(&one, format!("every destination of `{}` has weight 0", one.key()), hint))
        .collect()
}

fn destination_hash(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for one in cluster.services() {
        let scheduler = one.service.service.scheduler.as_str();
        let hashes = matches!(scheduler, "dh" | "lblc" | "lblcr");
        if hashes && one.vip().is_some() && one.service.destinations.len() > 1 {
            let message = format!(
                "`{scheduler}` goes by the address asked for, which is always the VIP of `{}`",
                one.key()
            );
            hits.push(at(&one, message, "`sh` and `mh` go by the client's address"));
        }
    }
    hits
}

fn sh_without_fallback(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for one in cluster.services() {
        let service = &one.service.service;
        let drained = one.service.destinations.iter().find(|one| one.weight == 0);
        let others = one.service.destinations.iter().any(|one| one.weight > 0);
        if let Some(drained) = drained.filter(|_| others)
            && service.scheduler.as_str() == "sh"
            && !service.scheduler_flags.first
        {
            let message = format!(
                "clients whose hash is that of `{}`, of weight 0, are refused by `{}`",
                drained.key, service.key
            );
            hits.push(at(&one, message, "add `scheduler_flags: [sh-fallback]`"));
        }
    }
    hits
}

fn fwmark_unmarked(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for one in cluster.services() {
        let ServiceKey::Fwmark { mark, .. } = one.key() else { continue };
        let marks = one.site.steps.iter().any(|step| {
            let firewall = ["nftables", "iptables", "firewalld", "ufw"].contains(&step.module)
                || ["nft", "iptables", "firewall"].iter().any(|word| step.mentions(word));
            !step.skipped
                && !step.module.starts_with("ipvs_")
                && (firewall || step.mentions("mark"))
        });
        if !marks {
            let message = format!("nothing on {} marks packets with {mark}", one.site.name);
            hits.push(at(&one, message, "mark them with nftables: `meta mark set`, at prerouting"));
        }
    }
    hits
}
