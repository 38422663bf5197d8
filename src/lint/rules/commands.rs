//! Commands where there is a module.

use super::super::effect::Effect;
use super::super::instead;
use super::super::site::{Cluster, Step};
use super::super::{Hit, Rule};
use super::hit;
use crate::netlink::ipvs::Request;

pub(super) const USE_MODULE: Rule = Rule {
    id: "use-module",
    why: "A command runs every time, tells no difference, and shows nothing in a plan; a module \
          looks first, changes what differs, and looks again.",
    fix: "Write the task that the hint names.",
    bad: "\
- hosts: directors
  tasks:
    - command: modprobe ip_vs # found here
",
    good: "\
- hosts: directors
  tasks:
    - modprobe: {name: ip_vs}
",
    check: use_module,
};

pub(super) const CLEARS_TABLE: Rule = Rule {
    id: "clears-table",
    why: "A cleared table forgets every service: until it is filled again, clients are refused, \
          and connections that were open are cut.",
    fix: "Declare the table with `ipvs_table`; `purge: true` removes what is not declared, and \
          nothing else is touched.",
    bad: "\
- hosts: directors
  tasks:
    - command: ipvsadm -C # found here
",
    good: "\
- hosts: directors
  tasks:
    - ipvs_table:
        purge: true
        services: [{service: tcp://192.168.0.89:80, destinations: [192.168.0.93]}]
",
    check: clears_table,
};

fn use_module(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        for step in &site.steps {
            let mut said: Vec<&str> = Vec::new();
            for effect in &step.effects {
                let Effect::Command { line, instead: Some(instead) } = effect else { continue };
                // The rules of one script make one table.
                if instead.module == "ipvs_service" && said.contains(&"ipvs_service") {
                    continue;
                }
                said.push(instead.module);
                let task = instead.task.clone().or_else(|| services(step, instead.module));
                let hint = match task {
                    Some(task) => format!("write `{task}`"),
                    None => format!("see the module `{}`", instead.module),
                };
                let message = format!("`{}` has a module: `{}`", shortened(line), instead.module);
                hits.push(hit(&site.name, step, message, hint));
            }
        }
    }
    hits
}

/// The tasks for the services that the rules of a script make.
fn services(step: &Step, module: &str) -> Option<String> {
    let made = step.effects.iter().find_map(|effect| match effect {
        Effect::Services { services, .. } => Some(services),
        _ => None,
    });
    match made?.as_slice() {
        [service] if module == "ipvs_service" => instead::task_of(service),
        _ => None,
    }
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => line.to_owned(),
    }
}

fn clears_table(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        for (step, effect) in site.effects() {
            if matches!(effect, Effect::Rule(Request::Flush)) {
                let message = "the whole IPVS table is cleared";
                let hint =
                    "declare it with `ipvs_table` and `purge: true`: what stays is not touched";
                hits.push(hit(&site.name, step, message, hint));
            }
        }
    }
    hits
}
