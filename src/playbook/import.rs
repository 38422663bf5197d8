//! A file of plays, and the files of plays that `import_playbook` puts in their place.

use std::path::{Path, PathBuf};

use super::{Inherited, Play, play};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::template;
use crate::yaml::Node;

/// What an import says of the plays in it.
#[derive(Default)]
pub(super) struct Import {
    /// Conditions, tags and variables.
    inherited: Inherited,
    /// The files around it, outer ones first.
    within: Vec<PathBuf>,
}

/// Collects the plays of a playbook whose text is read.
pub(super) fn plays(
    node: &Node,
    path: &Path,
    import: &Import,
    plays: &mut Vec<Play>,
    mistakes: &mut Diagnostics,
) {
    let hint = "a playbook is a list of plays: begin with `- hosts: all`";
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    match node.sequence() {
        Ok([]) => {
            let error = Diagnostic::new("the playbook is empty");
            mistakes.push(error.at(&node.span).hint(hint));
        }
        Ok(items) => {
            for item in items {
                match item.get("import_playbook").or(item.get("ansible.builtin.import_playbook")) {
                    Some(name) => imported(item, name, path, import, plays, mistakes),
                    None => plays.extend(play::decode(item, folder, &import.inherited, mistakes)),
                }
            }
        }
        Err(error) => mistakes.push(error.hint(hint)),
    }
}

fn imported(
    entry: &Node,
    name: &Node,
    path: &Path,
    import: &Import,
    into: &mut Vec<Play>,
    mistakes: &mut Diagnostics,
) {
    let known =
        ["import_playbook", "ansible.builtin.import_playbook", "name", "when", "tags", "vars"];
    for (key, _) in mistakes.keep(entry.mapping()).unwrap_or_default() {
        if !known.contains(&key.text.as_str()) {
            let error = Diagnostic::new(format!("unknown key `{}` beside an import", key.text));
            mistakes.push(error.at(&key.span).did_you_mean(&key.text, known));
        }
    }
    let Some(file) = mistakes.keep(name.decode::<String>()) else { return };
    if template::has_template(&file) {
        let error = Diagnostic::new("`import_playbook` is done before variables are known");
        mistakes.push(error.at(&name.span).hint("name the file"));
        return;
    }
    let file = path.parent().unwrap_or(Path::new("")).join(file);
    let mut within = import.within.clone();
    within.push(path.to_owned());
    if within.contains(&file) || within.len() > 64 {
        let error = Diagnostic::new(format!("`{}` imports itself", file.display()));
        mistakes.push(error.at(&name.span));
        return;
    }
    let read = Node::read_file(&file).map_err(|error| error.at(&name.span));
    let Some(node) = mistakes.keep(read) else { return };
    let inherited = import.inherited.within(entry, mistakes);
    plays(&node, &file, &Import { inherited, within }, into, mistakes);
}
