//! Playbooks: text to typed plays, tasks, roles and handlers, every one of which knows where
//! it was written. Nothing here knows an inventory, a connection or a host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::inventory::Vars;
use crate::modules::Module;
use crate::yaml::{self, Node};

mod batch;
mod play;
mod role;
mod task;

pub use batch::{Size, Strategy};
pub(crate) use play::KEYWORDS as PLAY_KEYWORDS;
pub use role::{BUILT_IN_ROLES, BUILT_IN_TEMPLATES, Role};
pub(crate) use task::KEYWORDS as TASK_KEYWORDS;

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
    pub sections: Vec<Vec<Task>>,
    /// Handlers of the play and of its roles.
    pub handlers: Vec<Task>,
    /// How its hosts keep step.
    pub strategy: Strategy,
    /// How many hosts at a time, unrendered: the entries of `serial`, each a [`Size`].
    pub serial: Vec<Node>,
    /// The run ends when more of a batch's hosts than this have failed, of a hundred.
    pub max_fail_percentage: Option<f64>,
    /// The run ends when a host fails.
    pub any_errors_fatal: bool,
}

impl Play {
    /// Every task that was read, handlers included.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.sections.iter().flatten().chain(&self.handlers)
    }
}

/// What a task takes from the play or role around it.
#[derive(Debug, Clone, Default)]
pub struct Inherited {
    /// Tags.
    pub tags: Vec<String>,
    /// Conditions, all of which must hold.
    pub when: Vec<Node>,
    /// Whether to act as another user.
    pub r#become: Option<bool>,
    /// Which user.
    pub become_user: Option<String>,
    /// By which program.
    pub become_method: Option<String>,
    /// Variables of `vars:`, inner ones over outer ones.
    pub vars: Vars,
    /// The role, if any.
    pub role: Option<Arc<Role>>,
}

/// One module with its arguments.
#[derive(Debug)]
pub struct Task {
    /// Where it begins.
    pub span: Span,
    /// `name:`, which may hold templates.
    pub name: Option<Node>,
    /// The module.
    pub module: &'static Module,
    /// The module's name as written, and its place.
    pub module_key: yaml::Key,
    /// The module's arguments, unrendered.
    pub arguments: Node,
    /// `loop:`, unrendered.
    pub items: Option<Node>,
    /// What an item is called; `item` unless `loop_control` says otherwise.
    pub loop_var: String,
    /// What is shown of an item.
    pub loop_label: Option<Node>,
    /// The variable that keeps the result.
    pub register: Option<String>,
    /// Handlers to notify when it changed something: texts, which may hold templates.
    pub notify: Vec<Node>,
    /// Names a handler answers to besides its own.
    pub listen: Vec<String>,
    /// Go on when it fails.
    pub ignore_errors: bool,
    /// Show neither arguments nor results.
    pub no_log: bool,
    /// Do it on the first host only, the result holds for all.
    pub run_once: bool,
    /// Check mode for this task, whatever the run's.
    pub check_mode: Option<bool>,
    /// Conditions that decide whether it counts as changed.
    pub changed_when: Option<Node>,
    /// Conditions that decide whether it counts as failed.
    pub failed_when: Option<Node>,
    /// Repeat until this holds.
    pub until: Option<Node>,
    /// How often at most.
    pub retries: u32,
    /// Seconds between two tries.
    pub delay: f64,
    /// What comes from around it.
    pub inherited: Inherited,
}

impl Task {
    /// The name as written, or the module's, with the role before it.
    #[must_use]
    pub fn title(&self) -> String {
        let name = match &self.name {
            Some(node) => node.as_str().unwrap_or_default(),
            None => &self.module_key.text,
        };
        match &self.inherited.role {
            Some(role) => format!("{} : {name}", role.name),
            None => name.to_owned(),
        }
    }

    /// Whether a handler runs when this name is notified: its own, or one it listens to.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        self.name.as_ref().and_then(Node::as_str) == Some(name)
            || self.listen.iter().any(|other| other == name)
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
        let plays = match node.sequence() {
            Ok([]) => {
                mistakes.push(
                    Diagnostic::new("the playbook is empty")
                        .at(&node.span)
                        .hint("a playbook is a list of plays: begin with `- hosts: all`"),
                );
                Vec::new()
            }
            Ok(items) => {
                let folder = path.parent().unwrap_or(Path::new("."));
                items.iter().filter_map(|item| play::decode(item, folder, &mut mistakes)).collect()
            }
            Err(error) => {
                mistakes
                    .push(error.hint("a playbook is a list of plays: begin with `- hosts: all`"));
                Vec::new()
            }
        };
        mistakes.finish(Self { path: path.to_owned(), plays })
    }

    /// The folder it lies in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        }
    }
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
