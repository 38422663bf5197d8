//! One table, one owner.

use super::super::effect::Effect;
use super::super::site::{Cluster, Site, Step};
use super::super::{Hit, Rule};
use super::hit;

pub(super) const TWO_OWNERS: Rule = Rule {
    id: "two-owners",
    why: "keepalived and ldirectord make the IPVS table what their configuration says, and take \
          back what a task declares; so does a task with `purge: true` to what another one declares.",
    fix: "Let one of them own the table: leave `virtual_server` out of keepalived.conf, which may \
          still move the VIPs, or leave the tasks out.",
    bad: "\
- hosts: directors
  tasks:
    - copy:
        dest: /etc/keepalived/keepalived.conf
        content: |
          virtual_server 192.168.0.89 80 {
              lvs_sched rr
              lvs_method DR
              real_server 192.168.0.93 80 {
              }
          }
    - ipvs_service: {service: tcp://192.168.0.89:80, destinations: [192.168.0.93]} # found here
",
    good: "\
- hosts: directors
  tasks:
    - copy:
        dest: /etc/keepalived/keepalived.conf
        content: |
          vrrp_instance lvs {
              interface eth0
              virtual_router_id 7
              virtual_ipaddress {
                  192.168.0.89
              }
          }
    - ipvs_service: {service: tcp://192.168.0.89:80, destinations: [192.168.0.93]}
",
    check: two_owners,
};

/// What else on a host fills the table, besides tasks.
fn other_owner(site: &Site) -> Option<&'static str> {
    site.effects().find_map(|(_, effect)| match effect {
        Effect::File { path, text: Some(text) } => {
            let balances = text.lines().any(|line| {
                matches!(
                    line.split_whitespace().next(),
                    Some("virtual_server" | "virtual_server_group")
                )
            });
            if path.contains("keepalived") && balances {
                Some("keepalived")
            } else {
                (path.contains("ldirectord") && text.contains("virtual")).then_some("ldirectord")
            }
        }
        Effect::Unit { name, .. } => (name == "ldirectord").then_some("ldirectord"),
        _ => None,
    })
}

fn two_owners(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        let tasks: Vec<(&Step, &Effect)> = site
            .effects()
            .filter(|(_, effect)| matches!(effect, Effect::Services { .. }))
            .collect();
        if let (Some(owner), Some((step, _))) = (other_owner(site), tasks.first()) {
            let message =
                format!("{owner} owns the IPVS table of {}, and so does this task", site.name);
            let hint = format!("leave the services to one: to {owner}, or to tasks");
            hits.push(hit(&site.name, step, message, hint));
        }
        for (at, (step, effect)) in tasks.iter().enumerate() {
            let Effect::Services { services, purge: true } = effect else { continue };
            let declared = |other: &&(&Step, &Effect)| match other.1 {
                Effect::Services { services: theirs, .. } => theirs
                    .iter()
                    .any(|one| !services.iter().any(|own| own.service.key == one.service.key)),
                _ => false,
            };
            if let Some((other, _)) = tasks[..at].iter().chain(&tasks[at + 1..]).find(declared) {
                let message = "`purge` takes away what another task declares".to_owned();
                let hint = format!("the other one is at {}", other.place);
                hits.push(hit(&site.name, step, message, hint));
            }
        }
    }
    hits
}
