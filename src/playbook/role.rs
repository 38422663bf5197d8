//! Roles: folders of tasks, handlers, templates, files, vars, defaults and meta. They are
//! looked for beside the playbook, one folder up, and among those built into the program.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::steps::{Reader, Step};
use super::{Inherited, inherited, vars};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use crate::inventory::Vars;
use crate::modules::include_role::RoleArguments;
use crate::yaml::{self, Kind, Node};

mod built_in;
mod specification;

pub use built_in::{BUILT_IN_ROLES, BUILT_IN_TEMPLATES};
pub use specification::Specification;
pub(crate) use specification::{Complaint, Part};

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
    /// What it says of its variables.
    pub specification: Specification,
    /// Where it is named.
    pub at: Span,
}

impl Role {
    /// Reads one of the role's files, such as `templates/nginx.conf`.
    pub fn file(&self, path: &str) -> Option<Result<Arc<Source>, Diagnostic>> {
        read(&self.name, self.folder.as_deref(), path)
    }
}

/// Which of a role's files are read: `main` unless others are named.
#[derive(Debug, Default)]
pub(super) struct Parts {
    tasks: Option<String>,
    handlers: Option<String>,
    vars: Option<String>,
    defaults: Option<String>,
}

impl Parts {
    pub(super) fn of(said: &RoleArguments) -> Self {
        let RoleArguments { tasks_from, handlers_from, vars_from, defaults_from, .. } = said;
        Self {
            tasks: tasks_from.clone(),
            handlers: handlers_from.clone(),
            vars: vars_from.clone(),
            defaults: defaults_from.clone(),
        }
    }
}

/// A role that was read; its handlers are the reader's.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) steps: Vec<Step>,
    pub(super) role: Option<Arc<Role>>,
}

/// What a role is called in a chain of what brings in what.
pub(super) fn id(name: &str) -> String {
    format!("the role `{name}`")
}

impl Reader<'_> {
    /// Reads an entry of `roles` or of a role's dependencies; each role is done once, unless it
    /// is given other variables.
    pub(super) fn listed_role(&mut self, entry: &Node, around: &Inherited) -> Vec<Step> {
        let Some((name, parameters)) = named(entry, self.mistakes) else { return Vec::new() };
        // With other variables, conditions or tags it is another one.
        let said: Vec<_> = entry
            .mapping()
            .unwrap_or_default()
            .iter()
            .filter(|(key, _)| !matches!(key.text.as_str(), "role" | "name"))
            .map(|(key, value)| (&key.text, value.to_json()))
            .collect();
        let key = format!("{name} {said:?}");
        if self.done.contains(&key) {
            return Vec::new();
        }
        let mut inherited = around.within(entry, self.mistakes);
        inherited.vars.clone_from(&around.vars);
        let loaded = self.role(entry, &name, parameters, &Parts::default(), &inherited);
        let Loaded { steps, role } = loaded.unwrap_or_default();
        self.roles.extend(role);
        // Where a condition may keep it from being done, the next one may have to do it.
        if inherited.when.is_empty() {
            self.done.push(key);
        }
        steps
    }

    /// Reads a role: its dependencies first, then its own tasks.
    pub(super) fn role(
        &mut self,
        at: &Node,
        name: &str,
        parameters: Vars,
        parts: &Parts,
        around: &Inherited,
    ) -> Option<Loaded> {
        let Some(folder) = find(self.folder, name) else {
            let known = available(self.folder);
            self.mistakes.push(
                Diagnostic::new(format!("no role is called `{name}`"))
                    .at(&at.span)
                    .did_you_mean(name, known.iter().map(String::as_str)),
            );
            return None;
        };
        self.within(&id(name), &at.span, |reader| {
            let specified = endings("argument_specs")
                .find_map(|file| read(name, folder.as_deref(), &format!("meta/{file}")))
                .and_then(|source| reader.mistakes.keep(source))
                .and_then(|source| reader.mistakes.keep(yaml::read(&source)));
            let mut node = |part: &str, file: &Option<String>| {
                let file = file.as_deref().unwrap_or("main");
                let found = endings(file)
                    .find_map(|file| read(name, folder.as_deref(), &format!("{part}/{file}")));
                if found.is_none() && file != "main" {
                    let what = format!("the role `{name}` has no `{part}/{file}.yml`");
                    reader.mistakes.push(Diagnostic::new(what).at(&at.span));
                }
                let source = reader.mistakes.keep(found?)?;
                reader.mistakes.keep(yaml::read(&source))
            };
            let (meta, tasks) = (node("meta", &None), node("tasks", &parts.tasks));
            let handlers = node("handlers", &parts.handlers);
            let (defaults, own) = (node("defaults", &parts.defaults), node("vars", &parts.vars));
            let mut variables = |node: Option<Node>| {
                node.map(|node| vars(&node, reader.mistakes)).unwrap_or_default()
            };
            let (defaults, own) = (variables(defaults), variables(own));
            let mut steps = Vec::new();
            let dependencies = meta.as_ref().and_then(|meta| meta.get("dependencies"));
            for dependency in dependencies.map(Node::one_or_many).unwrap_or_default() {
                steps.extend(reader.listed_role(dependency, around));
            }
            let folder = folder.clone();
            // Ansible has it in a file of its own, or beside the dependencies.
            let specified = specified.as_ref().or(meta.as_ref()).map(Specification::decode);
            let specification = specified.and_then(|specified| reader.mistakes.keep(specified));
            let role = Arc::new(Role {
                name: name.to_owned(),
                folder,
                defaults,
                vars: own,
                parameters,
                specification: specification.flatten().unwrap_or_default(),
                at: at.span.clone(),
            });
            let inherited = Inherited { role: Some(Arc::clone(&role)), ..around.clone() };
            steps.extend(tasks.iter().flat_map(|list| reader.steps(list, &inherited)));
            if let Some(list) = handlers {
                let inherited = Inherited { when: Vec::new(), ..inherited };
                let handlers = reader.handlers(&list, &inherited);
                reader.handlers.extend(handlers);
            }
            Loaded { steps, role: Some(role) }
        })
    }
}

fn endings(file: &str) -> impl Iterator<Item = String> {
    [".yml", ".yaml", ""].map(|ending| format!("{file}{ending}")).into_iter()
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
            "tags" | "when" => {}
            keyword if inherited::KEYWORDS.contains(&keyword) => {}
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
