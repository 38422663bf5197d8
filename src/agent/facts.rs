//! What this machine is, under Ansible's names without the `ansible_` in front. Whatever
//! cannot be read is left out or null: facts are a help, never a reason to fail.

use std::fs;
use std::path::Path;

use nix::sys::utsname::uname;
use serde_json::{Map, Value, json};

mod distribution;
mod lvs;
mod network;

/// Looks at the machine.
pub(crate) fn gather() -> Value {
    let mut facts = Map::new();
    system(&mut facts);
    distribution::add(&mut facts);
    network::add(&mut facts);
    facts.insert("lvs".into(), lvs::facts());
    Value::Object(facts)
}

fn system(facts: &mut Map<String, Value>) {
    let mut add = |name: &str, value: Value| facts.insert(name.into(), value);
    if let Ok(names) = uname() {
        let nodename = names.nodename().to_string_lossy().into_owned();
        let (hostname, domain) = nodename.split_once('.').unwrap_or((&nodename, ""));
        add("hostname", hostname.into());
        add("domain", domain.into());
        add("fqdn", nodename.as_str().into());
        add("nodename", nodename.as_str().into());
        add("system", names.sysname().to_string_lossy().into());
        add("kernel", names.release().to_string_lossy().into());
        add("kernel_version", names.version().to_string_lossy().into());
        add("architecture", names.machine().to_string_lossy().into());
        add("machine", names.machine().to_string_lossy().into());
    }
    add("processor_vcpus", std::thread::available_parallelism().map_or(1, usize::from).into());
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mebibytes = |name: &str| meminfo(&memory, name).map(|kibibytes| kibibytes / 1024);
    add("memtotal_mb", json!(mebibytes("MemTotal")));
    add("memfree_mb", json!(mebibytes("MemFree")));
    add("service_mgr", service_manager().into());
    add("pkg_mgr", package_manager().into());
}

fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// In a lab host no init runs, and services are the agent's: `lvsmith`.
fn service_manager() -> &'static str {
    let init = fs::read_to_string("/proc/1/comm").unwrap_or_default();
    match init.trim() {
        _ if Path::new("/run/systemd/system").is_dir() => "systemd",
        "systemd" => "systemd",
        "init" if Path::new("/sbin/openrc").exists() => "openrc",
        "init" => "sysvinit",
        _ => "lvsmith",
    }
}

fn package_manager() -> &'static str {
    let known = [
        ("/usr/bin/apt-get", "apt"),
        ("/usr/bin/dnf5", "dnf5"),
        ("/usr/bin/dnf", "dnf"),
        ("/usr/bin/yum", "yum"),
        ("/usr/bin/zypper", "zypper"),
        ("/usr/bin/pacman", "pacman"),
        ("/sbin/apk", "apk"),
    ];
    known.iter().find(|(path, _)| Path::new(path).exists()).map_or("unknown", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_memory_by_its_whole_name() {
        let text = "MemTotalX:  1 kB\nMemTotal:   8150404 kB\nMemFree: 1024 kB\n";
        assert_eq!(meminfo(text, "MemTotal"), Some(8_150_404));
        assert_eq!(meminfo(text, "Swap"), None);
    }
}
