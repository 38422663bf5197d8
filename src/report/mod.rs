//! What people and programs are told. The engine and the lab emit [`Event`]s; a [`Reporter`]
//! draws them. Nothing here knows an engine, a connection or a host.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostics, Span};
use crate::modules::TextDiff;

mod board;
mod json;
mod junit;
mod live;
mod page;
mod terminal;
mod trial;

pub use json::{Json, SCHEMA};
pub use junit::{Junit, several};
pub use live::Live;
pub use page::{Exhibits, page};
pub use terminal::{Detail, Terminal};
pub use trial::TrialView;

/// How a task ended on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing had to change.
    Ok,
    /// Something changed, or in check mode would.
    Changed,
    /// A condition did not hold, or check mode cannot run it.
    Skipped,
    /// It did not work.
    Failed,
    /// It did not work, and `ignore_errors` says to go on.
    Ignored,
    /// The host could not be talked to.
    Unreachable,
}

impl Status {
    /// Whether the host takes no further part.
    #[must_use]
    pub fn ends_host(self) -> bool {
        matches!(self, Self::Failed | Self::Unreachable)
    }
}

/// What became of a task, or of one item of its loop, on a host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskResult {
    /// How it ended.
    pub status: Status,
    /// The label of the item, in a loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Why it failed or was skipped; over several lines when it is a diagnostic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// One line for each change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// A text before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<TextDiff>,
    /// What `register` keeps.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub result: Map<String, Value>,
    /// What `debug` wants shown, or what only an apply can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// The mistake is the playbook's, not the host's.
    #[serde(skip)]
    pub bad_input: bool,
}

impl TaskResult {
    /// A result of which nothing is known yet but how it ended.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self {
            status,
            item: None,
            message: None,
            hint: None,
            changes: Vec::new(),
            diff: None,
            result: Map::new(),
            shown: None,
            bad_input: false,
        }
    }
}

impl TaskResult {
    /// Whether the host is not what it was, or may not be: what failed may have done a part.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        let fell = matches!(self.status, Status::Failed | Status::Ignored);
        self.status == Status::Changed || (fell && self.result.get("changed") == Some(&true.into()))
    }
}

/// How often each status came up on a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Tasks that ended well, changed ones included.
    pub ok: usize,
    /// Tasks that changed something.
    pub changed: usize,
    /// Hosts that could not be reached count 1.
    pub unreachable: usize,
    /// Tasks that failed.
    pub failed: usize,
    /// Tasks that were skipped.
    pub skipped: usize,
    /// Tasks that failed and were made up for by a `rescue`.
    #[serde(default)]
    pub rescued: usize,
    /// Tasks that failed and were ignored.
    pub ignored: usize,
}

impl Tally {
    /// Counts one task.
    pub fn count(&mut self, status: Status) {
        match status {
            Status::Ok => self.ok += 1,
            Status::Changed => {
                self.ok += 1;
                self.changed += 1;
            }
            Status::Skipped => self.skipped += 1,
            Status::Failed => self.failed += 1,
            Status::Ignored => {
                self.ok += 1;
                self.ignored += 1;
            }
            Status::Unreachable => self.unreachable += 1,
        }
    }
}

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A play begins.
    Play {
        /// Its name.
        name: &'a str,
    },
    /// A play has no hosts left after `--limit`.
    NoHosts,
    /// A task begins.
    Task {
        /// Its name.
        name: &'a str,
        /// Whether it is a handler.
        handler: bool,
        /// The module's name as written; none where facts are gathered.
        module: Option<&'a str>,
        /// Where it is written.
        place: Option<&'a Span>,
    },
    /// What a host is at from now on.
    Doing {
        /// Its name.
        host: &'a str,
        /// The task; nothing while it waits for other hosts.
        task: Option<&'a str>,
    },
    /// A host is done with a task; a loop has a result for each item.
    Host {
        /// Its name.
        host: &'a str,
        /// The results.
        results: &'a [TaskResult],
        /// How long it took.
        took: Duration,
    },
    /// A host is not free yet.
    Waiting {
        /// Its name.
        host: &'a str,
        /// Why.
        why: &'a str,
    },
    /// A play ends before its last task, or before its last hosts.
    Ended {
        /// Why.
        reason: &'a str,
    },
    /// Everything is done.
    Recap {
        /// By host.
        tallies: &'a IndexMap<String, Tally>,
    },
}

/// So many of something, as one says it: `1 host`, `2 hosts`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The worst of a loop's items counts for the task.
#[must_use]
pub fn overall(results: &[TaskResult]) -> Status {
    use Status::{Changed, Failed, Ignored, Ok, Skipped, Unreachable};
    [Unreachable, Failed, Ignored, Changed, Ok]
        .into_iter()
        .find(|status| results.iter().any(|result| result.status == *status))
        .unwrap_or(Skipped)
}

/// Draws events.
pub trait Reporter {
    /// Draws one.
    fn event(&mut self, event: &Event<'_>);

    /// Draws why nothing was run, where that is told on standard output, too.
    fn refused(&mut self, _mistakes: &Diagnostics) {}
}
