//! What a task does to a host, in the terms of LVS: from the arguments of a module, or from the
//! commands of a script.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::instead::{self, Instead};
use super::script::{self, Statement};
use super::site::Bound;
use crate::modules::ipvs_table::IpvsTable;
use crate::netlink::ipvs::{Request, ServiceKey, Table, VirtualService};

/// One effect.
#[derive(Debug)]
pub(super) enum Effect {
    /// An address goes onto an interface.
    Bind(Bound),
    /// An address goes.
    Unbind { interface: String, address: IpAddr },
    /// A kernel parameter gets a value.
    Sysctl(Setting),
    /// Services are in the table of IPVS; nothing else is, when the others are purged.
    Services { services: Vec<VirtualService>, purge: bool },
    /// A service is not.
    NoService(ServiceKey),
    /// A kernel module is loaded.
    Module { name: String, kept: bool },
    /// A service of the system is started, or is to start at boot.
    Unit { name: String, enabled: bool },
    /// A file is written; its text where it is known.
    File { path: String, text: Option<String> },
    /// The default route goes by a gateway.
    Gateway(IpAddr),
    /// A rule of ipvsadm changes the table.
    Rule(Request),
    /// A command is run; beside it the task that does the same, if there is one.
    Command { line: String, instead: Option<Instead> },
}

/// A kernel parameter and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// With dots.
    pub(super) key: String,
    pub(super) value: String,
    /// Whether the running kernel gets it.
    pub(super) live: bool,
    /// Whether a file keeps it for the next boot.
    pub(super) kept: bool,
    /// The file, where it is named.
    pub(super) file: Option<String>,
}

/// What a module does with these arguments.
pub(super) fn of(module: &str, arguments: &Value, text: Option<String>) -> Vec<Effect> {
    let word = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::to_owned);
    let yes = |name: &str, usually| arguments.get(name).and_then(Value::as_bool).unwrap_or(usually);
    let absent = word("state").as_deref() == Some("absent");
    let one = |effect: Option<Effect>| effect.into_iter().collect();
    match module {
        "address" => one(address(word("interface"), word("address"), absent)),
        "sysctl" if !absent => one(word("name").map(|name| {
            Effect::Sysctl(Setting {
                key: dotted(&name),
                value: word("value").unwrap_or_default(),
                live: yes("reload", true) || yes("sysctl_set", false),
                kept: yes("persist", true),
                file: word("sysctl_file"),
            })
        })),
        "ipvs_service" => services(vec![arguments.clone()], false),
        "ipvs_table" => {
            let all = arguments.get("services").and_then(Value::as_array).cloned();
            services(all.unwrap_or_default(), yes("purge", false))
        }
        "modprobe" if !absent => one(word("name").map(|name| Effect::Module {
            name: name.replace('-', "_"),
            kept: word("persistent").as_deref() == Some("present"),
        })),
        "service" | "systemd" => one(word("name").map(|name| Effect::Unit {
            name: name.trim_end_matches(".service").to_owned(),
            enabled: yes("enabled", false),
        })),
        "template" | "copy" => one(word("dest").map(|path| Effect::File { path, text })),
        "lineinfile" | "blockinfile" if !absent => {
            let path = word("path").or_else(|| word("dest")).or_else(|| word("name"));
            let text = word("line").or_else(|| word("block"));
            one(path.map(|path| Effect::File { path, text }))
        }
        "route" if !absent && word("destination").as_deref() == Some("default") => {
            one(word("gateway").and_then(|gateway| gateway.parse().ok()).map(Effect::Gateway))
        }
        "command" => commands(match word("cmd") {
            Some(line) => script::words(&line),
            None => {
                let words = arguments.get("argv").and_then(Value::as_array);
                let words = words.into_iter().flatten().filter_map(Value::as_str);
                vec![Statement::of(words.map(str::to_owned).collect())]
            }
        }),
        "shell" => commands(script::statements(&word("cmd").unwrap_or_default())),
        _ => Vec::new(),
    }
}

fn address(interface: Option<String>, address: Option<String>, absent: bool) -> Option<Effect> {
    let (interface, net) = (interface?, network(&address?)?);
    Some(match absent {
        true => Effect::Unbind { interface, address: net.addr() },
        false => Effect::Bind(Bound { interface, address: net.addr(), prefix: net.prefix_len() }),
    })
}

/// An address with its prefix, or alone.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn services(all: Vec<Value>, purge: bool) -> Vec<Effect> {
    let table = Value::Object([("services".to_owned(), Value::Array(all))].into_iter().collect());
    let Ok(table) = serde_json::from_value::<IpvsTable>(table) else { return Vec::new() };
    let present = table.wanted(&Table::default()).into_services();
    let absent: Vec<Effect> = table.absent().map(Effect::NoService).collect();
    let mut effects = absent;
    if !present.is_empty() || purge {
        effects.push(Effect::Services { services: present, purge });
    }
    effects
}

/// What commands do; all rules for IPVS among them make one table.
fn commands(statements: Vec<Statement>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for statement in statements {
        let (instead, effect) = instead::of(&statement);
        effects.extend(effect);
        effects.push(Effect::Command { line: statement.line, instead });
    }
    effects.extend(instead::table(&effects));
    effects
}

/// A parameter's name with dots, however it is written.
pub(super) fn dotted(name: &str) -> String {
    let name = name.trim().trim_start_matches('-').trim_start_matches("/proc/sys/");
    match name.find(['.', '/']).map(|at| name.as_bytes()[at]) {
        Some(b'/') => name.replace('.', "\0").replace('/', ".").replace('\0', "/"),
        _ => name.to_owned(),
    }
}

/// The parameters that the text of a sysctl file sets.
pub(super) fn settings(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let (key, value) = line.split_once('=').filter(|_| !line.starts_with(['#', ';']))?;
        Some((dotted(key), value.split_whitespace().collect::<Vec<_>>().join(" ")))
    })
}
