//! What controller and agent say to each other: length-prefixed JSON frames.
//!
//! A request carries a number, and its reply the same one. Requests may be sent before earlier
//! ones are answered; they are done one after the other, in the order in which they came.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lock::{Claim, Holder};
use crate::modules::{Around, Bytes, ContentDigest, Error, HostKind, Mode, Outcome};

mod frame;

pub use frame::{FRAME_LIMIT, Frame, encode, read, whole, write};

/// Bumped when a frame means something else than before.
pub const VERSION: u32 = 4;

/// What the controller asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Always the first.
    Hello {
        /// [`VERSION`] of the controller.
        version: u32,
        /// The build of the controller.
        build: String,
        /// What the connection knows of the machine.
        kind: HostKind,
    },
    /// Keep other runs from changing the machine, for as long as the agent lives.
    Hold(Claim),
    /// Run one module.
    Run {
        /// Its name in the table.
        module: String,
        /// Its arguments, in canonical form.
        arguments: Value,
        /// Check mode and diff.
        mode: Mode,
        /// What it depends on, when it is sent before that is answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<Link>,
        /// What it runs within.
        #[serde(default, skip_serializing_if = "Around::is_empty")]
        around: Around,
    },
    /// The bytes that the agent needs for the request of the same number.
    Content(Bytes),
    /// Begin no more tasks of this chain. Not answered.
    Stop(u64),
    /// Tell what this machine is.
    Facts,
    /// Look at the cluster from here; see [`crate::lab`].
    Probe(Value),
}

/// The place of a request among those that are sent ahead. When one fails, those of later tasks
/// in the same chain are not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The chain's number.
    pub chain: u64,
    /// The task's number; items of a loop share it, and all of them are done.
    pub task: u64,
    /// Whether the chain goes on when it fails.
    pub may_fail: bool,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The agent is of the same build.
    Hello {
        /// Whom it works as, by name where it has one.
        user: String,
    },
    /// The machine is held.
    Held,
    /// Another run holds it.
    Busy(Holder),
    /// The module ran.
    Outcome(Outcome),
    /// Facts or a probe's evidence.
    Value(Value),
    /// It did not work.
    Failed(Error),
    /// It was not begun: an earlier task of its chain failed, or the chain was stopped.
    NotDone,
    /// The bytes of this file are needed; the answer comes after them.
    Need(ContentDigest),
    /// It is still being done.
    Alive,
}
