//! Where a host is in a play. Blocks may fail and be rescued, includes bring more, and handlers
//! run where they are due: so hosts that go through the same play need not do the same tasks.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::{Done, Flow, Options};
use crate::playbook::{Block, Contents, Play, Step, Task};
use crate::report::{Status, TaskResult, overall};

/// Variables that the loops around a file of tasks give it, inner ones last.
pub(super) type Bindings = Vec<(String, Value)>;

/// Includes within includes; more of them are one that includes itself.
const DEPTH: usize = 256;

/// A play as its hosts go through it.
pub(super) struct Trail<'a> {
    pub(super) play: &'a Play,
    /// Those of the play, and of roles that were included on the way.
    handlers: RwLock<Vec<Arc<Task>>>,
    /// The title of the task to begin with.
    start_at: Option<Arc<str>>,
}

impl<'a> Trail<'a> {
    pub(super) fn new(play: &'a Play) -> Self {
        Self { play, handlers: RwLock::new(play.handlers.clone()), start_at: None }
    }

    /// Begins with a task, by its title.
    pub(super) fn starting_at(self, title: Option<&str>) -> Self {
        Self { start_at: title.map(Arc::from), ..self }
    }

    /// Takes in the handlers of a role that was included.
    pub(super) fn add_handlers(&self, more: &[Arc<Task>]) {
        let mut handlers = self.handlers.write().unwrap_or_else(PoisonError::into_inner);
        for handler in more {
            if !handlers.iter().any(|known| Arc::ptr_eq(known, handler)) {
                handlers.push(Arc::clone(handler));
            }
        }
    }

    /// The handlers that a name notifies: of those that are called so the last one, and all
    /// that listen to it.
    pub(super) fn notified(&self, name: &str) -> Vec<usize> {
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner);
        let called = handlers.iter().rposition(|handler| handler.is_called(name));
        let listens = |(index, handler): (usize, &Arc<Task>)| {
            (called == Some(index) || handler.listen.iter().any(|other| other == name))
                .then_some(index)
        };
        handlers.iter().enumerate().filter_map(listens).collect()
    }

    fn handler(&self, index: usize) -> Option<Arc<Task>> {
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner);
        handlers.get(index).cloned()
    }
}

/// What a host does next.
#[derive(Clone)]
pub(super) struct Stop {
    pub(super) work: Todo,
    /// Compares with that of other hosts: what comes first is done first.
    pub(super) position: Vec<(usize, usize)>,
}

#[derive(Clone)]
pub(super) enum Todo {
    Facts,
    /// The handlers that are due at the end of a section.
    Handlers,
    Task(Arc<Task>, Arc<Bindings>),
    Handler(Arc<Task>, Arc<Bindings>),
}

impl Todo {
    pub(super) fn bindings(&self) -> Arc<Bindings> {
        match self {
            Self::Facts | Self::Handlers => Arc::default(),
            Self::Task(_, bindings) | Self::Handler(_, bindings) => Arc::clone(bindings),
        }
    }
}

/// Whether it is the same task, whatever loops around it bind.
impl PartialEq for Todo {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Facts, Self::Facts) | (Self::Handlers, Self::Handlers) => true,
            (Self::Task(one, _), Self::Task(two, _))
            | (Self::Handler(one, _), Self::Handler(two, _)) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }
}

/// What becomes of a host whose task failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// A `rescue` goes on, at once or once what has to be done in any case is done.
    Rescued,
    /// What has to be done in any case is done, then it is out.
    Doomed,
    /// It is out.
    Out,
}

/// What an include brings to a host, and what its loop binds.
pub(super) type Brought = (Arc<Contents>, Bindings);

/// A host's place.
#[derive(Clone)]
pub(super) struct Path {
    frames: Vec<Frame>,
    /// Handlers that are to run.
    notified: BTreeSet<usize>,
    /// The task to begin with, as long as it has not come.
    until: Option<Arc<str>>,
    failed: bool,
}

#[derive(Clone)]
struct Frame {
    list: List,
    at: usize,
    /// How it compares with others at the same place of the list around it.
    rank: usize,
    bindings: Arc<Bindings>,
}

#[derive(Clone)]
enum List {
    /// Facts, then each section and its handlers.
    Play,
    Steps(Arc<[Step]>),
    /// A part of a block; whether the host is out at its end.
    Part(Arc<Block>, Part, bool),
    Includes(Arc<[Brought]>),
    Handlers,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Tasks,
    Rescue,
    Always,
}

impl Frame {
    /// Whether a failure within leads to a `rescue`.
    fn rescues(&self) -> bool {
        matches!(&self.list, List::Part(block, Part::Tasks, _) if !block.rescue.is_empty())
    }

    fn new(list: List, rank: usize, bindings: &Arc<Bindings>) -> Self {
        Self { list, at: 0, rank, bindings: Arc::clone(bindings) }
    }
}

/// What stands at a place of a list.
enum Entry {
    Facts,
    Step(Step),
    Inner(Frame),
    Handler(usize, Arc<Task>),
    Flush,
    End,
}

impl Path {
    /// The beginning of a play.
    pub(super) fn new(trail: &Trail<'_>) -> Self {
        let begin = Frame::new(List::Play, 0, &Arc::default());
        let until = trail.start_at.clone();
        Self { frames: vec![begin], notified: BTreeSet::new(), until, failed: false }
    }

    /// What comes next; nothing at the end of the play.
    pub(super) fn next(&mut self, trail: &Trail<'_>, options: &Options) -> Option<Stop> {
        loop {
            let frame = self.frames.last()?;
            let bindings = Arc::clone(&frame.bindings);
            match self.entry(frame, trail) {
                Entry::Facts if trail.play.gather_facts => return self.stop(Todo::Facts),
                Entry::Step(Step::Task(task)) if self.begins(&task) && options.tagged(&task) => {
                    return self.stop(Todo::Task(task, bindings));
                }
                Entry::Handler(index, handler) if self.notified.contains(&index) => {
                    return self.stop(Todo::Handler(handler, bindings));
                }
                Entry::Flush => return self.stop(Todo::Handlers),
                Entry::Step(Step::Block(block)) => {
                    let list = List::Part(block, Part::Tasks, false);
                    self.frames.push(Frame::new(list, 0, &bindings));
                }
                Entry::Inner(frame) => self.frames.push(frame),
                Entry::End => self.leave(trail),
                Entry::Facts | Entry::Step(Step::Task(_)) | Entry::Handler(..) => self.step(),
            }
        }
    }

    fn entry(&self, frame: &Frame, trail: &Trail<'_>) -> Entry {
        let inner = |list| Entry::Inner(Frame::new(list, 0, &frame.bindings));
        let step = |list: &[Step]| list.get(frame.at).cloned().map_or(Entry::End, Entry::Step);
        match &frame.list {
            List::Play => match frame.at.checked_sub(1) {
                None => Entry::Facts,
                Some(at) => match trail.play.sections.get(at / 2) {
                    Some(section) if at % 2 == 0 => inner(List::Steps(Arc::clone(section))),
                    Some(_) => Entry::Flush,
                    None => Entry::End,
                },
            },
            List::Steps(list) => step(list),
            List::Part(block, Part::Tasks, _) => step(&block.tasks),
            List::Part(block, Part::Rescue, _) => step(&block.rescue),
            List::Part(block, Part::Always, _) => step(&block.always),
            List::Includes(brought) => match brought.get(frame.at) {
                Some((contents, bound)) => {
                    let bindings = frame.bindings.iter().chain(bound).cloned().collect();
                    let list = List::Steps(Arc::clone(&contents.steps));
                    Entry::Inner(Frame::new(list, 0, &Arc::new(bindings)))
                }
                None => Entry::End,
            },
            List::Handlers => match trail.handler(frame.at) {
                Some(handler) => Entry::Handler(frame.at, handler),
                None => Entry::End,
            },
        }
    }

    fn stop(&self, work: Todo) -> Option<Stop> {
        let position = self.frames.iter().map(|frame| (frame.rank, frame.at)).collect();
        Some(Stop { work, position })
    }

    /// Whether what `--start-at-task` names has come.
    fn begins(&mut self, task: &Task) -> bool {
        if self.until.as_deref().is_some_and(|title| task.title() == title) {
            self.until = None;
        }
        self.until.is_none()
    }

    /// Goes past what is done.
    pub(super) fn pass(&mut self) {
        if let Some(Frame { list: List::Handlers, at, .. }) = self.frames.last() {
            self.notified.remove(at);
        }
        self.step();
    }

    fn step(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.at += 1;
        }
    }

    /// Goes on behind a list that is done.
    fn leave(&mut self, trail: &Trail<'_>) {
        let Some(done) = self.frames.pop() else { return };
        match done.list {
            List::Part(_, Part::Always, true) => drop(self.fail(trail)),
            List::Part(block, Part::Tasks | Part::Rescue, _) if !block.always.is_empty() => {
                self.part(block, Part::Always, false, &done.bindings);
            }
            _ => self.pass(),
        }
    }

    fn part(&mut self, block: Arc<Block>, part: Part, doomed: bool, bindings: &Arc<Bindings>) {
        let list = List::Part(block, part, doomed);
        self.frames.push(Frame::new(list, part as usize, bindings));
    }

    /// Goes to where what came of a step leads.
    pub(super) fn answer(&mut self, trail: &Trail<'_>, done: &mut Done) {
        self.notify(done.notified.drain(..));
        match overall(&done.results) {
            Status::Unreachable => {
                self.end();
                self.failed = true;
                done.fate = Some(Fate::Out);
            }
            Status::Failed => done.fate = Some(self.fail(trail)),
            _ => match &mut done.flow {
                Flow::On => self.pass(),
                Flow::Handlers => self.flush_handlers(),
                Flow::Into(brought) => {
                    self.include(trail, std::mem::take(brought), &mut done.results)
                }
                Flow::EndHost | Flow::EndBatch | Flow::EndPlay => self.end(),
            },
        }
    }

    /// Goes to where a failure leads.
    pub(super) fn fail(&mut self, trail: &Trail<'_>) -> Fate {
        if let Some(Frame { list: List::Handlers, at, .. }) = self.frames.last() {
            self.notified.remove(at);
        }
        while let Some(frame) = self.frames.pop() {
            match frame.list {
                List::Part(block, Part::Tasks, _) if !block.rescue.is_empty() => {
                    self.part(block, Part::Rescue, false, &frame.bindings);
                    return Fate::Rescued;
                }
                List::Part(block, Part::Tasks | Part::Rescue, _) if !block.always.is_empty() => {
                    let rescued = self.frames.iter().any(Frame::rescues);
                    self.part(block, Part::Always, true, &frame.bindings);
                    return if rescued { Fate::Rescued } else { Fate::Doomed };
                }
                _ => {}
            }
        }
        let forced = trail.play.force_handlers && !self.failed && !self.notified.is_empty();
        self.failed = true;
        if forced {
            self.frames.push(Frame::new(List::Handlers, 0, &Arc::default()));
            return Fate::Doomed;
        }
        Fate::Out
    }

    /// Whether it failed, and nothing rescued it.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Ends here, without a failure.
    pub(super) fn end(&mut self) {
        self.frames.clear();
    }

    /// Runs handlers before it goes on.
    pub(super) fn flush_handlers(&mut self) {
        self.inner(List::Handlers);
    }

    /// Does what an include brought before it goes on.
    fn include(&mut self, trail: &Trail<'_>, brought: Vec<Brought>, results: &mut Vec<TaskResult>) {
        for (contents, _) in &brought {
            trail.add_handlers(&contents.handlers);
        }
        if self.frames.len() < DEPTH {
            self.inner(List::Includes(brought.into()));
            return;
        }
        let what = format!("includes are {DEPTH} deep: does this one bring in itself?");
        let hint = "its `when` must fail to hold at some time";
        let failed = TaskResult::new(Status::Failed);
        *results = vec![TaskResult {
            message: Some(what),
            hint: Some(hint.into()),
            bad_input: true,
            ..failed
        }];
        self.end();
        self.failed = true;
    }

    /// Goes back to where it was; what was notified since then stays so.
    pub(super) fn go_back(&mut self, earlier: Self) {
        let notified = std::mem::take(&mut self.notified);
        *self = earlier;
        self.notified.extend(notified);
    }

    /// Whether handlers are what comes next.
    pub(super) fn is_among_handlers(&self) -> bool {
        self.frames.iter().any(|frame| matches!(frame.list, List::Handlers))
    }

    fn inner(&mut self, list: List) {
        let bindings = self.frames.last().map(|frame| Arc::clone(&frame.bindings));
        self.frames.push(Frame::new(list, 0, &bindings.unwrap_or_default()));
    }

    pub(super) fn notify(&mut self, handlers: impl IntoIterator<Item = usize>) {
        self.notified.extend(handlers);
    }
}
