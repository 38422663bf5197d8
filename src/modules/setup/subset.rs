//! Which facts belong together, and which of them are wanted.

use serde_json::{Map, Value};

use crate::diagnostic::nearest;
use crate::modules::Error;

/// Facts that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subset {
    Min,
    Hardware,
    Network,
    Virtual,
    Lvs,
}

const ALL: [(&str, Subset); 5] = [
    ("min", Subset::Min),
    ("hardware", Subset::Hardware),
    ("network", Subset::Network),
    ("virtual", Subset::Virtual),
    ("lvs", Subset::Lvs),
];

/// How the names of a machine's parts begin.
const HARDWARE: [&str; 9] =
    ["processor", "mem", "swap", "mounts", "devices", "bios", "board", "product", "uptime"];

/// Names of facts about all interfaces; each interface has one of its own besides.
const NETWORK: [&str; 5] =
    ["interfaces", "default_ipv4", "default_ipv6", "all_ipv4_addresses", "all_ipv6_addresses"];

/// The subsets that are wanted.
#[derive(Debug)]
pub(super) struct Subsets(Vec<Subset>);

impl Subsets {
    pub(super) fn parse(names: &[String]) -> Result<Self, Error> {
        let (mut wanted, mut away) = (Vec::new(), Vec::new());
        let (mut all, mut only_away) = (false, true);
        let mut not_all = false;
        for name in names.iter().map(String::as_str).filter(|name| !name.is_empty()) {
            let (list, text) = match name.strip_prefix('!') {
                Some(text) => (&mut away, text),
                None => {
                    only_away = false;
                    (&mut wanted, name)
                }
            };
            match ALL.iter().find(|(known, _)| *known == text) {
                Some((_, subset)) => list.push(*subset),
                None if text == "all" && text == name => all = true,
                None if text == "all" => not_all = true,
                None => return Err(unknown(text)),
            }
        }
        if all || only_away && !not_all {
            wanted.extend(ALL.map(|(_, subset)| subset));
        }
        wanted.push(Subset::Min);
        wanted.retain(|subset| !away.contains(subset));
        Ok(Self(wanted))
    }

    /// Takes away what is not wanted.
    pub(super) fn keep(&self, facts: &mut Map<String, Value>) {
        let interfaces: Vec<String> = facts
            .get("interfaces")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|name| Some(name.as_str()?.replace(['-', '.', ':'], "_")))
            .collect();
        facts.retain(|name, _| self.0.contains(&subset_of(name, &interfaces)));
    }
}

fn subset_of(name: &str, interfaces: &[String]) -> Subset {
    if NETWORK.contains(&name) || interfaces.iter().any(|interface| interface == name) {
        Subset::Network
    } else if HARDWARE.iter().any(|start| name.starts_with(start)) {
        Subset::Hardware
    } else if name.starts_with("virtualization") {
        Subset::Virtual
    } else if name == "lvs" {
        Subset::Lvs
    } else {
        Subset::Min
    }
}

fn unknown(name: &str) -> Error {
    let error = Error::new(format!("there are no facts called `{name}`"));
    match nearest(name, ALL.iter().map(|(name, _)| *name)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("known here: all, min, hardware, network, virtual, lvs"),
    }
}
