//! Plays x hosts x tasks. The engine decides and renders; agents do. It knows connections
//! only as a way to get an agent, and tells what happens as [`Event`]s.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

use indexmap::IndexMap;
use serde_json::Value;

use crate::connection::{Connection, Unreachable};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{self, Inventory, Vars};
use crate::playbook::{Play, Playbook, Task};
use crate::report::{Event, Reporter, Status, Tally, TaskResult};

mod controller;
mod host;
mod preflight;
mod prepare;
mod scope;
mod task;

use host::HostState;

/// How a run is done.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Change nothing, say what would change.
    pub check: bool,
    /// Show texts before and after.
    pub diff: bool,
    /// Only tasks with one of these tags.
    pub tags: Vec<String>,
    /// No task with one of these tags.
    pub skip_tags: Vec<String>,
    /// Only these hosts.
    pub limit: Option<String>,
    /// Variables over all others.
    pub extra: Vars,
    /// How many hosts at a time; 0 means up to 64.
    pub forks: usize,
    /// Draw diagnostics with colour.
    pub color: bool,
}

/// Knows how each host is reached.
pub trait Connector: Sync {
    /// The way to a host, given its variables.
    fn connect(&self, host: &str, vars: &Vars) -> Result<Box<dyn Connection>, Unreachable>;
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// By host, in the order of the inventory.
    pub tallies: IndexMap<String, Tally>,
    /// A task failed because of what the playbook says.
    pub bad_input: bool,
    /// The run was interrupted.
    pub interrupted: bool,
}

impl Summary {
    /// Whether any task changed anything.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.tallies.values().any(|tally| tally.changed > 0)
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What is done at an interruption, once.
static AT_INTERRUPT: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// Asks every run in this process to stop after the tasks that are under way.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
    act_on_interrupt();
}

/// Has something done as soon as the process is interrupted, which it may be already: to cut
/// short what is under way on hosts that need not be left in order.
pub fn at_interrupt(action: impl FnOnce() + Send + 'static) {
    *AT_INTERRUPT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(action));
    if interrupted() {
        act_on_interrupt();
    }
}

fn act_on_interrupt() {
    let action = AT_INTERRUPT.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(action) = action {
        action();
    }
}

/// Whether [`interrupt`] was called.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Finds what is wrong with a playbook that no host is needed for: plays without hosts,
/// values that no module takes.
pub fn check(
    playbook: &Playbook,
    inventory: &Inventory,
    options: &Options,
) -> Result<(), Diagnostics> {
    let chosen = choose_hosts(playbook, inventory, options)?;
    preflight::check(playbook, inventory, options, &chosen)
}

/// Reaches nobody: what needs no host needs no connection.
struct Nowhere;

impl Connector for Nowhere {
    fn connect(&self, host: &str, _: &Vars) -> Result<Box<dyn Connection>, Unreachable> {
        Err(Unreachable(format!("`{host}` is not to be reached yet")))
    }
}

/// Runs a playbook. What is wrong with the playbook as a whole is an error; what goes wrong
/// on a host is in the summary.
pub fn run(
    playbook: &Playbook,
    inventory: &Inventory,
    connector: &dyn Connector,
    options: &Options,
    reporter: &mut dyn Reporter,
) -> Result<Summary, Diagnostics> {
    let chosen = choose_hosts(playbook, inventory, options)?;
    preflight::check(playbook, inventory, options, &chosen)?;
    let names: Vec<&String> = inventory
        .hosts
        .keys()
        .filter(|name| chosen.iter().any(|hosts| hosts.contains(name)))
        .collect();
    let shared = Shared {
        playbook,
        inventory,
        connector,
        options,
        hosts: names.iter().map(|name| HostState::new(name, inventory)).collect(),
        groups: inventory.group_map(),
    };
    let workers = match options.forks {
        0 => names.len().min(64),
        forks => names.len().min(forks),
    };
    let summary = std::thread::scope(|scope| {
        let (done, results) = mpsc::channel();
        // A host stays with one thread: its agent dies with the thread that started it.
        let queues: Vec<mpsc::Sender<Job<'_>>> = (0..workers)
            .map(|_| {
                let (queue, jobs) = mpsc::channel::<Job<'_>>();
                let (shared, done) = (&shared, done.clone());
                scope.spawn(move || {
                    for job in jobs {
                        let outcome = task::run(shared, &job);
                        if done.send((job.host, outcome)).is_err() {
                            break;
                        }
                    }
                });
                queue
            })
            .collect();
        drop(done);
        let mut run = Run {
            shared: &shared,
            queues,
            results,
            reporter,
            out: HashSet::new(),
            summary: Summary::default(),
        };
        for name in &names {
            run.summary.tallies.insert((*name).clone(), Tally::default());
        }
        for (play, hosts) in playbook.plays.iter().zip(&chosen) {
            run.play(play, hosts);
        }
        run.summary.interrupted = interrupted();
        run.reporter.event(&Event::Recap { tallies: &run.summary.tallies });
        run.summary
    });
    Ok(summary)
}

/// What every worker sees.
struct Shared<'a> {
    playbook: &'a Playbook,
    inventory: &'a Inventory,
    connector: &'a dyn Connector,
    options: &'a Options,
    hosts: Vec<HostState<'a>>,
    /// `groups`, as templates see it.
    groups: Value,
}

/// One task to be done on one host.
struct Job<'a> {
    host: usize,
    work: Work<'a>,
}

#[derive(Clone)]
enum Work<'a> {
    Facts,
    Task(Arc<TaskRun<'a>>),
}

/// A task, and what it needs that is the same for all hosts.
struct TaskRun<'a> {
    play: &'a Play,
    task: &'a Task,
    play_hosts: &'a [String],
    hostvars: OnceLock<Value>,
}

/// What a worker brings back.
struct Done {
    results: Vec<TaskResult>,
    notified: Vec<String>,
}

struct Run<'a, 'r> {
    shared: &'a Shared<'a>,
    queues: Vec<mpsc::Sender<Job<'a>>>,
    results: mpsc::Receiver<(usize, Done)>,
    reporter: &'r mut dyn Reporter,
    /// Hosts that failed or are unreachable.
    out: HashSet<usize>,
    summary: Summary,
}

impl<'a> Run<'a, '_> {
    fn play(&mut self, play: &'a Play, names: &'a [String]) {
        if interrupted() {
            return;
        }
        self.reporter.event(&Event::Play { name: &play.name });
        let hosts: Vec<usize> = (0..self.shared.hosts.len())
            .filter(|index| names.iter().any(|name| name == self.shared.hosts[*index].name))
            .collect();
        if hosts.is_empty() {
            self.reporter.event(&Event::NoHosts);
            return;
        }
        if play.gather_facts {
            self.reporter.event(&Event::Task { name: "Gathering Facts", handler: false });
            self.spread(Work::Facts, &hosts);
        }
        let mut notified: HashSet<(usize, String)> = HashSet::new();
        for section in &play.sections {
            for task in section {
                notified.extend(self.task(play, task, names, &hosts, false));
            }
            self.handlers(play, names, &mut notified);
        }
    }

    fn handlers(
        &mut self,
        play: &'a Play,
        names: &'a [String],
        notified: &mut HashSet<(usize, String)>,
    ) {
        for handler in &play.handlers {
            let own = handler.name.as_ref().and_then(|name| name.as_str()).map(str::to_owned);
            let answers: Vec<&String> = own.iter().chain(&handler.listen).collect();
            let mut hosts: Vec<usize> = notified
                .iter()
                .filter(|(_, name)| answers.contains(&name))
                .map(|(host, _)| *host)
                .collect();
            hosts.sort_unstable();
            hosts.dedup();
            if !hosts.is_empty() {
                // A handler may notify one that comes after it.
                let more = self.task(play, handler, names, &hosts, true);
                notified.extend(more);
            }
        }
        notified.clear();
    }

    fn task(
        &mut self,
        play: &'a Play,
        task: &'a Task,
        names: &'a [String],
        hosts: &[usize],
        handler: bool,
    ) -> Vec<(usize, String)> {
        if interrupted() || !(handler || self.tagged(task)) {
            return Vec::new();
        }
        let mut hosts: Vec<usize> =
            hosts.iter().copied().filter(|host| !self.out.contains(host)).collect();
        let all = hosts.clone();
        if task.run_once {
            hosts.truncate(1);
        }
        self.reporter.event(&Event::Task { name: &task.title(), handler });
        let run = TaskRun { play, task, play_hosts: names, hostvars: OnceLock::new() };
        let notified = self.spread(Work::Task(Arc::new(run)), &hosts);
        if let (true, Some((first, rest))) = (task.run_once, all.split_first()) {
            for host in rest {
                self.shared.hosts[*host].take_over(&self.shared.hosts[*first], task);
            }
        }
        notified
    }

    /// Has every host do the work, and reports in the order of the inventory.
    fn spread(&mut self, work: Work<'a>, hosts: &[usize]) -> Vec<(usize, String)> {
        let hosts: Vec<usize> =
            hosts.iter().copied().filter(|host| !self.out.contains(host)).collect();
        for host in &hosts {
            let queue = &self.queues[host % self.queues.len()];
            queue
                .send(Job { host: *host, work: work.clone() })
                .expect("workers outlive their queues");
        }
        let mut waiting: IndexMap<usize, Option<Done>> =
            hosts.iter().map(|host| (*host, None)).collect();
        let mut notified = Vec::new();
        let mut shown = 0;
        for _ in 0..hosts.len() {
            let Ok((host, done)) = self.results.recv() else { break };
            waiting.insert(host, Some(done));
            while let Some((host, done)) = waiting.get_index_mut(shown) {
                let Some(done) = done.take() else { break };
                let host = *host;
                shown += 1;
                self.settle(host, &done.results);
                notified.extend(done.notified.into_iter().map(|name| (host, name)));
            }
        }
        notified
    }

    fn settle(&mut self, host: usize, results: &[TaskResult]) {
        let name = self.shared.hosts[host].name;
        self.reporter.event(&Event::Host { host: name, results });
        let status = overall(results);
        if let Some(tally) = self.summary.tallies.get_mut(name) {
            tally.count(status);
        }
        self.summary.bad_input |=
            status == Status::Failed && results.iter().any(|result| result.bad_input);
        if matches!(status, Status::Failed | Status::Unreachable) {
            self.out.insert(host);
        }
    }

    fn tagged(&self, task: &Task) -> bool {
        let Options { tags, skip_tags, .. } = self.shared.options;
        let own = &task.inherited.tags;
        let has = |wanted: &[String]| own.iter().any(|tag| wanted.contains(tag));
        let always = own.iter().any(|tag| tag == "always");
        let never = own.iter().any(|tag| tag == "never");
        if has(skip_tags) || (always && skip_tags.iter().any(|tag| tag == "always")) {
            return false;
        }
        if tags.is_empty() {
            return !never;
        }
        has(tags) || always || (!never && tags.iter().any(|tag| tag == "all"))
    }
}

/// The worst of a loop's items counts for the task.
fn overall(results: &[TaskResult]) -> Status {
    use Status::{Changed, Failed, Ignored, Ok, Skipped, Unreachable};
    [Unreachable, Failed, Ignored, Changed, Ok]
        .into_iter()
        .find(|status| results.iter().any(|result| result.status == *status))
        .unwrap_or(Skipped)
}

/// The hosts of each play. A play that names nobody is a mistake: a cluster without real
/// servers would come up and answer nothing.
fn choose_hosts(
    playbook: &Playbook,
    inventory: &Inventory,
    options: &Options,
) -> Result<Vec<Vec<String>>, Diagnostics> {
    let mut mistakes = Diagnostics::default();
    let limit = options.limit.as_ref().and_then(|limit| {
        mistakes.keep(inventory::select(inventory, limit).map_err(|mut error| {
            error.message = format!("--limit: {}", error.message);
            error
        }))
    });
    let mut chosen = Vec::new();
    for play in &playbook.plays {
        let pattern = match &play.hosts.kind {
            crate::yaml::Kind::Sequence(items) => items
                .iter()
                .map(crate::yaml::Node::decode::<String>)
                .collect::<Result<Vec<_>, _>>()
                .map(|names| names.join(":")),
            _ => play.hosts.decode::<String>(),
        };
        let selected = pattern
            .and_then(|pattern| inventory::select(inventory, &pattern))
            .and_then(|hosts| match hosts.is_empty() {
                true => Err(Diagnostic::new(format!("{} has no hosts", play.hosts.described()))
                    .hint("add hosts to it in the inventory")),
                false => Ok(hosts),
            })
            .map_err(|error| error.at(&play.hosts.span));
        let mut hosts = mistakes.keep(selected).unwrap_or_default();
        if let Some(limit) = &limit {
            hosts.retain(|host| limit.contains(host));
        }
        chosen.push(hosts);
    }
    mistakes.finish(chosen)
}
