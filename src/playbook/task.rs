//! One task: Ansible's keywords around exactly one module key.

use super::{Inherited, Task, vars, words};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::modules::{self, Module};
use crate::template;
use crate::yaml::{Key, Kind, Node};

/// Keywords that a task may carry.
pub(crate) const KEYWORDS: &[&str] = &[
    "name",
    "when",
    "loop",
    "loop_control",
    "with_items",
    "register",
    "notify",
    "listen",
    "tags",
    "become",
    "become_user",
    "become_method",
    "vars",
    "ignore_errors",
    "no_log",
    "run_once",
    "check_mode",
    "changed_when",
    "failed_when",
    "until",
    "retries",
    "delay",
    "args",
];

/// Keywords that Ansible has and this program does not, with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("block", "write the tasks one after the other, `when:` on each"),
    ("rescue", "use `ignore_errors:` and `when: result is failed`"),
    ("always", "use `ignore_errors:` and a task after it"),
    ("delegate_to", "write a play for that host"),
    ("include_tasks", "make it a role"),
    ("import_tasks", "make it a role"),
    ("include_role", "name the role under `roles:`"),
    ("import_role", "name the role under `roles:`"),
    ("with_dict", "use `loop: \"{{ dict | pairs }}\"`"),
    ("environment", "set it in the command: `env NAME=value program`"),
    ("async", "not needed here: hosts do not wait for one another"),
    ("poll", "not needed here: hosts do not wait for one another"),
];

/// Decodes a list of tasks; mistakes are noted and their tasks left out.
pub(super) fn list(node: &Node, inherited: &Inherited, mistakes: &mut Diagnostics) -> Vec<Task> {
    let items = mistakes.keep(node.sequence()).unwrap_or_default();
    items.iter().filter_map(|item| decode(item, inherited, mistakes)).collect()
}

fn decode(node: &Node, inherited: &Inherited, mistakes: &mut Diagnostics) -> Option<Task> {
    let entries = mistakes.keep(match &node.kind {
        Kind::Mapping(entries) => Ok(entries.as_slice()),
        _ => Err(node.expected("a task").hint("a task is a mapping, like `sysctl: {name: …}`")),
    })?;
    let before = mistakes.0.len();
    let mut module: Option<(&'static Module, &Key, &Node)> = None;
    for (key, value) in entries {
        if KEYWORDS.contains(&key.text.as_str()) {
            continue;
        }
        if let Some((_, instead)) = REFUSED.iter().find(|(name, _)| *name == key.text) {
            mistakes.push(
                Diagnostic::new(format!("`{}` is not supported", key.text))
                    .at(&key.span)
                    .hint(*instead),
            );
            continue;
        }
        match (modules::find(&key.text), &module) {
            (Some(_), Some((_, first, _))) => mistakes.push(
                Diagnostic::new(format!("a second module in one task: `{}`", key.text))
                    .at(&key.span)
                    .hint(format!("`{}` is there already; begin a new task with `-`", first.text)),
            ),
            (Some(found), None) => module = Some((found, key, value)),
            (None, _) => mistakes.push(unknown(key)),
        }
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
    let arguments = with_args(arguments, node.get("args"));
    check_arguments(module, module_key, &arguments, mistakes);
    let mut task = Task {
        span: node.span.clone(),
        name: node.get("name").cloned(),
        module,
        module_key: module_key.clone(),
        arguments,
        items: node.get("loop").or_else(|| node.get("with_items")).cloned(),
        loop_var: "item".into(),
        loop_label: None,
        register: decoded(node, "register", mistakes),
        notify: node.get("notify").map(Node::one_or_many).unwrap_or_default().to_vec(),
        listen: listed(node, "listen", mistakes),
        ignore_errors: decoded(node, "ignore_errors", mistakes).unwrap_or(false),
        no_log: decoded(node, "no_log", mistakes).unwrap_or(false),
        run_once: decoded(node, "run_once", mistakes).unwrap_or(false),
        check_mode: decoded(node, "check_mode", mistakes),
        changed_when: node.get("changed_when").cloned(),
        failed_when: node.get("failed_when").cloned(),
        until: node.get("until").cloned(),
        retries: decoded(node, "retries", mistakes).unwrap_or(3),
        delay: decoded(node, "delay", mistakes).unwrap_or(5.0),
        inherited: inherit(node, inherited, mistakes),
    };
    if let Some(control) = node.get("loop_control") {
        loop_control(control, &mut task, mistakes);
    }
    (mistakes.0.len() == before).then_some(task)
}

/// What a play, a role or a task adds to what came from around it.
pub(super) fn inherit(node: &Node, around: &Inherited, mistakes: &mut Diagnostics) -> Inherited {
    let mut inherited = around.clone();
    if let Some(tags) = node.get("tags") {
        inherited.tags.extend(words(tags, mistakes));
    }
    if let Some(when) = node.get("when") {
        inherited.when.extend(when.one_or_many().iter().cloned());
    }
    inherited.r#become = decoded(node, "become", mistakes).or(inherited.r#become);
    inherited.become_user = decoded(node, "become_user", mistakes).or(inherited.become_user);
    let method = inherited.become_method;
    inherited.become_method = decoded(node, "become_method", mistakes).or(method);
    if let Some(node) = node.get("vars") {
        inherited.vars.extend(vars(node, mistakes));
    }
    inherited
}

fn decoded<T: serde::de::DeserializeOwned>(
    node: &Node,
    key: &str,
    mistakes: &mut Diagnostics,
) -> Option<T> {
    mistakes.keep(node.get(key)?.decode())
}

/// The names under a key, which may hold commas.
fn listed(node: &Node, key: &str, mistakes: &mut Diagnostics) -> Vec<String> {
    let items = node.get(key).map(Node::one_or_many).unwrap_or_default();
    items.iter().filter_map(|item| mistakes.keep(item.decode())).collect()
}

fn loop_control(node: &Node, task: &mut Task, mistakes: &mut Diagnostics) {
    for (key, value) in mistakes.keep(node.mapping()).unwrap_or_default() {
        match key.text.as_str() {
            "loop_var" => task.loop_var = mistakes.keep(value.decode()).unwrap_or_default(),
            "label" => task.loop_label = Some(value.clone()),
            other => mistakes.push(
                Diagnostic::new(format!("unknown key `{other}`"))
                    .at(&key.span)
                    .did_you_mean(other, ["loop_var", "label"]),
            ),
        }
    }
}

/// Entries of `args:` stand beside the module's own.
fn with_args(arguments: &Node, args: Option<&Node>) -> Node {
    let Some(Kind::Mapping(more)) = args.map(|args| &args.kind) else { return arguments.clone() };
    let mut entries = match &arguments.kind {
        Kind::Mapping(entries) => entries.clone(),
        Kind::String(_) => {
            let key = Key { span: arguments.span.clone(), text: "cmd".into() };
            vec![(key, arguments.clone())]
        }
        _ => Vec::new(),
    };
    entries.extend(more.iter().cloned());
    Node { span: arguments.span.clone(), kind: Kind::Mapping(entries) }
}

/// Finds what can be found before anything is rendered: names of arguments always, values
/// where no template stands in the way.
fn check_arguments(module: &Module, key: &Key, arguments: &Node, mistakes: &mut Diagnostics) {
    if !template::node_has_template(arguments) {
        mistakes.keep((module.decode)(arguments).map_err(|error| error.at(&key.span)));
        return;
    }
    let known = module.arguments();
    if module.takes_any_argument() {
        return;
    }
    for (argument, _) in arguments.mapping().unwrap_or_default() {
        if !known.contains(&argument.text) {
            mistakes.push(
                Diagnostic::new(format!("`{}` has no argument `{}`", module.name, argument.text))
                    .at(&argument.span)
                    .did_you_mean(&argument.text, known.iter().map(String::as_str)),
            );
        }
    }
}

fn unknown(key: &Key) -> Diagnostic {
    let names = modules::TABLE.iter().map(|module| module.name);
    let error = Diagnostic::new(format!("unknown module or keyword `{}`", key.text)).at(&key.span);
    match crate::diagnostic::nearest(&key.text, names.chain(KEYWORDS.iter().copied())) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("see the list of modules in the README"),
    }
}
