//! A steady load that goes on while something is done to the lab: an agent of its own sends
//! it, in short parts, so that how it goes is known meanwhile.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use super::Hosts;
use super::hosts::look_by;
use crate::connection::{CallError, Unreachable};
use crate::lab::probe::{Answer, Answers, Coverage, Load, Outcome, Seconds, Shot, Url};

/// How long a part of the load is: news of it is as old as that at most.
const PART: Seconds = Seconds::from_millis(100);
/// How often news is looked for.
pub(super) const GLANCE: Duration = Duration::from_millis(50);

/// What a load is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pace {
    pub(super) from: String,
    pub(super) url: Url,
    pub(super) pause: Seconds,
    pub(super) timeout: Seconds,
}

/// A load that goes on until it is ended.
#[derive(Debug)]
pub(super) struct Steady {
    shots: Arc<Mutex<Vec<Shot>>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), CallError>>,
}

impl Steady {
    /// Begins.
    pub(super) fn start(hosts: &mut dyn Hosts, pace: &Pace) -> Result<Self, CallError> {
        let mut prober = hosts.stage()?.another(&pace.from)?;
        let load = Load {
            url: pace.url.clone(),
            seconds: PART,
            pause: pace.pause,
            timeout: pace.timeout,
            source: None,
        };
        let shots = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (all, stopped) = (Arc::clone(&shots), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let part = look_by(prober.as_mut(), load.clone())?;
                all.lock().unwrap_or_else(PoisonError::into_inner).extend(part.shots);
            }
            Ok(())
        });
        Ok(Self { shots, stop, thread })
    }

    /// Waits until the requests so far are as they should be; false when they are not in time.
    pub(super) fn wait(&self, patience: Duration, fits: impl Fn(&[Shot]) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if fits(&self.shots.lock().unwrap_or_else(PoisonError::into_inner)) {
                return true;
            }
            if Instant::now() >= deadline || self.thread.is_finished() {
                return false;
            }
            thread::sleep(GLANCE);
        }
    }

    /// Waits until ten requests in a row were answered.
    pub(super) fn warm_up(&self) -> bool {
        self.wait(Duration::from_secs(15), |shots| {
            let last: Vec<&Shot> = shots.iter().rev().take(10).collect();
            last.len() == 10 && last.iter().all(|shot| shot.failure.is_none())
        })
    }

    /// Says whether a request has failed that was made since then.
    pub(super) fn failed(&self, since: f64) -> impl Fn() -> bool + Send + 'static {
        let shots = Arc::clone(&self.shots);
        move || {
            let shots = shots.lock().unwrap_or_else(PoisonError::into_inner);
            shots.iter().any(|shot| shot.failure.is_some() && shot.at >= since)
        }
    }

    /// Goes on until every request that was made before this moment has ended: one is made
    /// after another, each takes `timeout` at most.
    pub(super) fn finish_begun(&self, timeout: Duration) {
        let now = now();
        self.wait(timeout + 2 * PART.0, |shots| shots.iter().any(|shot| shot.at >= now));
    }

    /// Goes on for so long.
    pub(super) fn go_on(&self, time: Duration) {
        self.wait(time, |_| false);
    }

    /// Ends, and gives all requests.
    pub(super) fn end(self) -> Result<Vec<Shot>, CallError> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| Unreachable::new("the load's thread ended"))??;
        Ok(std::mem::take(&mut *self.shots.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// This moment, as shots tell theirs.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The failures among shots, as answers to requests of `peer`.
pub(super) fn answers<'a>(shots: impl Iterator<Item = &'a Shot>, peer: SocketAddr) -> Answers {
    let local = SocketAddr::new(IpAddr::from(Ipv4Addr::UNSPECIFIED), 0);
    let answer = |shot: &Shot| {
        let outcome = Outcome::Failed(shot.failure.clone()?);
        Some(Answer {
            local,
            peer,
            seconds: shot.seconds,
            reply_macs: Vec::new(),
            outcome,
            certificate: None,
            later: Vec::new(),
        })
    };
    let requests = shots.filter_map(answer).collect();
    Answers { requests, not_sent: 0, capture: Coverage::Complete }
}

/// The failures among shots, each once, with how often it came.
pub(super) fn failures<'a>(shots: impl Iterator<Item = &'a Shot>) -> Vec<String> {
    let mut kinds: indexmap::IndexMap<&str, usize> = indexmap::IndexMap::new();
    for failure in shots.filter_map(|shot| shot.failure.as_ref()) {
        *kinds.entry(failure.message.as_str()).or_default() += 1;
    }
    kinds.iter().map(|(message, count)| format!("{count} × {message}")).collect()
}
