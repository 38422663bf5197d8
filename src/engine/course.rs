//! One host's way through a play where it waits for no other: its sections in order, and the
//! handlers that it notified.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::workers::{Heading, Work};
use super::{Done, Shared, TaskRun, interrupted, play, task};
use crate::playbook::{Play, Task};

/// What the hosts of a batch have in common.
pub(super) struct Way<'a> {
    pub(super) play: &'a Play,
    /// Set when no host is to begin anything more.
    pub(super) closed: AtomicBool,
}

pub(super) struct Course<'a> {
    pub(super) host: usize,
    shared: &'a Shared<'a>,
    way: Arc<Way<'a>>,
    steps: VecDeque<Step<'a>>,
    notified: HashSet<String>,
}

enum Step<'a> {
    Facts,
    Task(&'a Task),
    /// The handlers that were notified.
    Handlers,
    Handler(&'a Task),
    /// What was notified so far has been answered.
    Answered,
}

impl<'a> Course<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, host: usize, way: Arc<Way<'a>>) -> Self {
        let play = way.play;
        let mut steps = VecDeque::new();
        if play.gather_facts {
            steps.push_back(Step::Facts);
        }
        for section in &play.sections {
            let tasks = section.iter().filter(|task| shared.options.tagged(task));
            steps.extend(tasks.map(Step::Task));
            steps.push_back(Step::Handlers);
        }
        Self { host, shared, way, steps, notified: HashSet::new() }
    }

    /// Goes on until a step is done; `None` at the end of the way.
    pub(super) fn advance(&mut self) -> Option<(Heading<'a>, Done)> {
        loop {
            if interrupted() || self.way.closed.load(Ordering::SeqCst) {
                return None;
            }
            let (heading, work) = match self.steps.pop_front()? {
                Step::Facts => (Heading::Facts, Work::Facts(self.way.play)),
                Step::Task(task) => (Heading::Task(task), self.task(task)),
                Step::Handler(task) if self.is_notified(task) => {
                    (Heading::Handler(task), self.task(task))
                }
                Step::Handler(_) => continue,
                Step::Handlers => {
                    self.steps.push_front(Step::Answered);
                    let handlers = self.way.play.handlers.iter().rev();
                    handlers.for_each(|handler| self.steps.push_front(Step::Handler(handler)));
                    continue;
                }
                Step::Answered => {
                    self.notified.clear();
                    continue;
                }
            };
            let done = task::run(self.shared, self.host, &work);
            self.notified.extend(done.notified.iter().cloned());
            if play::overall(&done.results).ends_host() {
                self.steps.clear();
            }
            return Some((heading, done));
        }
    }

    fn task(&self, task: &'a Task) -> Work<'a> {
        Work::Task(Arc::new(TaskRun {
            play: self.way.play,
            task,
            roster: self.shared.roster(),
            hostvars: OnceLock::new(),
        }))
    }

    fn is_notified(&self, handler: &Task) -> bool {
        self.notified.iter().any(|name| handler.answers_to(name))
    }
}
