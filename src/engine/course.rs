//! One host's way through a play where it waits for no other: its sections in order, and the
//! handlers that it notified.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::pipeline::{Pipeline, Pushed};
use super::workers::Heading;
use super::{Done, Shared, interrupted};
use crate::playbook::{Play, Task};
use crate::report::overall;

/// What the hosts of a batch have in common.
pub(super) struct Way<'a> {
    pub(super) play: &'a Play,
    /// Set when no host is to begin anything more.
    pub(super) closed: AtomicBool,
}

pub(super) struct Course<'a> {
    pub(super) host: usize,
    way: Arc<Way<'a>>,
    pipeline: Pipeline<'a>,
    steps: VecDeque<Step<'a>>,
    notified: HashSet<String>,
}

#[derive(Clone, Copy)]
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
        let pipeline = Pipeline::new(shared, host);
        Self { host, way, pipeline, steps, notified: HashSet::new() }
    }

    /// Goes on until a step is done; `None` at the end of the way.
    pub(super) fn advance(&mut self) -> Option<(Heading<'a>, Done)> {
        let (heading, done) = loop {
            if is_over(&self.way) {
                self.steps.clear();
            }
            let Some(step) = self.steps.pop_front() else { break self.settle()? };
            let play = self.way.play;
            let (heading, pushed) = match step {
                Step::Facts => (Heading::Facts, self.pipeline.facts(play)),
                Step::Task(task) => {
                    let heading = Heading::Task(task);
                    (heading, self.pipeline.push(play, heading, task))
                }
                // Who is notified shows only when everything before is settled.
                _ if self.pipeline.may_notify() => {
                    self.steps.push_front(step);
                    break self.settle()?;
                }
                Step::Handler(task) if self.is_notified(task) => {
                    let heading = Heading::Handler(task);
                    (heading, self.pipeline.push(play, heading, task))
                }
                Step::Handler(_) => continue,
                Step::Handlers => {
                    self.steps.push_front(Step::Answered);
                    let handlers = play.handlers.iter().rev();
                    handlers.for_each(|handler| self.steps.push_front(Step::Handler(handler)));
                    continue;
                }
                Step::Answered => {
                    self.notified.clear();
                    continue;
                }
            };
            match pushed {
                Pushed::Sent => {}
                Pushed::Done(done) => break (heading, done),
                Pushed::Blocked => {
                    self.steps.push_front(step);
                    break self.settle()?;
                }
            }
        };
        self.notified.extend(done.notified.iter().cloned());
        if overall(&done.results).ends_host() {
            self.steps.clear();
            self.pipeline.give_up();
        }
        Some((heading, done))
    }

    fn settle(&mut self) -> Option<(Heading<'a>, Done)> {
        let way = &self.way;
        self.pipeline.settle(&|| is_over(way))
    }

    fn is_notified(&self, handler: &Task) -> bool {
        self.notified.iter().any(|name| handler.answers_to(name))
    }
}

/// Whether nothing more is to begin.
fn is_over(way: &Way<'_>) -> bool {
    interrupted() || way.closed.load(Ordering::SeqCst)
}
