//! The engine over real agents on this machine: how hosts keep step, what is sent ahead, who
//! holds a host.

#![expect(clippy::disallowed_methods, reason = "tests make playbooks and run the program")]

use std::fs;
use std::path::Path;

use indexmap::IndexMap;
use lvsmith::connection::{Connection, Local, Unreachable};
use lvsmith::diagnostic::Diagnostics;
use lvsmith::engine::{self, Connector, Options, Summary};
use lvsmith::inventory::{Inventory, Vars};
use lvsmith::playbook::Playbook;
use lvsmith::report::{Event, Reporter};
use tempfile::TempDir;

#[path = "engine/ahead.rs"]
mod ahead;
#[path = "engine/blocks.rs"]
mod blocks;
#[path = "engine/link.rs"]
mod link;
#[path = "engine/same.rs"]
mod same;
#[path = "engine/strategy.rs"]
mod strategy;

const LVSMITH: &str = env!("CARGO_BIN_EXE_lvsmith");

/// A folder with a playbook and an inventory of so many hosts: `h1`, `h2`, …
struct Site(TempDir);

impl Site {
    fn new(hosts: usize, playbook: &str) -> Self {
        let site = Self(tempfile::tempdir().expect("a temporary folder"));
        let hosts: String = (1..=hosts)
            .map(|host| format!("    h{host}: {{ansible_connection: local}}\n"))
            .collect();
        site.write("inventory.yml", &format!("all:\n  hosts:\n{hosts}"));
        site.write("site.yml", playbook);
        site
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("written");
    }

    /// The lines of a file, or none.
    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Runs it on this machine, which other tests may be changing.
    fn run(&self, options: &Options) -> (Summary, Log) {
        self.run_over(&Here, options).expect("the playbook is right")
    }

    fn run_over(
        &self,
        connector: &dyn Connector,
        options: &Options,
    ) -> Result<(Summary, Log), Diagnostics> {
        let playbook = Playbook::read(&self.path().join("site.yml"))?;
        let inventory = Inventory::read(&self.path().join("inventory.yml"))?;
        let mut log = Log::default();
        engine::run(&playbook, &inventory, connector, options, &mut log)
            .map(|summary| (summary, log))
    }
}

/// Every host is this machine.
struct Here;

impl Connector for Here {
    fn connect(&self, _: &str, _: &Vars) -> Result<Box<dyn Connection>, Unreachable> {
        Ok(Box::new(Local::default().program(LVSMITH)))
    }
}

/// All that was told, a line each.
#[derive(Debug, Default, PartialEq, Eq)]
struct Log {
    task: String,
    lines: Vec<String>,
    /// Everything of every result.
    results: Vec<String>,
}

impl Reporter for Log {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Play { name } => self.lines.push(format!("play {name}")),
            Event::Task { name, .. } => self.task = (*name).to_owned(),
            Event::Host { host, results, .. } => {
                let words: IndexMap<String, ()> =
                    results.iter().map(|one| (format!("{:?}", one.status), ())).collect();
                let words: Vec<&str> = words.keys().map(String::as_str).collect();
                self.lines.push(format!("{host} {}: {}", self.task, words.join(", ")));
                self.results.push(format!("{host} {}: {results:#?}", self.task));
            }
            Event::Ended { reason } => self.lines.push((*reason).to_owned()),
            // Other tests hold the same machine.
            Event::Waiting { .. } | Event::Doing { .. } | Event::NoHosts | Event::Recap { .. } => {}
        }
    }
}
