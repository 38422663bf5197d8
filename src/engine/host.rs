//! What the engine knows of one host while it runs.

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;

use super::Connector;
use crate::connection::{AgentClient, Unreachable};
use crate::inventory::{Inventory, Vars};
use crate::playbook::Task;

/// One host: its variables, and its agent once there is one.
pub(super) struct HostState<'a> {
    pub(super) name: &'a str,
    pub(super) groups: Value,
    /// What the inventory says.
    pub(super) declared: Vars,
    learned: RwLock<Learned>,
    agent: Mutex<Option<AgentClient>>,
}

/// What was learned about a host in this run.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Facts, with and without their prefix.
    pub(super) facts: Vars,
    /// `register` and `set_fact`.
    pub(super) registered: Vars,
}

impl<'a> HostState<'a> {
    pub(super) fn new(name: &'a str, inventory: &Inventory) -> Self {
        let groups = inventory.groups_of(name).into_iter().filter(|group| *group != "all");
        Self {
            name,
            groups: groups.map(Value::from).collect(),
            declared: inventory.vars_of(name),
            learned: RwLock::default(),
            agent: Mutex::new(None),
        }
    }

    pub(super) fn learned(&self) -> RwLockReadGuard<'_, Learned> {
        self.learned.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn(&self) -> RwLockWriteGuard<'_, Learned> {
        self.learned.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the host's agent, which is started when it is not there.
    pub(super) fn with_agent<T>(
        &self,
        connector: &dyn Connector,
        work: impl FnOnce(&mut AgentClient) -> T,
    ) -> Result<T, Unreachable> {
        let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        if agent.is_none() {
            *agent = Some(connector.connect(self.name, &self.declared)?.start()?);
        }
        let agent = agent.as_mut().expect("it was put there");
        Ok(work(agent))
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
