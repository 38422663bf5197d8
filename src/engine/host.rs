//! What the engine knows of one host while it runs.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use serde_json::Value;

use super::identity::Said;
use super::{Shared, hold, scope};
use crate::connection::{AgentClient, CallError};
use crate::inventory::{Inventory, Vars};
use crate::playbook::Task;

/// One host: its variables, and its agent once there is one.
pub(super) struct HostState {
    pub(super) name: String,
    pub(super) groups: Value,
    /// What the inventory says.
    pub(super) declared: Vars,
    learned: RwLock<Learned>,
    /// What the inventory says, rendered: how the host is reached.
    reached: OnceLock<Vars>,
    agents: Mutex<Vec<Agent>>,
    /// Those that do what other hosts' tasks delegate to this one.
    guests: Mutex<Vec<Agent>>,
    /// Whether its files are the controller's.
    here: AtomicBool,
    pending: Mutex<Pending>,
    unknown: Mutex<Unknown>,
}

/// Names whose values only an apply can tell: a task that gives them was not run in check mode.
#[derive(Debug, Default)]
struct Unknown {
    names: HashSet<String>,
    /// The one that was asked for last.
    asked: Option<String>,
}

/// Names whose values are on their way.
#[derive(Debug, Default)]
struct Pending {
    names: HashSet<String>,
    asked: bool,
}

/// An agent on the host; there may be one for each user that tasks act as.
struct Agent {
    /// Whom it was to work as; `None` is whoever the login gives.
    wanted: Option<String>,
    client: AgentClient,
}

/// What was learned about a host in this run.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Facts, with and without their prefix.
    pub(super) facts: Vars,
    /// `include_vars`, unrendered.
    pub(super) included: Vars,
    /// `register` and `set_fact`.
    pub(super) registered: Vars,
}

impl HostState {
    pub(super) fn new(name: &str, inventory: &Inventory) -> Self {
        let mut groups = inventory.groups_of(name);
        groups.retain(|group| *group != "all");
        groups.sort_unstable();
        Self {
            name: name.to_owned(),
            groups: groups.into_iter().map(Value::from).collect(),
            declared: inventory.vars_of(name),
            learned: RwLock::default(),
            reached: OnceLock::new(),
            agents: Mutex::default(),
            guests: Mutex::default(),
            here: AtomicBool::default(),
            pending: Mutex::default(),
            unknown: Mutex::default(),
        }
    }

    /// Whether a file of the controller may be one that its tasks change.
    pub(super) fn is_here(&self) -> bool {
        self.here.load(Ordering::SeqCst)
    }

    /// Does something, and says whether it asked for one of the names, whose values are old.
    pub(super) fn watching<T>(
        &self,
        names: HashSet<String>,
        work: impl FnOnce() -> T,
    ) -> (T, bool) {
        *self.pending() = Pending { names, asked: false };
        let done = work();
        (done, std::mem::take(&mut *self.pending()).asked)
    }

    /// Notes that a name was asked for that tasks may have given a value.
    pub(super) fn ask(&self, name: &str) {
        let mut pending = self.pending();
        // In `hostvars` is everything.
        pending.asked |=
            pending.names.contains(name) || (name == "hostvars" && !pending.names.is_empty());
        let mut unknown = self.unknown();
        if unknown.names.contains(name) {
            unknown.asked = Some(name.to_owned());
        }
    }

    /// Notes whether a name has a value that only an apply can tell.
    pub(super) fn set_unknown(&self, name: &str, is_unknown: bool) {
        let names = &mut self.unknown().names;
        if is_unknown {
            names.insert(name.to_owned());
        } else {
            names.remove(name);
        }
    }

    /// The name among those that was asked for since this was asked last.
    pub(super) fn asked_for_unknown(&self) -> Option<String> {
        self.unknown().asked.take()
    }

    fn unknown(&self) -> MutexGuard<'_, Unknown> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learned(&self) -> RwLockReadGuard<'_, Learned> {
        self.learned.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn(&self) -> RwLockWriteGuard<'_, Learned> {
        self.learned.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the agent that acts so, which is started when it is not there.
    pub(super) fn with_agent<T>(
        &self,
        shared: &Shared<'_>,
        said: &Said,
        work: impl FnOnce(&mut AgentClient) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        self.with_one_of(&self.agents, shared, said, work)
    }

    /// The same for a task of another host: what this one's agents are asked stays in order.
    pub(super) fn with_guest<T>(
        &self,
        shared: &Shared<'_>,
        said: &Said,
        work: impl FnOnce(&mut AgentClient) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        self.with_one_of(&self.guests, shared, said, work)
    }

    /// Ends its agents: the next task starts new ones.
    pub(super) fn disconnect(&self) {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn with_one_of<T>(
        &self,
        agents: &Mutex<Vec<Agent>>,
        shared: &Shared<'_>,
        said: &Said,
        work: impl FnOnce(&mut AgentClient) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let vars = self.reached.get_or_init(|| scope::rendered(&self.declared));
        let identity = said.wanted(vars, shared.options.become_password.as_ref())?;
        let user = identity.as_ref().map(|identity| identity.user());
        let fits =
            |agent: &Agent| agent.wanted.as_deref() == user || user == Some(agent.client.user());
        let mut agents = agents.lock().unwrap_or_else(PoisonError::into_inner);
        if !agents.iter().any(fits) {
            let connection = shared.connector.connect(&self.name, vars)?;
            self.here.store(connection.is_here(), Ordering::SeqCst);
            let mut client = connection.start(identity.as_ref())?;
            if let Some(claim) = &shared.claim {
                hold::take(&mut client, shared, self, claim)?;
            }
            agents.push(Agent { wanted: user.map(str::to_owned), client });
        }
        let agent = agents.iter_mut().find(|agent| fits(agent));
        work(&mut agent.expect("the one that was started is as it was to be").client)
    }

    /// Takes over what a task that ran once left on the host where it ran.
    pub(super) fn take_over(&self, first: &Self, task: &Task) {
        if let Some(name) = &task.register {
            let value = first.learned().registered.get(name).cloned();
            if let Some(value) = value {
                self.learn().registered.insert(name.clone(), value);
            }
        }
    }
}
