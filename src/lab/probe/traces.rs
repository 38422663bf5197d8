//! All that a playbook may leave behind on a host, as lines that can be compared: addresses,
//! routes, rules, interfaces, sysctls of the network, the IPVS table, nftables, `/etc`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ipvs::Ipvs;
use crate::modules::process::Program;
use crate::modules::{ContentDigest, Error};
use crate::netlink::route::Handle;

/// What is there on this host?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesOf {}

/// What is there, each with what it is like; the keys begin with what they are: `address`,
/// `route`, `rule`, `link`, `sysctl`, `service`, `nftables`, `file`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces(pub BTreeMap<String, String>);

/// Larger files are compared by their size.
const LARGE: u64 = 1 << 20;
/// How long a program may take that lists something.
const PATIENCE: Duration = Duration::from_secs(20);

impl TracesOf {
    pub(super) fn run(self) -> Result<Traces, Error> {
        let mut found = BTreeMap::new();
        network(&mut found).map_err(|error| Error::new(error.to_string()))?;
        for (kind, argv) in [
            ("route", &["ip", "-o", "route", "show", "table", "all"][..]),
            ("route", &["ip", "-o", "-6", "route", "show", "table", "all"]),
            ("rule", &["ip", "rule"]),
            ("rule", &["ip", "-6", "rule"]),
        ] {
            lines(kind, argv, &mut found)?;
        }
        // Where there is no nft, nobody has used it.
        if let Err(error) = lines("nftables", &["nft", "-s", "list", "ruleset"], &mut found)
            && !error.message.contains("no such program")
        {
            found.insert("nftables".into(), "unreadable".into());
        }
        // A kernel without IPVS has nothing in its table.
        for service in (Ipvs {}).run().map(|table| table.services).unwrap_or_default() {
            let key = service.state.service.key;
            found.insert(format!("service {key}"), service.state.service.to_string());
            for one in service.destinations {
                let name = format!("service {key} -> {}", one.destination.key);
                found.insert(name, one.destination.to_string());
            }
        }
        sysctls(Path::new("/proc/sys/net"), "net", &mut found);
        files(Path::new("/etc"), &mut found);
        Ok(Traces(found))
    }
}

fn network(found: &mut BTreeMap<String, String>) -> Result<(), crate::netlink::route::Error> {
    let mut netlink = Handle::new()?;
    let links = netlink.links()?;
    for address in netlink.addresses()? {
        let link = links.iter().find(|link| link.index == address.interface);
        let link = link.map_or("?", |link| link.name.as_str());
        found.insert(
            format!("address {}/{} on {link}", address.address, address.prefix),
            String::new(),
        );
    }
    for link in links {
        let state = if link.up { "up" } else { "down" };
        let kind = link.kind.as_deref().unwrap_or("-");
        found.insert(format!("link {}", link.name), format!("{kind} {state} mtu {}", link.mtu));
    }
    Ok(())
}

/// The lines that a program says, each as a thing of its own.
fn lines(kind: &str, argv: &[&str], found: &mut BTreeMap<String, String>) -> Result<(), Error> {
    let argv: Vec<String> = argv.iter().map(ToString::to_string).collect();
    let output = Program::new(argv).timeout(PATIENCE).run()?;
    for line in output.stdout.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // How long a route lasts changes by itself.
        let words = words.split(|word| *word == "expires").next().unwrap_or_default().join(" ");
        if !words.is_empty() {
            found.insert(format!("{kind} {words}"), String::new());
        }
    }
    Ok(())
}

fn sysctls(folder: &Path, name: &str, found: &mut BTreeMap<String, String>) {
    // An interface may go meanwhile, and some keys can only be written.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{name}.{}", entry.file_name().to_string_lossy().replace('.', "/"));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sysctls(&entry.path(), &name, found);
        } else if let Ok(value) = fs::read_to_string(entry.path()) {
            let words: Vec<&str> = value.split_whitespace().collect();
            found.insert(format!("sysctl {name}"), words.join(" "));
        }
    }
}

fn files(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let content = if metadata.is_symlink() {
            fs::read_link(&path).map(|to| format!("link to {}", to.display()))
        } else if metadata.is_dir() {
            files(&path, found);
            Ok("folder".into())
        } else if metadata.is_file() && metadata.len() <= LARGE {
            fs::read(&path).map(|bytes| ContentDigest::of(&bytes).sha256)
        } else {
            Ok(format!("{} bytes", metadata.len()))
        };
        let content = content.unwrap_or_else(|error| error.to_string());
        let (mode, user, group) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        found.insert(
            format!("file {}", path.display()),
            format!("{mode:04o} {user}:{group} {content}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_this_very_host_and_sees_the_same_twice() {
        let one = TracesOf {}.run().expect("it can be read").0;
        let kinds = ["address 127.0.0.1/8 on lo", "link lo", "sysctl net.ipv4.ip_forward"];
        for key in kinds.into_iter().chain(["file /etc/passwd"]) {
            assert!(one.contains_key(key), "{key} is missing");
        }
        assert!(one.keys().any(|key| key.starts_with("rule ")));
        let other = TracesOf {}.run().expect("it can be read").0;
        assert_eq!(one.get("file /etc/passwd"), other.get("file /etc/passwd"));
    }
}
