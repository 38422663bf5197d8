//! `lab.yml`: the networks and hosts of a lab, which is also its inventory, the playbook that
//! makes a cluster of them, and the checks that prove it.
//!
//! ```yaml
//! name: lvs-dr
//! networks:
//!   lan: { subnet: 192.168.0.0/24 }
//! hosts:
//!   lb1:    { groups: [directors],    networks: { lan: 192.168.0.90 } }
//!   rs1:    { groups: [real_servers], networks: { lan: 192.168.0.93 } }
//!   client: { networks: { lan: 192.168.0.10 } }
//! playbook: site.yml
//! ```
//!
//! What one value alone can tell is checked while it is decoded; what takes two is checked
//! here, and all of it is reported at once.

mod address;
mod name;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, schema_for};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

pub use self::address::{Address, Subnet};
pub use self::name::{GroupName, HostName, LabName, NetworkName};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::yaml::Node;

/// The file that makes a folder a lab.
pub const FILE: &str = "lab.yml";

/// A lab file, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// Its name; the folder's when the file gives none.
    pub name: LabName,
    /// The folder of the file, which paths in it are relative to.
    pub folder: PathBuf,
    /// The networks, each a bridge.
    pub networks: IndexMap<NetworkName, Network>,
    /// The hosts; there is at least one.
    pub hosts: IndexMap<HostName, Host>,
    /// The playbook, relative to the folder.
    pub playbook: Option<PathBuf>,
    /// What the kernel must have.
    pub requires: Vec<Requirement>,
    /// How the playbook's agents get onto the hosts.
    pub connection: Reach,
    /// The checks, each with its place, for [`crate::lab`] to decode.
    pub checks: Vec<Node>,
}

/// A network of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its addresses.
    pub subnet: Subnet,
}

/// A host of a lab.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The groups it is in, as a playbook's `hosts:` names them.
    #[serde(default)]
    pub groups: Vec<GroupName>,
    /// The networks it is in, the first on `eth0`, and its address in each.
    #[serde(default)]
    pub networks: IndexMap<NetworkName, Address>,
}

/// Something that not every kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// IP Virtual Server.
    Ipvs,
}

/// How the playbook's agents get onto the hosts of a lab.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// By entering their namespaces.
    #[default]
    Netns,
    /// By ssh, from one more host, to a real sshd on each.
    Ssh,
}

impl Reach {
    /// As a playbook's `ansible_connection` names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Netns => "netns",
            Self::Ssh => "ssh",
        }
    }
}

/// A lab: its networks and hosts, the playbook that makes a cluster of them, and the checks that
/// prove it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    /// What the lab is called; without it, as its folder is.
    name: Option<LabName>,
    /// The networks by name, each a bridge.
    #[serde(default)]
    networks: IndexMap<NetworkName, Network>,
    /// The hosts by name.
    hosts: IndexMap<HostName, Host>,
    /// The playbook, relative to this file.
    playbook: Option<PathBuf>,
    /// What the kernel must have; `[]` where a lab needs no IPVS.
    #[serde(default = "ipvs")]
    requires: Vec<Requirement>,
    /// How the playbook gets onto the hosts.
    #[serde(default)]
    connection: Reach,
    #[schemars(skip)]
    #[serde(default, rename = "checks")]
    _checks: Option<IgnoredAny>,
}

/// The schema of a lab file, all but its checks.
pub(crate) fn schema() -> Schema {
    schema_for!(File)
}

fn ipvs() -> Vec<Requirement> {
    vec![Requirement::Ipvs]
}

impl Topology {
    /// Reads a lab file, or the one in a folder.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let file = match path {
            here if here == Path::new(".") => PathBuf::from(FILE),
            folder if folder.is_dir() => folder.join(FILE),
            file => file.to_owned(),
        };
        if !file.exists() {
            return Err(Diagnostic::new(format!("there is no `{}`", file.display()))
                .hint(format!("a lab is a folder with a `{FILE}`, or the path of such a file"))
                .into());
        }
        // An absolute folder: a lab that is up is found from anywhere.
        let folder = file.canonicalize().ok().and_then(|file| file.parent().map(Path::to_owned));
        let folder = folder.unwrap_or_default();
        let node = Node::read_file(&file)?;
        let mut mistakes = Diagnostics::default();
        let topology = Self::decode(&node, folder.clone());
        let topology = topology.map_err(|found| mistakes.0.extend(found.0)).ok();
        // Whoever writes a lab wants to know of all that is wrong with the file at once.
        find_playbook(&node, &folder, &mut mistakes);
        if let Err(found) = read_checks(&node) {
            mistakes.0.extend(found.0);
        }
        match topology {
            Some(topology) => mistakes.finish(topology),
            None => Err(mistakes),
        }
    }

    /// Decodes and checks what was read from a lab file in that folder.
    pub fn decode(node: &Node, folder: PathBuf) -> Result<Self, Diagnostics> {
        if node.is_null() {
            return Err(Diagnostic::new("the lab file is empty")
                .at(&node.span)
                .hint("it needs `networks` and `hosts`")
                .into());
        }
        let mut file: File = node.decode()?;
        let mut mistakes = Diagnostics::default();
        let name = mistakes.keep(file.name.take().map_or_else(|| named_after(&folder, node), Ok));
        check_networks(&file, node, &mut mistakes);
        check_hosts(&file, node, &mut mistakes);
        let checks = match node.get("checks").map(Node::sequence) {
            Some(checks) => mistakes.keep(checks).unwrap_or_default().to_vec(),
            None => Vec::new(),
        };
        let Some(name) = name else { return Err(mistakes) };
        mistakes.finish(Self {
            name,
            folder,
            networks: file.networks,
            hosts: file.hosts,
            playbook: file.playbook,
            requires: file.requires,
            connection: file.connection,
            checks,
        })
    }

    /// Whether the kernel must have IP Virtual Server.
    #[must_use]
    pub fn requires_ipvs(&self) -> bool {
        self.requires.contains(&Requirement::Ipvs)
    }
}

fn named_after(folder: &Path, node: &Node) -> Result<LabName, Diagnostic> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    name.and_then(|name| LabName::try_from(name).ok()).ok_or_else(|| {
        Diagnostic::new("`name` is missing, and the folder's name cannot stand in for it")
            .at(&node.span)
    })
}

/// The file that `playbook` names must be there.
fn find_playbook(node: &Node, folder: &Path, mistakes: &mut Diagnostics) {
    let Some(named) = node.get("playbook") else { return };
    let Some(name) = named.as_str().filter(|name| !folder.join(name).is_file()) else { return };
    let others: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|file| file.ends_with(".yml") && file != FILE)
        .collect();
    mistakes.push(
        Diagnostic::new(format!("there is no playbook `{name}`"))
            .at(&named.span)
            .hint(format!("it is looked for in `{}`", folder.display()))
            .did_you_mean(name, others.iter().map(String::as_str)),
    );
}

/// The checks must be such, and name hosts that are there.
fn read_checks(node: &Node) -> Result<(), Diagnostics> {
    let list = |key| node.get(key).and_then(|node| node.sequence().ok()).unwrap_or_default();
    let hosts = node.get("hosts").and_then(|hosts| hosts.mapping().ok()).unwrap_or_default();
    super::check::read(list("checks"), hosts.iter().map(|(name, _)| name.text.as_str())).map(drop)
}

fn check_networks(file: &File, node: &Node, mistakes: &mut Diagnostics) {
    for (index, (name, network)) in file.networks.iter().enumerate() {
        for (other, before) in file.networks.iter().take(index) {
            if network.subnet.overlaps(before.subnet) {
                let (net, other_net) = (network.subnet.net(), before.subnet.net());
                mistakes.push(
                    Diagnostic::new(format!(
                        "network `{name}` (`{net}`) overlaps network `{other}` (`{other_net}`)"
                    ))
                    .at(&value_at(node, &["networks", name.as_str(), "subnet"]))
                    .hint("an address must be in one network only"),
                );
            }
        }
    }
}

fn check_hosts(file: &File, node: &Node, mistakes: &mut Diagnostics) {
    if file.hosts.is_empty() {
        mistakes.push(
            Diagnostic::new("the lab has no hosts")
                .at(&value_at(node, &["hosts"]))
                .hint("write one, such as `client: { networks: { lan: 192.168.0.10 } }`"),
        );
    }
    let mut taken: IndexMap<IpAddr, &HostName> = IndexMap::new();
    for (host, declared) in &file.hosts {
        for (network, address) in &declared.networks {
            let path = ["hosts", host.as_str(), "networks", network.as_str()];
            let address = address.ip();
            let Some(known) = file.networks.get(network) else {
                mistakes.push(
                    Diagnostic::new(format!("host `{host}` is in an unknown network `{network}`"))
                        .at(&key_at(node, &path))
                        .did_you_mean(network.as_str(), file.networks.keys().map(|n| n.as_str())),
                );
                continue;
            };
            if let Some(why) = known.subnet.refuse(address) {
                mistakes.push(
                    Diagnostic::new(format!("host `{host}` cannot be there: {why}"))
                        .at(&value_at(node, &path))
                        .hint(format!("network `{network}` is `{}`", known.subnet.net())),
                );
            } else if let Some(first) = taken.insert(address, host) {
                mistakes.push(
                    Diagnostic::new(format!("address `{address}` is given twice"))
                        .at(&value_at(node, &path))
                        .hint(format!("host `{first}` has it already")),
                );
            }
        }
    }
}

/// Where the value at the end of a path of keys stands, or the nearest thing above it.
fn value_at(node: &Node, path: &[&str]) -> Span {
    match path.split_first().and_then(|(key, rest)| Some((node.get(key)?, rest))) {
        Some((value, rest)) => value_at(value, rest),
        None => node.span.clone(),
    }
}

/// Where the last key of a path stands, or the nearest thing above it.
fn key_at(node: &Node, path: &[&str]) -> Span {
    let entries = node.mapping().unwrap_or_default();
    match path.split_first() {
        Some((key, rest)) => match entries.iter().find(|(have, _)| have.text == **key) {
            Some((found, _)) if rest.is_empty() => found.span.clone(),
            Some((_, value)) => key_at(value, rest),
            None => node.span.clone(),
        },
        None => node.span.clone(),
    }
}

#[cfg(test)]
mod tests;
