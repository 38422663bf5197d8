//! One play.

use std::path::Path;

use super::steps::{Reader, Step};
use super::{Inherited, Play, Setting, Size, Strategy, inherited};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{self, Vars};
use crate::template;
use crate::yaml::{Kind, Node};

pub(super) const KEYWORDS: &[&str] = &[
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
    "serial",
    "strategy",
    "max_fail_percentage",
    "force_handlers",
];

pub(super) const REFUSED: &[(&str, &str)] = &[
    ("connection", "set `ansible_connection` in the inventory"),
    ("remote_user", "set `ansible_user` in the inventory"),
    ("vars_prompt", "give the variables with `-e`, or in a file of `vars_files`"),
    ("gather_subset", "all facts are gathered, in milliseconds"),
    ("when", "say it on a task, a block or a role"),
];

/// Decodes a play; `import` is what an import of its playbook says of it.
pub(super) fn decode(
    node: &Node,
    folder: &Path,
    import: &Inherited,
    mistakes: &mut Diagnostics,
) -> Option<Play> {
    if !matches!(node.kind, Kind::Mapping(_)) {
        mistakes.push(node.expected("a play").hint("a play is a mapping with `hosts:`"));
        return None;
    }
    let known = || KEYWORDS.iter().chain(inherited::KEYWORDS).copied();
    for (key, _) in mistakes.keep(node.mapping()).unwrap_or_default() {
        let name = key.text.as_str();
        if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            let error = Diagnostic::new(format!("`{name}` is not supported in a play"));
            mistakes.push(error.at(&key.span).hint(*instead));
        } else if known().all(|known| known != name) {
            let error = Diagnostic::new(format!("unknown key `{name}` in a play")).at(&key.span);
            mistakes.push(error.did_you_mean(name, known()));
        }
    }
    let Some(hosts) = node.get("hosts") else {
        mistakes.push(Diagnostic::new("a play without `hosts`").at(&node.span));
        return None;
    };
    // Variables of a play come after those of a role.
    let mut inherited = import.within(node, mistakes);
    let vars = std::mem::take(&mut inherited.vars);
    let name = match node.get("name") {
        Some(name) => mistakes.keep(name.decode::<String>()).unwrap_or_default(),
        None => hosts.one_or_many().iter().filter_map(Node::as_str).collect::<Vec<_>>().join(","),
    };
    let mut reader = Reader::new(folder, mistakes);
    let section = |key: &str, reader: &mut Reader<'_>| -> Vec<Step> {
        node.get(key).map(|list| reader.steps(list, &inherited)).unwrap_or_default()
    };
    let before = section("pre_tasks", &mut reader);
    let roles = node.get("roles").map(Node::one_or_many).unwrap_or_default();
    let mut main: Vec<Step> =
        roles.iter().flat_map(|entry| reader.listed_role(entry, &inherited)).collect();
    main.extend(section("tasks", &mut reader));
    let after = section("post_tasks", &mut reader);
    let own = node.get("handlers").map(|list| reader.handlers(list, &inherited));
    let Reader { mut handlers, roles, done, .. } = reader;
    handlers.extend(own.unwrap_or_default());
    let play = Play {
        span: node.span.clone(),
        folder: folder.to_owned(),
        name,
        hosts: hosts.clone(),
        gather_facts: node
            .get("gather_facts")
            .and_then(|facts| mistakes.keep(facts.decode()))
            .unwrap_or(true),
        vars,
        file_vars: vars_files(node, folder, mistakes),
        inherited,
        sections: [before, main, after].map(Into::into),
        handlers,
        roles,
        done_roles: done,
        force_handlers: node
            .get("force_handlers")
            .and_then(|force| mistakes.keep(force.decode()))
            .unwrap_or(false),
        strategy: node
            .get("strategy")
            .and_then(|name| mistakes.keep(Strategy::decode(name)))
            .unwrap_or_default(),
        serial: serial(node, mistakes),
        max_fail_percentage: max_fail_percentage(node, mistakes),
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
        let Inherited { run_once, throttle, .. } = &task.inherited;
        let once = run_once.as_ref().filter(|once| **once != Setting::Known(false));
        let once = once.map(|_| if task.module.name == "pause" { "pause" } else { "run_once" });
        let what = once.or(throttle.as_ref().map(|_| "throttle"));
        if let Some(what) = what {
            mistakes.push(
                Diagnostic::new(format!("`{what}` where hosts do not wait for one another"))
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
        if template::has_template(&name) {
            let error = Diagnostic::new("`vars_files` are read before variables are known");
            mistakes.push(error.at(&file.span).hint("use `include_vars` among the tasks"));
            continue;
        }
        let read = inventory::read_vars(&folder.join(name)).map_err(|error| error.at(&file.span));
        vars.extend(mistakes.keep(read).unwrap_or_default());
    }
    vars
}

/// A handler that nobody wrote would otherwise only show when something changes.
fn check_notifications(play: &Play, mistakes: &mut Diagnostics) {
    // An include that is not read yet may bring handlers.
    if play.tasks().any(|task| task.is_include_to_come()) {
        return;
    }
    for task in play.tasks() {
        for node in &task.inherited.notify {
            let Some(name) = mistakes.keep(node.decode::<String>()) else { continue };
            if template::has_template(&name) || play.handlers.iter().any(|h| h.answers_to(&name)) {
                continue;
            }
            let known = play.handlers.iter().flat_map(|handler| {
                let name = handler.name.as_ref().and_then(Node::as_str);
                name.into_iter().chain(handler.listen.iter().map(String::as_str))
            });
            let mistake = Diagnostic::new(format!("no handler is called `{name}`"))
                .at(&node.span)
                .did_you_mean(&name, known);
            // What a block says is said of each of its tasks.
            if !mistakes.0.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
    }
}
