//! Facts that nobody gathers.

use super::super::site::{Cluster, Step};
use super::super::{Hit, Rule};
use super::hit;

pub(super) const FACTS_OFF: Rule = Rule {
    id: "facts-off",
    why: "With `gather_facts: false`, and nothing that gathered them before, a fact is undefined \
          when the task asks for it.",
    fix: "Leave `gather_facts` out: it takes milliseconds here.",
    bad: "\
- hosts: directors
  gather_facts: false
  tasks:
    - address: {interface: \"{{ ansible_default_ipv4.interface }}\", address: 192.168.0.88} # found here
",
    good: "\
- hosts: directors
  tasks:
    - address: {interface: \"{{ ansible_default_ipv4.interface }}\", address: 192.168.0.88}
",
    check: facts_off,
};

fn facts_off(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        let mut gathered = false;
        for step in &site.steps {
            gathered |= step.play.gathers_facts || step.module == "setup";
            // A default makes do without; whether there is one is not known here.
            if let Some(fact) = fact(step).filter(|_| !gathered && !step.mentions("default(")) {
                let message = format!("nothing gathers `{fact}` of {}", site.name);
                let hint = "leave `gather_facts: false` out, or run `setup` before";
                hits.push(hit(&site.name, step, message, hint));
            }
        }
    }
    hits
}

/// A fact that a task asks for and that nothing declares.
fn fact(step: &Step) -> Option<&str> {
    let mut facts: Vec<&str> = step
        .missed
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with("ansible_") && !name.starts_with("ansible_local"))
        .collect();
    facts.sort_unstable();
    facts.first().copied()
}
