//! What can be seen of a run before any host is touched: every task for every host that it is
//! for, its arguments rendered and decoded with what is known so far.
//!
//! What depends on facts, or on results of earlier tasks, is unknown and never guessed. Hosts
//! that differ in nothing that a task asks for are looked at once, for all of them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use serde_json::Value;

use super::host::HostState;
use super::items::{self, Item};
use super::likeness::Likeness;
use super::path::{Bindings, Trail};
use super::scope::Scope;
use super::{Chosen, Options, Roster, Shared, TaskRun, prepare, specified};
use crate::diagnostic::Diagnostic;
use crate::inventory::Inventory;
use crate::playbook::{Play, Playbook, Role, Size, Task};
use crate::template::{Prepared, Renderer};

/// So many hosts that differ in what a task asks for are looked at: more of them differ in
/// their data, not in its shape.
const HOSTS: usize = 64;

/// With so many looks in all a large playbook is shared out: fewer hosts for each of its tasks.
const LOOKS: usize = 100_000;

/// A task as it is going to be on some hosts.
pub(crate) struct Foreseen<'a> {
    /// Its play.
    pub(crate) play: &'a Play,
    /// The task.
    pub(crate) task: &'a Task,
    /// The hosts, which are all alike to it.
    pub(crate) hosts: &'a [&'a str],
    /// What it does, once for each item of its loop.
    pub(crate) sights: Vec<Sight>,
    /// Names that it asks for and nobody has given a value yet, such as those of facts.
    pub(crate) missed: HashSet<String>,
}

/// What can be seen of a task.
pub(crate) enum Sight {
    /// What it is going to be.
    Seen {
        /// The arguments as the module takes them.
        arguments: Value,
        /// The text of the file that it writes, where texts are asked for and known.
        text: Option<String>,
    },
    /// It is not going to run, since a condition does not hold.
    Skipped,
    /// It is wrong, whatever happens.
    Mistake(Diagnostic),
    /// Only a run can tell.
    Unknown,
}

/// A look at a playbook with an inventory.
pub(super) struct Foresight<'a> {
    pub(super) playbook: &'a Playbook,
    pub(super) inventory: &'a Inventory,
    pub(super) options: &'a Options,
    /// The hosts of each play.
    pub(super) chosen: &'a [Chosen],
    /// Whether files that tasks write are rendered, too.
    pub(super) texts: bool,
}

impl Foresight<'_> {
    /// Shows every task for its hosts, in the order of the playbook.
    pub(super) fn walk(&self, visit: &mut dyn FnMut(Foreseen<'_>)) {
        let Self { playbook, inventory, options, .. } = *self;
        let shared = Shared {
            inventory,
            connector: &super::Nowhere,
            options,
            hosts: inventory.hosts.keys().map(|name| HostState::new(name, inventory)).collect(),
            groups: Prepared::from(&inventory.group_map()),
            roster: RwLock::default(),
            claim: None,
            waits: Mutex::default(),
            others: Mutex::default(),
            brought: Mutex::default(),
        };
        let late = late(playbook, inventory);
        let tasks = playbook.plays.iter().flat_map(Play::tasks).count();
        let most = (LOOKS / tasks.max(1)).clamp(4, HOSTS);
        let mut specified = HashSet::new();
        let mut likeness = Likeness::of(&shared.hosts);
        // Nothing is learned on the way: all tasks see the same of other hosts.
        let hostvars = Arc::new(OnceLock::new());
        for (play, Chosen { hosts, sizes }) in playbook.plays.iter().zip(self.chosen) {
            // The first batch stands for the others, which are like it but for their names.
            let batch = Size::batches(sizes, hosts).into_iter().next().unwrap_or_default();
            let roster = Arc::new(Roster { play: hosts.clone(), batch, all: hosts.clone() });
            let trail = Arc::new(Trail::new(play));
            likeness.look_at(hosts);
            for task in play.tasks() {
                let hostvars = Arc::clone(&hostvars);
                let run = TaskRun { hostvars, ..TaskRun::new(&trail, task, Arc::clone(&roster)) };
                likeness.restart();
                for _ in 0..most {
                    let Some(host) = likeness.next() else { break };
                    let mut look = self.look(&shared, &run, host, &late);
                    Self::specified(&mut look, &shared, &run, host, &late, &mut specified);
                    let Look { sights, asked, missed } = look;
                    let hosts = likeness.alike(host, &asked);
                    visit(Foreseen { play, task, hosts: &hosts, sights, missed });
                }
            }
        }
    }

    /// What a task does on a host.
    fn look(
        &self,
        shared: &Shared<'_>,
        run: &TaskRun<'_>,
        host: &HostState,
        late: &HashSet<&str>,
    ) -> Look {
        let mut look = Look::default();
        // What loops around an include give a value is not known here.
        let bindings = Bindings::new();
        let scope = |item| Scope { shared, run, host, bindings: &bindings, item };
        let each = |look: &mut Look, item| {
            let scope = scope(item);
            let renderer = Renderer::new(&scope);
            look.sights.push(self.sight(run, &renderer, late));
            look.note(&renderer);
        };
        let Some(over) = &run.task.items else {
            each(&mut look, None);
            return look;
        };
        let outer = scope(None);
        let renderer = Renderer::new(&outer);
        let items = match renderer.node(&over.over) {
            Ok(rendered) if renderer.asked_only_for(late) => items::items(over, &rendered),
            _ => {
                look.sights.push(Sight::Unknown);
                Ok(Vec::new())
            }
        };
        look.note(&renderer);
        match items {
            Ok(items) => Item::of(&items).for_each(|item| each(&mut look, Some(item))),
            Err(mistake) => look.sights.push(Sight::Mistake(mistake)),
        }
        look
    }

    /// Holds the variables of a task's role against what the role says of them, once for each
    /// host where any of its tasks is to run.
    fn specified(
        look: &mut Look,
        shared: &Shared<'_>,
        run: &TaskRun<'_>,
        host: &HostState,
        late: &HashSet<&str>,
        done: &mut HashSet<(*const Role, String)>,
    ) {
        let Some(role) = &run.task.inherited.role else { return };
        let skipped = look.sights.iter().all(|sight| matches!(sight, Sight::Skipped));
        if role.specification.0.is_empty()
            || skipped
            || !done.insert((Arc::as_ptr(role), host.name.clone()))
        {
            return;
        }
        let (mistakes, asked) = specified::mistakes(shared, run, host, late);
        look.sights.splice(0..0, mistakes.into_iter().map(Sight::Mistake));
        look.asked.extend(asked);
    }

    fn sight(&self, run: &TaskRun<'_>, renderer: &Renderer<'_>, late: &HashSet<&str>) -> Sight {
        let task = &run.task;
        for condition in &task.inherited.when {
            match renderer.condition(condition) {
                Ok(true) => {}
                Ok(false) if renderer.asked_only_for(late) => return Sight::Skipped,
                Ok(false) | Err(_) => return Sight::Unknown,
            }
        }
        if let Some(mistake) = self.delegated_to_nobody(task, renderer, late) {
            return Sight::Mistake(mistake);
        }
        let rendered = match renderer.node(&task.arguments) {
            Ok(rendered) => rendered,
            Err(mistake) if renderer.lacks_for_good(late) => return Sight::Mistake(mistake),
            Err(_) => return Sight::Unknown,
        };
        let decoded = (task.module.decode)(&rendered);
        if !renderer.asked_only_for(late) {
            return Sight::Unknown;
        }
        match decoded {
            Ok(arguments) => {
                let written = || prepare::text(task, &arguments, renderer, &run.trail.play.folder);
                let text = if self.texts { written() } else { None };
                Sight::Seen { text: text.filter(|_| renderer.asked_only_for(late)), arguments }
            }
            Err(mistake) => Sight::Mistake(mistake.at(&task.module_key.span)),
        }
    }
}

impl Foresight<'_> {
    /// A host that is to do the task instead, and that the inventory does not have.
    fn delegated_to_nobody(
        &self,
        task: &Task,
        renderer: &Renderer<'_>,
        late: &HashSet<&str>,
    ) -> Option<Diagnostic> {
        let name = task.inherited.delegate_to.as_ref()?.value(renderer).ok()??;
        if !renderer.asked_only_for(late) || self.inventory.hosts.contains_key(&name) {
            return None;
        }
        let known = self.inventory.hosts.keys().map(String::as_str);
        let mistake = Diagnostic::new(format!("`delegate_to`: the inventory has no host `{name}`"));
        Some(mistake.at(&task.module_key.span).did_you_mean(&name, known))
    }
}

/// What was seen of a task on a host, and which names it asked for.
#[derive(Default)]
struct Look {
    sights: Vec<Sight>,
    asked: HashSet<String>,
    missed: HashSet<String>,
}

impl Look {
    fn note(&mut self, renderer: &Renderer<'_>) {
        self.asked.extend(renderer.asked().iter().cloned());
        self.missed.extend(renderer.missed().iter().cloned());
    }
}

/// Names that only get their values while the playbook runs.
fn late<'a>(playbook: &'a Playbook, inventory: &'a Inventory) -> HashSet<&'a str> {
    let mut names = HashSet::from(["ansible_facts"]);
    for task in playbook.plays.iter().flat_map(Play::tasks) {
        names.extend(task.register.as_deref());
        // What it brings may give any name another value.
        if task.module.name == "include_vars" || task.is_include_to_come() {
            names.extend(inventory.names());
            names.extend(playbook.plays.iter().flat_map(Play::names));
        }
        if task.module.name == "set_fact" {
            let facts = task.arguments.mapping().unwrap_or_default();
            names.extend(facts.iter().map(|(key, _)| key.text.as_str()));
        }
    }
    names
}
