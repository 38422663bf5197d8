//! What this machine is, under Ansible's names without the `ansible_` in front. Whatever
//! cannot be read is left out or null: facts are a help, never a reason to fail.

use std::fs;

use serde_json::{Map, Value};

use crate::diagnostic::nearest;
use crate::inventory::glob;
use crate::modules::Error;

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
/// `network`, `!hardware`), and tells what one of the patterns matches, when there are any. Without
/// a subset it is everything; one that is not known is the error.
pub(crate) fn gather(subsets: &[String], filter: &[String]) -> Result<Value, Error> {
    let mut facts = Facts::new();
    for subset in chosen(subsets)? {
        (subset.add)(&mut facts);
    }
    let filter: Vec<&String> = filter.iter().filter(|pattern| !pattern.is_empty()).collect();
    if !filter.is_empty() {
        facts.retain(|name, _| filter.iter().any(|pattern| is_wanted(pattern, name)));
    }
    Ok(Value::Object(facts))
}

/// Whether all these subsets are known.
pub(crate) fn check(subsets: &[String]) -> Result<(), Error> {
    chosen(subsets).map(drop)
}

/// With and without `ansible_` in front, as Ansible has it.
fn is_wanted(pattern: &str, name: &str) -> bool {
    glob(pattern, name) || glob(pattern, &format!("ansible_{name}"))
}

/// The least and what is wanted besides, less what is excluded and not wanted by its own name.
fn chosen(names: &[String]) -> Result<Vec<&'static Subset>, Error> {
    let names: Vec<&str> = names.iter().map(|name| name.trim()).filter(|n| !n.is_empty()).collect();
    let (mut added, mut excluded, mut named) = (part("min")?, Vec::new(), Vec::new());
    for name in &names {
        match name.strip_prefix('!') {
            Some("all") => excluded.extend(SUBSETS.iter().filter(|subset| subset.within != "min")),
            Some(name) => excluded.extend(part(name)?),
            None if matches!(*name, "all" | "min") => added.extend(part(name)?),
            None => named.extend(part(name)?),
        }
    }
    if names.is_empty() {
        added.extend(SUBSETS);
    }
    let within = |list: &[&Subset], subset: &Subset| list.iter().any(|s| s.name == subset.name);
    let is_chosen = |subset: &&Subset| {
        within(&named, subset) || within(&added, subset) && !within(&excluded, subset)
    };
    Ok(SUBSETS.iter().filter(is_chosen).collect())
}

/// What a name of `gather_subset` stands for.
fn part(name: &str) -> Result<Vec<&'static Subset>, Error> {
    if matches!(name, "all" | "min" | "hardware") {
        return Ok(SUBSETS.iter().filter(|s| name == "all" || s.within == name).collect());
    }
    let also = ALSO.iter().find(|(known, _)| *known == name).map(|(_, part)| *part);
    let found: Vec<&Subset> =
        SUBSETS.iter().filter(|subset| subset.name == also.unwrap_or(name)).collect();
    if !found.is_empty() || also.is_some() {
        return Ok(found);
    }
    let known = || ["all", "min", "hardware"].into_iter().chain(SUBSETS.iter().map(|s| s.name));
    let error = Error::new(format!("there are no facts called `{name}`"));
    Err(match nearest(name, known()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("known are {}", known().collect::<Vec<_>>().join(", "))),
    })
}

/// A small file without the white space around it; nothing where there is none.
fn content(path: &str) -> Option<String> {
    let text = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    (!text.is_empty()).then_some(text)
}
