//! Whether this is a guest, and of what; or a host that has guests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::{Facts, content};

/// Products and makers that tell what a machine is made of.
const MADE_OF: &[(&str, &[&str], &str)] = &[
    ("product_name", &["KVM", "KVM Server", "Bochs", "AHV", "CloudStack KVM Hypervisor"], "kvm"),
    ("sys_vendor", &["oVirt"], "oVirt"),
    ("product_name", &["RHEV Hypervisor"], "RHEV"),
    ("product_name", &["OpenStack Compute", "OpenStack Nova"], "openstack"),
    ("bios_vendor", &["Xen"], "xen"),
    ("bios_vendor", &["innotek GmbH"], "virtualbox"),
    ("bios_vendor", &["Amazon EC2", "DigitalOcean", "Hetzner", "Linode"], "kvm"),
    ("sys_vendor", &["QEMU", "Amazon EC2", "DigitalOcean", "Google", "Scaleway", "Nutanix"], "kvm"),
    ("sys_vendor", &["KubeVirt"], "KubeVirt"),
    ("sys_vendor", &["Microsoft Corporation"], "VirtualPC"),
    ("sys_vendor", &["Parallels Software International Inc."], "parallels"),
    ("sys_vendor", &["OpenStack Foundation"], "openstack"),
];

/// What was found, the most telling first.
#[derive(Default)]
struct Found {
    first: Option<(&'static str, &'static str)>,
    guest: BTreeSet<&'static str>,
    host: BTreeSet<&'static str>,
}

impl Found {
    fn guest(&mut self, of: &'static str) {
        self.guest.insert(of);
        self.first.get_or_insert((of, "guest"));
    }

    fn host(&mut self, of: &'static str) {
        self.host.insert(of);
        self.first.get_or_insert((of, "host"));
    }
}

pub(super) fn add(facts: &mut Facts) {
    let mut found = Found::default();
    container(&mut found);
    machine(&mut found);
    let (kind, role) = found.first.unwrap_or(("NA", "NA"));
    facts.insert("virtualization_type".into(), kind.into());
    facts.insert("virtualization_role".into(), role.into());
    facts.insert("virtualization_tech_guest".into(), json!(found.guest));
    facts.insert("virtualization_tech_host".into(), json!(found.host));
}

fn container(found: &mut Found) {
    let groups = content("/proc/1/cgroup").unwrap_or_default();
    if groups.contains("/docker/") || groups.contains("/docker-") {
        found.guest("docker");
    }
    if groups.contains("/lxc/") || groups.contains("/machine.slice/machine-lxc") {
        found.guest("lxc");
    }
    if groups.contains("/system.slice/containerd.service") {
        found.guest("containerd");
    }
    let environment = fs::read("/proc/1/environ").unwrap_or_default();
    for variable in environment.split(|byte| *byte == 0) {
        match variable.strip_prefix(b"container=") {
            Some(b"lxc") => found.guest("lxc"),
            Some(b"podman") => found.guest("podman"),
            Some([_, ..]) => found.guest("container"),
            _ => {}
        }
    }
    let named = content("/run/systemd/container").unwrap_or_default();
    for known in ["docker", "lxc", "podman", "systemd-nspawn", "rkt", "wsl"] {
        if named == known {
            found.guest(known);
        }
    }
    if Path::new("/.dockerenv").exists() || Path::new("/.dockerinit").exists() {
        found.guest("docker");
    }
    if !found.guest.is_empty() {
        found.guest.insert("container");
    }
}

fn machine(found: &mut Found) {
    if Path::new("/proc/xen").exists() {
        let is_host =
            content("/proc/xen/capabilities").is_some_and(|text| text.contains("control_d"));
        if is_host { found.host("xen") } else { found.guest("xen") }
    }
    let told = |name: &str| content(&format!("/sys/devices/virtual/dmi/id/{name}"));
    for (name, values, kind) in MADE_OF {
        if told(name).is_some_and(|told| values.contains(&told.as_str())) {
            found.guest(kind);
        }
    }
    if told("product_name").is_some_and(|name| name.starts_with("VMware")) {
        found.guest("VMware");
    }
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if processors.lines().any(|l| l.starts_with("model name") && l.contains("QEMU Virtual CPU")) {
        found.guest("kvm");
    }
    if processors.contains("User Mode Linux") {
        found.guest("uml");
    }
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    let loaded = |name: &str| modules.lines().any(|line| line.split(' ').next() == Some(name));
    if loaded("kvm") {
        found.host("kvm");
    }
    if loaded("vboxdrv") {
        found.host("virtualbox");
    }
    if loaded("virtio") {
        found.host.insert("kvm");
        found.first.get_or_insert(("kvm", "guest"));
    }
    if Path::new("/dev/kvm").exists() {
        found.host("kvm");
    }
}
