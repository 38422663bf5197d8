//! What the fuzz targets in `fuzz/` call. A test calls the same with every file of their corpus,
//! so that what was found once stays found.
//!
//! None of it is part of an ordinary build. Nothing here reaches a kernel, a network or a host;
//! a playbook may look for files below a folder that does not exist.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::diagnostic::{Diagnostics, Source, Span};
use crate::director::{Document, Setup, are_rules, read_rules, write_rules};
use crate::inventory::{Inventory, select};
use crate::netlink::ipvs::replies;
use crate::playbook::{Play, Playbook};
use crate::template::Renderer;
use crate::yaml::{self, Kind, Node};

#[cfg(test)]
mod tests;

/// Takes any bytes, and panics where it finds a mistake in this program.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its file and its folders below `fuzz/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("connections", connections),
    ("inventory", inventory),
    ("netlink_reply", netlink_reply),
    ("option_reply", option_reply),
    ("playbook", playbook),
    ("rules", rules),
    ("template", template),
];

/// `/proc/net/ip_vs_conn`
pub fn connections(data: &[u8]) {
    replies::connection_lines(data);
}

/// Replies over generic netlink: a byte for what is asked, then datagrams, each after its length
/// in two bytes, the lower one first.
pub fn netlink_reply(data: &[u8]) {
    let Some((what, mut rest)) = data.split_first() else { return };
    let mut answers = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (datagram, behind) = behind.split_at(length);
        answers.push(datagram.to_vec());
        rest = behind;
    }
    replies::ask(*what, answers);
}

/// Replies to the socket options of IPVS.
pub fn option_reply(data: &[u8]) {
    replies::options(data);
}

/// A table in a file, as rules of ipvsadm or as YAML: what is read is the same when it is
/// written and read again, in either form.
pub fn rules(data: &[u8]) {
    let Some(source) = source(data) else { return };
    let read = if are_rules(&source.text) { read_rules(&source) } else { read_document(&source) };
    let setup = match read {
        Ok(setup) => setup,
        Err(mistakes) => return told(&mistakes),
    };
    let rules = write_rules(&setup);
    same(&setup, read_rules(&named("rules", rules.clone())), &rules);
    let document = serde_yaml::to_string(&Document::from(&setup)).expect("a setup is YAML");
    same(&setup, read_document(&named("document", document.clone())), &document);
}

fn read_document(source: &Arc<Source>) -> Result<Setup, Diagnostics> {
    Document::read(source).map(Document::into_setup)
}

fn same(setup: &Setup, again: Result<Setup, Diagnostics>, written: &str) {
    assert!(again.is_ok(), "{again:?}\nin\n{written}");
    let again = again.unwrap_or_default();
    let back = (again.steps(setup, true), setup.steps(&again, true));
    assert_eq!(back, (Vec::new(), Vec::new()), "{written}");
}

/// A playbook, with the roles and templates that are part of the program.
pub fn playbook(data: &[u8]) {
    let Some(source) = source(data) else { return };
    let path = Path::new("/nonexistent/site.yml");
    let read = yaml::read(&source).map_err(Diagnostics::from);
    match read.and_then(|node| Playbook::decode(&node, path)) {
        Ok(playbook) => {
            let tasks = playbook.plays.iter().flat_map(Play::tasks);
            tasks.for_each(|task| _ = task.title());
        }
        Err(mistakes) => told(&mistakes),
    }
}

/// An inventory, and what is asked of it: INI when it begins with a `[` or a `;`, else YAML. Its
/// last line is a pattern, too.
pub fn inventory(data: &[u8]) {
    let Some(source) = source(data) else { return };
    let read = match source.text.starts_with(['[', ';']) {
        true => Inventory::decode_ini(&source),
        false => {
            let read = yaml::read(&source).map_err(Diagnostics::from);
            read.and_then(|node| Inventory::decode(&node))
        }
    };
    match read {
        Ok(inventory) => {
            let _ = (inventory.group_map(), inventory.list(None), inventory.graph("all", true));
            for name in inventory.hosts.keys().take(16) {
                let _ = inventory.vars_of(name);
            }
            let last =
                source.text.lines().last().unwrap_or_default().trim_start_matches(['#', ' ']);
            let names = inventory.groups.keys().take(16).map(String::as_str);
            for pattern in names.chain([last]) {
                if let Err(error) = select(&inventory, pattern) {
                    told(&error.into());
                }
            }
        }
        Err(mistakes) => told(&mistakes),
    }
}

/// A template of one line; each line below it is a variable, from `a` on, which may itself be a
/// template.
pub fn template(data: &[u8]) {
    let Some(source) = source(data) else { return };
    let mut lines = source.text.lines();
    let Some(line) = lines.next() else { return };
    let mut variables = known();
    for (name, value) in ('a'..='z').zip(lines) {
        variables.insert(name.into(), value.into());
    }
    let span = Span { source: Arc::clone(&source), start: 0, end: line.len() };
    let node = Node { kind: Kind::String(line.to_owned()), span };
    let renderer = Renderer::new(&variables);
    for error in [renderer.node(&node).err(), renderer.condition(&node).err()] {
        error.into_iter().for_each(|error| told(&error.into()));
    }
}

/// What a playbook of a cluster has.
fn known() -> Map<String, Value> {
    let known = json!({
        "groups": {"directors": ["lb1"], "real_servers": ["rs1", "rs2"]},
        "port": 80,
        "vip": "192.168.0.89",
        "weights": {"rs1": 1, "rs2": 2},
        "result": {"changed": true, "failed": false, "stdout": "é\n"},
    });
    known.as_object().cloned().unwrap_or_default()
}

/// The text, when it is one.
fn source(data: &[u8]) -> Option<Arc<Source>> {
    std::str::from_utf8(data).ok().map(|text| named("fuzzed", text.to_owned()))
}

fn named(name: &str, text: String) -> Arc<Source> {
    Arc::new(Source { name: name.to_owned(), text })
}

/// Mistakes can be told in either way.
fn told(mistakes: &Diagnostics) {
    let _ = (mistakes.to_string(), mistakes.render(false));
}
