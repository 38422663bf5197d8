//! Takes note of what a run would do, and passes it on to whoever is told.

use indexmap::IndexMap;

use super::Step;
use crate::lab::trial::Audience;
use crate::report::{Event, Reporter, Status, TaskResult};

/// A reporter that keeps what a plan is made of.
pub(in super::super) struct Record<'a> {
    audience: Option<&'a mut dyn Audience>,
    task: String,
    pub(in super::super) hosts: IndexMap<String, Vec<Step>>,
}

impl<'a> Record<'a> {
    /// Tells the audience, too, if there is one.
    pub(in super::super) fn new(audience: Option<&'a mut dyn Audience>) -> Self {
        Self { audience, task: String::new(), hosts: IndexMap::new() }
    }
}

impl Reporter for Record<'_> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Task { name, .. } => (*name).clone_into(&mut self.task),
            Event::Host { host, results, .. } => {
                let task = &self.task;
                let steps = results.iter().filter(|result| is_open(result)).map(|result| Step {
                    task: task.clone(),
                    item: result.item.clone(),
                    status: result.status,
                    reason: result.message.clone().or_else(|| result.shown.clone()),
                    changes: result.changes.clone(),
                    diff: result.diff.clone(),
                });
                self.hosts.entry((*host).to_owned()).or_default().extend(steps);
            }
            _ => {}
        }
        if let Some(audience) = &mut self.audience {
            audience.event(event);
        }
    }
}

/// Whether there is something left to do, or to find out.
fn is_open(result: &TaskResult) -> bool {
    match result.status {
        Status::Ok => false,
        Status::Skipped => result.message.is_some() || result.shown.is_some(),
        Status::Changed | Status::Failed | Status::Ignored | Status::Unreachable => true,
    }
}
