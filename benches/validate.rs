//! What it costs to know that a playbook is sound before any host is touched: 10,000 tasks read
//! and validated for 5,000 hosts of a YAML inventory.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, anyhow};
use lvsmith::engine::{self, Options};
use lvsmith::inventory::Inventory;
use lvsmith::playbook::Playbook;

use crate::measure::{self, Book, Goal, Row, Samples};

const TASKS: usize = 10_000;
const HOSTS: usize = 5_000;
const RUNS: usize = 5;
const RACKS: usize = 40;
const ROLES: [&str; 4] = ["web", "mail", "dns", "lb"];

/// Tasks as sites have them, in turn: most are the same on every host of a group, two of ten are
/// another one on each host.
const KINDS: [&str; 10] = [
    "sysctl: {name: net.ipv4.conf.all.arp_ignore, value: \"{{ arp_ignore }}\"}",
    "copy: {content: \"{{ motd }}\\n\", dest: /etc/motd.d/N, mode: \"0644\"}",
    "copy: {content: \"{{ inventory_hostname }} {{ rack }}\\n\", dest: /etc/site/N}",
    "modprobe: {name: ip_vs}",
    "service: {name: nginx, state: started}\n      when: \"'web' in group_names\"",
    "address: {interface: lo, address: \"{{ item }}/32\"}\n      loop: \"{{ vips }}\"",
    "command: echo N\n      register: said\n      changed_when: false",
    "debug: {msg: \"{{ groups['rack7'] | length }} of them, {{ said.stdout }}\"}",
    "file: {path: \"/etc/site/{{ ansible_host }}/N\", state: directory}",
    "ipvs_service: {service: \"tcp://{{ vips[0] }}:N\", destinations: [10.1.0.7, 10.1.0.8]}",
];

/// Measures what is asked for and prints it.
pub(crate) fn run() -> Book {
    let machine = measure::machine();
    let mut book = Book::new();
    book.measure("validate", validations);
    if !book.rows.is_empty() {
        measure::print("VALIDATION", &[machine, format!("{RUNS} runs")], &book.rows);
    }
    book
}

fn validations() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("site.yml"), playbook(TASKS, ""))?;
    std::fs::write(folder.path().join("inventory.yml"), inventory(HOSTS))?;
    let (mut reading, mut hosts, mut checking) = (Vec::new(), Vec::new(), Vec::new());
    let whole = Samples::seconds(RUNS, || {
        let start = Instant::now();
        let [read, known, checked] = once(folder.path())?;
        reading.push(read);
        hosts.push(known);
        checking.push(checked);
        Ok(start.elapsed())
    })?;
    let part = |name: &str, seconds: Vec<f64>| Row::new(name, Samples::of("s", seconds));
    Ok(vec![
        Row::new("10,000 tasks for 5,000 hosts, read and validated", whole).goal(Goal::Below(1.0)),
        part("  the playbook read", reading),
        part("  the inventory read", hosts),
        part("  validated", checking),
    ])
}

/// Seconds for the playbook, the inventory, and the look ahead.
fn once(folder: &Path) -> Result<[f64; 3]> {
    let (start, mut laps) = (Instant::now(), Vec::new());
    let mut lap = || laps.push(start.elapsed().as_secs_f64());
    let told = |error: lvsmith::diagnostic::Diagnostics| anyhow!("{error}");
    let playbook = Playbook::read(&folder.join("site.yml")).map_err(told)?;
    lap();
    let inventory = Inventory::read(&folder.join("inventory.yml")).map_err(told)?;
    lap();
    engine::check(&playbook, &inventory, &Options::default()).map_err(told)?;
    lap();
    Ok([laps[0], laps[1] - laps[0], laps[2] - laps[1]])
}

/// So many tasks of these kinds for all hosts, in a play with these keywords besides.
pub(crate) fn playbook(tasks: usize, keywords: &str) -> String {
    let mut text = format!("- hosts: all\n{keywords}  tasks:\n");
    for number in 0..tasks {
        let task = KINDS[number % KINDS.len()].replace('N', &(number + 1).to_string());
        let _ = writeln!(text, "    - name: task {number}\n      {task}");
    }
    text
}

/// So many hosts, each of them in a rack and in a role.
pub(crate) fn inventory(hosts: usize) -> String {
    let mut text = "all:\n  vars: {arp_ignore: 1, motd: \"of {{ site }}\", site: here, vips: \
                    [192.168.0.89, 192.168.0.90]}\n  children:\n"
        .to_owned();
    // Every host is in a rack, which has its address, and in a role.
    for rack in 0..RACKS {
        let _ = writeln!(text, "    rack{rack}:\n      vars: {{rack: {rack}}}\n      hosts:");
        for host in (rack..hosts).step_by(RACKS) {
            let address = format!("10.1.{}.{}", host / 250, host % 250 + 1);
            let _ = writeln!(text, "        host{host}: {{ansible_host: {address}}}");
        }
    }
    for (role, name) in ROLES.iter().enumerate() {
        let _ = writeln!(text, "    {name}:\n      vars: {{role: {name}}}\n      hosts:");
        for host in (role..hosts).step_by(ROLES.len()) {
            let _ = writeln!(text, "        host{host}:");
        }
    }
    text
}
