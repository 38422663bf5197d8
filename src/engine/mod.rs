//! Plays x hosts x tasks. The engine decides and renders; agents do. It knows connections
//! only as a way to get an agent, and tells what happens as
//! [`Event`](crate::report::Event)s.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use indexmap::IndexMap;

use crate::agent::Claim;
use crate::connection::{Connection, Secret, Unreachable};
use crate::diagnostic::{self, Diagnostic, Diagnostics};
use crate::inventory::{self, Inventory, Vars};
use crate::playbook::{Contents, Play, Playbook, Size, Task};
use crate::report::{Reporter, Tally, TaskResult};
use crate::template::{Prepared, Renderer};
use crate::yaml::Node;

mod controller;
mod course;
mod foresight;
mod hold;
mod host;
mod identity;
mod items;
mod likeness;
mod outcome;
mod path;
mod pipeline;
mod play;
mod preflight;
mod prepare;
mod scope;
mod specified;
mod task;
mod workers;

pub(crate) use foresight::{Foreseen, Sight};
use host::HostState;
use path::{Brought, Fate, Trail};
use play::Run;
use workers::Workers;

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
    /// Only these of them, by name.
    pub only: Option<Vec<String>>,
    /// Variables over all others.
    pub extra: Vars,
    /// How many hosts at a time; 0 means up to 64.
    pub forks: usize,
    /// Draw diagnostics with colour.
    pub color: bool,
    /// What `sudo` is told when it asks.
    pub become_password: Option<Secret>,
    /// How long to wait for a host that another run is changing.
    pub lock_timeout: Duration,
    /// Begin with the first task of this name, in which `*` stands for any letters.
    pub start_at_task: Option<String>,
    /// Send nothing ahead: wait for each answer, as when there is no other way.
    pub one_by_one: bool,
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
    /// Hosts that failed, could not be reached, or were left before everything was done.
    pub unfinished: Vec<String>,
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
    let (chosen, mut mistakes) = choose_hosts(playbook, inventory, options);
    mistakes.keep(start(playbook, options));
    mistakes.0.extend(preflight::grammar(playbook).0);
    if let Err(more) = preflight::check(playbook, inventory, options, &chosen) {
        mistakes
            .0
            .extend(more.0.into_iter().filter(|one| !mistakes.0.contains(one)).collect::<Vec<_>>());
    }
    mistakes.finish(())
}

/// The hosts of each play.
pub fn hosts(
    playbook: &Playbook,
    inventory: &Inventory,
    options: &Options,
) -> Result<Vec<Vec<String>>, Diagnostics> {
    let (chosen, mistakes) = choose_hosts(playbook, inventory, options);
    mistakes.finish(chosen.into_iter().map(|chosen| chosen.hosts).collect())
}

/// Shows every task for every host that it is for, as far as it is known before a run.
pub(crate) fn foresee(
    playbook: &Playbook,
    inventory: &Inventory,
    options: &Options,
    visit: &mut dyn FnMut(Foreseen<'_>),
) -> Result<(), Diagnostics> {
    let (chosen, mistakes) = choose_hosts(playbook, inventory, options);
    let chosen = &mistakes.finish(chosen)?;
    foresight::Foresight { playbook, inventory, options, chosen, texts: true }.walk(visit);
    Ok(())
}

/// Reaches nobody: what needs no host needs no connection.
struct Nowhere;

impl Connector for Nowhere {
    fn connect(&self, host: &str, _: &Vars) -> Result<Box<dyn Connection>, Unreachable> {
        Err(Unreachable::new(format!("`{host}` is not to be reached yet")))
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
    let (chosen, mistakes) = choose_hosts(playbook, inventory, options);
    let chosen = mistakes.finish(chosen)?;
    preflight::check(playbook, inventory, options, &chosen)?;
    let start = start(playbook, options)?;
    let first = start.as_ref().map_or(0, |(play, _)| *play);
    let wanted: HashSet<&String> = chosen.iter().flat_map(|chosen| &chosen.hosts).collect();
    let names: Vec<&String> = inventory.hosts.keys().filter(|name| wanted.contains(name)).collect();
    let shared = Shared {
        inventory,
        connector,
        options,
        hosts: names.iter().map(|name| HostState::new(name, inventory)).collect(),
        groups: Prepared::from(&inventory.group_map()),
        roster: RwLock::default(),
        claim: (!options.check).then(|| hold::claim(playbook)),
        waits: Mutex::default(),
        others: Mutex::default(),
        brought: Mutex::default(),
    };
    workers::make_room(names.len());
    let workers = match options.forks {
        0 => names.len().min(64),
        forks => names.len().min(forks),
    };
    let summary = std::thread::scope(|scope| {
        let mut run = Run {
            shared: &shared,
            workers: Workers::start(scope, &shared, workers),
            reporter,
            out: HashSet::new(),
            cut: HashSet::new(),
            over: None,
            start_at: None,
            play_ends: false,
            summary: Summary::default(),
        };
        for name in &names {
            run.summary.tallies.insert((*name).clone(), Tally::default());
        }
        for (index, (play, chosen)) in playbook.plays.iter().zip(&chosen).enumerate().skip(first) {
            let title = start.as_ref().filter(|(play, _)| *play == index);
            run.start_at = title.map(|(_, title)| title.as_str());
            run.play(play, chosen);
        }
        run.finish()
    });
    Ok(summary)
}

/// What every worker sees.
struct Shared<'a> {
    inventory: &'a Inventory,
    connector: &'a dyn Connector,
    options: &'a Options,
    hosts: Vec<HostState>,
    /// `groups`, as templates see it.
    groups: Prepared,
    /// Who is still in the play and its batch.
    roster: RwLock<Arc<Roster>>,
    /// By what hosts are held; nothing where nothing is changed.
    claim: Option<Claim>,
    /// Hosts that are being waited for, and why, until it is told.
    waits: Mutex<Vec<(String, String)>>,
    /// Hosts of no play, which tasks are delegated to.
    others: Mutex<HashMap<String, Arc<HostState>>>,
    /// What includes brought, by the task and its arguments.
    brought: Mutex<HashMap<(usize, String), Arc<Contents>>>,
}

impl<'a> Shared<'a> {
    fn waits(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host that a task is delegated to.
    fn other(&self, name: &str) -> Result<Arc<HostState>, Unreachable> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = others.get(name) {
            return Ok(Arc::clone(host));
        }
        let Some((name, _)) = self.inventory.hosts.get_key_value(name) else {
            return Err(Unreachable::new(format!("the inventory has no host `{name}`"))
                .hint("`delegate_to` names a host of the inventory"));
        };
        let host = Arc::new(HostState::new(name, self.inventory));
        others.insert(name.clone(), Arc::clone(&host));
        Ok(host)
    }

    fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The hosts of a play that have not failed, by name.
#[derive(Debug, Default)]
struct Roster {
    play: Vec<String>,
    batch: Vec<String>,
    /// Those that failed, too.
    all: Vec<String>,
}

/// A task, and what it needs that is the same for all hosts.
struct TaskRun<'a> {
    trail: Arc<Trail<'a>>,
    task: Arc<Task>,
    roster: Arc<Roster>,
    hostvars: Arc<OnceLock<Prepared>>,
}

impl<'a> TaskRun<'a> {
    fn new(trail: &Arc<Trail<'a>>, task: &Arc<Task>, roster: Arc<Roster>) -> Self {
        let (trail, task) = (Arc::clone(trail), Arc::clone(task));
        Self { trail, task, roster, hostvars: Arc::default() }
    }
}

/// What a worker brings back.
#[derive(Default)]
struct Done {
    results: Vec<TaskResult>,
    /// The handlers that are to run.
    notified: Vec<usize>,
    /// Where the host goes from here.
    flow: Flow,
    /// What a failure leads to.
    fate: Option<Fate>,
    /// A failure ends the play for all hosts.
    fatal: bool,
    /// It is only shown when it fails: it does nothing on a host.
    unseen: bool,
}

/// Where a host goes after a task that did not fail.
#[derive(Default)]
enum Flow {
    #[default]
    On,
    /// Through its handlers, and on.
    Handlers,
    /// Through what an include brought, and on.
    Into(Vec<Brought>),
    EndHost,
    EndBatch,
    EndPlay,
}

/// Whom a play is for.
struct Chosen {
    hosts: Vec<String>,
    /// The entries of its `serial`.
    sizes: Vec<Size>,
}

/// The hosts of each play. A play that names nobody is a mistake: a cluster without real
/// servers would come up and answer nothing.
fn choose_hosts(
    playbook: &Playbook,
    inventory: &Inventory,
    options: &Options,
) -> (Vec<Chosen>, Diagnostics) {
    let mut mistakes = Diagnostics::default();
    let limit = options.limit.as_ref().and_then(|limit| {
        mistakes.keep(inventory::limit(inventory, limit).map_err(|mut error| {
            error.message = format!("--limit: {}", error.message);
            error
        }))
    });
    let limit: Option<HashSet<String>> = limit.map(|hosts| hosts.into_iter().collect());
    let only: Option<HashSet<&String>> = options.only.as_ref().map(|only| only.iter().collect());
    let mut chosen = Vec::new();
    for play in &playbook.plays {
        let pattern = pattern(play, options);
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
        if let Some(only) = &only {
            hosts.retain(|host| only.contains(host));
        }
        let sizes = mistakes.keep(sizes(play, options)).unwrap_or_default();
        chosen.push(Chosen { hosts, sizes });
    }
    (chosen, mistakes)
}

/// The play that has the task to begin with, and that task's title.
fn start(playbook: &Playbook, options: &Options) -> Result<Option<(usize, String)>, Diagnostic> {
    let Some(pattern) = &options.start_at_task else { return Ok(None) };
    let steps = || {
        playbook
            .plays
            .iter()
            .enumerate()
            .flat_map(|(play, one)| one.steps().map(move |task| (play, task)))
    };
    let fits = |task: &Task| {
        let own = task.name.as_ref().and_then(Node::as_str);
        let title = task.title();
        [own, Some(title.as_str())].into_iter().flatten().any(|name| inventory::glob(pattern, name))
    };
    if let Some((play, task)) = steps().find(|(_, task)| fits(task)) {
        return Ok(Some((play, task.title())));
    }
    let titles: Vec<String> = steps().map(|(_, task)| task.title()).collect();
    let mistake = Diagnostic::new(format!("--start-at-task: no task is called `{pattern}`"));
    Err(match diagnostic::nearest(pattern, titles.iter().map(String::as_str)) {
        Some(near) => mistake.hint(format!("did you mean `{near}`?")),
        None => mistake.hint("`--list-tasks` lists them"),
    })
}

/// What is known of no host in particular: the play's variables, and `-e`.
fn known(play: &Play, options: &Options) -> Vars {
    let mut vars = play.vars.clone();
    vars.extend(play.file_vars.clone());
    vars.extend(options.extra.clone());
    vars
}

/// The pattern of a play's hosts.
fn pattern(play: &Play, options: &Options) -> Result<String, Diagnostic> {
    let vars = known(play, options);
    let hosts = Renderer::new(&vars).node(&play.hosts)?;
    let names = hosts.one_or_many().iter().map(Node::decode::<String>);
    Ok(names.collect::<Result<Vec<_>, _>>()?.join(":"))
}

/// The entries of `serial`.
fn sizes(play: &Play, options: &Options) -> Result<Vec<Size>, Diagnostic> {
    let vars = known(play, options);
    let renderer = Renderer::new(&vars);
    let rendered = play.serial.iter().map(|size| renderer.node(size));
    let mut sizes = Vec::new();
    for node in rendered {
        sizes.extend(node?.one_or_many().iter().map(Size::decode).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(sizes)
}
