//! `lvsmith validate`: everything that can be wrong with a playbook and needs no host to be seen.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::apply::{self, RunArgs};
use super::defaults::Defaults;
use super::inventory::InventoryArgs;
use super::{Exit, complain_at};
use crate::diagnostic::Diagnostics;
use crate::engine;
use crate::report::{SCHEMA, counted};

/// Find what is wrong with a playbook, its roles, inventory, variables and templates, without
/// reaching a host
#[derive(Debug, Args)]
pub(super) struct Validate {
    /// The playbook
    playbook: PathBuf,
    #[command(flatten)]
    inventory: InventoryArgs,
    /// Only these hosts: names, groups, `a:b`, `a:&b`, `a:!b`, `web*`
    #[arg(short, long, value_name = "PATTERN")]
    limit: Option<String>,
    /// A variable over all others: `name=value`, `{name: value}`, or `@file.yml`
    #[arg(short, long, value_name = "VARS")]
    extra_vars: Vec<String>,
    /// How it is told
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// A JSON document: `valid`, and `mistakes` with their places
    Json,
}

impl Validate {
    pub(super) fn run(self) -> Exit {
        let found = self.look();
        if self.format == Format::Json {
            let mistakes = found.as_ref().err().map(|found| found.0.as_slice()).unwrap_or_default();
            let document =
                json!({ "schema": SCHEMA, "valid": found.is_ok(), "mistakes": mistakes });
            // Nothing is left to tell where telling fails.
            let _ = writeln!(std::io::stdout(), "{document}");
            return if found.is_ok() { Exit::Declared } else { Exit::BadInput };
        }
        match found {
            Ok((plays, tasks)) => {
                let (plays, tasks) = (counted(plays, "play"), counted(tasks, "task"));
                anstream::println!("nothing is wrong with {plays} and {tasks}");
                Exit::Declared
            }
            Err(mistakes) => {
                let exit = complain_at(&mistakes);
                anstream::eprintln!("\n{}", counted(mistakes.0.len(), "mistake"));
                exit
            }
        }
    }

    /// How many plays and tasks there are, or what is wrong.
    fn look(&self) -> Result<(usize, usize), Diagnostics> {
        let mut mistakes = Diagnostics::default();
        let mut all = |found: Diagnostics| mistakes.0.extend(found.0);
        let defaults = Defaults::read(&self.playbook).map_err(&mut all).unwrap_or_default();
        let run = RunArgs::of(self.limit.clone(), self.extra_vars.clone());
        let options = run.options().map_err(&mut all).ok();
        let named = self.inventory.clone().or(defaults.inventory.as_deref());
        let read = apply::read(&self.playbook, &named, &defaults).map_err(&mut all).ok();
        let mut counts = (0, 0);
        if let (Some((playbook, inventory)), Some(options)) = (read, options) {
            counts.0 = playbook.plays.len();
            counts.1 = playbook.plays.iter().map(|play| play.tasks().count()).sum();
            engine::check(&playbook, &inventory, &options).unwrap_or_else(&mut all);
        }
        mistakes.finish(counts)
    }
}
