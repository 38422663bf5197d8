//! The agents that a check waits for, so that a deadline can end all of them: those of its
//! hosts, those of a load of its own, and those of a playbook that it applies.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connection::{AgentClient, Become, CallError, Connection, Unreachable};
use crate::engine::Connector;
use crate::inventory::Vars;

/// Holds agents until it is pulled, and ends those that come later at once.
#[derive(Debug, Clone, Default)]
pub struct Leash(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    pulled: bool,
    killers: Vec<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("pulled", &self.pulled).finish_non_exhaustive()
    }
}

impl Leash {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds one more agent.
    pub(super) fn hold(&self, agent: &AgentClient) {
        self.hold_by(agent.killer());
    }

    fn hold_by(&self, kill: impl FnOnce() + Send + 'static) {
        let mut held = self.held();
        if held.pulled { kill() } else { held.killers.push(Box::new(kill)) }
    }

    /// Ends all that it holds.
    pub(super) fn pull(&self) {
        let mut held = self.held();
        held.pulled = true;
        held.killers.drain(..).for_each(|kill| kill());
    }

    /// Lets go of all, and holds what comes from now on.
    pub(super) fn let_go(&self) {
        *self.held() = Held::default();
    }
}

/// A way to hosts whose agents are held.
pub(super) struct Leashed<'a> {
    pub(super) connector: &'a dyn Connector,
    pub(super) leash: Leash,
}

impl Connector for Leashed<'_> {
    fn connect(&self, host: &str, vars: &Vars) -> Result<Box<dyn Connection>, Unreachable> {
        let way = self.connector.connect(host, vars)?;
        Ok(Box::new(Way { way, leash: self.leash.clone() }))
    }
}

struct Way {
    way: Box<dyn Connection>,
    leash: Leash,
}

impl Connection for Way {
    fn start(&self, identity: Option<&Become>) -> Result<AgentClient, CallError> {
        let agent = self.way.start(identity)?;
        self.leash.hold(&agent);
        Ok(agent)
    }

    fn is_here(&self) -> bool {
        self.way.is_here()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn ends_what_it_holds_once_and_what_comes_later_at_once() {
        let (leash, ended) = (Leash::default(), Arc::new(AtomicUsize::new(0)));
        let hold = || {
            let ended = Arc::clone(&ended);
            leash.hold_by(move || {
                ended.fetch_add(1, Ordering::SeqCst);
            });
        };
        hold();
        hold();
        assert_eq!(ended.load(Ordering::SeqCst), 0);
        leash.pull();
        leash.pull();
        assert_eq!(ended.load(Ordering::SeqCst), 2);
        hold();
        assert_eq!(ended.load(Ordering::SeqCst), 3);
        leash.let_go();
        hold();
        assert_eq!(ended.load(Ordering::SeqCst), 3);
    }
}
