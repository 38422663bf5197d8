//! Commands that a module replaces: what they do, and the task that does the same.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::effect::{Effect, Setting, dotted, network};
use super::script::Statement;
use super::site::Bound;
use crate::director::flow;
use crate::ipvsadm::RuleReader;
use crate::modules;
use crate::netlink::ipvs::{Request, ServiceKey, VirtualService};

/// What to write in place of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instead {
    /// The module.
    pub(super) module: &'static str,
    /// The whole task, where the command says all that it needs.
    pub(super) task: Option<String>,
}

impl Instead {
    fn by(module: &'static str) -> Self {
        Self { module, task: None }
    }

    fn task(module: &'static str, arguments: &Value) -> Self {
        Self { module, task: Some(format!("{module}: {}", flow(arguments))) }
    }
}

/// The task that a command stands for, and its effect on the host.
pub(super) fn of(statement: &Statement) -> (Option<Instead>, Option<Effect>) {
    let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
    let [program, arguments @ ..] = words.as_slice() else { return (None, None) };
    let program = program.rsplit('/').next().unwrap_or(program);
    let (instead, effect) = match (program, arguments) {
        ("ipvsadm", arguments) => rule(arguments),
        ("sysctl", arguments) => assignment(arguments),
        ("echo" | "printf", [value]) => match statement.into.as_deref() {
            Some(file) if file.starts_with("/proc/sys/") => set(file, value),
            _ => return (None, None),
        },
        ("ip", arguments) => ip(arguments),
        ("ifconfig", [label, address, rest @ ..]) => ifconfig(label, address, rest),
        ("modprobe", arguments) => modprobe(arguments),
        ("systemctl", arguments) => systemctl(arguments),
        ("service", [name, verb]) => service(name, verb, None),
        ("apt" | "apt-get" | "yum" | "dnf", arguments) if arguments.contains(&"install") => {
            (Some(Instead::by("package")), None)
        }
        ("sed", [first, ..]) if first.starts_with("-i") => {
            let module = modules::find("lineinfile").map_or("template", |module| module.name);
            (Some(Instead::by(module)), None)
        }
        _ => return (None, None),
    };
    match statement.plain {
        true => (instead, effect),
        // What the shell fills in is not known here.
        false => (instead.map(|instead| Instead { task: None, ..instead }), None),
    }
}

fn set(name: &str, value: &str) -> (Option<Instead>, Option<Effect>) {
    let key = dotted(name);
    let arguments = json!({"name": key, "value": value});
    let setting = Setting { key, value: value.to_owned(), live: true, kept: false, file: None };
    (Some(Instead::task("sysctl", &arguments)), Some(Effect::Sysctl(setting)))
}

fn assignment(arguments: &[&str]) -> (Option<Instead>, Option<Effect>) {
    match arguments.iter().find_map(|word| word.split_once('=')) {
        Some((name, value)) if !name.starts_with("--") => set(name, value.trim()),
        _ => (None, None),
    }
}

fn ip(arguments: &[&str]) -> (Option<Instead>, Option<Effect>) {
    let rest: Vec<&str> = arguments.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let behind = |word: &str| {
        rest.iter().position(|one| *one == word).and_then(|at| rest.get(at + 1)).copied()
    };
    match rest.as_slice() {
        ["a" | "addr" | "address", verb @ ("add" | "replace" | "del" | "delete"), net, ..] => {
            let (Some(interface), Some(net)) = (behind("dev"), network(net)) else {
                return (Some(Instead::by("address")), None);
            };
            let mut arguments = json!({"interface": interface, "address": net.to_string()});
            if let Some(label) = behind("label") {
                arguments["label"] = label.into();
            }
            let (interface, address) = (interface.to_owned(), net.addr());
            let effect = if verb.starts_with("del") {
                arguments["state"] = "absent".into();
                Effect::Unbind { interface, address }
            } else {
                Effect::Bind(Bound { interface, address, prefix: net.prefix_len() })
            };
            (Some(Instead::task("address", &arguments)), Some(effect))
        }
        ["l" | "link", "set", ..] => {
            let name = behind("dev").or(rest.get(2).copied());
            let state = ["up", "down"].into_iter().find(|state| rest.contains(state));
            match (name, state) {
                (Some(name), Some(state)) if rest.len() <= 5 => {
                    (Some(Instead::task("link", &json!({"name": name, "state": state}))), None)
                }
                _ => (Some(Instead::by("link")), None),
            }
        }
        ["l" | "link", "add", ..] if behind("type") == Some("dummy") => {
            let name = behind("name").or(rest.get(2).copied());
            (Some(Instead::task("link", &json!({"name": name, "type": "dummy"}))), None)
        }
        ["r" | "route", "add" | "replace" | "change", "default", ..] => {
            let Some(gateway) = behind("via") else { return (Some(Instead::by("route")), None) };
            let arguments = json!({"destination": "default", "gateway": gateway});
            let effect = gateway.parse().ok().map(Effect::Gateway);
            (Some(Instead::task("route", &arguments)), effect)
        }
        ["r" | "route", "add" | "replace" | "del" | "delete", ..] => {
            (Some(Instead::by("route")), None)
        }
        _ => (None, None),
    }
}

/// `ifconfig lo:0 192.168.0.89 netmask 255.255.255.255 up`, as old recipes have it.
fn ifconfig(label: &str, address: &str, rest: &[&str]) -> (Option<Instead>, Option<Effect>) {
    let Some(alone) = network(address) else { return (None, None) };
    let mask = rest.iter().position(|word| *word == "netmask").and_then(|at| rest.get(at + 1));
    let prefix = mask
        .and_then(|mask| ipnet::ipv4_mask_to_prefix(mask.parse().ok()?).ok())
        .unwrap_or(alone.prefix_len());
    let interface = label.split(':').next().unwrap_or(label).to_owned();
    let mut arguments =
        json!({"interface": interface, "address": format!("{}/{prefix}", alone.addr())});
    if label.contains(':') {
        arguments["label"] = label.into();
    }
    let bound = Bound { interface, address: alone.addr(), prefix };
    (Some(Instead::task("address", &arguments)), Some(Effect::Bind(bound)))
}

fn modprobe(arguments: &[&str]) -> (Option<Instead>, Option<Effect>) {
    let names: Vec<&str> =
        arguments.iter().copied().filter(|word| !word.starts_with('-')).collect();
    match names.as_slice() {
        [name] if arguments.len() == 1 => {
            let effect = Effect::Module { name: name.replace('-', "_"), kept: false };
            (Some(Instead::task("modprobe", &json!({"name": name}))), Some(effect))
        }
        _ => (Some(Instead::by("modprobe")), None),
    }
}

fn systemctl(arguments: &[&str]) -> (Option<Instead>, Option<Effect>) {
    let now = arguments.contains(&"--now");
    let rest: Vec<&str> = arguments.iter().copied().filter(|word| !word.starts_with('-')).collect();
    match rest.as_slice() {
        [verb, name] => service(name, verb, now.then_some("started")),
        ["daemon-reload"] => (None, None),
        [verb, ..] if state(verb).is_some() => (Some(Instead::by("service")), None),
        _ => (None, None),
    }
}

fn state(verb: &str) -> Option<&'static str> {
    match verb {
        "start" => Some("started"),
        "stop" => Some("stopped"),
        "restart" => Some("restarted"),
        "reload" => Some("reloaded"),
        "enable" | "disable" => Some(""),
        _ => None,
    }
}

fn service(name: &str, verb: &str, now: Option<&str>) -> (Option<Instead>, Option<Effect>) {
    let Some(state) = state(verb) else { return (None, None) };
    let mut arguments = json!({"name": name.trim_end_matches(".service")});
    if state.is_empty() {
        arguments["enabled"] = (verb == "enable").into();
        if let Some(now) = now.filter(|_| verb == "enable") {
            arguments["state"] = now.into();
        }
    } else {
        arguments["state"] = state.into();
    }
    let name = name.trim_end_matches(".service").to_owned();
    let effect = Effect::Unit { name, enabled: verb == "enable" };
    (Some(Instead::task("service", &arguments)), Some(effect))
}

/// A command line of ipvsadm; one that only looks, saves or clears has no module.
fn rule(arguments: &[&str]) -> (Option<Instead>, Option<Effect>) {
    let module = |request: &Request| match request {
        Request::StartDaemon(_) | Request::StopDaemon(_) => Some("ipvs_daemon"),
        Request::SetTimeouts(_) => Some("ipvs_timeouts"),
        Request::Flush | Request::Zero(_) => None,
        _ => Some("ipvs_service"),
    };
    match RuleReader::default().read(arguments) {
        Ok(request) => (module(&request).map(Instead::by), Some(Effect::Rule(request))),
        Err(_) => {
            let changes = |word: &&&str| {
                matches!(word.get(..2), Some("-A" | "-E" | "-D" | "-a" | "-e" | "-d"))
                    || word.ends_with("-service") && word.starts_with("--")
                    || word.ends_with("-server") && word.starts_with("--")
            };
            (arguments.first().filter(changes).map(|_| Instead::by("ipvs_service")), None)
        }
    }
}

/// The services that the rules among these effects make.
pub(super) fn table(effects: &[Effect]) -> Option<Effect> {
    let mut services: IndexMap<ServiceKey, VirtualService> = IndexMap::new();
    for effect in effects {
        let Effect::Rule(request) = effect else { continue };
        match request {
            Request::AddService(service) | Request::EditService(service) => {
                let new = || VirtualService { service: service.clone(), destinations: Vec::new() };
                services.entry(service.key).or_insert_with(new).service = service.clone();
            }
            Request::AddDestination(key, destination)
            | Request::EditDestination(key, destination) => {
                if let Some(service) = services.get_mut(key) {
                    service.destinations.retain(|one| one.key != destination.key);
                    service.destinations.push(*destination);
                }
            }
            Request::RemoveService(key) => _ = services.shift_remove(key),
            _ => {}
        }
    }
    let services: Vec<VirtualService> = services.into_values().collect();
    (!services.is_empty()).then_some(Effect::Services { services, purge: false })
}

/// A service as a task has it, in one line.
pub(super) fn task_of(service: &VirtualService) -> Option<String> {
    let arguments = serde_json::to_value(service).ok()?;
    Some(format!("ipvs_service: {}", flow(&arguments)))
}
