//! What this machine is, under Ansible's names without the `ansible_` in front. Whatever
//! cannot be read is left out or null: facts are a help, never a reason to fail.

use std::fs;

use serde_json::{Map, Value};

use crate::inventory::glob;

mod date_time;
mod distribution;
mod hardware;
mod local;
mod lvs;
mod mounts;
mod network;
mod platform;
mod processor;
mod user;
mod virtualization;

#[cfg(test)]
mod tests;

/// Facts by name.
type Facts = Map<String, Value>;

/// A part of the facts, by the name that `gather_subset` has for it.
struct Subset {
    name: &'static str,
    /// The larger subset that it is in; those of `min` are gathered unless they are excluded.
    within: &'static str,
    add: fn(&mut Facts),
}

/// Every subset; later ones may look at what earlier ones found.
const SUBSETS: &[Subset] = &[
    Subset { name: "platform", within: "min", add: platform::add },
    Subset { name: "distribution", within: "min", add: distribution::add },
    Subset { name: "lsb", within: "min", add: distribution::add_lsb },
    Subset { name: "service_mgr", within: "min", add: platform::add_service_manager },
    Subset { name: "pkg_mgr", within: "min", add: platform::add_package_manager },
    Subset { name: "apparmor", within: "min", add: platform::add_apparmor },
    Subset { name: "selinux", within: "min", add: platform::add_selinux },
    Subset { name: "fips", within: "min", add: platform::add_fips },
    Subset { name: "cmdline", within: "min", add: platform::add_command_line },
    Subset { name: "dns", within: "min", add: platform::add_resolver },
    Subset { name: "date_time", within: "min", add: date_time::add },
    Subset { name: "user", within: "min", add: user::add },
    Subset { name: "env", within: "min", add: user::add_environment },
    Subset { name: "local", within: "min", add: local::add },
    Subset { name: "chroot", within: "all", add: platform::add_chroot },
    Subset { name: "loadavg", within: "all", add: hardware::add_load },
    Subset { name: "processor", within: "hardware", add: processor::add },
    Subset { name: "memory", within: "hardware", add: hardware::add_memory },
    Subset { name: "dmi", within: "hardware", add: hardware::add_dmi },
    Subset { name: "uptime_seconds", within: "hardware", add: hardware::add_uptime },
    Subset { name: "mounts", within: "hardware", add: mounts::add },
    Subset { name: "virtual", within: "all", add: virtualization::add },
    Subset { name: "network", within: "all", add: network::add },
    Subset { name: "lvs", within: "all", add: lvs::add },
];

/// Names of Ansible's for subsets that are part of others here, or empty.
const ALSO: &[(&str, &str)] = &[
    ("interfaces", "network"),
    ("default_ipv4", "network"),
    ("default_ipv6", "network"),
    ("all_ipv4_addresses", "network"),
    ("all_ipv6_addresses", "network"),
    ("distribution_version", "distribution"),
    ("machine", "platform"),
    ("processor_cores", "processor"),
    ("virtualization_type", "virtual"),
    ("python", ""),
    ("caps", ""),
    ("ssh_pub_keys", ""),
    ("systemd", ""),
    ("devices", ""),
    ("facter", ""),
    ("ohai", ""),
];

/// Looks at the machine: at these subsets, as `gather_subset` lists them (`all`, `min`,
/// `network`, `!hardware`; nothing is all), and tells what one of the patterns matches, when
/// there are any. A subset that is not known is the error.
pub(crate) fn gather(subsets: &[String], filter: &[String]) -> Result<Value, String> {
    let mut facts = Facts::new();
    for subset in chosen(subsets)? {
        (subset.add)(&mut facts);
    }
    if !filter.is_empty() {
        facts.retain(|name, _| filter.iter().any(|pattern| is_wanted(pattern, name)));
    }
    Ok(Value::Object(facts))
}

/// Whether there are such subsets.
pub(crate) fn check(subsets: &[String]) -> Result<(), String> {
    chosen(subsets).map(drop)
}

/// With and without `ansible_` in front, as Ansible has it.
fn is_wanted(pattern: &str, name: &str) -> bool {
    pattern.is_empty() || glob(pattern, name) || glob(pattern, &format!("ansible_{name}"))
}

fn chosen(subsets: &[String]) -> Result<Vec<&'static Subset>, String> {
    let of = |name: &str| -> Result<Vec<&'static Subset>, String> {
        if matches!(name, "all" | "min" | "hardware") {
            return Ok(SUBSETS.iter().filter(|s| name == "all" || s.within == name).collect());
        }
        let also = ALSO.iter().find(|(known, _)| *known == name).map(|(_, part)| *part);
        let found = SUBSETS.iter().filter(|subset| subset.name == also.unwrap_or(name));
        match found.collect::<Vec<_>>() {
            found if found.is_empty() && also.is_none() => Err(unknown(name)),
            found => Ok(found),
        }
    };
    let (without, with): (Vec<&str>, Vec<&str>) =
        subsets.iter().map(|name| name.trim()).partition(|name| name.starts_with('!'));
    let mut wanted = vec![false; SUBSETS.len()];
    let mut set = |names: Vec<&'static Subset>, to: bool| {
        for (subset, wanted) in SUBSETS.iter().zip(&mut wanted) {
            if names.iter().any(|name| name.name == subset.name) {
                *wanted = to;
            }
        }
    };
    // Without a word of what is wanted it is everything; the least comes with anything.
    set(of(if with.is_empty() { "all" } else { "min" })?, true);
    for name in without {
        match name.trim_start_matches('!') {
            "all" => {
                set(of("all")?, false);
                set(of("min")?, true);
            }
            name => set(of(name)?, false),
        }
    }
    if subsets.iter().any(|name| name.trim() == "!min") {
        set(of("min")?, false);
    }
    for name in with {
        set(of(name)?, true);
    }
    Ok(SUBSETS.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(s, _)| s).collect())
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> =
        ["all", "min", "hardware"].into_iter().chain(SUBSETS.iter().map(|s| s.name)).collect();
    format!("there is no subset `{name}` of facts; there are {}", names.join(", "))
}

/// A small file without the white space around it; nothing where there is none.
fn content(path: &str) -> Option<String> {
    let text = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    (!text.is_empty()).then_some(text)
}
