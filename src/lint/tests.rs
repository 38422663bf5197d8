//! Every example finds what it is for, and nothing else.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::diagnostic::Source;
use crate::yaml;

/// What a boot leaves is no matter of the other examples.
fn others() -> Vec<&'static Rule> {
    RULES.iter().filter(|rule| rule.id != "not-persistent").collect()
}

fn found(text: &str, rules: &[&'static Rule]) -> Vec<(&'static str, usize)> {
    all(text, rules).iter().map(|one| (one.rule, one.line().line)).collect()
}

fn all(text: &str, rules: &[&'static Rule]) -> Vec<Finding> {
    let read = |name: &str, text: &str| {
        yaml::read(&Arc::new(Source { name: name.into(), text: text.into() })).expect("reads")
    };
    let path = Path::new("/nowhere/site.yml");
    let playbook = Playbook::decode(&read("site.yml", text), path).expect("a playbook");
    let inventory = Inventory::decode(&read("inventory.yml", INVENTORY)).expect("an inventory");
    lint(&playbook, &inventory, &Options::default(), rules).expect("no mistake")
}

#[test]
fn bad_examples_have_that_finding_and_good_ones_none() {
    for rule in RULES {
        let rules = if rule.id == "not-persistent" { RULES.iter().collect() } else { others() };
        let place = rule.bad.lines().position(|line| line.contains("found here"));
        let line = place.expect("a line that says so") + 1;
        assert_eq!(found(rule.bad, &rules), [(rule.id, line)], "{}", rule.id);
        assert_eq!(found(rule.good, &rules), [], "{}", rule.id);
    }
}

#[test]
fn what_is_only_checked_has_no_effect() {
    let playbook = "\
- hosts: real_servers
  tasks:
    - address: {interface: lo, address: 192.168.0.89/32}
      check_mode: true
    - sysctl: {name: net.ipv4.conf.all.arp_ignore, value: 1}
    - sysctl: {name: net.ipv4.conf.all.arp_announce, value: 2}
    - address: {interface: lo, address: 192.168.0.89/32}
";
    assert_eq!(found(playbook, &others()), []);
    let done = playbook.replace("      check_mode: true\n", "");
    assert_eq!(found(&done, &others()), [("vip-before-arp", 3)]);
}

#[test]
fn ids_are_kebab_case_and_texts_are_sentences() {
    let mut seen = std::collections::HashSet::new();
    for rule in RULES {
        assert!(rule.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.id);
        assert!(seen.insert(rule.id), "{} is there twice", rule.id);
        assert!(rule.why.ends_with('.') && rule.fix.ends_with('.'), "{}", rule.id);
    }
}

/// The hints to a play of these tasks.
fn hints(tasks: &str) -> Vec<String> {
    let rules: Vec<_> = RULES.iter().filter(|rule| rule.id == "use-module").collect();
    let found = all(&format!("- hosts: lb1\n  tasks:\n    {tasks}\n"), &rules);
    found.into_iter().filter_map(|one| one.diagnostic.hint).collect()
}

#[test]
fn a_command_that_has_a_module_gets_its_task() {
    let cases = [
        (
            "shell: sysctl -w net.ipv4.ip_forward=1",
            "sysctl: {name: net.ipv4.ip_forward, value: '1'}",
        ),
        (
            "shell: echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore",
            "sysctl: {name: net.ipv4.conf.all.arp_ignore, value: '1'}",
        ),
        (
            "command: ip addr add 192.168.0.89/32 dev lo label lo:0",
            "address: {interface: lo, address: 192.168.0.89/32, label: lo:0}",
        ),
        (
            "command: ip -4 a del 192.168.0.89/32 dev lo",
            "address: {interface: lo, address: 192.168.0.89/32, state: absent}",
        ),
        (
            "shell: ifconfig lo:0 192.168.0.89 netmask 255.255.255.255 up",
            "address: {interface: lo, address: 192.168.0.89/32, label: lo:0}",
        ),
        ("command: ip link set dummy0 up", "link: {name: dummy0, state: up}"),
        (
            "command: ip route replace default via 192.168.0.1",
            "route: {destination: default, gateway: 192.168.0.1}",
        ),
        ("command: modprobe ip_vs_rr", "modprobe: {name: ip_vs_rr}"),
        (
            "command: /bin/systemctl restart nginx.service",
            "service: {name: nginx, state: restarted}",
        ),
        (
            "shell: systemctl enable --now keepalived",
            "service: {name: keepalived, enabled: true, state: started}",
        ),
        ("shell: service nginx reload", "service: {name: nginx, state: reloaded}"),
        (
            "shell: ipvsadm -A -t 10.0.0.1:80 -s rr && ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.7 -g -w 2",
            "ipvs_service: {service: tcp://10.0.0.1:80, scheduler: rr, destinations: \
             [{address: 10.0.0.7, forward: direct, weight: 2}]}",
        ),
    ];
    for (task, expected) in cases {
        assert_eq!(hints(&format!("- {task}")), [format!("write `{expected}`")], "{task}");
        // What is to be written is a task of this program.
        assert_eq!(hints(&format!("- {expected}")), [""; 0], "{expected}");
    }
}

#[test]
fn what_the_shell_fills_in_is_not_guessed() {
    assert_eq!(hints("- shell: ip addr add $VIP dev lo"), ["see the module `address`"]);
    assert_eq!(
        hints("- shell: ipvsadm -a -t $VIP:80 -r 10.0.0.7"),
        ["see the module `ipvs_service`"]
    );
}

#[test]
fn what_only_looks_has_no_module() {
    for task in [
        "command: ipvsadm -Ln",
        "command: ipvsadm -Z",
        "shell: ip -br addr show | sort",
        "shell: sysctl -n net.ipv4.ip_forward",
        "command: sysctl --system",
        "command: systemctl status nginx",
        "shell: cat /proc/sys/net/ipv4/ip_forward",
    ] {
        assert_eq!(hints(&format!("- {task}")), [""; 0], "{task}");
    }
}

#[test]
fn commands_count_for_other_rules_as_their_tasks_do() {
    let rules: Vec<_> = RULES.iter().filter(|rule| rule.id == "vip-before-arp").collect();
    let late = "\
- hosts: real_servers
  tasks:
    - shell: |
        ifconfig lo:0 192.168.0.89 netmask 255.255.255.255 up
        echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore
    - shell: echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce
";
    assert_eq!(found(late, &rules), [("vip-before-arp", 3)]);
}

#[test]
fn what_only_a_run_can_tell_is_no_finding() {
    let unknown = "\
- hosts: real_servers
  tasks:
    - command: cat /etc/vip
      register: vip
    - sysctl: {name: \"net.ipv4.conf.{{ ansible_default_ipv4.interface }}.{{ item }}\", value: 1}
      loop: [arp_ignore, arp_announce]
    - address: {interface: lo, address: 192.168.0.89/32}
    - address: {interface: lo, address: \"{{ vip.stdout }}/24\"}
";
    assert_eq!(found(unknown, &others()), []);
}

#[test]
fn an_allow_holds_for_its_line_and_the_next_and_for_its_rule() {
    let play = |first: &str, second: &str| {
        format!("- hosts: lb1\n  tasks:\n    {first}\n    - command: modprobe ip_vs {second}\n")
    };
    let cases: [(&str, &str, &[&str]); 5] = [
        ("", "", &["use-module"]),
        ("# lvsmith: allow(use-module)", "", &[]),
        ("", "# lvsmith: allow(clears-table, use-module)", &["unused-allow"]),
        ("# lvsmith: allow(use-modul)", "", &["unused-allow", "use-module"]),
        ("# lvsmith: allow(use-module)", "# lvsmith: allow(use-module)", &[]),
    ];
    for (first, second, expected) in cases {
        let found = found(&play(first, second), &others());
        let ids: Vec<&str> = found.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, expected, "{first} {second}");
    }
}
