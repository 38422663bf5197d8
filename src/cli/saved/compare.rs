//! What differs between a plan and what would be done now.

use super::{Plan, Step};
use crate::report::Status;

/// So many differences are named; more of them say nothing new.
const NAMED: usize = 20;

impl Plan {
    /// What differs now, a line each; nothing when it is the same.
    pub(in super::super) fn differences(&self, now: &Self) -> Vec<String> {
        let mut lines = self.files_that_differ(now);
        let hosts = self
            .hosts
            .keys()
            .chain(now.hosts.keys().filter(|name| !self.hosts.contains_key(*name)));
        for host in hosts {
            match (self.hosts.get(host), now.hosts.get(host)) {
                (Some(then), Some(now)) => {
                    lines
                        .extend(steps(then, now).into_iter().map(|line| format!("{host}: {line}")));
                }
                (Some(_), None) => lines.push(format!("{host}: takes no part any more")),
                (None, _) => lines.push(format!("{host}: takes part now")),
            }
        }
        let more = lines.len().saturating_sub(NAMED);
        if more > 0 {
            lines.truncate(NAMED);
            lines.push(format!("and {more} more"));
        }
        lines
    }

    fn files_that_differ(&self, now: &Self) -> Vec<String> {
        let folder = self.playbook.parent();
        let shown = |path: &std::path::Path| {
            let near = folder.and_then(|folder| path.strip_prefix(folder).ok());
            near.unwrap_or(path).display().to_string()
        };
        let mut lines = Vec::new();
        for (path, digest) in &self.files {
            match now.files.get(path) {
                Some(other) if other == digest => {}
                Some(_) => lines.push(format!("`{}` has changed", shown(path))),
                None => lines.push(format!("`{}` is no longer read", shown(path))),
            }
        }
        let new = now.files.keys().filter(|path| !self.files.contains_key(*path));
        lines.extend(new.map(|path| format!("`{}` was not read before", shown(path))));
        lines
    }
}

fn steps(then: &[Step], now: &[Step]) -> Vec<String> {
    let mut lines = Vec::new();
    let same = |one: &Step, other: &Step| one.task == other.task && one.item == other.item;
    for step in then {
        match now.iter().find(|other| same(step, other)) {
            _ if now.contains(step) => {}
            Some(other) => lines.push(format!(
                "{} {} (the plan: {})",
                step.title(),
                other.about(),
                step.about()
            )),
            None => lines.push(format!(
                "{} has nothing to do any more (the plan: {})",
                step.title(),
                step.about()
            )),
        }
    }
    let new = now.iter().filter(|step| !then.iter().any(|other| same(step, other)));
    lines.extend(new.map(|step| format!("{} {} (the plan: nothing)", step.title(), step.about())));
    if lines.is_empty() && then != now {
        lines.push("the same, in another order".into());
    }
    lines
}

impl Step {
    fn title(&self) -> String {
        match &self.item {
            Some(item) => format!("`{}` (item={item})", self.task),
            None => format!("`{}`", self.task),
        }
    }

    /// What it would do, in a line.
    fn about(&self) -> String {
        let first = self.changes.first().or(self.reason.as_ref());
        let first = first.and_then(|text| text.lines().next());
        let more = self.changes.len().saturating_sub(1);
        let word = match self.status {
            Status::Ok | Status::Changed => "would change",
            Status::Skipped => "cannot tell",
            Status::Failed | Status::Ignored => "fails",
            Status::Unreachable => "cannot be reached",
        };
        match (first, more) {
            (Some(first), 0) => format!("{word}: {first}"),
            (Some(first), more) => format!("{word}: {first} and {more} more"),
            (None, _) => word.to_owned(),
        }
    }
}
