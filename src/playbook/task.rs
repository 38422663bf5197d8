//! One task: Ansible's keywords around exactly one module key.

use super::include::Include;
use super::looping::{self, Loop};
use super::{Inherited, Setting, inherited, one_line};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::modules::{self, Module};
use crate::template;
use crate::yaml::{Key, Kind, Node};

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
    pub module_key: Key,
    /// The module's arguments, unrendered.
    pub arguments: Node,
    /// What it loops over.
    pub items: Option<Loop>,
    /// The variable that keeps the result.
    pub register: Option<String>,
    /// Names a handler answers to besides its own.
    pub listen: Vec<String>,
    /// Conditions that decide whether it counts as changed.
    pub changed_when: Option<Node>,
    /// Conditions that decide whether it counts as failed.
    pub failed_when: Option<Node>,
    /// Repeat until this holds.
    pub until: Option<Node>,
    /// How often at most.
    pub retries: Option<Setting<u32>>,
    /// Seconds between two tries.
    pub delay: Option<Setting<f64>>,
    /// What it brings, when it is an include.
    pub include: Option<Box<Include>>,
    /// Its keywords, and those around it.
    pub inherited: Inherited,
}

/// Keywords of tasks alone.
pub(super) const KEYWORDS: &[&str] = &[
    "args",
    "changed_when",
    "delay",
    "failed_when",
    "listen",
    "name",
    "register",
    "retries",
    "tags",
    "until",
    "vars",
    "when",
];

/// Keywords that Ansible has and this program does not, with what to do instead.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("action", "write the module's name as the key: `sysctl: {name: …}`"),
    ("async", "hosts that need not wait for one another have `strategy: free`"),
    ("become_exe", "the program is found by its name; see `become_method`"),
    ("become_flags", "what `sudo` and the others need is said by lvsmith"),
    ("connection", "set `ansible_connection` in the inventory"),
    ("debugger", "look at results with `register`, `debug` and `-v`"),
    ("local_action", "use `delegate_to: localhost`"),
    ("poll", "hosts that need not wait for one another have `strategy: free`"),
    ("port", "set `ansible_port` in the inventory"),
    ("remote_user", "set `ansible_user` in the inventory"),
    ("with_fileglob", "name the files under `loop:`"),
    ("with_first_found", "use `lookup('first_found', …)`"),
    ("with_flattened", "use `loop: \"{{ lists | flatten }}\"`"),
    ("with_indexed_items", "use `loop:` and `loop_control: {index_var: NAME}`"),
    ("with_nested", "use `loop: \"{{ one | product(other) | list }}\"`"),
    ("with_random_choice", "a run is to give the same result each time"),
    ("with_subelements", "use a role or `include_tasks` with a loop of its own"),
    ("with_together", "use `loop: \"{{ one | zip(other) | list }}\"`"),
];

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

    /// Whether a handler runs when this name is notified: its own, that with its role's before
    /// it, or one it listens to.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        self.is_called(name) || self.listen.iter().any(|other| other == name)
    }

    /// Whether it is called so, with or without its role's name.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        let own = self.name.as_ref().and_then(Node::as_str);
        own.is_some_and(|own| own == name || (name.ends_with(own) && self.title() == name))
    }

    /// Whether it brings what is not known before it runs.
    #[must_use]
    pub fn is_include_to_come(&self) -> bool {
        self.include.as_ref().is_some_and(|include| include.contents.is_none())
    }

    /// What an item of its loop is called.
    #[must_use]
    pub fn item_name(&self) -> &str {
        self.items.as_ref().map_or("item", |items| &items.name)
    }
}

/// Decodes a task; its mistakes are noted.
pub(super) fn decode(node: &Node, around: &Inherited, mistakes: &mut Diagnostics) -> Option<Task> {
    let entries = mistakes.keep(match &node.kind {
        Kind::Mapping(entries) => Ok(entries.as_slice()),
        _ => Err(node.expected("a task").hint("a task is a mapping, like `sysctl: {name: …}`")),
    })?;
    let before = mistakes.0.len();
    let mut module: Option<(&'static Module, &Key, &Node)> = None;
    let mut unknown_keys = Vec::new();
    for (key, value) in entries {
        if is_keyword(&key.text) {
            continue;
        }
        if let Some((_, instead)) = REFUSED.iter().find(|(name, _)| *name == key.text) {
            let error = Diagnostic::new(format!("`{}` is not supported", key.text));
            mistakes.push(error.at(&key.span).hint(*instead));
            continue;
        }
        match (modules::find(&key.text), &module) {
            (Some(_), Some((_, first, _))) => mistakes.push(
                Diagnostic::new(format!("a second module in one task: `{}`", key.text))
                    .at(&key.span)
                    .hint(format!("`{}` is there already; begin a new task with `-`", first.text)),
            ),
            (Some(found), None) => module = Some((found, key, value)),
            (None, _) => unknown_keys.push(key),
        }
    }
    for key in unknown_keys {
        mistakes.push(unknown(key, module.map(|(module, ..)| module)));
    }
    let Some((module, module_key, arguments)) = module else {
        if mistakes.0.len() == before {
            mistakes.push(
                Diagnostic::new("a task without a module")
                    .at(&node.span)
                    .hint("add one, like `sysctl: {name: net.ipv4.ip_forward, value: 1}`"),
            );
        }
        return None;
    };
    let mut inherited = around.within(node, mistakes);
    if module.name == "pause" {
        // As in Ansible, all hosts pause together.
        inherited.run_once.get_or_insert(Setting::Known(true));
    }
    let arguments = mistakes
        .keep(one_line::arguments(module, arguments))
        .unwrap_or(Node { kind: Kind::Null, ..arguments.clone() });
    let arguments = inherited.with_defaults(module, with_args(arguments, node.get("args")));
    if mistakes.0.len() == before {
        check_arguments(module, module_key, &arguments, mistakes);
    }
    let task = Task {
        span: node.span.clone(),
        name: node.get("name").cloned(),
        module,
        module_key: module_key.clone(),
        arguments,
        items: Loop::decode(node, mistakes),
        register: node.get("register").and_then(|name| mistakes.keep(name.decode())),
        listen: listed(node, "listen", mistakes),
        changed_when: node.get("changed_when").cloned(),
        failed_when: node.get("failed_when").cloned(),
        until: node.get("until").cloned(),
        retries: node.get("retries").and_then(|count| mistakes.keep(Setting::decode(count))),
        delay: node.get("delay").and_then(|seconds| mistakes.keep(Setting::decode(seconds))),
        include: None,
        inherited,
    };
    (mistakes.0.len() == before).then_some(task)
}

fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
        || inherited::KEYWORDS.contains(&name)
        || looping::keywords().any(|known| known == name)
}

/// The names under a key.
fn listed(node: &Node, key: &str, mistakes: &mut Diagnostics) -> Vec<String> {
    let items = node.get(key).map(Node::one_or_many).unwrap_or_default();
    items.iter().filter_map(|item| mistakes.keep(item.decode())).collect()
}

/// Entries of `args:` stand beside the module's own.
fn with_args(arguments: Node, args: Option<&Node>) -> Node {
    let Some(Kind::Mapping(more)) = args.map(|args| &args.kind) else { return arguments };
    let mut entries = match &arguments.kind {
        Kind::Mapping(entries) => entries.clone(),
        Kind::String(_) => {
            let key = Key { span: arguments.span.clone(), text: "cmd".into() };
            vec![(key, arguments.clone())]
        }
        _ => Vec::new(),
    };
    entries.extend(more.iter().cloned());
    Node { span: arguments.span, kind: Kind::Mapping(entries) }
}

/// Finds what can be found before anything is rendered: names of arguments always, values
/// where no template stands in the way.
fn check_arguments(module: &Module, key: &Key, arguments: &Node, mistakes: &mut Diagnostics) {
    if !template::node_has_template(arguments) {
        mistakes.keep((module.decode)(arguments).map_err(|error| error.at(&key.span)));
        return;
    }
    let Kind::Mapping(entries) = &arguments.kind else { return };
    for (argument, _) in entries {
        if let Some(mistake) = module.mistaken(&argument.text) {
            mistakes.push(mistake.at(&argument.span));
        }
    }
}

/// A key that is neither; what the task's module takes is most likely indented too little.
fn unknown(key: &Key, module: Option<&Module>) -> Diagnostic {
    let names = modules::TABLE.iter().map(|module| module.name);
    let keywords = KEYWORDS.iter().chain(inherited::KEYWORDS).copied();
    let refused = REFUSED.iter().map(|(name, _)| *name);
    let known = names.chain(keywords).chain(looping::keywords()).chain(refused);
    let error = Diagnostic::new(format!("unknown module or keyword `{}`", key.text)).at(&key.span);
    if let Some(module) = module.filter(|module| module.takes(&key.text)) {
        return error.hint(format!("`{}` takes it: indent it below that", module.name));
    }
    match crate::diagnostic::nearest(&key.text, known) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`lvsmith modules` lists the modules; `command` runs any program"),
    }
}
