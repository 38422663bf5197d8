//! An inventory as `ansible-inventory` shows it: `--list`, `--yaml`, `--host` and `--graph`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{Group, Inventory, Vars};
use crate::diagnostic::Diagnostic;
use crate::template::jinja::printed;

/// Variables that are told of no host: they say where it was read, not what it is.
const INTERNAL: [&str; 2] = ["inventory_dir", "inventory_file"];

/// The most groups of a drawing.
const MOST_DRAWN: usize = 20_000;

/// A drawing so far.
#[derive(Default)]
struct Drawn {
    lines: Vec<String>,
    groups: usize,
}

impl Inventory {
    /// Groups with their hosts and children, and everything that is known of each host below
    /// `_meta`; what a program prints that is an inventory. Only these hosts, when some are given.
    #[must_use]
    pub fn list(&self, only: Option<&[String]>) -> Value {
        let shown = self.shown(only);
        let mut groups = Map::new();
        for name in self.inside("all") {
            let Some(group) = self.groups.get(name) else { continue };
            let mut parts = Map::new();
            let hosts: Vec<&String> = listed(name, group, &shown).collect();
            if !hosts.is_empty() {
                parts.insert("hosts".into(), json!(hosts));
            }
            if !group.children.is_empty() {
                parts.insert("children".into(), json!(group.children));
            }
            if !parts.is_empty() {
                groups.insert(name.to_owned(), parts.into());
            }
        }
        let vars = self.members("all").into_iter().filter(|name| shown.contains(name));
        let vars = vars.map(|name| (name.to_owned(), self.shown_vars(name)));
        let vars: Map<String, Value> =
            vars.filter(|(_, vars)| !vars.is_empty()).map(|(n, vars)| (n, vars.into())).collect();
        groups.insert("_meta".into(), json!({"hostvars": vars, "profile": "inventory_legacy"}));
        Value::Object(groups)
    }

    /// The same as an inventory in YAML, one group inside another. What is known of a host stands
    /// where it comes first.
    #[must_use]
    pub fn nested(&self, only: Option<&[String]>) -> Value {
        let mut nesting = Nesting {
            inventory: self,
            shown: self.shown(only),
            hosts: [].into(),
            groups: [].into(),
        };
        let all = nesting.group("all");
        let all = all.map(|all| ("all".to_owned(), all));
        Value::Object(all.into_iter().collect())
    }

    /// What is known of one host.
    pub fn host_vars(&self, pattern: &str) -> Result<Value, Diagnostic> {
        match super::select(self, pattern)?.as_slice() {
            [host] => Ok(self.shown_vars(host).into()),
            hosts => Err(Diagnostic::new(format!("`{pattern}` names {} hosts", hosts.len()))
                .hint("name one host")),
        }
    }

    /// The groups inside a group and their hosts as a drawing, with their variables when they
    /// are wanted.
    pub fn graph(&self, group: &str, vars: bool) -> Result<String, Diagnostic> {
        if !self.groups.contains_key(group) {
            let known = self.groups.keys().map(String::as_str);
            let mistake = Diagnostic::new(format!("no group is called `{group}`"));
            return Err(mistake.did_you_mean(group, known));
        }
        let mut drawn = Drawn::default();
        self.draw(group, 0, vars, &mut drawn)?;
        Ok(drawn.lines.join("\n"))
    }

    fn draw(
        &self,
        name: &str,
        depth: usize,
        vars: bool,
        drawn: &mut Drawn,
    ) -> Result<(), Diagnostic> {
        let Some(group) = self.groups.get(name) else { return Ok(()) };
        // Groups with several ways to them are drawn at each.
        drawn.groups += 1;
        if drawn.groups > MOST_DRAWN || drawn.lines.len() > super::MOST_PLACED {
            return Err(Diagnostic::new("the drawing would be too long")
                .hint("draw one of the inner groups: `--graph GROUP`"));
        }
        drawn.lines.push(line(&format!("@{name}:"), depth));
        for child in &group.children {
            self.draw(child, depth + 1, vars, drawn)?;
        }
        for host in group.hosts.iter().filter(|_| name != "all") {
            drawn.lines.push(line(host, depth + 1));
            if vars {
                draw_vars(self.shown_vars(host), depth + 2, &mut drawn.lines);
            }
        }
        if vars {
            let mut vars = group.vars.clone();
            group.files.add_to(&mut vars);
            if let Some(priority) = group.priority {
                vars.insert("ansible_group_priority".into(), priority.into());
            }
            draw_vars(vars, depth + 1, &mut drawn.lines);
        }
        Ok(())
    }

    fn shown<'a>(&'a self, only: Option<&[String]>) -> HashSet<&'a str> {
        let mut shown: HashSet<&str> = self.members("all").into_iter().collect();
        if let Some(only) = only {
            let only: HashSet<&str> = only.iter().map(String::as_str).collect();
            shown.retain(|name| only.contains(name));
        }
        shown
    }

    fn shown_vars(&self, host: &str) -> Vars {
        let mut vars = self.vars_of(host);
        vars.retain(|name, _| !INTERNAL.contains(&name.as_str()));
        vars
    }
}

/// The hosts that a group lists; `all` only has them.
fn listed<'a>(
    name: &str,
    group: &'a Group,
    shown: &HashSet<&str>,
) -> impl Iterator<Item = &'a String> {
    let all = name == "all";
    group.hosts.iter().filter(move |host| !all && shown.contains(host.as_str()))
}

struct Nesting<'a> {
    inventory: &'a Inventory,
    shown: HashSet<&'a str>,
    /// Hosts and groups that were told already.
    hosts: HashSet<&'a str>,
    groups: HashSet<&'a str>,
}

impl<'a> Nesting<'a> {
    /// Nothing for an empty group.
    fn group(&mut self, name: &str) -> Option<Value> {
        let group = self.inventory.groups.get(name)?;
        let mut parts = Map::new();
        let mut children = Map::new();
        for child in &group.children {
            if self.groups.contains(child.as_str()) {
                children.insert(child.clone(), json!({}));
            } else if let Some(inner) = self.group(child) {
                children.insert(child.clone(), inner);
            }
            self.groups.insert(child);
        }
        let mut hosts = Map::new();
        for host in listed(name, group, &self.shown) {
            let vars = match self.hosts.insert(host) {
                true => self.inventory.shown_vars(host),
                false => Vars::new(),
            };
            hosts.insert(host.clone(), vars.into());
        }
        for (key, part) in [("children", children), ("hosts", hosts)] {
            if !part.is_empty() {
                parts.insert(key.into(), part.into());
            }
        }
        (!parts.is_empty()).then(|| parts.into())
    }
}

fn draw_vars(vars: Vars, depth: usize, lines: &mut Vec<String>) {
    let mut vars: Vec<(String, Value)> = vars.into_iter().collect();
    vars.sort_by(|(one, _), (other, _)| one.cmp(other));
    lines.extend(
        vars.iter().map(|(name, value)| line(&format!("{{{name} = {}}}", printed(value)), depth)),
    );
}

fn line(text: &str, depth: usize) -> String {
    match depth {
        0 => text.to_owned(),
        _ => format!("{}--{text}", "  |".repeat(depth)),
    }
}
