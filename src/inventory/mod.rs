//! Hosts, groups and their variables: the YAML inventory, with `group_vars` and `host_vars`
//! beside it and beside the playbook.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::yaml::{Kind, Node};

mod pattern;
mod range;

pub(crate) use pattern::glob;
pub use pattern::select;

/// The most hosts of an inventory; a few words could stand for any number of them.
const MOST: usize = 100_000;

/// Variables by name.
pub type Vars = Map<String, Value>;

/// A host as the inventory declares it.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Its own variables.
    pub vars: Vars,
    /// Variables from `host_vars`.
    pub file_vars: Vars,
    /// Where it was declared first.
    pub span: Option<Span>,
}

/// A group of hosts.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Hosts that it lists itself.
    pub hosts: IndexSet<String>,
    /// Groups inside it.
    pub children: IndexSet<String>,
    /// Variables from the inventory file.
    pub vars: Vars,
    /// Variables from `group_vars`.
    pub file_vars: Vars,
}

/// All hosts and groups.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// By name, in the order declared.
    pub hosts: IndexMap<String, Host>,
    /// By name; `all` holds every host, `ungrouped` those in no other group.
    pub groups: IndexMap<String, Group>,
}

impl Inventory {
    /// Reads an inventory file, and the `group_vars` and `host_vars` beside it.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let node = Node::read_file(path).map_err(Diagnostics::from)?;
        let mut inventory = Self::decode(&node)?;
        inventory.read_vars_beside(path.parent().unwrap_or(Path::new(".")))?;
        Ok(inventory)
    }

    /// An inventory of this machine alone.
    #[must_use]
    pub fn localhost() -> Self {
        let mut inventory = Self::default();
        inventory.add_host("localhost", None);
        if let Some(host) = inventory.hosts.get_mut("localhost") {
            host.vars.insert("ansible_connection".into(), "local".into());
        }
        inventory.complete();
        inventory
    }

    /// Adds a host to the given groups; a lab's topology does so.
    pub fn place(&mut self, name: &str, groups: &[String], vars: Vars) {
        self.add_host(name, None);
        if let Some(host) = self.hosts.get_mut(name) {
            host.vars.extend(vars);
        }
        for group in groups {
            self.groups.entry(group.clone()).or_default().hosts.insert(name.to_owned());
        }
    }

    /// Makes `all` and `ungrouped` what they should be; call it after the last [`Self::place`].
    pub fn complete(&mut self) {
        let grouped: IndexSet<&String> = self
            .groups
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "all" | "ungrouped"))
            .flat_map(|(_, group)| &group.hosts)
            .collect();
        let ungrouped: IndexSet<String> =
            self.hosts.keys().filter(|name| !grouped.contains(name)).cloned().collect();
        let names: Vec<String> = self.groups.keys().cloned().collect();
        let inner: IndexSet<String> = self
            .groups
            .iter()
            .filter(|(name, _)| *name != "all")
            .flat_map(|(_, group)| group.children.clone())
            .collect();
        self.groups.entry("ungrouped".into()).or_default().hosts = ungrouped;
        let all = self.groups.entry("all".into()).or_default();
        all.hosts = self.hosts.keys().cloned().collect();
        for name in names.into_iter().chain(["ungrouped".to_owned()]) {
            if name != "all" && !inner.contains(&name) {
                all.children.insert(name);
            }
        }
    }

    /// Reads `group_vars` and `host_vars` in a folder, where they exist.
    pub fn read_vars_beside(&mut self, folder: &Path) -> Result<(), Diagnostics> {
        let mut mistakes = Diagnostics::default();
        for (name, group) in &mut self.groups {
            for path in var_files(&folder.join("group_vars"), name) {
                if let Some(vars) = mistakes.keep(read_vars(&path)) {
                    group.file_vars.extend(vars);
                }
            }
        }
        for (name, host) in &mut self.hosts {
            for path in var_files(&folder.join("host_vars"), name) {
                if let Some(vars) = mistakes.keep(read_vars(&path)) {
                    host.file_vars.extend(vars);
                }
            }
        }
        mistakes.finish(())
    }

    /// Every host of a group, its inner groups included, in the order of the inventory.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<&str> {
        let mut groups = IndexSet::new();
        self.collect_groups(group, &mut groups);
        let listed: IndexSet<&str> = groups
            .iter()
            .filter_map(|name| self.groups.get(*name))
            .flat_map(|group| group.hosts.iter().map(String::as_str))
            .collect();
        listed.into_iter().collect()
    }

    /// The groups a host is in, from the outermost to the innermost, `all` first.
    #[must_use]
    pub fn groups_of(&self, host: &str) -> Vec<&str> {
        let levels = self.levels();
        let mut found: Vec<(usize, &str)> = self
            .groups
            .keys()
            .filter(|name| *name != "all" && self.members(name).contains(&host))
            .map(|name| (levels.get(name.as_str()).copied().unwrap_or(0), name.as_str()))
            .collect();
        found.sort();
        std::iter::once("all").chain(found.into_iter().map(|(_, name)| name)).collect()
    }

    /// Everything the inventory says about a host: groups before hosts, the files of
    /// `group_vars` and `host_vars` over what stands in the inventory itself.
    #[must_use]
    pub fn vars_of(&self, host: &str) -> Vars {
        let mut vars = Vars::new();
        for name in self.groups_of(host) {
            if let Some(group) = self.groups.get(name) {
                vars.extend(group.vars.clone());
                vars.extend(group.file_vars.clone());
            }
        }
        if let Some(host) = self.hosts.get(host) {
            vars.extend(host.vars.clone());
            vars.extend(host.file_vars.clone());
        }
        vars
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

    /// Takes the text of an inventory apart, without what lies beside it.
    pub(crate) fn decode(node: &Node) -> Result<Self, Diagnostics> {
        let mut inventory = Self::default();
        let mut mistakes = Diagnostics::default();
        match node.mapping() {
            Ok([]) => mistakes.push(
                Diagnostic::new("the inventory is empty")
                    .at(&node.span)
                    .hint("begin with `all:` and `hosts:`"),
            ),
            Ok(entries) => {
                for (key, group) in entries {
                    inventory.decode_group(&key.text, group, &mut mistakes);
                }
            }
            Err(error) => mistakes.push(error.hint("an inventory is a mapping of groups")),
        }
        inventory.complete();
        if let Some(cycle) = inventory.cycle() {
            mistakes.push(
                Diagnostic::new(format!("the group `{cycle}` is inside itself")).at(&node.span),
            );
        }
        mistakes.finish(inventory)
    }

    fn decode_group(&mut self, name: &str, node: &Node, mistakes: &mut Diagnostics) {
        self.groups.entry(name.to_owned()).or_default();
        let Some(entries) = mistakes.keep(node.mapping()) else { return };
        for (key, value) in entries {
            match key.text.as_str() {
                "hosts" => self.decode_hosts(name, value, mistakes),
                "vars" => {
                    if let (Some(vars), Some(group)) =
                        (mistakes.keep(value.variables()), self.groups.get_mut(name))
                    {
                        group.vars.extend(vars);
                    }
                }
                "children" => {
                    for (child, inner) in mistakes.keep(value.mapping()).unwrap_or_default() {
                        if let Some(group) = self.groups.get_mut(name) {
                            group.children.insert(child.text.clone());
                        }
                        self.decode_group(&child.text, inner, mistakes);
                    }
                }
                other => mistakes.push(
                    Diagnostic::new(format!("unknown key `{other}` in the group `{name}`"))
                        .at(&key.span)
                        .did_you_mean(other, ["hosts", "vars", "children"]),
                ),
            }
        }
    }

    fn decode_hosts(&mut self, group: &str, node: &Node, mistakes: &mut Diagnostics) {
        let entries =
            match &node.kind {
                Kind::Sequence(_) => {
                    mistakes.push(node.expected("a mapping of hosts").hint(
                        "write `name:` for each host, a colon behind it, instead of `- name`",
                    ));
                    return;
                }
                _ => mistakes.keep(node.mapping()).unwrap_or_default(),
            };
        for (key, vars) in entries {
            let Some(names) = mistakes.keep(range::expand(&key.text).map_err(|e| e.at(&key.span)))
            else {
                continue;
            };
            if self.hosts.len() + names.len() > MOST {
                let mistake = Diagnostic::new(format!("there are more than {MOST} hosts"));
                mistakes.push(mistake.at(&key.span));
                return;
            }
            let vars = mistakes.keep(vars.variables()).unwrap_or_default();
            for name in names {
                self.add_host(&name, Some(&key.span));
                if let Some(host) = self.hosts.get_mut(&name) {
                    host.vars.extend(vars.clone());
                }
                self.groups.entry(group.to_owned()).or_default().hosts.insert(name);
            }
        }
    }

    fn add_host(&mut self, name: &str, span: Option<&Span>) {
        let host = self.hosts.entry(name.to_owned()).or_default();
        if host.span.is_none() {
            host.span = span.cloned();
        }
    }

    /// A group and those inside it, each before its own.
    fn collect_groups<'a>(&'a self, name: &'a str, into: &mut IndexSet<&'a str>) {
        let mut waiting = vec![name];
        while let Some(name) = waiting.pop() {
            if into.insert(name) {
                let inner = self.groups.get(name).map(|group| &group.children);
                waiting.extend(inner.into_iter().flatten().rev().map(String::as_str));
            }
        }
    }

    /// How far each group is from the outermost ones, by the longest way. What is inside itself,
    /// and what is inside that, has no level.
    fn levels(&self) -> HashMap<&str, usize> {
        let mut parents: HashMap<&str, usize> = HashMap::new();
        for child in self.groups.values().flat_map(|group| &group.children) {
            *parents.entry(child).or_default() += 1;
        }
        let names = self.groups.keys().map(String::as_str);
        let mut ready: Vec<&str> = names.filter(|name| !parents.contains_key(name)).collect();
        let mut levels: HashMap<&str, usize> = ready.iter().map(|name| (*name, 0)).collect();
        while let Some(name) = ready.pop() {
            let below = levels.get(name).copied().unwrap_or(0) + 1;
            for child in self.groups.get(name).map(|group| &group.children).into_iter().flatten() {
                let level = levels.entry(child).or_default();
                *level = below.max(*level);
                if let Some(left) = parents.get_mut(child.as_str()) {
                    *left -= 1;
                    if *left == 0 {
                        ready.push(child);
                    }
                }
            }
        }
        levels.retain(|name, _| parents.get(name).is_none_or(|left| *left == 0));
        levels
    }

    /// A group that is inside itself, if there is one.
    fn cycle(&self) -> Option<&str> {
        let levels = self.levels();
        let without = |name: &&str| !levels.contains_key(name);
        let mut at = self.groups.keys().map(String::as_str).find(without)?;
        // Each of those is inside another one of them: going outwards comes back somewhere.
        let mut seen = IndexSet::new();
        while seen.insert(at) {
            let outer = self.groups.iter().find(|(name, group)| {
                !levels.contains_key(name.as_str()) && group.children.contains(at)
            });
            at = outer.map_or(at, |(name, _)| name.as_str());
        }
        Some(at)
    }
}

/// `NAME`, `NAME.yml`, `NAME.yaml`, `NAME.json`, or every file in the folder `NAME`.
fn var_files(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["", ".yml", ".yaml", ".json"]
        .iter()
        .map(|ending| folder.join(format!("{name}{ending}")))
        .filter(|path| path.is_file())
        .collect();
    if let Ok(entries) = std::fs::read_dir(folder.join(name)) {
        let mut inner: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension().is_some_and(|e| e == "yml" || e == "yaml" || e == "json")
            })
            .collect();
        inner.sort();
        files.extend(inner);
    }
    files
}

/// Reads a file of variables.
pub fn read_vars(path: &Path) -> Result<Vars, Diagnostic> {
    Node::read_file(path)?.variables()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::Source;

    pub(super) fn inventory(text: &str) -> Result<Inventory, Diagnostics> {
        let source = Arc::new(Source { name: "inventory.yml".into(), text: text.into() });
        Inventory::decode(&crate::yaml::read(&source).expect("reads"))
    }

    const CLUSTER: &str = "
all:
  vars: {a: all, b: all}
  children:
    lb: {hosts: {lb1: {a: host}}}
    web:
      vars: {b: web}
      hosts: {'rs[1:3]': }
    cluster: {children: {lb: , web: }, vars: {b: cluster}}
  hosts: {client: }
";

    #[test]
    fn groups_nest_and_inner_ones_win() {
        let inventory = inventory(CLUSTER).expect("reads");
        assert_eq!(inventory.members("cluster"), ["lb1", "rs1", "rs2", "rs3"]);
        assert_eq!(inventory.members("ungrouped"), ["client"]);
        assert_eq!(inventory.groups_of("rs2"), ["all", "cluster", "web"]);
        let vars = inventory.vars_of("rs2");
        assert_eq!((&vars["a"], &vars["b"]), (&"all".into(), &"web".into()));
        assert_eq!(inventory.vars_of("lb1")["a"], "host");
    }

    #[test]
    fn mistakes_have_places() {
        let error = inventory("all:\n  host:\n    a:\n").expect_err("must fail").to_string();
        assert_eq!(
            error,
            "inventory.yml:2:3: unknown key `host` in the group `all` (did you mean `hosts`?)"
        );
        let error = inventory("").expect_err("must fail").to_string();
        assert!(error.contains("inventory is empty"), "{error}");
        let error = inventory("all: {children: {x: , a: {children: {b: {children: {a: , c: }}}}}}")
            .expect_err("must fail");
        assert!(error.to_string().contains("`a` is inside itself"), "{error}");
        let many: String = (0..2).map(|n| format!("    'n{n}-[1:65536]':\n")).collect();
        let error = inventory(&format!("all:\n  hosts:\n{many}")).expect_err("too many");
        assert!(error.to_string().contains("more than 100000 hosts"), "{error}");
    }

    #[test]
    fn many_ways_to_a_group_and_long_ones_take_no_time() {
        // Two groups on each of 40 levels, each with both of the next: 2^40 ways.
        let mut text = String::from("top: {children: {a0: , b0: }}\n");
        for level in 0..40 {
            let next = level + 1;
            for side in ["a", "b"] {
                text += &format!("{side}{level}: {{children: {{a{next}: , b{next}: }}}}\n");
            }
        }
        text += "a40: {hosts: {rs1: }}\n";
        let found = inventory(&text).expect("reads");
        assert_eq!(found.groups_of("rs1").last(), Some(&"a40"));
        assert_eq!(found.levels()["a40"], 42);
        let chain: String =
            (0..2_000).map(|n| format!("g{n}: {{children: {{g{}: }}}}\n", n + 1)).collect();
        assert_eq!(inventory(&chain).expect("reads").members("g0"), Vec::<&str>::new());
    }
}
