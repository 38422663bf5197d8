//! Checks: what a lab must show to be called a working cluster.
//!
//! Every check is look, judge, explain. To look is to send probes ([`super::probe`]) and
//! nothing else; to judge what was seen, and to find the cause in the state of the hosts when
//! it is wrong, is pure. So adding a check is one file and one line in `TABLE`.
//!
//! ```yaml
//! checks:
//!   - name: round robin over three real servers
//!     http:
//!       from: client
//!       url: http://192.168.0.89/
//!       requests: 9
//!       expect:
//!         round_robin: [rs1, rs2, rs3]
//!         share: { rs1: 3, rs2: 3, rs3: 3 }
//!         reply_from: real_server
//!   - arp: { from: client, address: 192.168.0.89, answered_by: lb1 }
//!   - ipvs:
//!       on: lb1
//!       equals:
//!         - service: tcp://192.168.0.89:80
//!           scheduler: rr
//!           forward: direct
//!           destinations: [192.168.0.93, 192.168.0.94, 192.168.0.95]
//!   - scheduling: {from: client, service: tcp://192.168.0.89:80, requests: 12, hold: 4}
//!   - command: { on: rs1, argv: [nginx, -t], stderr_contains: syntax is ok }
//! ```

use std::fmt::Debug;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::connection::CallError;
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::lab::monitor::{Frame, Mark, Monitor};
use crate::lab::probe::Seconds;
use crate::yaml::{Kind as NodeKind, Node};

/// So many frames from the beginning and from the end of a check are kept.
const PACKETS: usize = 2_000;
/// So many packets are told as evidence.
const TOLD: usize = 40;

mod action;
mod cause;
mod command;
mod dns;
mod drain;
mod draw;
mod failover;
mod file;
mod hitless;
mod hosts;
mod http;
mod idempotent;
mod ipvs;
mod mtu;
mod no_residue;
mod order;
mod path;
mod patience;
mod persistence;
mod ping;
mod report;
mod resolution;
mod scheduling;
mod service;
mod spread;
mod steady;
mod sysctl;
mod talk;
mod witness;

pub use action::Action;
pub use cause::{Cause, Scene};
pub use command::Command;
pub use drain::Drain;
pub use failover::Failover;
pub use file::File;
pub use hitless::Hitless;
pub(super) use hosts::look_by;
pub use hosts::{Agents, Applied, Apply, Hosts, LabHost, Means, Prober, Roster, Stage, look};
pub use http::Http;
pub use idempotent::Idempotent;
pub use ipvs::Ipvs;
pub use mtu::Mtu;
pub use no_residue::NoResidue;
pub use path::Path;
pub use persistence::Persistence;
pub use ping::Ping;
pub use report::{CheckReport, Verdict};
pub use resolution::{Arp, Ndp};
pub use scheduling::Scheduling;
pub use service::Service;
pub use spread::ReplyFrom;
pub use sysctl::Sysctl;
pub use talk::{Talk, Tcp, Udp};

/// One kind of check.
pub trait Check: DeserializeOwned + Debug + Send + Sync + 'static {
    /// What it saw: the evidence.
    type Seen: Serialize;

    /// What it is called when its author gave it no name.
    fn title(&self) -> String;

    /// The hosts that it names, the one that asks first; each must be in the lab.
    fn hosts(&self) -> Vec<&str>;

    /// Looks, by probes. An error means that it could not look.
    fn look(&self, hosts: &mut dyn Hosts) -> Result<Self::Seen, CallError>;

    /// Says what was expected, what was seen, and what is wrong. Pure.
    fn judge(&self, seen: &Self::Seen, lab: &Roster) -> Verdict;

    /// Finds why it is wrong, the most specific cause first. Pure.
    fn causes(&self, seen: &Self::Seen, scene: &Scene) -> Vec<Cause>;

    /// Draws what was seen, for people; nothing where the verdict says it all.
    fn draw(&self, _seen: &Self::Seen, _lab: &Roster) -> Option<String> {
        None
    }
}

/// One row of the table.
struct Kind {
    /// The key in YAML, and the name of the file.
    name: &'static str,
    decode: fn(&Node) -> Result<Box<dyn Run>, Diagnostic>,
    schema: fn() -> Schema,
}

impl Kind {
    /// `W` is what `C` is written as.
    const fn of<C: Check, W: JsonSchema>(name: &'static str) -> Self {
        Self { name, decode: |node| Ok(Box::new(node.decode::<C>()?)), schema: || schema_for!(W) }
    }
}

/// Every kind of check, by name.
static TABLE: &[Kind] = &[
    Kind::of::<Arp, Arp>("arp"),
    Kind::of::<Command, command::Written>("command"),
    Kind::of::<Drain, Drain>("drain"),
    Kind::of::<Failover, Failover>("failover"),
    Kind::of::<File, File>("file"),
    Kind::of::<Hitless, Hitless>("hitless"),
    Kind::of::<Http, http::Written>("http"),
    Kind::of::<Idempotent, Idempotent>("idempotent"),
    Kind::of::<Ipvs, Ipvs>("ipvs"),
    Kind::of::<Mtu, mtu::Written>("mtu"),
    Kind::of::<Ndp, Ndp>("ndp"),
    Kind::of::<NoResidue, NoResidue>("no_residue"),
    Kind::of::<Path, Path>("path"),
    Kind::of::<Persistence, persistence::Written>("persistence"),
    Kind::of::<Ping, Ping>("ping"),
    Kind::of::<Scheduling, scheduling::Written>("scheduling"),
    Kind::of::<Service, Service>("service"),
    Kind::of::<Sysctl, Sysctl>("sysctl"),
    Kind::of::<Talk<Tcp>, Tcp>("tcp"),
    Kind::of::<Talk<Udp>, Udp>("udp"),
];

/// The name of every kind of check.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|kind| kind.name)
}

/// The schema of each kind of check, by name.
pub(crate) fn schemas() -> impl Iterator<Item = (&'static str, Schema)> {
    TABLE.iter().map(|kind| (kind.name, (kind.schema)()))
}

/// A check whose kind is no longer of interest.
trait Run: Debug + Send + Sync {
    fn title(&self) -> String;
    fn hosts(&self) -> Vec<&str>;
    fn run(&self, hosts: &mut dyn Hosts) -> Findings;
}

/// What a run came to, before it has a name and a time.
struct Findings {
    verdict: Verdict,
    causes: Vec<Cause>,
    evidence: Value,
    drawing: Option<String>,
}

impl<C: Check> Run for C {
    fn title(&self) -> String {
        Check::title(self)
    }

    fn hosts(&self) -> Vec<&str> {
        Check::hosts(self)
    }

    fn run(&self, hosts: &mut dyn Hosts) -> Findings {
        let seen = match self.look(hosts) {
            Ok(seen) => seen,
            Err(error) => {
                let mut verdict = Verdict::default();
                verdict.problem(format!("failed to look: {}", with_hint(&error)));
                let (states, causes) = (states(hosts), Vec::new());
                let evidence = json!({ "error": error.to_string(), "states": states.1 });
                return Findings { verdict, causes, evidence, drawing: None };
            }
        };
        let lab = Roster(hosts.hosts().to_vec());
        let verdict = self.judge(&seen, &lab);
        let mut evidence = json!({ "seen": serde_json::to_value(&seen).unwrap_or_default() });
        let mut causes = Vec::new();
        if !verdict.problems.is_empty() {
            let (typed, told) = states(hosts);
            causes = self.causes(&seen, &Scene { lab: &lab, states: &typed });
            if let Some(evidence) = evidence.as_object_mut() {
                evidence.insert("states".into(), told);
            }
        }
        Findings { verdict, causes, evidence, drawing: self.draw(&seen, &lab) }
    }
}

fn with_hint(error: &CallError) -> String {
    match error {
        CallError::Failed(failed) => match &failed.hint {
            Some(hint) => format!("{failed} ({hint})"),
            None => failed.to_string(),
        },
        CallError::Unreachable(unreachable) => unreachable.to_string(),
    }
}

/// The state of every host, typed and as evidence; one that does not answer is told there.
fn states(hosts: &mut dyn Hosts) -> (IndexMap<String, super::probe::State>, Value) {
    let names: Vec<String> = hosts.hosts().iter().map(|host| host.name.clone()).collect();
    let mut typed = IndexMap::new();
    let mut told = serde_json::Map::new();
    for name in names {
        match look(hosts, &name, super::probe::StateOf {}) {
            Ok(state) => {
                told.insert(name.clone(), serde_json::to_value(&state).unwrap_or_default());
                typed.insert(name, state);
            }
            Err(error) => {
                told.insert(name, json!({ "error": error.to_string() }));
            }
        }
    }
    (typed, Value::Object(told))
}

/// A check as the lab file declares it.
#[derive(Debug)]
pub struct Declared {
    /// The name its author gave it, or else what it does.
    pub name: String,
    /// Its kind: `http`, `arp`, …
    pub kind: &'static str,
    /// Where it stands.
    pub span: Span,
    /// Whether it compares hosts with what they were before the playbook ran.
    pub(super) compares: bool,
    /// What `lab test` picks it by.
    pub tags: Vec<String>,
    /// How long it may take; without one, as long as its trial.
    pub timeout: Option<Duration>,
    check: Box<dyn Run>,
}

impl Declared {
    /// Runs the check against the lab.
    pub fn run(&self, hosts: &mut dyn Hosts) -> CheckReport {
        let start = Instant::now();
        let mark = hosts.monitor().ok().map(Monitor::mark);
        let Findings { verdict, causes, mut evidence, drawing } = self.check.run(hosts);
        let packets = watched(hosts, mark);
        if !verdict.problems.is_empty()
            && let (Ok(monitor), Some(evidence)) = (hosts.monitor(), evidence.as_object_mut())
        {
            evidence.insert("packets".into(), last_words(&packets, monitor.lost()));
        }
        CheckReport {
            name: self.name.clone(),
            kind: self.kind,
            passed: verdict.problems.is_empty(),
            seconds: start.elapsed().as_secs_f64(),
            expected: verdict.expected,
            seen: verdict.seen,
            problems: verdict.problems,
            causes,
            evidence,
            drawing,
            asker: self.check.hosts().first().map(|host| (*host).to_owned()),
            packets,
        }
    }
}

/// The frames since then, not more than can be kept for every check.
fn watched(hosts: &dyn Hosts, since: Option<Mark>) -> Vec<Frame> {
    let (Ok(monitor), Some(mark)) = (hosts.monitor(), since) else { return Vec::new() };
    let mut frames = monitor.since(mark);
    if frames.len() > 2 * PACKETS {
        frames.drain(PACKETS..frames.len() - PACKETS);
    }
    frames
}

/// The last packets, for who wonders what went wrong at the end.
fn last_words(packets: &[Frame], lost: u64) -> Value {
    let first = packets.len().saturating_sub(TOLD);
    let last: Vec<String> =
        packets.get(first..).unwrap_or_default().iter().map(ToString::to_string).collect();
    json!({ "last": last, "lost": lost })
}

/// Decodes the items of a lab file's `checks`; `hosts` are the names of the lab's hosts.
pub fn read<'a>(
    nodes: &[Node],
    hosts: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Declared>, Diagnostics> {
    let hosts: Vec<&str> = hosts.into_iter().collect();
    let mut mistakes = Diagnostics::default();
    let mut checks = Vec::new();
    for node in nodes {
        if let Some(check) = mistakes.keep(decode(node)) {
            for name in check.check.hosts() {
                if !hosts.contains(&name) {
                    let place = place_of(node, name).unwrap_or(&node.span);
                    mistakes.push(
                        Diagnostic::new(format!("`{name}` is not a host of this lab"))
                            .at(place)
                            .did_you_mean(name, hosts.iter().copied()),
                    );
                }
            }
            checks.push(check);
        }
    }
    mistakes.finish(checks)
}

fn decode(node: &Node) -> Result<Declared, Diagnostic> {
    let names = || TABLE.iter().map(|kind| kind.name);
    let mut name = None;
    let mut tags = Vec::new();
    let mut timeout = None;
    let mut found: Option<(&Kind, &Node)> = None;
    for (key, value) in node.mapping()? {
        if key.text == "name" {
            let text = value.as_str().ok_or_else(|| value.expected("a text"))?;
            name = Some(text.to_owned());
        } else if key.text == "tags" {
            tags = value.one_or_many().iter().map(Node::decode).collect::<Result<_, _>>()?;
        } else if key.text == "timeout" {
            timeout = Some(value.decode::<Seconds>()?.0);
        } else if let Some(kind) = TABLE.iter().find(|kind| kind.name == key.text) {
            if let Some((first, _)) = found {
                return Err(Diagnostic::new(format!(
                    "a check is one thing, and this is both `{}` and `{}`",
                    first.name, kind.name
                ))
                .at(&key.span)
                .hint("write two checks"));
            }
            found = Some((kind, value));
        } else {
            return Err(Diagnostic::new(format!("unknown check `{}`", key.text))
                .at(&key.span)
                .did_you_mean(&key.text, names().chain(["name", "tags", "timeout"])));
        }
    }
    let Some((kind, arguments)) = found else {
        let known = names().collect::<Vec<_>>().join(", ");
        return Err(Diagnostic::new("this check checks nothing")
            .at(&node.span)
            .hint(format!("give it one of: {known}")));
    };
    let check = (kind.decode)(arguments)?;
    let name = name.unwrap_or_else(|| check.title());
    Ok(Declared {
        name,
        kind: kind.name,
        span: node.span.clone(),
        compares: kind.name == "no_residue",
        tags,
        timeout,
        check,
    })
}

/// Where a text stands within a node, as a value or as a key.
fn place_of<'a>(node: &'a Node, text: &str) -> Option<&'a Span> {
    match &node.kind {
        NodeKind::String(own) => (own == text).then_some(&node.span),
        NodeKind::Sequence(items) => items.iter().find_map(|item| place_of(item, text)),
        NodeKind::Mapping(entries) => entries.iter().find_map(|(key, value)| {
            place_of(value, text).or((key.text == text).then_some(&key.span))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
