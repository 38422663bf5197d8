//! Kernel parameters of a director: forwarding, and those of IPVS that somebody has changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

use super::{any_of, steady};
use crate::modules::Host;
use crate::netlink::ipvs::{Family, VirtualService};

/// The files that are read at boot, those that mean most first (sysctl.d(5)).
const FILES: [&str; 6] = [
    "/etc/sysctl.d",
    "/etc/sysctl.conf",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
];

/// As the arguments of `sysctl`: each with the file that keeps it, or said to be in none.
pub(super) fn found(services: &[VirtualService]) -> Result<Vec<Value>, String> {
    let mut values = changed()?;
    let mut keep = |name: &str| {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        if let Ok(value) = fs::read_to_string(path) {
            values.insert(name.into(), value.trim().into());
        }
    };
    keep("net.ipv4.ip_forward");
    if any_of(services, Family::Ipv6) {
        keep("net.ipv6.conf.all.forwarding");
    }
    let files = files();
    let mut host = Host::default();
    Ok(values.iter().map(|(name, value)| kept(&mut host, &files, name, value)).collect())
}

fn kept(host: &mut Host, files: &[PathBuf], name: &str, value: &str) -> Value {
    let in_file = |file: &PathBuf| json!({"name": name, "value": value, "sysctl_file": file});
    let keeps = |arguments: &Value| steady(host, "sysctl", arguments).is_ok();
    let found = files.iter().map(in_file).find(keeps);
    found.unwrap_or_else(|| json!({"name": name, "value": value, "persist": false}))
}

fn files() -> Vec<PathBuf> {
    let mut all = Vec::new();
    for place in FILES {
        match fs::read_dir(place) {
            Ok(entries) => {
                let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
                files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
                // A later name wins.
                files.sort();
                all.extend(files.into_iter().rev());
            }
            // It is a file, or is not there; which `sysctl` finds out.
            Err(_) => all.push(place.into()),
        }
    }
    all
}

/// The parameters of IPVS that differ from those of a network namespace that is new: what this
/// very kernel begins with, whatever its version.
fn changed() -> Result<BTreeMap<String, String>, String> {
    let here = read()?;
    let fresh = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|errno| format!("no new network namespace: {}", errno.desc()))?;
        read()
    });
    let fresh = fresh.join().map_err(|_| "its thread ended".to_owned())??;
    Ok(here
        .into_iter()
        .filter(|(name, value)| fresh.get(name).is_some_and(|usual| usual != value))
        .collect())
}

/// Those of the calling thread's network namespace.
fn read() -> Result<BTreeMap<String, String>, String> {
    let folder = "/proc/sys/net/ipv4/vs";
    let entries = fs::read_dir(folder).map_err(|error| format!("`{folder}`: {error}"))?;
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Some can only be written.
        let value = fs::read_to_string(entry.path()).ok()?;
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        Some((format!("net.ipv4.vs.{name}"), value))
    };
    Ok(entries.flatten().filter_map(read).collect())
}
