//! Mistakes in lab files: found before anything is started, all at once, each at its place.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use tempfile::TempDir;

use super::{lvsmith, shown};

const NETWORKS: &str = "networks:\n  lan: {subnet: 192.168.0.0/24}\n";

const HOSTS: &str = "hosts:\n  lb1: {networks: {lan: 192.168.0.90}}\n";

/// A lab folder with that text in its `lab.yml`.
fn lab(text: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("lab.yml"), format!("name: mistaken\n{text}")).expect("written");
    folder
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let networks = |more: &str| format!("{NETWORKS}{more}");
    let both = |more: &str| format!("{NETWORKS}{HOSTS}{more}");
    let cases = [
        ("a host name used twice", both("  lb1: {}\n")),
        (
            "overlapping networks",
            both("").replace("hosts:", "  san: {subnet: 192.168.0.128/25}\nhosts:"),
        ),
        ("a prefix of 33", both("").replace("/24", "/33")),
        ("a subnet with host bits", both("").replace("0.0/24", "0.1/24")),
        ("not an address", networks("hosts:\n  lb1: {networks: {lan: 192.168.0.256}}\n")),
        (
            "an address of another network",
            networks("hosts:\n  lb1: {networks: {lan: 192.168.1.90}}\n"),
        ),
        ("the address of the network", networks("hosts:\n  lb1: {networks: {lan: 192.168.0.0}}\n")),
        ("an address given twice", both("  rs1: {networks: {lan: 192.168.0.90}}\n")),
        ("an unknown network", networks("hosts:\n  lb1: {networks: {lam: 192.168.0.90}}\n")),
        ("a name that cannot be a host's", both("  under_score: {}\n")),
        ("an unknown key", both("chekcs: []\n")),
        ("an unknown key of a host", networks("hosts:\n  lb1: {group: [directors]}\n")),
        ("an unknown requirement", both("requires: [ipsv]\n")),
        ("an unknown check", both("checks:\n  - htpp: {from: lb1, url: http://192.168.0.90/}\n")),
        (
            "an unknown key of a check",
            both("checks:\n  - arp: {form: lb1, address: 192.168.0.90}\n"),
        ),
        (
            "a check on a host that is not there",
            both("checks:\n  - arp: {from: lb2, address: 192.168.0.90, answered_by: lb1}\n"),
        ),
        ("a check that checks nothing", both("checks:\n  - name: well\n")),
        (
            "a VIP that is not an address",
            both("checks:\n  - arp: {from: lb1, address: 192.168.0.890, answered_by: lb1}\n"),
        ),
        (
            "an unknown scheduler",
            both(
                "checks:\n  - ipvs: {on: lb1, equals: [{service: tcp://192.168.0.89:80, scheduler: wrrr, forward: direct, destinations: []}]}\n",
            ),
        ),
        (
            "a port of 70000",
            both(
                "checks:\n  - ipvs: {on: lb1, equals: [{service: tcp://192.168.0.89:70000, scheduler: rr, forward: direct, destinations: []}]}\n",
            ),
        ),
        ("no playbook", both("playbook: site.yml\n")),
        ("no hosts", networks("hosts: {}\n")),
        ("nothing at all", String::new()),
        ("a tab", both("\tchecks: []\n")),
        (
            "several",
            networks(
                "hosts:\n  lb1: {networks: {lam: 192.168.0.90}}\n  rs1: {networks: {lan: 10.0.0.1}}\nplaybook: site.yml\nchecks:\n  - htpp: {}\n  - arp: {from: rs2, address: 192.168.0.1, answered_by: lb1}\n",
            ),
        ),
    ];
    let mut text = String::new();
    for (name, file) in cases {
        let folder = lab(&file);
        let output = lvsmith(folder.path(), &["lab", "test", "--no-vm"]);
        assert_eq!(output.status.code(), Some(4), "{name}: {}", shown(&output));
        assert!(output.stdout.is_empty(), "nothing was started for {name}");
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.replace(&folder.path().display().to_string(), "FOLDER");
        text.push_str(&format!("# {name}\n{said}\n"));
    }
    assert_snapshot!("lab_mistakes", text);
}

#[test]
fn a_folder_without_a_lab_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for command in ["test", "up"] {
        let output = lvsmith(folder.path(), &["lab", command, "no-such-lab"]);
        assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
        assert!(shown(&output).contains("there is no `no-such-lab`"), "{}", shown(&output));
    }
}

/// Before a micro-VM is booted, which here would fail for want of qemu.
#[test]
fn a_play_for_hosts_that_are_not_there_is_found_first() {
    let folder = lab(&format!("{NETWORKS}{HOSTS}playbook: site.yml\n"));
    fs::write(folder.path().join("site.yml"), "- hosts: directrs\n  tasks: []\n").expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_lvsmith"))
        .args(["lab", "test", "--vm"])
        .current_dir(folder.path())
        .env("PATH", folder.path())
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
    assert!(shown(&output).contains("site.yml:1:10"), "{}", shown(&output));
}

/// `lab up` starts a lab without its playbook and checks, but not with a mistake in it.
#[test]
fn up_finds_the_same_mistakes() {
    let folder = lab("networks:\n  lan: {subnet: 192.168.0.0/33}\nhosts:\n  lb1: {}\n");
    let output = lvsmith(folder.path(), &["lab", "up"]);
    assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
    assert!(shown(&output).contains("lab.yml:3:17"), "{}", shown(&output));
}
