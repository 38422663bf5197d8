//! Variables of roles against what the roles say of them, before any host is touched; a mistake
//! is shown where the variable is written.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::path::Bindings;
use super::scope::Scope;
use super::{HostState, Shared, TaskRun};
use crate::diagnostic::{Diagnostic, Span};
use crate::playbook::{Complaint, Part, Role};
use crate::template::Renderer;
use crate::yaml::{Kind, Node};

/// What is wrong with the variables of a task's role on a host, and which names that depends on.
pub(super) fn mistakes(
    shared: &Shared<'_>,
    run: &TaskRun<'_>,
    host: &HostState,
    late: &HashSet<&str>,
) -> (Vec<Diagnostic>, HashSet<String>) {
    let (mut mistakes, mut asked) = (Vec::new(), HashSet::new());
    let Some(role) = run.task.inherited.role.as_deref() else { return (mistakes, asked) };
    let bindings = Bindings::new();
    let scope = Scope { shared, run, host, bindings: &bindings, item: None };
    for (name, argument) in &role.specification.0 {
        let renderer = Renderer::new(&scope);
        let value = renderer.variable(name, &role.at);
        asked.extend(renderer.asked().iter().cloned());
        match value {
            Ok(Some(value)) if renderer.asked_only_for(late) => {
                for complaint in argument.check(&value) {
                    mistakes.push(diagnostic(role, name, &complaint, &run.trail.play.folder));
                }
            }
            // What another task brings is not here yet.
            Ok(None) if argument.required && !late.contains(name.as_str()) => {
                let message = format!("the role `{}` needs the variable `{name}`", role.name);
                mistakes.push(Diagnostic::new(message).at(&role.at));
            }
            _ => {}
        }
    }
    (mistakes, asked)
}

fn diagnostic(role: &Role, name: &str, complaint: &Complaint, folder: &Path) -> Diagnostic {
    let mut path = name.to_owned();
    for part in &complaint.path {
        match part {
            Part::Item(at) => path.push_str(&format!("[{at}]")),
            Part::Key(key) => path.push_str(&format!(".{key}")),
        }
    }
    let message = format!("`{path}` {}, says the role `{}`", complaint.message, role.name);
    let place = files(folder).iter().find_map(|file| place(file, name, complaint));
    let mut diagnostic = Diagnostic::new(message).at(&place.unwrap_or_else(|| role.at.clone()));
    diagnostic.hint.clone_from(&complaint.hint);
    diagnostic
}

/// The files that variables stand in: beside the playbook, where users keep them.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.join("host_vars"), folder.join("group_vars"), folder.to_owned()];
    while let Some(next) = folders.pop() {
        let deeper = next != folder;
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && deeper {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Where a part of a variable is written in a file, if it is there as it is.
fn place(file: &Path, name: &str, complaint: &Complaint) -> Option<Span> {
    let root = Node::read_file(file).ok()?;
    let plays = match &root.kind {
        Kind::Sequence(plays) => plays.iter().filter_map(|play| play.get("vars")).collect(),
        _ => vec![&root],
    };
    plays.into_iter().find_map(|vars| part(vars.get(name)?, &complaint.path, complaint.unknown))
}

fn part(node: &Node, path: &[Part], unknown: bool) -> Option<Span> {
    let Some((first, rest)) = path.split_first() else { return Some(node.span.clone()) };
    match (first, &node.kind) {
        (Part::Item(at), Kind::Sequence(items)) => part(items.get(*at)?, rest, unknown),
        (Part::Key(name), Kind::Mapping(entries)) => {
            let (key, value) = entries.iter().find(|(key, _)| key.text == *name)?;
            // A key that is not known is itself what is wrong.
            let here = rest.is_empty() && unknown;
            if here { Some(key.span.clone()) } else { part(value, rest, unknown) }
        }
        _ => None,
    }
}
