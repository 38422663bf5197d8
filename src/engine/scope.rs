//! The variables a task sees on a host, in Ansible's order of precedence.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::items::Item;
use super::path::Bindings;
use super::{HostState, Shared, TaskRun};
use crate::inventory::Vars;
use crate::template::{Prepared, Renderer, Variable, Variables};

/// All variables of one task on one host; the item of its loop, when it is in one.
pub(super) struct Scope<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) run: &'a TaskRun<'a>,
    pub(super) host: &'a HostState,
    /// What the loops around the task bind.
    pub(super) bindings: &'a Bindings,
    pub(super) item: Option<Item<'a>>,
}

/// Names that are the same for every task.
const MAGIC: &[&str] = &[
    "inventory_hostname",
    "inventory_hostname_short",
    "group_names",
    "groups",
    "hostvars",
    "ansible_play_hosts",
    "ansible_play_batch",
    "ansible_play_name",
    "ansible_check_mode",
    "ansible_facts",
    "ansible_diff_mode",
    "ansible_managed",
    "ansible_play_hosts_all",
    "ansible_role_name",
    "ansible_run_tags",
    "ansible_skip_tags",
    "playbook_dir",
    "role_name",
    "role_path",
];

impl Scope<'_> {
    fn magic(&self, name: &str) -> Option<Value> {
        let value = match name {
            "inventory_hostname" => self.host.name.as_str().into(),
            "inventory_hostname_short" => {
                self.host.name.split('.').next().unwrap_or_default().into()
            }
            "group_names" => self.host.groups.clone(),
            "ansible_play_hosts" => json!(self.run.roster.play),
            "ansible_play_batch" => json!(self.run.roster.batch),
            "ansible_play_name" => self.run.trail.play.name.as_str().into(),
            "ansible_check_mode" => self.shared.options.check.into(),
            "ansible_facts" => Value::Object(bare_facts(&self.host.learned().facts)),
            "playbook_dir" => absolute(&self.run.trail.play.folder).into(),
            "ansible_play_hosts_all" => json!(self.run.roster.all),
            "ansible_diff_mode" => self.shared.options.diff.into(),
            "ansible_run_tags" => match self.shared.options.tags.as_slice() {
                [] => json!(["all"]),
                tags => json!(tags),
            },
            "ansible_skip_tags" => json!(self.shared.options.skip_tags),
            "role_name" | "ansible_role_name" => {
                self.run.task.inherited.role.as_ref()?.name.as_str().into()
            }
            "role_path" => {
                let folder = self.run.task.inherited.role.as_ref()?.folder.as_ref()?;
                absolute(folder).into()
            }
            _ => return None,
        };
        Some(value)
    }
}

impl Variables for Scope<'_> {
    fn variable(&self, name: &str) -> Option<Variable> {
        let items = self.run.task.items.as_ref().zip(self.item);
        if let Some(value) = items.and_then(|(over, item)| item.variable(over, name)) {
            return Some(Variable::Literal(value));
        }
        if let Some((_, value)) = self.bindings.iter().rev().find(|(bound, _)| bound == name) {
            return Some(Variable::Literal(value.clone()));
        }
        match name {
            "groups" => return Some(Variable::Prepared(self.shared.groups.clone())),
            "hostvars" => {
                self.host.ask(name);
                let all = || Prepared::from(&hostvars(self.shared));
                return Some(Variable::Prepared(self.run.hostvars.get_or_init(all).clone()));
            }
            _ => {}
        }
        if let Some(value) = self.magic(name) {
            return Some(Variable::Literal(value));
        }
        let from = |vars: &Vars| vars.get(name).cloned();
        let role = self.run.task.inherited.role.as_deref();
        if let Some(value) = from(&self.shared.options.extra) {
            return Some(Variable::Template(value));
        }
        if let Some(value) = role.and_then(|role| from(&role.parameters)) {
            return Some(Variable::Template(value));
        }
        self.host.ask(name);
        let learned = self.host.learned();
        if let Some(value) = from(&learned.registered) {
            return Some(Variable::Literal(value));
        }
        let play = self.run.trail.play;
        let roles = || role.into_iter().chain(play.roles.iter().rev().map(|role| &**role));
        let written = from(&learned.included)
            .or_else(|| from(&self.run.task.inherited.vars))
            .or_else(|| roles().find_map(|role| from(&role.vars)))
            .or_else(|| from(&play.file_vars))
            .or_else(|| from(&play.vars));
        if let Some(value) = written {
            return Some(Variable::Template(value));
        }
        if let Some(value) = from(&learned.facts) {
            return Some(Variable::Literal(value));
        }
        from(&self.host.declared)
            .or_else(|| roles().find_map(|role| from(&role.defaults)))
            .or_else(|| (name == "ansible_managed").then(|| "Ansible managed".into()))
            .map(Variable::Template)
    }

    fn folders(&self) -> Vec<PathBuf> {
        let role = self.run.task.inherited.role.as_ref();
        let role = role.and_then(|role| role.folder.clone());
        role.into_iter().chain([self.run.trail.play.folder.clone()]).collect()
    }

    fn names(&self) -> Vec<String> {
        let learned = self.host.learned();
        let role = self.run.task.inherited.role.as_deref();
        let mut names: Vec<String> = [
            Some(&self.shared.options.extra),
            Some(&learned.registered),
            Some(&self.run.task.inherited.vars),
            Some(&self.run.trail.play.file_vars),
            Some(&learned.included),
            Some(&self.run.trail.play.vars),
            Some(&learned.facts),
            Some(&self.host.declared),
            role.map(|role| &role.parameters),
            role.map(|role| &role.vars),
            role.map(|role| &role.defaults),
        ]
        .into_iter()
        .flatten()
        .flat_map(|vars| vars.keys().cloned())
        .collect();
        names.extend(MAGIC.iter().map(|name| (*name).to_owned()));
        let roles = self.run.trail.play.roles.iter();
        let roles = roles.flat_map(|role| role.vars.keys().chain(role.defaults.keys()));
        names.extend(roles.cloned());
        names.extend(self.bindings.iter().map(|(name, _)| name.clone()));
        names.extend(self.item.map(|_| self.run.task.item_name().to_owned()));
        names
    }
}

fn absolute(folder: &Path) -> String {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    folder.display().to_string()
}

/// Every host's variables, rendered with its own; a text that cannot be stays as it is.
fn hostvars(shared: &Shared<'_>) -> Value {
    let known: HashMap<&str, &HostState> =
        shared.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let others = shared.inventory.hosts.keys().map(String::as_str);
    let mut all = Vars::new();
    for name in others {
        let vars = match known.get(name) {
            Some(host) => {
                let learned = host.learned();
                let mut vars = rendered(&host.declared);
                vars.extend(learned.facts.clone());
                vars.extend(rendered(&learned.included));
                vars.extend(learned.registered.clone());
                vars
            }
            None => rendered(&shared.inventory.vars_of(name)),
        };
        all.insert(name.to_owned(), Value::Object(vars));
    }
    Value::Object(all)
}

pub(super) fn rendered(vars: &Vars) -> Vars {
    let renderer = Renderer::new(vars);
    let nowhere = crate::diagnostic::Span::nowhere();
    vars.iter()
        .map(|(name, value)| {
            let rendered = renderer.variable(name, &nowhere).ok().flatten();
            (name.clone(), rendered.unwrap_or_else(|| value.clone()))
        })
        .collect()
}

/// Facts under `ansible_facts` have no prefix.
fn bare_facts(facts: &Vars) -> Vars {
    facts
        .iter()
        .map(|(name, value)| {
            (name.strip_prefix("ansible_").unwrap_or(name).to_owned(), value.clone())
        })
        .collect()
}
