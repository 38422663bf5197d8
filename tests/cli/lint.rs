//! `lvsmith lint` from the outside.

use insta::assert_snapshot;

use super::{lvsmith, shown, site};

const INVENTORY: &str = "all: {hosts: {lb1: , lb2: }}";

const PLAYBOOK: &str = "\
- hosts: all
  gather_facts: false
  tasks:
    - command: ipvsadm -C
    - shell: sysctl -w net.ipv4.ip_forward=1 # lvsmith: allow(use-module)
    - sysctl: {name: net.ipv4.ip_forward, value: 1}
";

#[test]
fn tells_people_and_programs_and_the_exit_code() {
    let folder = site(PLAYBOOK);
    std::fs::write(folder.path().join("inventory.yml"), INVENTORY).expect("written");
    assert_snapshot!("lint_text", shown(&lvsmith(folder.path(), &["lint", "site.yml"])));
    let json = lvsmith(folder.path(), &["lint", "site.yml", "--format", "json"]);
    assert_snapshot!("lint_json", shown(&json));
    let only = lvsmith(folder.path(), &["lint", "site.yml", "--rule", "two-owners"]);
    assert_eq!(shown(&only), "exit: 0\n----- stdout -----\n----- stderr -----\n");
}

#[test]
fn explains_a_rule_and_knows_the_one_that_was_meant() {
    let folder = site("");
    let explained = lvsmith(folder.path(), &["lint", "--explain", "arp-on-lo"]);
    assert_snapshot!("lint_explain", shown(&explained));
    let unknown = lvsmith(folder.path(), &["lint", "--explain", "arp-onlo"]);
    assert_eq!(unknown.status.code(), Some(4));
    assert!(shown(&unknown).contains("did you mean `arp-on-lo`?"), "{}", shown(&unknown));
}

#[test]
fn a_playbook_that_is_wrong_is_bad_input() {
    let folder = site("- hosts: all\n  tasks:\n    - sysctl: {name: a.b, valu: 1}\n");
    let output = lvsmith(folder.path(), &["lint", "site.yml"]);
    assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
}
