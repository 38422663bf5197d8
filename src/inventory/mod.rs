//! Hosts, groups and their variables: inventories in YAML and INI, those that are programs, whole
//! folders of them, with `group_vars` and `host_vars` beside them and beside the playbook.
//!
//! What is read, and in which order it counts, is Ansible's; `docs/inventory.md` says where it
//! is not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Diagnostics, Span};

mod build;
mod files;
mod ini;
mod kin;
mod listing;
mod pattern;
mod range;
mod script;
mod source;
mod yaml;

use files::Files;
pub use files::read_vars;
use kin::Kin;
pub(crate) use pattern::glob;
pub use pattern::{limit, select};
pub(crate) use range::expand;
pub use source::{BESIDE, beside};

/// The most hosts of an inventory; a few words could stand for any number of them.
const MOST: usize = 100_000;

/// The most members that all groups list together, for the same reason.
const MOST_PLACED: usize = 16 * MOST;

/// The names that mean the controller itself, as long as no host of the inventory has them.
const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Variables by name.
pub type Vars = Map<String, Value>;

/// A host as the inventory declares it.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Its own variables.
    pub vars: Vars,
    /// Where it was declared first.
    pub span: Option<Span>,
    /// Whether nobody declared it: the controller, which is in no group, not even in `all`.
    pub implicit: bool,
    /// The inventory that declared it first.
    file: Option<Arc<Path>>,
    files: Files,
}

/// A group of hosts.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Hosts that it lists itself.
    pub hosts: IndexSet<String>,
    /// Groups inside it.
    pub children: IndexSet<String>,
    /// Variables from the inventory.
    pub vars: Vars,
    /// Where it was named first.
    pub span: Option<Span>,
    /// `ansible_group_priority`, when it is not 1: of groups at one level the highest wins.
    priority: Option<i64>,
    files: Files,
}

/// All hosts and groups.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// By name, in the order declared.
    pub hosts: IndexMap<String, Host>,
    /// By name; everything is in `all`, and `ungrouped` holds hosts that are in no other group.
    pub groups: IndexMap<String, Group>,
    /// What the user should know of, and what is no mistake.
    pub warnings: Vec<String>,
    /// What is being read.
    reading: Option<Arc<Path>>,
    /// How often a host was put into a group.
    placed: usize,
    /// The folders beside which `group_vars` and `host_vars` were read, the last one winning.
    folders: Vec<PathBuf>,
    kin: Kin,
}

impl Default for Inventory {
    fn default() -> Self {
        let mut groups: IndexMap<String, Group> = IndexMap::new();
        groups.entry("all".into()).or_default().children.insert("ungrouped".into());
        groups.entry("ungrouped".into()).or_default();
        let (hosts, warnings, reading, placed, folders, kin) = Default::default();
        Self { hosts, groups, warnings, reading, placed, folders, kin }
    }
}

impl Inventory {
    /// Reads one inventory, and the `group_vars` and `host_vars` beside it.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        Self::read_all(&[path.display().to_string()])
    }

    /// Reads several, the later ones over the earlier ones, each a file, a folder, a program, or
    /// names of hosts with commas; and the `group_vars` and `host_vars` beside them.
    pub fn read_all(sources: &[String]) -> Result<Self, Diagnostics> {
        let mut inventory = Self::default();
        let mut mistakes = Diagnostics::default();
        for name in sources {
            inventory.read_source(name, &mut mistakes);
        }
        let mut inventory = inventory.completed(mistakes)?;
        inventory.add_implicit_localhost();
        let mut mistakes = Diagnostics::default();
        for folder in sources.iter().filter_map(|name| source::folder(name)) {
            inventory.read_folder(&folder, &mut mistakes);
        }
        mistakes.finish(inventory)
    }

    /// An inventory of this machine alone.
    #[must_use]
    pub fn localhost() -> Self {
        let mut inventory = Self::default();
        let vars = Vars::from_iter([("ansible_connection".into(), "local".into())]);
        inventory.place("localhost", &[], vars);
        inventory.complete();
        inventory
    }

    /// Adds a host to the given groups; a lab's topology does so.
    pub fn place(&mut self, name: &str, groups: &[String], vars: Vars) {
        self.host(name, None).vars.extend(vars);
        for group in std::iter::once("all").chain(groups.iter().map(String::as_str)) {
            self.group(group, None).hosts.insert(name.to_owned());
        }
    }

    /// Makes `all` and `ungrouped` what they should be, and finds who belongs to whom; call it
    /// after the last [`Self::place`].
    pub fn complete(&mut self) {
        let inner: IndexSet<&String> = self.groups.values().flat_map(|g| &g.children).collect();
        let outermost: Vec<String> = self
            .groups
            .keys()
            .filter(|name| *name != "all" && !inner.contains(name))
            .cloned()
            .collect();
        let grouped: IndexSet<&String> = self
            .groups
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "all" | "ungrouped"))
            .flat_map(|(_, group)| &group.hosts)
            .collect();
        let listed = self.groups.get("ungrouped").into_iter().flat_map(|group| &group.hosts);
        let explicit = self.hosts.iter().filter(|(_, host)| !host.implicit).map(|(name, _)| name);
        let ungrouped: IndexSet<String> =
            listed.chain(explicit).filter(|name| !grouped.contains(name)).cloned().collect();
        self.group("ungrouped", None).hosts = ungrouped;
        self.group("all", None).children.extend(outermost);
        self.kin = Kin::of(&self.hosts, &self.groups);
    }

    /// Every host of a group, those of its inner groups behind its own.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<&str> {
        let listed: IndexSet<&str> = self
            .inside(group)
            .iter()
            .filter_map(|name| self.groups.get(*name))
            .flat_map(|group| group.hosts.iter().map(String::as_str))
            .collect();
        listed.into_iter().collect()
    }

    /// The groups a host is in, from the outermost to the innermost, `all` first.
    #[must_use]
    pub fn groups_of(&self, host: &str) -> Vec<&str> {
        let own = self.hosts.get_index_of(host).map(|host| self.kin.groups_of(host));
        let mut groups: Vec<_> = own
            .into_iter()
            .flatten()
            .filter_map(|index| Some((index, self.groups.get_index(index)?)))
            .filter(|(_, (name, _))| *name != "all")
            .map(|(index, (name, group))| {
                (self.kin.level(index), group.priority.unwrap_or(1), name.as_str())
            })
            .collect();
        groups.sort_unstable();
        std::iter::once("all").chain(groups.into_iter().map(|(_, _, name)| name)).collect()
    }

    /// Everything the inventory says about a host, in Ansible's order: groups before the host;
    /// among groups what stands in inventories, then `group_vars/all`, then the others'
    /// `group_vars`, where those beside the playbook come behind those beside inventories.
    #[must_use]
    pub fn vars_of(&self, host: &str) -> Vars {
        let mut vars = Vars::new();
        let names = self.groups_of(host);
        let mut groups = names.iter().filter_map(|name| self.groups.get(*name));
        for group in groups.clone() {
            extend(&mut vars, &group.vars);
        }
        let all = groups.next();
        all.into_iter().for_each(|group| group.files.add_to(&mut vars));
        Files::add_all(groups.map(|group| &group.files), &mut vars);
        if let Some(host) = self.hosts.get(host) {
            if let Some(file) = &host.file {
                vars.insert("inventory_file".into(), file.display().to_string().into());
                let folder = file.parent().unwrap_or(file);
                vars.insert("inventory_dir".into(), folder.display().to_string().into());
            }
            extend(&mut vars, &host.vars);
            host.files.add_to(&mut vars);
        }
        vars
    }

    /// Every name that is given a value for some host.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let groups = self.groups.values().map(|group| (&group.vars, &group.files));
        let hosts = self.hosts.values().map(|host| (&host.vars, &host.files));
        groups
            .chain(hosts)
            .flat_map(|(vars, files)| vars.keys().map(String::as_str).chain(files.names()))
    }

    /// `group -> [hosts]`, as `groups` has it in templates.
    #[must_use]
    pub fn group_map(&self) -> Value {
        Value::Object(
            self.groups
                .keys()
                .map(|name| {
                    (name.clone(), self.members(name).into_iter().map(Value::from).collect())
                })
                .collect(),
        )
    }

    /// The controller, for plays and tasks that name it, where no host has its name. A lab's
    /// inventory has none: a playbook in a lab must not touch the machine.
    fn add_implicit_localhost(&mut self) {
        if LOCALHOST.iter().any(|name| self.hosts.contains_key(*name)) {
            return;
        }
        let vars = Vars::from_iter([("ansible_connection".into(), "local".into())]);
        let host = Host { vars, implicit: true, ..Host::default() };
        self.hosts.insert("localhost".into(), host);
        self.kin = Kin::of(&self.hosts, &self.groups);
    }

    /// A group and those inside it, level by level.
    fn inside<'a>(&'a self, name: &'a str) -> IndexSet<&'a str> {
        let mut found = IndexSet::from([name]);
        let mut at = 0;
        while let Some(name) = found.get_index(at) {
            let inner = self.groups.get(*name).map(|group| &group.children);
            found.extend(inner.into_iter().flatten().map(String::as_str));
            at += 1;
        }
        found
    }

    /// A group that is inside itself, if there is one.
    fn cycle(&self) -> Option<Diagnostic> {
        let without = |index: usize| self.kin.is_circular(index);
        let mut at = (0..self.groups.len()).find(|index| without(*index))?;
        // Each of those is inside another one of them: going outwards comes back somewhere.
        let mut seen = IndexSet::new();
        while seen.insert(at) {
            at = self.kin.parents(at).iter().copied().find(|index| without(*index)).unwrap_or(at);
        }
        let (name, group) = self.groups.get_index(at)?;
        let mistake = Diagnostic::new(format!("the group `{name}` is inside itself"));
        Some(match &group.span {
            Some(span) => mistake.at(span),
            None => mistake,
        })
    }
}

fn extend(vars: &mut Vars, more: &Vars) {
    vars.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
}

/// The folder a file lies in; `.` for a bare name.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests;
