//! A host's tasks on their way: each is sent as soon as it can be rendered, whether or not those
//! before it are answered, and what came of them is settled in their order.
//!
//! Nothing may differ from sending one by one. A task is held back when it asks for a value that
//! is on its way, when the controller must judge the one before it, and when it cannot be
//! rendered; the agent itself holds back what comes after a failure.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::host::HostState;
use super::outcome::{failed, settled};
use super::task::{Items, Ready, Worker};
use super::workers::{Heading, Work};
use super::{Done, Shared, TaskRun, task};
use crate::agent::protocol::Link;
use crate::connection::{Call, CallError};
use crate::playbook::{Inherited, Play, Task};
use crate::report::{Status, TaskResult};
use crate::yaml::Kind;

/// How many tasks may be on their way.
const TASKS: usize = 256;

pub(super) struct Pipeline<'a> {
    shared: &'a Shared<'a>,
    host: usize,
    waiting: VecDeque<Entry<'a>>,
    /// The chain of those that wait, and the number of the last of them.
    chain: u64,
    last: u64,
    /// Nothing goes after the last of them before all are settled.
    closed: bool,
}

/// A task on its way.
struct Entry<'a> {
    heading: Heading<'a>,
    run: Arc<TaskRun<'a>>,
    /// What came of its items, or of itself; `None` for what the agent is yet to answer.
    parts: Vec<Option<TaskResult>>,
    items: Option<Vec<Value>>,
    /// What it will have given values to.
    names: HashSet<String>,
}

/// What became of a task that was to be sent.
pub(super) enum Pushed {
    /// It is on its way.
    Sent,
    /// It was done right here.
    Done(Done),
    /// What is on its way must be settled first.
    Blocked,
}

impl<'a> Pipeline<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, host: usize) -> Self {
        let (waiting, chain, last, closed) = Default::default();
        Self { shared, host, waiting, chain, last, closed }
    }

    /// Whether a task that is on its way may notify handlers.
    pub(super) fn may_notify(&self) -> bool {
        self.waiting.iter().any(|entry| !entry.run.task.notify.is_empty())
    }

    /// Gathers facts, once nothing is on its way.
    pub(super) fn facts(&self, play: &'a Play) -> Pushed {
        if !self.waiting.is_empty() {
            return Pushed::Blocked;
        }
        Pushed::Done(task::run(self.shared, self.host, &Work::Facts(play)))
    }

    /// Sends a task, if it can be sent now.
    pub(super) fn push(&mut self, play: &'a Play, heading: Heading<'a>, task: &'a Task) -> Pushed {
        let host = self.host();
        let full = self.closed || self.waiting.len() >= TASKS || self.acts_as_another(task);
        let smooth = is_smooth(task, host) && !self.shared.options.one_by_one;
        if !self.waiting.is_empty() && (full || !smooth) {
            return Pushed::Blocked;
        }
        let roster = self.shared.roster();
        let run = Arc::new(TaskRun { play, task, roster, hostvars: OnceLock::new() });
        if !smooth {
            return Pushed::Done(task::run(self.shared, self.host, &Work::Task(run)));
        }
        let names = self.waiting.iter().flat_map(|entry| entry.names.iter().cloned()).collect();
        let (rendered, stale) = host.watching(names, || self.render(&run));
        let fails = rendered.fails && !task.ignore_errors;
        if !self.waiting.is_empty() && (stale || rendered.fails) {
            return Pushed::Blocked;
        }
        if self.waiting.is_empty() {
            self.chain += 1;
            self.closed = false;
        }
        self.last += 1;
        let names = names_given(task, &rendered.parts);
        let parts: Vec<Option<TaskResult>> =
            rendered.parts.into_iter().map(|ready| self.send(task, ready)).collect();
        let lost = parts.iter().flatten().any(|result| result.status.ends_host());
        self.closed |= fails || lost;
        self.waiting.push_back(Entry { heading, run, parts, items: rendered.items, names });
        Pushed::Sent
    }

    /// What came of the task that was sent first; `None` when nothing is on its way any more. A
    /// task that `stop` keeps from beginning, and all after it, are not done.
    pub(super) fn settle(&mut self, stop: &dyn Fn() -> bool) -> Option<(Heading<'a>, Done)> {
        let entry = self.waiting.pop_front()?;
        let worker = Worker { shared: self.shared, host: self.host(), run: &entry.run };
        let mut results = Vec::new();
        for (index, part) in entry.parts.into_iter().enumerate() {
            let result = match part {
                Some(result) => result,
                None => match self.answer(entry.run.task, stop) {
                    Ok(Some(result)) => result,
                    Ok(None) => {
                        self.waiting.clear();
                        return None;
                    }
                    Err(error) => failed(&error.into(), self.shared.options.color),
                },
            };
            let item = entry.items.as_ref().and_then(|items| items.get(index));
            results.push(worker.verdict(result, item));
        }
        Some((entry.heading, worker.conclude(results, entry.items.as_deref())))
    }

    /// Gives up on all that is on its way, which the agent has not done.
    pub(super) fn give_up(&mut self) {
        self.waiting.clear();
    }

    fn host(&self) -> &'a HostState<'a> {
        &self.shared.hosts[self.host]
    }

    /// Whether a task needs another agent than those that wait.
    fn acts_as_another(&self, task: &Task) -> bool {
        fn identity(task: &Task) -> (Option<bool>, Option<&str>, Option<&str>) {
            let Inherited { r#become, become_user, become_method, .. } = &task.inherited;
            (*r#become, become_user.as_deref(), become_method.as_deref())
        }
        self.waiting.back().is_some_and(|last| identity(last.run.task) != identity(task))
    }

    fn render(&self, run: &TaskRun<'a>) -> Rendered {
        let worker = Worker { shared: self.shared, host: self.host(), run };
        let ready = |item: Option<&Value>| {
            worker.ready(item).unwrap_or_else(|failure| Ready::Known(worker.fell(&failure)))
        };
        let (parts, items) = match worker.items() {
            Items::None => (vec![ready(None)], None),
            Items::Each(items) => {
                (items.iter().map(|item| ready(Some(item))).collect(), Some(items))
            }
            Items::Known(result) => (vec![Ready::Known(*result)], None),
        };
        let bad = |part: &Ready| matches!(part, Ready::Known(one) if one.status.ends_host());
        let fails = parts.iter().any(bad);
        Rendered { parts, items, fails }
    }

    /// Sends what is to be sent; a result is what is known already.
    fn send(&self, task: &Task, ready: Ready) -> Option<TaskResult> {
        let call = match ready {
            Ready::Known(result) => return Some(result),
            Ready::Call(call) => call,
        };
        let sent = self.send_ahead(task, call);
        sent.err().map(|error| failed(&error.into(), self.shared.options.color))
    }

    fn send_ahead(&self, task: &Task, call: Call) -> Result<(), CallError> {
        let link = Link { chain: self.chain, task: self.last, may_fail: task.ignore_errors };
        self.host().with_agent(self.shared, &task.inherited, |agent| agent.send_ahead(call, link))
    }

    fn answer(
        &self,
        task: &Task,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<TaskResult>, CallError> {
        let stop = || stop().then_some(self.chain);
        let outcome =
            self.host().with_agent(self.shared, &task.inherited, |agent| agent.answer(&stop))?;
        Ok(outcome.map(settled))
    }
}

struct Rendered {
    parts: Vec<Ready>,
    items: Option<Vec<Value>>,
    /// Whether it is known already that it does not work.
    fails: bool,
}

/// Whether nothing about a task has to be judged between its parts, or before what follows it.
fn is_smooth(task: &Task, host: &HostState<'_>) -> bool {
    let changed = task.changed_when.as_ref();
    let judged = task.until.is_some()
        || task.failed_when.is_some()
        || changed.is_some_and(|when| !matches!(when.kind, Kind::Bool(_)));
    // Each item may use what the one before it left.
    let in_turn = task.items.is_some()
        && (task.module.name == "set_fact" || (task.register.is_some() && changed.is_some()));
    // The file may be one that a task before it writes.
    let reads_here = host.is_here() && matches!(task.module.name, "copy" | "nftables" | "template");
    // What facts there will be, or that those before it are done, only doing it tells.
    let by_itself = matches!(task.module.name, "hostname" | "pause" | "setup");
    !(judged || in_turn || reads_here || by_itself)
}

/// The names that have other values once the task is done.
fn names_given(task: &Task, parts: &[Ready]) -> HashSet<String> {
    let facts = parts.iter().filter_map(|part| match part {
        Ready::Known(TaskResult { status: Status::Ok, result, .. }) => {
            result.get("ansible_facts")?.as_object()
        }
        _ => None,
    });
    let facts = facts.flat_map(|facts| facts.keys().cloned());
    task.register.iter().cloned().chain(facts).collect()
}
