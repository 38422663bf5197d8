//! `--list-hosts`, `--list-tasks`, `--list-tags`: what a run would be about, as Ansible shows it.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Args;

use crate::diagnostic::Diagnostics;
use crate::engine::{self, Options};
use crate::inventory::Inventory;
use crate::playbook::{Play, Playbook, Step, Task};
use crate::yaml::Kind;

/// What is listed; nothing is run then.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ListArgs {
    /// List the hosts of each play, and run nothing
    #[arg(long, conflicts_with = "lab")]
    list_hosts: bool,
    /// List the tasks that would run, and run nothing
    #[arg(long, conflicts_with = "lab")]
    list_tasks: bool,
    /// List the tags, and run nothing
    #[arg(long, conflicts_with = "lab")]
    list_tags: bool,
}

impl ListArgs {
    /// Whether anything is to be listed.
    pub(super) fn wanted(&self) -> bool {
        self.list_hosts || self.list_tasks || self.list_tags
    }

    /// The lists, as text.
    pub(super) fn text(
        &self,
        playbook: &Playbook,
        inventory: &Inventory,
        options: &Options,
    ) -> Result<String, Diagnostics> {
        let hosts = engine::hosts(playbook, inventory, options)?;
        let mut text = format!("\nplaybook: {}\n", playbook.path.display());
        for (index, (play, hosts)) in playbook.plays.iter().zip(hosts).enumerate() {
            self.play(index + 1, play, &hosts, options, &mut text);
        }
        Ok(text)
    }

    fn play(
        &self,
        number: usize,
        play: &Play,
        hosts: &[String],
        options: &Options,
        text: &mut String,
    ) {
        let patterns = patterns(play);
        let own = tags(play.inherited.tags.iter());
        let _ = writeln!(
            text,
            "\n  play #{number} ({}): {}\tTAGS: [{own}]",
            patterns.join(","),
            play.name
        );
        if self.list_hosts {
            let quoted: Vec<String> = patterns.iter().map(|one| format!("'{one}'")).collect();
            let _ = writeln!(
                text,
                "    pattern: [{}]\n    hosts ({}):",
                quoted.join(", "),
                hosts.len()
            );
            hosts.iter().for_each(|host| text.push_str(&format!("      {host}\n")));
        }
        let mut tasks = Vec::new();
        play.sections.iter().for_each(|list| collect(list, &mut tasks));
        tasks.retain(|task| options.tagged(task) && task.module.name != "meta");
        if self.list_tasks {
            text.push_str("    tasks:\n");
            for task in &tasks {
                let tags = tags_of(task);
                let _ = writeln!(text, "      {}\tTAGS: [{tags}]", task.title());
            }
        }
        if self.list_tags {
            let all = tasks.iter().flat_map(|task| &task.inherited.tags);
            let all = tags(all);
            let _ = writeln!(text, "      TASK TAGS: [{all}]");
        }
    }
}

/// The tasks of a list; what includes bring shows when they run.
fn collect<'a>(list: &'a [Step], into: &mut Vec<&'a Task>) {
    for step in list {
        match step {
            Step::Task(task) => into.push(task),
            Step::Block(block) => {
                // What rescues runs when something fails, and is no part of the plan.
                collect(&block.tasks, into);
                collect(&block.always, into);
            }
        }
    }
}

fn patterns(play: &Play) -> Vec<String> {
    let items = match &play.hosts.kind {
        Kind::String(text) => return vec![text.clone()],
        _ => play.hosts.one_or_many(),
    };
    items.iter().filter_map(|item| item.decode().ok()).collect()
}

fn tags_of(task: &Task) -> String {
    tags(task.inherited.tags.iter())
}

fn tags<'a>(all: impl Iterator<Item = &'a String>) -> String {
    let all: BTreeSet<&str> = all.map(String::as_str).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}
