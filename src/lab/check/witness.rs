//! Who looks at every host at the moment a request fails, while something else is done to them:
//! what broke it may be over soon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::Hosts;
use super::hosts::{Prober, look_by};
use super::steady::{GLANCE, Steady};
use crate::connection::CallError;
use crate::lab::probe::{State, StateOf};

/// How long it may take to look at all hosts.
const LOOKING: Duration = Duration::from_secs(10);

/// Waits for the first failure, and looks once.
#[derive(Debug)]
pub(super) struct Witness {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<IndexMap<String, State>>,
}

impl Witness {
    /// Waits for a request that fails, of those that were made since then; by agents of its own.
    pub(super) fn start(
        hosts: &mut dyn Hosts,
        steady: &Steady,
        since: f64,
    ) -> Result<Self, CallError> {
        let names: Vec<String> = hosts.hosts().iter().map(|host| host.name.clone()).collect();
        let mut agents = Vec::new();
        for name in names {
            let agent = hosts.stage()?.another(&name)?;
            agents.push((name, agent));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, failed) = (Arc::clone(&stop), steady.failed(since));
        let thread = thread::spawn(move || {
            while !failed() {
                if stopped.load(Ordering::SeqCst) {
                    return IndexMap::new();
                }
                thread::sleep(GLANCE);
            }
            look_at(agents)
        });
        Ok(Self { stop, thread })
    }

    /// Gives it the time to look, where it has begun to.
    pub(super) fn settle(&self, steady: &Steady, since: f64) {
        let failed = steady.failed(since);
        let deadline = Instant::now() + LOOKING;
        while failed() && !self.thread.is_finished() && Instant::now() < deadline {
            thread::sleep(GLANCE);
        }
    }

    /// Ends, and gives the hosts as they were; nothing where no request failed.
    pub(super) fn end(self) -> IndexMap<String, State> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap_or_default()
    }
}

/// All at once, since what is wrong may not last. Who does not answer is left out.
fn look_at(agents: Vec<(String, Box<dyn Prober>)>) -> IndexMap<String, State> {
    let looks = agents.into_iter().map(|(name, mut agent)| {
        (name, thread::spawn(move || look_by(agent.as_mut(), StateOf {})))
    });
    let looks: Vec<_> = looks.collect();
    let seen = looks.into_iter().filter_map(|(name, look)| Some((name, look.join().ok()?.ok()?)));
    seen.collect()
}
