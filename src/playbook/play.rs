//! One play.

use std::path::Path;

use super::{Inherited, Play, Size, Strategy, role, task, vars};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{self, Vars};
use crate::template;
use crate::yaml::{Kind, Node};

pub(crate) const KEYWORDS: &[&str] = &[
    "name",
    "hosts",
    "gather_facts",
    "vars",
    "vars_files",
    "roles",
    "pre_tasks",
    "tasks",
    "post_tasks",
    "handlers",
    "tags",
    "become",
    "become_user",
    "become_method",
    "serial",
    "strategy",
    "max_fail_percentage",
    "any_errors_fatal",
];

const REFUSED: &[(&str, &str)] = &[
    ("environment", "set it in the command: `env NAME=value program`"),
    ("connection", "set `ansible_connection` in the inventory"),
    ("remote_user", "set `ansible_user` in the inventory"),
    ("import_playbook", "run the playbooks one after the other"),
    ("force_handlers", "handlers of a host that failed do not run"),
];

pub(super) fn decode(node: &Node, folder: &Path, mistakes: &mut Diagnostics) -> Option<Play> {
    if !matches!(node.kind, Kind::Mapping(_)) {
        mistakes.push(node.expected("a play").hint("a play is a mapping with `hosts:`"));
        return None;
    }
    for (key, _) in mistakes.keep(node.mapping()).unwrap_or_default() {
        let name = key.text.as_str();
        if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            let error = Diagnostic::new(format!("`{name}` is not supported in a play"));
            mistakes.push(error.at(&key.span).hint(*instead));
        } else if !KEYWORDS.contains(&name) {
            let error = Diagnostic::new(format!("unknown key `{name}` in a play")).at(&key.span);
            mistakes.push(error.did_you_mean(name, KEYWORDS.iter().copied()));
        }
    }
    let Some(hosts) = node.get("hosts") else {
        mistakes.push(Diagnostic::new("a play without `hosts`").at(&node.span));
        return None;
    };
    let inherited =
        Inherited { vars: Vars::new(), ..task::inherit(node, &Inherited::default(), mistakes) };
    let name = match node.get("name").or(Some(hosts)).map(Node::decode::<String>) {
        Some(name) => mistakes.keep(name).unwrap_or_default(),
        None => String::new(),
    };
    let mut handlers = Vec::new();
    let mut sections = Vec::new();
    let section = |key: &str, mistakes: &mut Diagnostics| {
        node.get(key).map(|list| task::list(list, &inherited, mistakes)).unwrap_or_default()
    };
    sections.push(section("pre_tasks", mistakes));
    let mut main = Vec::new();
    if let Some(list) = node.get("roles") {
        let mut loader = role::Loader::new(folder);
        for entry in list.one_or_many() {
            loader.load(entry, &inherited, mistakes);
        }
        main = loader.tasks;
        handlers = loader.handlers;
    }
    main.extend(section("tasks", mistakes));
    sections.push(main);
    sections.push(section("post_tasks", mistakes));
    handlers.extend(section("handlers", mistakes));
    let play = Play {
        span: node.span.clone(),
        name,
        hosts: hosts.clone(),
        gather_facts: node
            .get("gather_facts")
            .and_then(|facts| mistakes.keep(facts.decode()))
            .unwrap_or(true),
        vars: node.get("vars").map(|node| vars(node, mistakes)).unwrap_or_default(),
        file_vars: vars_files(node, folder, mistakes),
        inherited,
        sections,
        handlers,
        strategy: node
            .get("strategy")
            .and_then(|name| mistakes.keep(Strategy::decode(name)))
            .unwrap_or_default(),
        serial: serial(node, mistakes),
        max_fail_percentage: max_fail_percentage(node, mistakes),
        any_errors_fatal: node
            .get("any_errors_fatal")
            .and_then(|fatal| mistakes.keep(fatal.decode()))
            .unwrap_or(false),
    };
    check_notifications(&play, mistakes);
    check_steps(&play, mistakes);
    Some(play)
}

/// Sizes that hold no template are looked at here, the others once variables are known.
fn serial(node: &Node, mistakes: &mut Diagnostics) -> Vec<Node> {
    let sizes = node.get("serial").map(Node::one_or_many).unwrap_or_default();
    for size in sizes.iter().filter(|size| !template::node_has_template(size)) {
        mistakes.keep(Size::decode(size));
    }
    sizes.to_vec()
}

fn max_fail_percentage(node: &Node, mistakes: &mut Diagnostics) -> Option<f64> {
    let node = node.get("max_fail_percentage")?;
    let text = node.as_str().and_then(|text| text.trim().strip_suffix('%'));
    let number = text.map(|text| Node::from_json(&text.into(), &node.span));
    let percentage = mistakes.keep(number.as_ref().unwrap_or(node).decode::<f64>())?;
    if !(0.0..=100.0).contains(&percentage) {
        mistakes.push(node.expected("a percentage from 0 to 100"));
    }
    Some(percentage)
}

/// What needs hosts that keep step does not go with a strategy where they do not.
fn check_steps(play: &Play, mistakes: &mut Diagnostics) {
    if play.strategy == Strategy::Linear {
        return;
    }
    for task in play.tasks() {
        if task.run_once {
            mistakes.push(
                Diagnostic::new("`run_once` where hosts do not wait for one another")
                    .at(&task.span)
                    .hint("put the task into a play of its own, with `strategy: linear`"),
            );
        }
    }
}

fn vars_files(node: &Node, folder: &Path, mistakes: &mut Diagnostics) -> Vars {
    let mut vars = Vars::new();
    for file in node.get("vars_files").map(Node::one_or_many).unwrap_or_default() {
        let Some(name) = mistakes.keep(file.decode::<String>()) else { continue };
        let read = inventory::read_vars(&folder.join(name)).map_err(|error| error.at(&file.span));
        vars.extend(mistakes.keep(read).unwrap_or_default());
    }
    vars
}

/// A handler that nobody wrote would otherwise only show when something changes.
fn check_notifications(play: &Play, mistakes: &mut Diagnostics) {
    let known: Vec<&str> = play
        .handlers
        .iter()
        .flat_map(|handler| {
            let name = handler.name.as_ref().and_then(Node::as_str);
            name.into_iter().chain(handler.listen.iter().map(String::as_str))
        })
        .collect();
    for task in play.sections.iter().flatten() {
        for node in &task.notify {
            let Some(name) = mistakes.keep(node.decode::<String>()) else { continue };
            if !known.contains(&name.as_str()) && !template::has_template(&name) {
                mistakes.push(
                    Diagnostic::new(format!("no handler is called `{name}`"))
                        .at(&node.span)
                        .did_you_mean(&name, known.iter().copied()),
                );
            }
        }
    }
}
