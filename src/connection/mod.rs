//! Ways to get an agent running on a host. A connection is nothing more than that: what
//! comes back is the same [`AgentClient`] whichever way was taken.

pub mod netns;

use crate::modules::Error;

mod client;
mod identity;
mod last_words;
mod local;
mod mark;
mod ssh;
mod wire;

pub use client::{AgentClient, Call};
pub use identity::{Become, Method, Secret};
pub use last_words::LastWords;
pub use local::Local;
pub use ssh::Ssh;

/// A way to reach one host.
pub trait Connection: Send {
    /// Starts an agent there and greets it. It works as the user that a login gives, unless it
    /// is to be another.
    fn start(&self, identity: Option<&Become>) -> Result<AgentClient, CallError>;

    /// Whether the host's files are the controller's own.
    fn is_here(&self) -> bool {
        false
    }
}

/// The host, or the agent on it, cannot be talked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unreachable {
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Unreachable {
    /// One without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Why a call brought nothing back.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The agent answered that it did not work.
    #[error(transparent)]
    Failed(#[from] Error),
    /// There was no answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}
