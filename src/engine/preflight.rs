//! A look ahead: mistakes that can be seen in a playbook's values before any host is touched.
//!
//! A task's arguments are rendered and decoded with what is known before the run. What
//! depends on facts or on results of earlier tasks is left for later, and never guessed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, RwLock};

use super::host::HostState;
use super::items::{self, Item};
use super::path::{Bindings, Trail};
use super::scope::Scope;
use super::{Chosen, Options, Roster, Shared, TaskRun};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{Inventory, Vars};
use crate::playbook::{Play, Playbook, Size};
use crate::template::Renderer;

/// Hosts of a play that are looked at: more of them differ in their data, not in its shape.
const HOSTS: usize = 64;

/// Finds what can be found; `chosen` are the hosts of each play.
pub(super) fn check(
    playbook: &Playbook,
    inventory: &Inventory,
    options: &Options,
    chosen: &[Chosen],
) -> Result<(), Diagnostics> {
    let shared = Shared {
        inventory,
        connector: &super::Nowhere,
        options,
        hosts: inventory.hosts.keys().map(|name| HostState::new(name, inventory)).collect(),
        groups: inventory.group_map(),
        roster: RwLock::default(),
        claim: None,
        waits: Mutex::default(),
        others: Mutex::default(),
        brought: Mutex::default(),
    };
    let by_name: HashMap<&str, &HostState> =
        shared.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let late = late(playbook);
    let mut mistakes = Diagnostics::default();
    for (play, Chosen { hosts, sizes }) in playbook.plays.iter().zip(chosen) {
        // The first batch stands for the others, which are like it but for their names.
        let batch = Size::batches(sizes, hosts).into_iter().next().unwrap_or_default();
        let roster = Arc::new(Roster { play: hosts.clone(), batch, all: hosts.clone() });
        let trail = Arc::new(Trail::new(play));
        for task in play.tasks() {
            let run = TaskRun::new(&trail, task, Arc::clone(&roster));
            for name in hosts.iter().take(HOSTS) {
                let Some(host) = by_name.get(name.as_str()) else { continue };
                if let Some(mistake) = look(&shared, &run, host, &late)
                    && !mistakes.0.contains(&mistake)
                {
                    mistakes.push(mistake);
                }
            }
        }
    }
    mistakes.finish(())
}

/// Finds what is wrong with templates as such, also in tasks that nothing may ever run.
pub(super) fn grammar(playbook: &Playbook) -> Diagnostics {
    let nothing = Vars::new();
    let renderer = Renderer::new(&nothing);
    let mut mistakes = Diagnostics::default();
    for task in playbook.plays.iter().flat_map(Play::tasks) {
        let texts =
            std::iter::once(&task.arguments).chain(task.items.as_ref().map(|all| &all.over));
        let found = texts.flat_map(|node| renderer.grammar(node));
        let judged = [&task.changed_when, &task.failed_when, &task.until].into_iter().flatten();
        let conditions = task.inherited.when.iter().chain(judged);
        let found = found.chain(conditions.flat_map(|node| renderer.grammar_of_condition(node)));
        for mistake in found {
            if !mistakes.0.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
    }
    mistakes
}

/// Names that only get their values while the playbook runs.
fn late(playbook: &Playbook) -> HashSet<&str> {
    let mut names = HashSet::from(["ansible_facts"]);
    for task in playbook.plays.iter().flat_map(Play::tasks) {
        names.extend(task.register.as_deref());
        if task.module.name == "set_fact" {
            let facts = task.arguments.mapping().unwrap_or_default();
            names.extend(facts.iter().map(|(key, _)| key.text.as_str()));
        }
    }
    names
}

/// The mistake in a task on a host, when there is one that holds whatever happens.
fn look(
    shared: &Shared<'_>,
    run: &TaskRun<'_>,
    host: &HostState,
    late: &HashSet<&str>,
) -> Option<Diagnostic> {
    let task = &run.task;
    let bindings = Bindings::new();
    let scope = |item| Scope { shared, run, host, bindings: &bindings, item };
    let outer = scope(None);
    let renderer = Renderer::new(&outer);
    let items = match &task.items {
        None => None,
        Some(over) => match renderer.node(&over.over) {
            Ok(rendered) if renderer.asked_only_for(late) => match items::items(over, &rendered) {
                Ok(items) => Some(items),
                Err(mistake) => return Some(mistake),
            },
            _ => return None,
        },
    };
    let each: Vec<Option<Item<'_>>> = match &items {
        None => vec![None],
        Some(items) => Item::of(items).map(Some).collect(),
    };
    each.into_iter().find_map(|item| {
        let scope = scope(item);
        let renderer = Renderer::new(&scope);
        for condition in &task.inherited.when {
            if !renderer.condition(condition).ok()? {
                return None;
            }
        }
        let rendered = match renderer.node(&task.arguments) {
            Ok(rendered) => rendered,
            Err(mistake) => return renderer.lacks_for_good(late).then_some(mistake),
        };
        let mistake = (task.module.decode)(&rendered).err()?;
        renderer.asked_only_for(late).then(|| mistake.at(&task.module_key.span))
    })
}
