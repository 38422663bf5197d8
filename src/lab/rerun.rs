//! A playbook run once more in a lab that is up, for checks that change it or try it again.

use std::path::Path;

use super::check::Applied;
use super::leash::Leashed;
use super::trial::relative;
use crate::engine::{self, Options};
use crate::inventory::{Inventory, Vars};
use crate::modules::Error;
use crate::playbook::Playbook;
use crate::report::{Event, Reporter, Status};

/// What a run needs.
pub(super) struct Rerun<'a> {
    pub(super) folder: &'a Path,
    pub(super) playbook: Option<&'a Playbook>,
    pub(super) inventory: &'a Inventory,
    pub(super) connector: Leashed<'a>,
    pub(super) options: &'a Options,
}

impl Rerun<'_> {
    /// Runs the lab's own playbook, or another one of its folder, with variables over all
    /// others, and says what it changed.
    pub(super) fn run(&self, name: Option<&str>, vars: &Vars) -> Result<Applied, Error> {
        let other = match name {
            Some(name) => {
                let path = relative(self.folder.join(name));
                Some(Playbook::read(&path).map_err(|mistakes| Error::new(mistakes.to_string()))?)
            }
            None => None,
        };
        let playbook = other.as_ref().or(self.playbook);
        let playbook = playbook.ok_or_else(|| {
            Error::new("the lab has no playbook to apply").hint("give it one: `playbook: site.yml`")
        })?;
        let mut options = self.options.clone();
        options.extra.extend(vars.clone());
        let mut record = Record::default();
        let outcome = engine::run(playbook, self.inventory, &self.connector, &options, &mut record);
        let summary = outcome.map_err(|mistakes| Error::new(mistakes.to_string()))?;
        let mut applied = record.applied;
        if summary.interrupted {
            return Err(Error::new("interrupted"));
        }
        if applied.failed.is_empty() && !summary.unfinished.is_empty() {
            applied.failed.push(format!("unfinished: {}", summary.unfinished.join(", ")));
        }
        Ok(applied)
    }
}

/// Keeps what changed and what failed.
#[derive(Debug, Default)]
struct Record {
    task: String,
    applied: Applied,
}

impl Reporter for Record {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Task { name, .. } => (*name).clone_into(&mut self.task),
            Event::Host { host, results, .. } => {
                for result in *results {
                    let line = format!("`{}` on {host}", self.task);
                    let list = match result.status {
                        Status::Changed => &mut self.applied.changed,
                        Status::Failed | Status::Unreachable => &mut self.applied.failed,
                        _ => continue,
                    };
                    let line = match &result.message {
                        Some(message) if result.status != Status::Changed => {
                            format!("{line}: {message}")
                        }
                        _ => line,
                    };
                    // The items of a loop are one task.
                    if !list.contains(&line) {
                        list.push(line);
                    }
                }
            }
            _ => {}
        }
    }
}
