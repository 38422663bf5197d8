//! Roles: folders of tasks, handlers, templates, files, vars, defaults and meta. They are
//! looked for beside the playbook, one folder up, and among those built into the program.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Inherited, Task, task, vars};
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::inventory::Vars;
use crate::yaml::{self, Kind, Node};

mod built_in;

pub use built_in::{BUILT_IN_ROLES, BUILT_IN_TEMPLATES};

/// A role as a task sees it.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its folder, or `None` for a role that is built in.
    pub folder: Option<PathBuf>,
    /// `defaults/main.yml`.
    pub defaults: Vars,
    /// `vars/main.yml`.
    pub vars: Vars,
    /// What the playbook says beside the role's name.
    pub parameters: Vars,
}

impl Role {
    /// Reads one of the role's files, such as `templates/nginx.conf`.
    pub fn file(&self, path: &str) -> Option<Result<Arc<Source>, Diagnostic>> {
        read(&self.name, self.folder.as_deref(), path)
    }
}

/// Collects the tasks and handlers of a play's roles, dependencies first, each role once.
pub(super) struct Loader<'a> {
    folder: &'a Path,
    loaded: Vec<String>,
    loading: Vec<String>,
    pub(super) tasks: Vec<Task>,
    pub(super) handlers: Vec<Task>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        let (loaded, loading, tasks, handlers) = Default::default();
        Self { folder, loaded, loading, tasks, handlers }
    }

    pub(super) fn load(&mut self, entry: &Node, around: &Inherited, mistakes: &mut Diagnostics) {
        let Some((name, parameters)) = named(entry, mistakes) else { return };
        let Some(folder) = find(self.folder, &name) else {
            let known = available(self.folder);
            mistakes.push(
                Diagnostic::new(format!("no role is called `{name}`"))
                    .at(&entry.span)
                    .did_you_mean(&name, known.iter().map(String::as_str)),
            );
            return;
        };
        if self.loading.contains(&name) {
            let chain = [self.loading.join(" -> "), name].join(" -> ");
            mistakes.push(Diagnostic::new("a role depends on itself").at(&entry.span).hint(chain));
            return;
        }
        if self.loaded.contains(&name) && parameters.is_empty() {
            return;
        }
        let mut inherited = match entry.kind {
            Kind::Mapping(_) => task::inherit(entry, around, mistakes),
            _ => around.clone(),
        };
        inherited.vars.clear();
        let mut node = |part: &str| {
            let path = format!("{part}/main.yml");
            let source = mistakes.keep(read(&name, folder.as_deref(), &path)?)?;
            mistakes.keep(yaml::read(&source))
        };
        let (meta, tasks, handlers) = (node("meta"), node("tasks"), node("handlers"));
        let (defaults, own) = (node("defaults"), node("vars"));
        self.loading.push(name.clone());
        let dependencies = meta.as_ref().and_then(|meta| meta.get("dependencies"));
        for dependency in dependencies.map(Node::one_or_many).unwrap_or_default() {
            self.load(dependency, &inherited, mistakes);
        }
        self.loading.pop();
        inherited.role = Some(Arc::new(Role {
            name: name.clone(),
            folder,
            defaults: defaults.map(|node| vars(&node, mistakes)).unwrap_or_default(),
            vars: own.map(|node| vars(&node, mistakes)).unwrap_or_default(),
            parameters,
        }));
        if let Some(list) = tasks {
            self.tasks.extend(task::list(&list, &inherited, mistakes));
        }
        if let Some(list) = handlers {
            let inherited = Inherited { when: Vec::new(), ..inherited };
            self.handlers.extend(task::list(&list, &inherited, mistakes));
        }
        self.loaded.push(name);
    }
}

/// A role's name, and the variables given beside it.
fn named(entry: &Node, mistakes: &mut Diagnostics) -> Option<(String, Vars)> {
    let entries = match &entry.kind {
        Kind::String(name) => return Some((name.clone(), Vars::new())),
        Kind::Mapping(entries) => entries,
        _ => {
            mistakes.push(entry.expected("the name of a role"));
            return None;
        }
    };
    let mut name = None;
    let mut parameters = Vars::new();
    for (key, value) in entries {
        match key.text.as_str() {
            "role" | "name" => name = mistakes.keep(value.decode::<String>()),
            "tags" | "when" | "become" | "become_user" | "become_method" => {}
            "vars" => parameters.extend(vars(value, mistakes)),
            _ => {
                parameters.insert(key.text.clone(), value.to_json());
            }
        }
    }
    if name.is_none() {
        mistakes.push(Diagnostic::new("a role without a name").at(&entry.span));
    }
    name.map(|name| (name, parameters))
}

/// `Some(Some(folder))` for a role on disk, `Some(None)` for one that is built in.
fn find(playbook: &Path, name: &str) -> Option<Option<PathBuf>> {
    let candidates = [playbook.join("roles").join(name), playbook.join("../roles").join(name)];
    match candidates.into_iter().find(|folder| folder.is_dir()) {
        Some(folder) => Some(Some(folder)),
        None => built_in::has(name).then_some(None),
    }
}

fn available(playbook: &Path) -> Vec<String> {
    let mut names: Vec<String> = built_in::names().map(str::to_owned).collect();
    for folder in [playbook.join("roles"), playbook.join("../roles")] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        names.extend(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    names
}

fn read(name: &str, folder: Option<&Path>, path: &str) -> Option<Result<Arc<Source>, Diagnostic>> {
    match folder {
        Some(folder) => {
            let path = folder.join(path);
            path.is_file().then(|| yaml::source(&path))
        }
        None => built_in::file(name, path).map(|text| {
            Ok(Arc::new(Source {
                name: format!("(built in) roles/{name}/{path}"),
                text: text.into(),
            }))
        }),
    }
}
