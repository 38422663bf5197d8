//! What a task runs within: the environment of the programs it starts, and how long it may take.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Error;

/// What a task says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Around {
    /// Variables of programs, over the agent's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// How many seconds the task may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

struct Within {
    environment: BTreeMap<String, String>,
    timeout: Option<(u64, Instant)>,
}

thread_local! {
    static WITHIN: RefCell<Option<Within>> = const { RefCell::new(None) };
}

impl Around {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Does something within it, in this thread.
    pub(crate) fn hold<T>(self, work: impl FnOnce() -> T) -> T {
        /// A panic in between must not leave it for the next task.
        struct Left;
        impl Drop for Left {
            fn drop(&mut self) {
                WITHIN.set(None);
            }
        }
        let after = |seconds| (seconds, Instant::now() + Duration::from_secs(seconds));
        let timeout = self.timeout.map(after);
        WITHIN.set(Some(Within { environment: self.environment, timeout }));
        let _left = Left;
        work()
    }
}

/// The variables that the task gives its programs.
pub(super) fn environment() -> BTreeMap<String, String> {
    WITHIN.with_borrow(|within| within.as_ref().map(|w| w.environment.clone()).unwrap_or_default())
}

/// How long the task may still take, where it says how long at most.
pub(super) fn time_left() -> Option<Duration> {
    WITHIN.with_borrow(|within| {
        let (_, end) = within.as_ref()?.timeout?;
        Some(end.saturating_duration_since(Instant::now()))
    })
}

/// Fails once the task has taken as long as it may.
pub(super) fn check_time() -> Result<(), Error> {
    WITHIN.with_borrow(|within| match within.as_ref().and_then(|within| within.timeout) {
        Some((seconds, end)) if Instant::now() >= end => Err(too_long(seconds)),
        _ => Ok(()),
    })
}

fn too_long(seconds: u64) -> Error {
    Error::new(format!("the task takes longer than its `timeout` of {seconds} s"))
}
