//! `lvsmith.toml`: what the command line need not say each time.
//!
//! The file is looked for beside the playbook or lab file and in the folders above it, up to the
//! one that holds `.git`, or else up to the current folder. Variables `LVSMITH_…` of the
//! environment count more than it, the command line most.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::output::Format;
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::inventory::Inventory;
use crate::yaml::{self, Key, Kind, Node};

mod toml;

/// The file's name.
pub(super) const FILE: &str = "lvsmith.toml";

/// What the names of variables begin with.
const PREFIX: &str = "LVSMITH_";

/// Defaults of the command line, kept in `lvsmith.toml`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Defaults {
    /// The inventory, as `--inventory` has it; a path is relative to this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inventory: Option<PathBuf>,
    /// How many hosts at a time, as `--forks` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) forks: Option<usize>,
    /// How runs are told: `text`, `json`, `junit` or `quiet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Format>,
    /// How much is told: 1 is `-v`, 2 is `-vv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verbosity: Option<u8>,
    /// Whether texts are shown before and after, as with `--diff`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) diff: Option<bool>,
    /// How many seconds to wait for a host that another `apply` is changing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lock_timeout: Option<u64>,
    /// Whether tasks act as another user where neither playbook nor inventory says so.
    #[serde(rename = "become", skip_serializing_if = "Option::is_none")]
    r#become: Option<bool>,
    /// By which program: `sudo`, `su` or `doas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    become_method: Option<String>,
    /// As which user.
    #[serde(skip_serializing_if = "Option::is_none")]
    become_user: Option<String>,
    /// How hosts are reached where the inventory does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ssh: Option<Ssh>,
}

/// How hosts are reached by ssh.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Ssh {
    /// The user, as `ansible_user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The port, as `ansible_port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// The key's file, as `ansible_ssh_private_key_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key_file: Option<String>,
    /// Whether a host's key must be known, as `ansible_host_key_checking`.
    #[serde(skip_serializing_if = "Option::is_none")]
    host_key_checking: Option<bool>,
    /// How many seconds a host has to answer, as `ansible_timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u32>,
    /// The program, as `ansible_ssh_executable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    executable: Option<String>,
    /// Instead of sharing one connection a minute, as `ansible_ssh_args`.
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<String>,
    /// Besides, as `ansible_ssh_common_args`.
    #[serde(skip_serializing_if = "Option::is_none")]
    common_args: Option<String>,
    /// Besides, as `ansible_ssh_extra_args`.
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_args: Option<String>,
}

/// Keys, and the variables of an inventory that they stand in for. The first name is the one that
/// is set, when a host has none of them.
const VARIABLES: &[(&str, &[&str])] = &[
    ("become", &["ansible_become"]),
    ("become_method", &["ansible_become_method"]),
    ("become_user", &["ansible_become_user"]),
    ("ssh.user", &["ansible_user", "ansible_ssh_user"]),
    ("ssh.port", &["ansible_port", "ansible_ssh_port"]),
    ("ssh.private_key_file", &["ansible_ssh_private_key_file", "ansible_private_key_file"]),
    ("ssh.host_key_checking", &["ansible_host_key_checking", "ansible_ssh_host_key_checking"]),
    ("ssh.timeout", &["ansible_timeout", "ansible_ssh_timeout"]),
    ("ssh.executable", &["ansible_ssh_executable"]),
    ("ssh.args", &["ansible_ssh_args"]),
    ("ssh.common_args", &["ansible_ssh_common_args"]),
    ("ssh.extra_args", &["ansible_ssh_extra_args"]),
];

impl Defaults {
    /// Reads what holds for a playbook or lab that lies at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, Diagnostics> {
        let mut defaults = match find(path) {
            Some(file) => Self::read_file(&file)?,
            None => Self::default(),
        };
        let set = |name: &str| std::env::var(name).ok();
        defaults.overrule(from_environment(&set)?);
        Ok(defaults)
    }

    fn read_file(file: &Path) -> Result<Self, Diagnostics> {
        refuse_strangers(file)?;
        let node = toml::read(&yaml::source(file)?)?;
        let mut defaults: Self = node.decode()?;
        if let (Some(inventory), Some(folder)) = (&mut defaults.inventory, file.parent()) {
            *inventory = folder.join(&*inventory);
        }
        Ok(defaults)
    }

    /// Lets what `other` says count more.
    fn overrule(&mut self, other: Self) {
        let (mut all, others) = (values(self), values(&other));
        for (key, value) in others {
            match (all.get_mut(&key), value) {
                (Some(Value::Object(mine)), Value::Object(theirs)) => mine.extend(theirs),
                (_, value) => drop(all.insert(key, value)),
            }
        }
        if let Ok(merged) = serde_json::from_value(Value::Object(all)) {
            *self = merged;
        }
    }

    /// Gives hosts the variables that they lack.
    pub(super) fn lend(&self, inventory: &mut Inventory) {
        let all = Value::Object(values(self));
        let value = |key: &str| all.pointer(&format!("/{}", key.replace('.', "/")));
        let set: Vec<(&[&str], &Value)> =
            VARIABLES.iter().filter_map(|(key, names)| Some((*names, value(key)?))).collect();
        if set.is_empty() {
            return;
        }
        let names: Vec<String> = inventory.hosts.keys().cloned().collect();
        for name in names {
            let known = inventory.vars_of(&name);
            let Some(host) = inventory.hosts.get_mut(&name) else { continue };
            for (aliases, value) in &set {
                if !aliases.iter().any(|alias| known.contains_key(*alias)) {
                    host.vars.insert(aliases[0].to_owned(), (*value).clone());
                }
            }
        }
    }
}

fn values(defaults: &Defaults) -> Map<String, Value> {
    match serde_json::to_value(defaults) {
        Ok(Value::Object(values)) => values,
        _ => Map::new(),
    }
}

/// The file that holds for what lies at `path`.
fn find(path: &Path) -> Option<PathBuf> {
    let folder = if path.is_dir() { path } else { path.parent()? };
    let folder = if folder == Path::new("") { Path::new(".") } else { folder };
    let absolute = folder.canonicalize().ok()?;
    let top = top(&absolute);
    let above = absolute.ancestors().take_while(|folder| folder.starts_with(&top));
    let found = above.map(|folder| folder.join(FILE)).find(|file| file.is_file())?;
    // As the user would write it, for messages.
    let here = std::env::current_dir().ok();
    let near = here.and_then(|here| found.strip_prefix(here).ok().map(Path::to_owned));
    Some(near.unwrap_or(found))
}

/// Where to stop looking: at the top of the repository, at the current folder, or right there.
fn top(folder: &Path) -> PathBuf {
    if let Some(repository) = folder.ancestors().find(|folder| folder.join(".git").exists()) {
        return repository.to_owned();
    }
    match std::env::current_dir().and_then(|here| here.canonicalize()) {
        Ok(here) if folder.starts_with(&here) => here,
        _ => folder.to_owned(),
    }
}

/// What is in the file may run programs, so nobody else may have written it.
fn refuse_strangers(file: &Path) -> Result<(), Diagnostic> {
    let failed = |error| Diagnostic::new(format!("failed to read `{}`: {error}", file.display()));
    let found = std::fs::metadata(file).map_err(failed)?;
    let me = nix::unistd::geteuid().as_raw();
    let trouble = match () {
        () if ![0, me].contains(&found.uid()) => "belongs to another user",
        () if found.mode() & 0o002 != 0 => "may be written by anybody",
        () => return Ok(()),
    };
    Err(Diagnostic::new(format!("`{}` {trouble}, and is not read", file.display()))
        .hint("what it says can run programs as you: look at it, then `chown` or `chmod o-w` it"))
}

/// What variables such as `LVSMITH_FORKS` and `LVSMITH_SSH_USER` say.
fn from_environment(set: &dyn Fn(&str) -> Option<String>) -> Result<Defaults, Diagnostics> {
    let mut mistakes = Diagnostics::default();
    let mut own = table::<Defaults>("", set, &mut mistakes);
    let ssh = table::<Ssh>("SSH_", set, &mut mistakes);
    if !ssh.is_empty() {
        let span = ssh[0].1.span.clone();
        let key = Key { span: span.clone(), text: "ssh".into() };
        own.push((key, Node { span, kind: Kind::Mapping(ssh) }));
    }
    let node = Node { span: crate::diagnostic::Span::nowhere(), kind: Kind::Mapping(own) };
    let defaults = mistakes.keep(node.decode()).unwrap_or_default();
    mistakes.finish(defaults)
}

/// The keys of `T` that variables set.
fn table<T: JsonSchema + DeserializeOwned>(
    group: &str,
    set: &dyn Fn(&str) -> Option<String>,
    mistakes: &mut Diagnostics,
) -> Vec<(Key, Node)> {
    let schema = schemars::schema_for!(T);
    let keys = schema.get("properties").and_then(Value::as_object);
    let mut entries = Vec::new();
    for key in keys.into_iter().flat_map(Map::keys).filter(|key| *key != "ssh") {
        let name = format!("{PREFIX}{group}{}", key.to_uppercase());
        let Some(text) = set(&name).filter(|text| !text.is_empty()) else { continue };
        let read = yaml::read(&Arc::new(Source { name, text }));
        if let Some(node) = mistakes.keep(read) {
            entries.push((Key { span: node.span.clone(), text: key.clone() }, node));
        }
    }
    entries
}

#[cfg(test)]
mod tests;
