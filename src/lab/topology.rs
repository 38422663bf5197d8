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
mod hosts;
mod include;
mod many;
mod matrix;
mod name;
mod networks;
mod place;
pub(crate) mod wire;
mod written;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexMap;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::address::Subnet;
pub use self::matrix::Combination;
pub use self::name::{GroupName, HostName, LabName, ModuleName, NetworkName, PackageName};
use self::place::value_at;
pub use self::wire::Wire;
use self::written::File;
pub(crate) use self::written::schema;
use crate::diagnostic::{Diagnostic, Diagnostics};
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
    /// How long the whole trial may take.
    pub timeout: Option<Duration>,
    /// What of its matrix it was read with.
    pub combination: Combination,
    /// How the playbook's agents get onto the hosts.
    pub connection: Reach,
    /// The checks, each with its place, for [`crate::lab`] to decode.
    pub checks: Vec<Node>,
}

/// A network of a lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its addresses, at least one subnet.
    pub subnets: Vec<Subnet>,
    /// The largest packet, in bytes; the kernel's default when there is none.
    pub mtu: Option<u32>,
    /// What the cables do to packets on their way to a host.
    pub wire: Wire,
    /// What makes it a VLAN; without that it is a bridge.
    pub vlan: Option<Vlan>,
}

/// A network that lies on another one, in packets that bear its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlan {
    /// The number.
    pub id: u16,
    /// The other network.
    pub parent: NetworkName,
}

impl Network {
    /// An address with its prefix here, or why a host cannot have it.
    fn own(&self, address: IpAddr) -> Result<IpNet, String> {
        let subnet = self.subnets.iter().find(|subnet| subnet.net().contains(&address));
        let subnet = subnet.ok_or_else(|| format!("`{address}` is not in {self}"))?;
        subnet.refuse(address).map_or_else(|| Ok(subnet.of(address)), Err)
    }
}

/// Its subnets, as a message names them.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, subnet) in self.subnets.iter().enumerate() {
            let between = if number == 0 { "" } else { " or " };
            write!(f, "{between}`{}`", subnet.net())?;
        }
        Ok(())
    }
}

/// A host of a lab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// The groups it is in, as a playbook's `hosts:` names them.
    pub groups: Vec<GroupName>,
    /// The networks it is in, the first on `eth0`.
    pub networks: IndexMap<NetworkName, Link>,
    /// Where it sends packets for other networks.
    pub routes: Vec<Route>,
    /// Whether it forwards packets of others.
    pub forwarding: bool,
    /// Of how many cables each of its interfaces is a bond, if of several.
    pub bond: Option<u8>,
    /// What is run in it once the network is there: programs and their arguments.
    pub commands: Vec<Vec<String>>,
    /// The packages that this machine must have for it.
    pub packages: Vec<PackageName>,
}

/// A host's place in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its addresses there with the prefixes of their subnets; the first is what the host is
    /// known by.
    pub addresses: Vec<IpNet>,
    /// The largest packet, in bytes; the network's when there is none.
    pub mtu: Option<u32>,
    /// What its cable does to packets in both directions, before what the network says.
    pub wire: Wire,
}

/// Where packets for a network are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The network; with a prefix of 0 everything.
    pub to: IpNet,
    /// The next hop.
    pub via: IpAddr,
}

/// Something that not every kernel has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// IP Virtual Server.
    Ipvs,
    /// Root of the kernel itself: one of a user namespace has IPVS for IPv4 only, on older kernels
    /// none of its parameters, and neither ipvsadm nor keepalived.
    Root,
    /// A module, loaded or built in.
    Module(ModuleName),
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

impl Topology {
    /// Reads a lab file, or the one in a folder; of a matrix, with the first value of each key.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        Self::read_as(path, None)
    }

    /// The combinations of a lab's matrix, of some keys only those that are wanted, each written
    /// `scheduler=rr`; one that is empty where the lab has none.
    pub fn combinations(path: &Path, only: &[String]) -> Result<Vec<Combination>, Diagnostics> {
        matrix::combinations(&include::read(&file_of(path)?)?, only)
    }

    /// Reads a lab file, or the one in a folder, with one combination of its matrix.
    pub fn read_as(path: &Path, combination: Option<&Combination>) -> Result<Self, Diagnostics> {
        let file = file_of(path)?;
        // An absolute folder: a lab that is up is found from anywhere.
        let folder = file.canonicalize().ok().and_then(|file| file.parent().map(Path::to_owned));
        let folder = folder.unwrap_or_default();
        let node = include::read(&file)?;
        let first = matrix::combinations(&node, &[])?.into_iter().next().unwrap_or_default();
        let combination = combination.cloned().unwrap_or(first);
        // Without a matrix two braces are two braces.
        let node = match node.get("matrix") {
            Some(_) => matrix::rendered(node, &combination)?,
            None => node,
        };
        let mut mistakes = Diagnostics::default();
        let topology = Self::decode(&node, folder.clone());
        let topology = topology.map(|topology| Self { combination, ..topology });
        let topology = topology.map_err(|found| mistakes.0.extend(found.0)).ok();
        // Whoever writes a lab wants to know of all that is wrong with the file at once.
        find_playbook(&node, &folder, &mut mistakes);
        if let Err(found) = read_checks(&node, &hosts::all_names(&node)) {
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
        let networks = networks::lay_out(&file.networks, node, &mut mistakes);
        if file.hosts.is_empty() {
            mistakes.push(
                Diagnostic::new("the lab has no hosts")
                    .at(&value_at(node, &["hosts"]))
                    .hint("write one, such as `client: { networks: { lan: 192.168.0.10 } }`"),
            );
        }
        let hosts = hosts::lay_out(&file.hosts, &networks, node, &mut mistakes);
        let checks = match node.get("checks").map(Node::sequence) {
            Some(checks) => mistakes.keep(checks).unwrap_or_default().to_vec(),
            None => Vec::new(),
        };
        let Some(name) = name else { return Err(mistakes) };
        mistakes.finish(Self {
            name,
            folder,
            networks,
            hosts,
            playbook: file.playbook,
            requires: file.requires,
            timeout: file.timeout.map(|timeout| timeout.0),
            combination: Combination::default(),
            connection: file.connection,
            checks,
        })
    }

    /// Whether the kernel must have IP Virtual Server.
    #[must_use]
    pub fn requires_ipvs(&self) -> bool {
        self.requires.contains(&Requirement::Ipvs)
    }

    /// Whether root of a user namespace is not enough.
    #[must_use]
    pub fn requires_root(&self) -> bool {
        self.requires.contains(&Requirement::Root)
    }
}

/// The lab file that a path stands for.
fn file_of(path: &Path) -> Result<PathBuf, Diagnostic> {
    let file = match path {
        here if here == Path::new(".") => PathBuf::from(FILE),
        folder if folder.is_dir() => folder.join(FILE),
        file => file.to_owned(),
    };
    match file.exists() {
        true => Ok(file),
        false => Err(Diagnostic::new(format!("there is no `{}`", file.display()))
            .hint(format!("a lab is a folder with a `{FILE}`, or the path of such a file"))),
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
fn read_checks(node: &Node, hosts: &[String]) -> Result<(), Diagnostics> {
    let list = node.get("checks").and_then(|node| node.sequence().ok()).unwrap_or_default();
    super::check::read(list, hosts.iter().map(String::as_str)).map(drop)
}

#[cfg(test)]
mod tests;
