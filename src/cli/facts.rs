//! `lvsmith facts`: what the hosts of an inventory are, under the names that playbooks have for it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::inventory::{InventoryArgs, json as as_json, yaml as as_yaml};
use super::secret::SecretArgs;
use super::{Exit, apply, complain, complain_at, connector::Machines};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::engine::{self, Options};
use crate::inventory::{Inventory, glob};
use crate::playbook::Playbook;
use crate::report::{Event, Reporter};
use crate::yaml::Node;

/// Where facts are put for the moment in which they are read.
const GATHERED: &str = "lvsmith_gathered";

/// Show what hosts are, under the names of Ansible's facts
#[derive(Debug, Args)]
pub(super) struct Facts {
    /// Which hosts
    #[arg(default_value = "all")]
    pattern: String,
    #[command(flatten)]
    inventory: InventoryArgs,
    /// Only facts whose names match: `ansible_default_ipv4`, `lvs`, `distribution*`
    #[arg(long, value_name = "GLOB")]
    filter: Vec<String>,
    /// How they are shown
    #[arg(long, value_enum, default_value_t = Format::Yaml)]
    format: Format,
    /// Become root first
    #[arg(short, long)]
    r#become: bool,
    #[command(flatten)]
    secret: SecretArgs,
    /// How many hosts at a time [default: all, up to 64]
    #[arg(short, long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    forks: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

impl Facts {
    pub(super) fn run(self) -> ExitCode {
        super::catch_interrupts();
        self.show().unwrap_or_else(|mistakes| complain_at(&mistakes)).into()
    }

    fn show(&self) -> Result<Exit, Diagnostics> {
        let inventory = match self.inventory.read(Path::new("."))? {
            Some(inventory) => inventory,
            None => Inventory::localhost(),
        };
        super::inventory::warn(&inventory);
        // Nothing is changed, so nobody is kept from changing the hosts meanwhile.
        let options = Options {
            check: true,
            forks: self.forks,
            color: super::color(),
            become_password: self.secret.read()?,
            ..Options::default()
        };
        let mut gathered = Gathered::default();
        let playbook = self.playbook()?;
        let summary = engine::run(&playbook, &inventory, &Machines, &options, &mut gathered)?;
        let shown: Map<String, Value> =
            gathered.hosts.into_iter().map(|(host, facts)| (host, self.wanted(facts))).collect();
        let shown = Value::Object(shown);
        let text = match self.format {
            Format::Yaml => as_yaml(&shown)?,
            Format::Json => as_json(&shown)?,
        };
        // A closed pipe has seen enough.
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
        Ok(apply::exit_of(&summary))
    }

    /// A play that gathers facts, and a task that hands them out.
    fn playbook(&self) -> Result<Playbook, Diagnostics> {
        let play = json!([{
            "hosts": self.pattern,
            "become": self.r#become,
            "tasks": [{"set_fact": {GATHERED: "{{ ansible_facts }}"}}],
        }]);
        Playbook::decode(&Node::from_json(&play, &Span::nowhere()), Path::new("facts"))
    }

    /// With `ansible_` in front of each name, as playbooks see them.
    fn wanted(&self, facts: Map<String, Value>) -> Value {
        let is_wanted = |name: &str, whole: &str| {
            self.filter.is_empty()
                || self.filter.iter().any(|pattern| glob(pattern, name) || glob(pattern, whole))
        };
        let named = facts.into_iter().map(|(name, fact)| (format!("ansible_{name}"), name, fact));
        let wanted = named.filter(|(whole, name, _)| is_wanted(name, whole));
        wanted.map(|(whole, _, fact)| (whole, fact)).collect()
    }
}

/// What hosts tell; what they cannot is complained about at once.
#[derive(Default)]
struct Gathered {
    hosts: BTreeMap<String, Map<String, Value>>,
}

impl Reporter for Gathered {
    fn event(&mut self, event: &Event<'_>) {
        let Event::Host { host, results, .. } = event else { return };
        for result in *results {
            let facts = result.result.get("ansible_facts").and_then(|facts| facts.get(GATHERED));
            if let Some(Value::Object(facts)) = facts {
                self.hosts.insert((*host).to_owned(), facts.clone());
            }
            if let Some(message) = result.message.as_ref().filter(|_| result.status.ends_host()) {
                let mistake = Diagnostic::new(format!("{host}: {message}"));
                complain(&match &result.hint {
                    Some(hint) => mistake.hint(hint),
                    None => mistake,
                });
            }
        }
    }
}
