//! A host's tasks on their way: each is sent as soon as it can be rendered, whether or not those
//! before it are answered, and what came of them is settled in their order.
//!
//! Nothing may differ from sending one by one. A task is held back when it asks for a value that
//! is on its way, when the controller must judge the one before it, and when it cannot be
//! rendered; the agent itself holds back what comes after a failure.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::host::HostState;
use super::identity::Said;
use super::items::Item;
use super::outcome::{failed, settled};
use super::path::{Bindings, Path, Trail};
use super::task::{Errand, Items, Ready, Worker};
use super::workers::{Heading, Work};
use super::{Done, Shared, TaskRun, task};
use crate::agent::protocol::Link;
use crate::connection::CallError;
use crate::playbook::{Inherited, Play, Setting, Task};
use crate::report::{Status, TaskResult};
use crate::template;
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
    heading: Heading,
    run: Arc<TaskRun<'a>>,
    bindings: Arc<Bindings>,
    /// As whom it is done.
    said: Said,
    /// Where the host was before it.
    path: Path,
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
        self.waiting.iter().any(|entry| !entry.run.task.inherited.notify.is_empty())
    }

    /// Gathers facts, once nothing is on its way.
    pub(super) fn facts(&self, play: &'a Play) -> Pushed {
        if !self.waiting.is_empty() {
            return Pushed::Blocked;
        }
        Pushed::Done(task::run(self.shared, self.host, &Work::Facts(play)))
    }

    /// Sends a task, if it can be sent now.
    pub(super) fn push(
        &mut self,
        trail: &Arc<Trail<'a>>,
        heading: Heading,
        task: &Arc<Task>,
        bindings: &Arc<Bindings>,
        path: &Path,
    ) -> Pushed {
        let host = self.host();
        let full = self.closed || self.waiting.len() >= TASKS;
        let smooth = is_smooth(task, host) && !self.shared.options.one_by_one;
        if !self.waiting.is_empty() && (full || !smooth) {
            return Pushed::Blocked;
        }
        let run = Arc::new(TaskRun::new(trail, task, self.shared.roster()));
        if !smooth {
            let work = Work::Task(run, Arc::clone(bindings));
            return Pushed::Done(task::run(self.shared, self.host, &work));
        }
        let names = self.waiting.iter().flat_map(|entry| entry.names.iter().cloned()).collect();
        let (rendered, stale) = host.watching(names, || self.render(&run, bindings));
        let may_fail = rendered.may_fail;
        let fails = rendered.fails && !may_fail;
        let said = rendered.said();
        let other = |said: &Said| self.waiting.back().is_some_and(|last| last.said != *said);
        if !self.waiting.is_empty() && (stale || rendered.fails || said.is_some_and(other)) {
            return Pushed::Blocked;
        }
        let last = || self.waiting.back().map(|last| last.said.clone());
        let said = said.cloned().or_else(last).unwrap_or_default();
        if self.waiting.is_empty() {
            self.chain += 1;
            self.closed = false;
        }
        self.last += 1;
        let names = names_given(task, &rendered.parts);
        let parts: Vec<Option<TaskResult>> =
            rendered.parts.into_iter().map(|ready| self.send(ready, may_fail)).collect();
        let lost = parts.iter().flatten().any(|result| result.status.ends_host());
        self.closed |= fails || lost;
        let (bindings, path, items) = (Arc::clone(bindings), path.clone(), rendered.items);
        let entry = Entry { heading, run, bindings, said, path, parts, items, names };
        self.waiting.push_back(entry);
        Pushed::Sent
    }

    /// What came of the task that was sent first; `None` when nothing is on its way any more. A
    /// task that `stop` keeps from beginning, and all after it, are not done. Beside it is where
    /// the host was before that task.
    pub(super) fn settle(&mut self, stop: &dyn Fn() -> bool) -> Option<(Heading, Done, Path)> {
        let entry = self.waiting.pop_front()?;
        let (shared, host) = (self.shared, self.host());
        let worker = Worker { shared, host, run: &entry.run, bindings: &entry.bindings };
        let mut results = Vec::new();
        for (index, part) in entry.parts.into_iter().enumerate() {
            let result = match part {
                Some(result) => result,
                None => match self.answer(&entry.said, stop) {
                    Ok(Some(result)) => result,
                    Ok(None) => {
                        self.waiting.clear();
                        return None;
                    }
                    Err(error) => failed(&error.into(), self.shared.options.color),
                },
            };
            let item = entry.items.as_ref().map(|all| Item { index, all });
            results.push(worker.verdict(result, item));
        }
        let done = worker.conclude(results, entry.items.as_deref());
        Some((entry.heading, done, entry.path))
    }

    /// Gives up on all that is on its way, which the agent has not done: its answers say so.
    pub(super) fn give_up(&mut self) {
        for entry in std::mem::take(&mut self.waiting) {
            for _ in entry.parts.iter().filter(|part| part.is_none()) {
                // Whether it can still be talked to shows at the next task.
                let _ = self.answer(&entry.said, &|| false);
            }
        }
        self.closed = false;
    }

    fn host(&self) -> &'a HostState {
        &self.shared.hosts[self.host]
    }

    fn render(&self, run: &TaskRun<'a>, bindings: &Bindings) -> Rendered {
        let worker = Worker { shared: self.shared, host: self.host(), run, bindings };
        let ready = |item: Option<Item<'_>>| {
            worker.ready(item).unwrap_or_else(|failure| Ready::Known(worker.fell(&failure)))
        };
        let (parts, items) = match worker.items() {
            Items::None => (vec![ready(None)], None),
            Items::Each(items) => {
                (Item::of(&items).map(|item| ready(Some(item))).collect(), Some(items))
            }
            Items::Known(result) => (vec![Ready::Known(*result)], None),
        };
        let bad = |part: &Ready| matches!(part, Ready::Known(one) if one.status.ends_host());
        let fails = parts.iter().any(bad);
        let ignored = Some(&Setting::Known(true));
        let may_fail = run.task.inherited.ignore_errors.as_ref() == ignored;
        Rendered { parts, items, fails, may_fail }
    }

    /// Sends what is to be sent; a result is what is known already.
    fn send(&self, ready: Ready, may_fail: bool) -> Option<TaskResult> {
        let Errand { call, said, .. } = match ready {
            Ready::Known(result) => return Some(result),
            Ready::Call(errand) => errand,
        };
        let link = Link { chain: self.chain, task: self.last, may_fail };
        let sent = self.host().with_agent(self.shared, &said, |agent| agent.send_ahead(call, link));
        sent.err().map(|error| failed(&error.into(), self.shared.options.color))
    }

    fn answer(
        &self,
        said: &Said,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<TaskResult>, CallError> {
        let stop = || stop().then_some(self.chain);
        let outcome = self.host().with_agent(self.shared, said, |agent| agent.answer(&stop))?;
        Ok(outcome.map(settled))
    }
}

struct Rendered {
    parts: Vec<Ready>,
    items: Option<Vec<Value>>,
    /// Whether it is known already that it does not work.
    fails: bool,
    /// Whether it does not matter when it does not.
    may_fail: bool,
}

impl Rendered {
    /// As whom it is done, where anything is sent.
    fn said(&self) -> Option<&Said> {
        self.parts.iter().find_map(|part| match part {
            Ready::Call(errand) => Some(&errand.said),
            Ready::Known(_) => None,
        })
    }
}

/// Whether nothing about a task has to be judged between its parts, or before what follows it.
fn is_smooth(task: &Task, host: &HostState) -> bool {
    let changed = task.changed_when.as_ref();
    let Inherited { delegate_to, ignore_errors, r#become, become_user, .. } = &task.inherited;
    // What the controller decides, what another host does, and what each item may say anew.
    let varies = matches!(ignore_errors, Some(Setting::Late(_)))
        || matches!(r#become, Some(Setting::Late(_)))
        || matches!(become_user, Some(Setting::Late(_)))
        || task.inherited.notify.iter().any(template::node_has_template);
    if task.include.is_some() || task.module.name == "meta" || delegate_to.is_some() || varies {
        return false;
    }
    let pauses = task.items.as_ref().is_some_and(|over| over.pause.is_some());
    let judged = pauses
        || task.until.is_some()
        || task.retries.is_some()
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
