//! What a boot leaves of it.

use super::super::effect::{Effect, settings};
use super::super::site::{Cluster, Site, Step};
use super::super::{Hit, Rule};
use super::hit;

pub(super) const NOT_PERSISTENT: Rule = Rule {
    id: "not-persistent",
    why: "Addresses, the IPVS table, modules and running sysctls are the kernel's memory: after a \
          boot they are gone, and the host stands in the cluster without them until somebody \
          applies the playbook again.",
    fix: "Add the role `lvs_boot`, or write units and files that bring it back; sysctls are kept \
          by `sysctl` unless it says `persist: false`.",
    bad: "\
- hosts: directors # found here
  tasks:
    - ipvs_service: {service: tcp://192.168.0.89:80, destinations: [192.168.0.93]}
    - address: {interface: eth0, address: 192.168.0.89}
",
    good: "\
- hosts: directors
  vars:
    lvs_virtual_services:
      - {name: web, vip: 192.168.0.89, port: 80, scheduler: wlc, forward: direct, real_servers: [rs1]}
  roles: [lvs_director, lvs_boot]
",
    check: not_persistent,
};

pub(super) const SYSCTL_NOT_LOADED: Rule = Rule {
    id: "sysctl-not-loaded",
    why: "A file of kernel parameters does nothing by being there: at boot only those are read \
          that end in `.conf` in `/etc/sysctl.d`, `/run/sysctl.d` or `/usr/lib/sysctl.d`, and until \
          then none is, unless something loads it.",
    fix: "Use the module `sysctl`, which keeps and sets in one; or name the file `….conf` and \
          notify a handler that runs `sysctl --system`.",
    bad: "\
- hosts: directors
  tasks:
    - copy: {dest: /etc/sysctl.d/lvs, content: \"net.ipv4.ip_forward = 1\\n\"} # found here
",
    good: "\
- hosts: directors
  tasks:
    - copy: {dest: /etc/sysctl.d/90-lvs.conf, content: \"net.ipv4.ip_forward = 1\\n\"}
      notify: load sysctls
  handlers:
    - name: load sysctls
      command: sysctl --system
",
    check: sysctl_not_loaded,
};

pub(super) const SYSCTL_BEFORE_MODULE: Rule = Rule {
    id: "sysctl-before-module",
    why: "Parameters below `net.ipv4.vs` are there once `ip_vs` is loaded. At boot they are set \
          early, long before anything asks for IPVS: without `ip_vs` in `/etc/modules-load.d` they \
          are lost without a word.",
    fix: "Write `ip_vs` into a file in `/etc/modules-load.d`.",
    bad: "\
- hosts: directors
  tasks:
    - modprobe: {name: ip_vs}
    - sysctl: {name: net.ipv4.vs.conntrack, value: 1} # found here
",
    good: "\
- hosts: directors
  tasks:
    - copy: {dest: /etc/modules-load.d/lvs.conf, content: \"ip_vs\\n\"}
    - modprobe: {name: ip_vs}
    - sysctl: {name: net.ipv4.vs.conntrack, value: 1}
",
    check: sysctl_before_module,
};

/// Whether what a host has is brought back by something that has one of these words: a unit, a
/// file of the network's configuration.
fn comes_back(site: &Site, words: &[&str]) -> bool {
    const FOLDERS: &[&str] = &[
        "/etc/systemd/",
        "/etc/network/",
        "/etc/netplan/",
        "/etc/NetworkManager/",
        "/etc/sysconfig/",
        "/etc/keepalived/",
        "/etc/ha.d/",
        "/etc/rc.local",
        "/etc/default/ipvsadm",
        "/etc/ipvsadm",
        "/etc/init.d/",
        "/etc/local.d/",
    ];
    site.effects().any(|(_, effect)| match effect {
        Effect::File { path, text } => {
            let there = FOLDERS.iter().any(|folder| path.starts_with(folder));
            let says = |text: &String| words.iter().any(|word| text.contains(word));
            there && text.as_ref().is_none_or(|text| says(text) || says(path))
        }
        Effect::Unit { name, enabled } => *enabled && words.iter().any(|word| name.contains(word)),
        _ => false,
    })
}

fn not_persistent(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        let mut lost: Vec<(&Step, String)> = Vec::new();
        let owners = ["ipvs", "lvsmith", "keepalived", "ldirectord"];
        if let Some(one) = site.services().next()
            && !comes_back(site, &owners)
        {
            lost.push((one.step, "the IPVS table".to_owned()));
        }
        for (step, bound) in site.bound() {
            let address = bound.address.to_string();
            if !bound.address.is_loopback()
                && !comes_back(site, &[&address])
                && site.address != Some(bound.address)
            {
                lost.push((step, address));
            }
        }
        for (step, key) in lost_settings(site) {
            lost.push((step, format!("`{key}`")));
        }
        for (step, name) in lost_modules(site) {
            lost.push((step, format!("the module `{name}`")));
        }
        // One finding for each play, where one reads whom it is for.
        let mut plays: Vec<(&Step, Vec<String>)> = Vec::new();
        for (step, what) in lost {
            match plays.iter_mut().find(|(first, _)| first.play.hosts == step.play.hosts) {
                Some((_, all)) if all.contains(&what) => {}
                Some((_, all)) => all.push(what),
                None => plays.push((step, vec![what])),
            }
        }
        hits.extend(plays.into_iter().map(|(step, what)| Hit {
            place: step.play.hosts.clone(),
            host: site.name.clone(),
            message: format!("a boot loses what nothing here brings back: {}", listed(&what)),
            hint: "add the role `lvs_boot`, or units and files of your own".into(),
        }));
    }
    hits
}

fn listed(all: &[String]) -> String {
    const SHOWN: usize = 4;
    match all.len() {
        0..=SHOWN => all.join(", "),
        more => format!("{} and {} more", all[..SHOWN].join(", "), more - SHOWN),
    }
}

/// Running values that no file keeps.
fn lost_settings(site: &Site) -> Vec<(&Step, &str)> {
    let kept = |key: &str| {
        site.effects().any(|(_, effect)| match effect {
            Effect::Sysctl(one) => one.key == key && one.kept,
            Effect::File { path, text: Some(text) } => {
                path.contains("sysctl") && settings(text).any(|(set, _)| set == key)
            }
            Effect::File { path, text: None } => path.contains("sysctl"),
            _ => false,
        })
    };
    site.effects()
        .filter_map(|(step, effect)| match effect {
            Effect::Sysctl(one) if one.live && !kept(&one.key) => Some((step, one.key.as_str())),
            _ => None,
        })
        .collect()
}

/// Modules that are loaded now; those of IPVS come by themselves with the table.
fn lost_modules(site: &Site) -> Vec<(&Step, &str)> {
    site.effects()
        .filter_map(|(step, effect)| match effect {
            Effect::Module { name, kept: false }
                if !name.starts_with("ip_vs") && !loaded_at_boot(site, name) =>
            {
                Some((step, name.as_str()))
            }
            _ => None,
        })
        .collect()
}

fn loaded_at_boot(site: &Site, module: &str) -> bool {
    site.effects().any(|(_, effect)| match effect {
        Effect::Module { name, kept: true } => name == module,
        Effect::File { path, text } => {
            let there = path.starts_with("/etc/modules") || path.contains("modules-load.d");
            there
                && text.as_ref().is_none_or(|text| {
                    text.lines().any(|line| line.trim().replace('-', "_") == module)
                })
        }
        _ => false,
    })
}

fn sysctl_not_loaded(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        let loads = site.steps.iter().any(|step| {
            matches!(step.module, "command" | "shell" | "service" | "systemd")
                && step.mentions("sysctl")
        });
        for (step, effect) in site.effects() {
            let (path, text) = match effect {
                Effect::File { path, text } => (path, text.as_deref()),
                Effect::Sysctl(one) => match &one.file {
                    Some(file) => (file, None),
                    None => continue,
                },
                _ => continue,
            };
            let folder = ["/etc/sysctl.d/", "/run/sysctl.d/", "/usr/lib/sysctl.d/"]
                .into_iter()
                .find(|folder| path.starts_with(folder));
            if folder.is_some() && !path.ends_with(".conf") {
                let message = format!("nothing reads `{path}`: its name does not end in `.conf`");
                let hint = format!("call it `{path}.conf`");
                hits.push(hit(&site.name, step, message, hint));
                continue;
            }
            let live = |key: &str, value: &str| {
                site.effects().any(|(_, effect)| match effect {
                    Effect::Sysctl(one) => one.live && one.key == key && one.value == value,
                    _ => false,
                })
            };
            let unset = text.filter(|_| folder.is_some() && !loads).and_then(|text| {
                settings(text).find(|(key, value)| !live(key, value)).map(|(key, _)| key)
            });
            if let Some(key) = unset {
                let message = format!("`{key}` is written into `{path}`, and not set until a boot");
                let hint =
                    "use the module `sysctl`, or notify a handler that runs `sysctl --system`";
                hits.push(hit(&site.name, step, message, hint));
            }
        }
    }
    hits
}

fn sysctl_before_module(cluster: &Cluster) -> Vec<Hit> {
    let mut hits = Vec::new();
    for site in cluster.sites.values() {
        let first = site.effects().find_map(|(step, effect)| match effect {
            Effect::Sysctl(one) if one.kept && one.key.starts_with("net.ipv4.vs.") => {
                Some((step, one.key.clone()))
            }
            Effect::File { path, text: Some(text) } if path.contains("sysctl.d/") => settings(text)
                .find(|(key, _)| key.starts_with("net.ipv4.vs."))
                .map(|(key, _)| (step, key)),
            _ => None,
        });
        if let Some((step, key)) = first.filter(|_| !loaded_at_boot(site, "ip_vs")) {
            let message = format!("at boot `{key}` is set before `ip_vs` is there");
            let hint = "write `ip_vs` into a file in /etc/modules-load.d";
            hits.push(hit(&site.name, step, message, hint));
        }
    }
    hits
}
