//! One host's way through a play where it waits for no other: what it does next is sent as soon
//! as it can be, and the path taken back to where something failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::path::{Path, Todo, Trail};
use super::pipeline::{Pipeline, Pushed};
use super::workers::Heading;
use super::{Done, Shared, interrupted};

/// What the hosts of a batch have in common.
pub(super) struct Way<'a> {
    pub(super) trail: Arc<Trail<'a>>,
    /// Set when no host is to begin anything more.
    pub(super) closed: AtomicBool,
}

pub(super) struct Course<'a> {
    pub(super) host: usize,
    shared: &'a Shared<'a>,
    way: Arc<Way<'a>>,
    pipeline: Pipeline<'a>,
    path: Path,
}

impl<'a> Course<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, host: usize, way: Arc<Way<'a>>) -> Self {
        let pipeline = Pipeline::new(shared, host);
        let path = Path::new(&way.trail);
        Self { host, shared, way, pipeline, path }
    }

    /// Whether it failed, and nothing rescued it.
    pub(super) fn has_failed(&self) -> bool {
        self.path.has_failed()
    }

    /// Goes on until a step is done; `None` at the end of the way.
    pub(super) fn advance(&mut self) -> Option<(Heading, Done)> {
        loop {
            if is_over(&self.way) {
                self.path.end();
            }
            // Who is notified shows only when everything before is settled.
            if self.path.is_among_handlers() && self.pipeline.may_notify() {
                return self.settle();
            }
            let trail = &self.way.trail;
            let Some(stop) = self.path.next(trail, self.shared.options) else {
                return self.settle();
            };
            let (heading, pushed) = match stop.work {
                Todo::Handlers => {
                    self.path.flush_handlers();
                    continue;
                }
                Todo::Facts => (Heading::Facts, self.pipeline.facts(trail.play)),
                Todo::Task(task, bindings) => {
                    let heading = Heading::Task(Arc::clone(&task));
                    (
                        heading.clone(),
                        self.pipeline.push(trail, heading, &task, &bindings, &self.path),
                    )
                }
                Todo::Handler(task, bindings) => {
                    let heading = Heading::Handler(Arc::clone(&task));
                    (
                        heading.clone(),
                        self.pipeline.push(trail, heading, &task, &bindings, &self.path),
                    )
                }
            };
            match pushed {
                Pushed::Sent => self.path.pass(),
                Pushed::Blocked => return self.settle(),
                Pushed::Done(mut done) => {
                    self.path.answer(trail, &mut done);
                    return Some((heading, done));
                }
            }
        }
    }

    fn settle(&mut self) -> Option<(Heading, Done)> {
        let way = &self.way;
        let (heading, mut done, back) = self.pipeline.settle(&|| is_over(way))?;
        if done.ends_well() {
            // It has been passed already.
            self.path.notify(done.notified.drain(..));
        } else {
            self.pipeline.give_up();
            self.path.go_back(back);
            self.path.answer(&way.trail, &mut done);
        }
        Some((heading, done))
    }
}

/// Whether nothing more is to begin.
fn is_over(way: &Way<'_>) -> bool {
    interrupted() || way.closed.load(Ordering::SeqCst)
}
