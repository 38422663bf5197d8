//! The kernel's and the machine's names, who starts services and installs packages, and what
//! guards the machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::utsname::uname;
use serde_json::{Value, json};

use super::{Facts, content};

pub(super) fn add(facts: &mut Facts) {
    let mut add = |name: &str, value: Value| facts.insert(name.into(), value);
    if let Ok(names) = uname() {
        let nodename = names.nodename().to_string_lossy().into_owned();
        let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
        let whole = whole_name(&nodename, &hosts);
        add("hostname", nodename.split('.').next().unwrap_or_default().into());
        add("domain", whole.split_once('.').map_or("", |(_, domain)| domain).into());
        add("fqdn", whole.into());
        add("nodename", nodename.as_str().into());
        add("system", names.sysname().to_string_lossy().into());
        add("kernel", names.release().to_string_lossy().into());
        add("kernel_version", names.version().to_string_lossy().into());
        let machine = names.machine().to_string_lossy();
        add("machine", machine.clone().into());
        add("architecture", machine.clone().into());
        if machine == "x86_64" {
            let is_64 = cfg!(target_pointer_width = "64");
            add("userspace_architecture", if is_64 { "x86_64" } else { "i386" }.into());
        }
    }
    add("userspace_bits", usize::BITS.to_string().into());
    let id = content("/var/lib/dbus/machine-id").or_else(|| content("/etc/machine-id"));
    if let Some(line) = id.as_deref().and_then(|id| id.lines().next()) {
        add("machine_id", line.into());
    }
}

/// The machine's name with its domain, as `/etc/hosts` has it. No name server is asked: one that
/// is not there would be waited for.
fn whole_name(nodename: &str, hosts: &str) -> String {
    let lines = || {
        hosts.lines().filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            Some((words.next()?, words.collect::<Vec<_>>()))
        })
    };
    let address = lines().find(|(_, names)| names.contains(&nodename)).map(|(address, _)| address);
    let names = address.and_then(|address| lines().find(|(other, _)| *other == address));
    let names = names.map(|(_, names)| names).unwrap_or_default();
    let dotted = names.iter().find(|name| name.contains('.'));
    dotted.or(names.first()).copied().unwrap_or(nodename).to_owned()
}

pub(super) fn add_service_manager(facts: &mut Facts) {
    let first = content("/proc/1/comm").unwrap_or_default();
    facts.insert("service_mgr".into(), service_manager(&first).into());
}

/// What process 1 is, unless its name tells nothing. In a lab host it is this program, which
/// looks after services there.
fn service_manager(first: &str) -> &str {
    match first {
        "procd" => "openwrt_init",
        "runit-init" => "runit",
        "svscan" => "svc",
        "openrc-init" => "openrc",
        // This program, started by its open file.
        "exe" => "lvsmith",
        _ if !(first.is_empty() || first == "init" || first.ends_with("sh")) => first,
        _ if Path::new("/run/systemd/system").is_dir() => "systemd",
        _ if Path::new("/sbin/openrc").exists() => "openrc",
        _ if fs::read_link("/sbin/init").is_ok_and(|link| link.ends_with("systemd")) => "systemd",
        _ if Path::new("/etc/init.d").is_dir() => "sysvinit",
        _ => "service",
    }
}

pub(super) fn add_package_manager(facts: &mut Facts) {
    let known = [
        ("/usr/bin/apt-get", "apt"),
        ("/usr/bin/dnf5", "dnf5"),
        ("/usr/bin/dnf", "dnf"),
        ("/usr/bin/yum", "yum"),
        ("/usr/bin/zypper", "zypper"),
        ("/usr/bin/pacman", "pacman"),
        ("/sbin/apk", "apk"),
    ];
    let found = known.iter().find(|(path, _)| Path::new(path).exists());
    facts.insert("pkg_mgr".into(), found.map_or("unknown", |(_, name)| name).into());
}

pub(super) fn add_apparmor(facts: &mut Facts) {
    let there = Path::new("/sys/kernel/security/apparmor").exists();
    let status = if there { "enabled" } else { "disabled" };
    facts.insert("apparmor".into(), json!({"status": status}));
}

pub(super) fn add_selinux(facts: &mut Facts) {
    let selinux = match content("/sys/fs/selinux/enforce") {
        None => json!({"status": "disabled"}),
        Some(mode) => {
            let config = fs::read_to_string("/etc/selinux/config").unwrap_or_default();
            let setting = |name: &str| {
                config.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown").trim()
            };
            json!({
                "status": "enabled",
                "mode": if mode == "1" { "enforcing" } else { "permissive" },
                "config_mode": setting("SELINUX="),
                "type": setting("SELINUXTYPE="),
                "policyvers": content("/sys/fs/selinux/policyvers").and_then(|v| v.parse::<u32>().ok()),
            })
        }
    };
    facts.insert("selinux".into(), selinux);
}

pub(super) fn add_fips(facts: &mut Facts) {
    let on = content("/proc/sys/crypto/fips_enabled").is_some_and(|text| text == "1");
    facts.insert("fips".into(), on.into());
}

pub(super) fn add_command_line(facts: &mut Facts) {
    let Some(text) = content("/proc/cmdline") else { return };
    let (last, all) = parameters(&text);
    facts.insert("cmdline".into(), last.into());
    facts.insert("proc_cmdline".into(), all.into());
}

/// The kernel's parameters; of those given several times the last value, and all of them.
fn parameters(text: &str) -> (Facts, Facts) {
    let (mut last, mut all) = (Facts::new(), Facts::new());
    for word in text.split_whitespace() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Value::from(value)),
            None => (word, Value::Bool(true)),
        };
        last.insert(name.into(), value.clone());
        match all.get_mut(name) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) if value.is_string() => *first = json!([first.clone(), value]),
            _ => _ = all.insert(name.into(), value),
        }
    }
    (last, all)
}

pub(super) fn add_resolver(facts: &mut Facts) {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    facts.insert("dns".into(), resolver(&text).into());
}

fn resolver(text: &str) -> Facts {
    let mut dns = Facts::new();
    let lines = text.lines().filter(|line| !line.starts_with(['#', ';']));
    for line in lines {
        let mut words = line.split_whitespace();
        let (Some(key), rest) = (words.next(), words.collect::<Vec<_>>()) else { continue };
        match key {
            "nameserver" => {
                let servers = dns.entry("nameservers").or_insert_with(|| json!([]));
                if let Value::Array(servers) = servers {
                    servers.extend(rest.into_iter().map(Value::from));
                }
            }
            "domain" => {
                if let Some(domain) = rest.first() {
                    dns.insert("domain".into(), (*domain).into());
                }
            }
            "search" | "sortlist" => _ = dns.insert(key.into(), rest.into()),
            "options" => {
                let option = |word: &str| match word.split_once(':') {
                    Some((name, value)) => (name.to_owned(), Value::from(value)),
                    None => (word.to_owned(), true.into()),
                };
                dns.insert(key.into(), rest.into_iter().map(option).collect::<Facts>().into());
            }
            _ => {}
        }
    }
    dns
}

/// Whether this is another root than that of process 1.
pub(super) fn add_chroot(facts: &mut Facts) {
    let inode = |path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    let is_chroot = match (inode("/"), inode("/proc/1/root/.")) {
        (Some(own), Some(first)) => own != first,
        // Roots of most filesystems have this number.
        (own, _) => own.is_some_and(|(_, inode)| inode != 2),
    };
    facts.insert("is_chroot".into(), is_chroot.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_domain_that_the_hosts_file_has() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 lb1.example.com lb1 # us\n10.0.0.2 rs1\n";
        assert_eq!(whole_name("lb1", hosts), "lb1.example.com");
        assert_eq!(whole_name("rs1", hosts), "rs1");
        assert_eq!(whole_name("other.lan", hosts), "other.lan");
    }

    #[test]
    fn process_1_is_who_starts_services() {
        assert_eq!(service_manager("systemd"), "systemd");
        assert_eq!(service_manager("exe"), "lvsmith");
        assert_eq!(service_manager("procd"), "openwrt_init");
        assert_ne!(service_manager("bash"), "bash");
    }

    #[test]
    fn parameters_of_the_kernel_may_come_twice() {
        let (last, all) = parameters("console=tty0 quiet console=ttyS0 root=UUID=1 console=x");
        assert_eq!(Value::from(last), json!({"console": "x", "quiet": true, "root": "UUID=1"}));
        assert_eq!(all["console"], json!(["tty0", "ttyS0", "x"]));
    }

    #[test]
    fn reads_a_resolvers_file() {
        let text = "# made\nsearch a.lan b.lan\nnameserver 10.0.0.1\nnameserver ::1\noptions ndots:2 rotate\n";
        assert_eq!(
            Value::from(resolver(text)),
            json!({
                "search": ["a.lan", "b.lan"], "nameservers": ["10.0.0.1", "::1"],
                "options": {"ndots": "2", "rotate": true},
            })
        );
    }
}
