//! Playbooks: text to typed plays, tasks, roles and handlers, every one of which knows where
//! it was written. Nothing here knows an inventory, a connection or a host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::inventory::Vars;
use crate::yaml::Node;

mod batch;
mod import;
mod include;
mod inherited;
mod looping;
mod one_line;
mod play;
mod role;
mod setting;
mod steps;
mod task;

pub use batch::{Size, Strategy};
pub use include::{Contents, Include};
pub use inherited::Inherited;
pub use looping::{Loop, LoopKind};
pub use role::{BUILT_IN_ROLES, BUILT_IN_TEMPLATES, Role, Specification};
pub(crate) use role::{Complaint, Part};
pub use setting::Setting;
pub use steps::{Block, Step};
pub use task::Task;

/// A playbook file.
#[derive(Debug)]
pub struct Playbook {
    /// The file.
    pub path: PathBuf,
    /// Its plays, in order.
    pub plays: Vec<Play>,
}

/// Some hosts, and what is to hold on them.
#[derive(Debug)]
pub struct Play {
    /// Where it begins.
    pub span: Span,
    /// The folder of its playbook, where files that it names are looked for.
    pub folder: PathBuf,
    /// Its name, or the pattern of its hosts.
    pub name: String,
    /// The pattern of its hosts.
    pub hosts: Node,
    /// Whether facts are gathered first.
    pub gather_facts: bool,
    /// `vars:`.
    pub vars: Vars,
    /// `vars_files:`, read.
    pub file_vars: Vars,
    /// What all its tasks inherit.
    pub inherited: Inherited,
    /// Everything it runs, in order: `pre_tasks`, roles, `tasks`, `post_tasks`; after each of
    /// these the handlers that were notified run.
    pub sections: [Arc<[Step]>; 3],
    /// Handlers of the play and of its roles.
    pub handlers: Vec<Arc<Task>>,
    /// Its roles, whose variables all of its tasks see.
    pub roles: Vec<Arc<Role>>,
    /// Those of them, and of what they depend on, that need not be done again.
    done_roles: Vec<String>,
    /// Whether handlers that were notified run on a host that failed, too.
    pub force_handlers: bool,
    /// How its hosts keep step.
    pub strategy: Strategy,
    /// How many hosts at a time, unrendered: the entries of `serial`, each a [`Size`].
    pub serial: Vec<Node>,
    /// The run ends when more of a batch's hosts than this have failed, of a hundred.
    pub max_fail_percentage: Option<f64>,
}

impl Play {
    /// Every task that was read, handlers and what includes bring among them.
    pub fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.steps().chain(&self.handlers)
    }

    /// The same without handlers.
    pub fn steps(&self) -> impl Iterator<Item = &Arc<Task>> {
        let mut tasks = Vec::new();
        self.sections.iter().flat_map(|list| list.iter()).for_each(|step| step.collect(&mut tasks));
        tasks.into_iter()
    }

    /// Every name that the play or one of its roles gives a value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let roles = self.roles.iter().flat_map(|role| {
            role.vars.keys().chain(role.defaults.keys()).chain(role.parameters.keys())
        });
        self.vars.keys().chain(self.file_vars.keys()).chain(roles).map(String::as_str)
    }
}

impl Playbook {
    /// Reads a playbook and the roles it uses; every mistake in it is found in one go.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let node = Node::read_file(path).map_err(Diagnostics::from)?;
        Self::decode(&node, path)
    }

    /// Takes the text of a playbook apart that lies there, and reads what it names.
    pub(crate) fn decode(node: &Node, path: &Path) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::default();
        let mut plays = Vec::new();
        import::plays(node, path, &import::Import::default(), &mut plays, &mut mistakes);
        mistakes.finish(Self { path: path.to_owned(), plays })
    }
}

/// The keywords of a play, of a block and of a task.
pub(crate) fn keywords() -> [Vec<&'static str>; 3] {
    let with = |own: &[&'static str]| own.iter().chain(inherited::KEYWORDS).copied().collect();
    let mut task: Vec<&str> = with(task::KEYWORDS);
    task.extend(looping::keywords());
    [with(play::KEYWORDS), with(steps::BLOCK), task]
}

/// A list of words, or one word, or several with commas between them.
fn words(node: &Node, mistakes: &mut Diagnostics) -> Vec<String> {
    let mut words = Vec::new();
    for item in node.one_or_many() {
        if let Some(text) = mistakes.keep(item.decode::<String>()) {
            words.extend(text.split(',').map(|word| word.trim().to_owned()));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Variables of a `vars:` key; only their names are checked, texts are rendered later.
fn vars(node: &Node, mistakes: &mut Diagnostics) -> Vars {
    for (key, _) in node.mapping().unwrap_or_default() {
        let wrong = key.text.chars().any(|c| !(c.is_alphanumeric() || c == '_'))
            || key.text.starts_with(|c: char| c.is_numeric());
        if wrong {
            mistakes.push(
                Diagnostic::new(format!("`{}` is not a name for a variable", key.text))
                    .at(&key.span)
                    .hint("letters, digits and underscores, and no digit first"),
            );
        }
    }
    mistakes.keep(node.variables()).unwrap_or_default()
}

/// A value that `register` or `vars` may hold and that is shown as text.
#[must_use]
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
