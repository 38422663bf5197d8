//! What a task takes from what is around it: the play, its role, blocks. Each of these may say
//! the same keywords, and what is nearer to the task wins or adds to the rest.

use std::sync::Arc;

use super::{Role, Setting, vars, words};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Vars;
use crate::modules::{self, Module};
use crate::yaml::{Key, Kind, Node};

/// The keywords, apart from `vars`, `tags` and `when`.
pub(super) const KEYWORDS: &[&str] = &[
    "any_errors_fatal",
    "become",
    "become_method",
    "become_user",
    "check_mode",
    "collections",
    "delegate_facts",
    "delegate_to",
    "diff",
    "environment",
    "ignore_errors",
    "module_defaults",
    "no_log",
    "notify",
    "run_once",
    "throttle",
    "timeout",
];

/// What a task takes from the play, role or block around it.
#[derive(Debug, Clone, Default)]
pub struct Inherited {
    /// Tags.
    pub tags: Vec<String>,
    /// Conditions, all of which must hold.
    pub when: Vec<Node>,
    /// Variables of `vars:`, inner ones over outer ones.
    pub vars: Vars,
    /// The role, if any.
    pub role: Option<Arc<Role>>,
    /// Whether to act as another user.
    pub r#become: Option<Setting<bool>>,
    /// Which user.
    pub become_user: Option<Setting<String>>,
    /// By which program.
    pub become_method: Option<Setting<String>>,
    /// What programs find in their environment, outer ones first, unrendered.
    pub environment: Vec<Node>,
    /// Handlers to notify when it changed something: texts, which may hold templates.
    pub notify: Vec<Node>,
    /// Go on when it fails.
    pub ignore_errors: Option<Setting<bool>>,
    /// Show neither arguments nor results.
    pub no_log: Option<Setting<bool>>,
    /// Do it on the first host only, the result holds for all.
    pub run_once: Option<Setting<bool>>,
    /// Check mode, whatever the run's.
    pub check_mode: Option<Setting<bool>>,
    /// Show texts before and after, whatever the run does.
    pub diff: Option<Setting<bool>>,
    /// A failure ends the play for all hosts.
    pub any_errors_fatal: Option<Setting<bool>>,
    /// How many hosts at a time.
    pub throttle: Option<Setting<usize>>,
    /// How many seconds it may take.
    pub timeout: Option<Setting<u64>>,
    /// The host to do it on instead.
    pub delegate_to: Option<Setting<String>>,
    /// `module_defaults`: arguments by the module's name, outer ones first.
    pub(super) defaults: Vec<(&'static str, Vec<(Key, Node)>)>,
}

impl Inherited {
    /// What is inherited within a play, role, block or task that adds to this.
    pub(super) fn within(&self, node: &Node, mistakes: &mut Diagnostics) -> Self {
        fn over<T: serde::de::DeserializeOwned + Clone>(
            value: &mut Option<Setting<T>>,
            node: &Node,
            mistakes: &mut Diagnostics,
        ) {
            *value = mistakes.keep(Setting::decode(node)).or(value.take());
        }
        let mut inner = self.clone();
        let Kind::Mapping(entries) = &node.kind else { return inner };
        for (key, value) in entries {
            match key.text.as_str() {
                "tags" => inner.tags.extend(words(value, mistakes)),
                "when" => inner.when.extend(value.one_or_many().iter().cloned()),
                "vars" => inner.vars.extend(vars(value, mistakes)),
                "become" => over(&mut inner.r#become, value, mistakes),
                "become_user" => over(&mut inner.become_user, value, mistakes),
                "become_method" => over(&mut inner.become_method, value, mistakes),
                "environment" => inner.environment.extend(value.one_or_many().iter().cloned()),
                "notify" => inner.notify.extend(value.one_or_many().iter().cloned()),
                "ignore_errors" => over(&mut inner.ignore_errors, value, mistakes),
                "no_log" => over(&mut inner.no_log, value, mistakes),
                "run_once" => over(&mut inner.run_once, value, mistakes),
                "check_mode" => over(&mut inner.check_mode, value, mistakes),
                "diff" => over(&mut inner.diff, value, mistakes),
                "any_errors_fatal" => over(&mut inner.any_errors_fatal, value, mistakes),
                "throttle" => over(&mut inner.throttle, value, mistakes),
                "timeout" => over(&mut inner.timeout, value, mistakes),
                "delegate_to" => over(&mut inner.delegate_to, value, mistakes),
                "delegate_facts" => delegate_facts(value, mistakes),
                "module_defaults" => inner.defaults.extend(module_defaults(value, mistakes)),
                _ => {}
            }
        }
        inner
    }

    /// The arguments of a module with those it has by default.
    pub(super) fn with_defaults(&self, module: &Module, arguments: Node) -> Node {
        let ours = self.defaults.iter().rev().filter(|(name, _)| *name == module.name);
        let mut entries = match (&arguments.kind, ours.clone().next()) {
            (Kind::Mapping(entries), Some(_)) => entries.clone(),
            (Kind::Null, Some(_)) => Vec::new(),
            (Kind::String(_), Some(_)) if module.takes("cmd") => {
                let key = Key { span: arguments.span.clone(), text: "cmd".into() };
                vec![(key, arguments.clone())]
            }
            _ => return arguments,
        };
        for (key, value) in ours.flat_map(|(_, defaults)| defaults) {
            if !entries.iter().any(|(have, _)| have.text == key.text) {
                entries.push((key.clone(), value.clone()));
            }
        }
        Node { kind: Kind::Mapping(entries), ..arguments }
    }
}

/// What a task learns is kept by the host that it is for, which `false` says as well.
fn delegate_facts(node: &Node, mistakes: &mut Diagnostics) {
    if mistakes.keep(node.decode::<bool>()) == Some(true) {
        let error = Diagnostic::new("`delegate_facts` is not supported").at(&node.span);
        mistakes.push(error.hint("a play on that host gathers its facts, for `hostvars`"));
    }
}

fn module_defaults(
    node: &Node,
    mistakes: &mut Diagnostics,
) -> Vec<(&'static str, Vec<(Key, Node)>)> {
    let mut defaults = Vec::new();
    for (key, arguments) in mistakes.keep(node.mapping()).unwrap_or_default() {
        let Some(module) = modules::find(&key.text) else {
            let error = match key.text.strip_prefix("group/") {
                Some(_) => Diagnostic::new("groups of modules are not supported here")
                    .hint("name the modules one by one"),
                None => Diagnostic::new(format!("no module is called `{}`", key.text))
                    .did_you_mean(&key.text, modules::TABLE.iter().map(|module| module.name)),
            };
            mistakes.push(error.at(&key.span));
            continue;
        };
        let entries = mistakes.keep(arguments.mapping()).unwrap_or_default();
        for (argument, _) in entries {
            if let Some(mistake) = module.mistaken(&argument.text) {
                mistakes.push(mistake.at(&argument.span));
            }
        }
        defaults.push((module.name, entries.to_vec()));
    }
    defaults
}
