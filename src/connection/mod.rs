//! Ways to get an agent running on a host. A connection is nothing more than that: what
//! comes back is the same [`AgentClient`] whichever way was taken.

pub mod netns;

use std::io::{BufReader, BufWriter};
use std::process::{Child, ChildStdin, ChildStdout};

use serde_json::Value;

use crate::agent::protocol::{self, Frame, Reply, Request};
use crate::modules::{Error, HostKind, Mode, Outcome};

mod identity;
mod last_words;
mod local;
mod mark;
mod ssh;

pub use identity::{Become, Method, Secret};
pub use last_words::LastWords;
pub use local::Local;
pub use ssh::Ssh;

/// A way to reach one host.
pub trait Connection: Send {
    /// Starts an agent there and greets it. It works as the user that a login gives, unless it
    /// is to be another.
    fn start(&self, identity: Option<&Become>) -> Result<AgentClient, CallError>;
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

/// The controller's end of a running agent.
#[derive(Debug)]
pub struct AgentClient {
    child: Child,
    /// Until it is told to end.
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
    next: u64,
    words: LastWords,
    user: String,
}

impl AgentClient {
    /// Takes over a child whose standard input and output are an agent's, and greets it. What
    /// it says on standard error, if somebody listens, tells why it ended when it does.
    pub fn greet(mut child: Child, kind: HostKind, words: LastWords) -> Result<Self, Unreachable> {
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Unreachable::new("the agent was started without pipes"));
        };
        let (input, output) = (Some(BufWriter::new(input)), BufReader::new(output));
        let mut agent = Self { child, input, output, next: 0, words, user: String::new() };
        let hello = Request::Hello {
            version: protocol::VERSION,
            build: env!("CARGO_PKG_VERSION").into(),
            kind,
        };
        match agent.call(&hello) {
            Ok(Reply::Hello { user }) => {
                agent.user = user;
                Ok(agent)
            }
            Ok(other) => Err(Unreachable::new(format!("the agent did not greet back: {other:?}"))),
            Err(CallError::Failed(Error { message, hint, .. })) => {
                Err(Unreachable { message, hint })
            }
            Err(CallError::Unreachable(unreachable)) => Err(unreachable),
        }
    }

    /// The user it works as.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Runs one module.
    pub fn run(
        &mut self,
        module: &str,
        arguments: Value,
        mode: Mode,
    ) -> Result<Outcome, CallError> {
        match self.call(&Request::Run { module: module.into(), arguments, mode })? {
            Reply::Outcome(outcome) => Ok(outcome),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks what the machine is.
    pub fn facts(&mut self) -> Result<Value, CallError> {
        self.value(&Request::Facts)
    }

    /// Looks at the cluster from that host.
    pub fn probe(&mut self, probe: Value) -> Result<Value, CallError> {
        self.value(&Request::Probe(probe))
    }

    fn value(&mut self, request: &Request) -> Result<Value, CallError> {
        match self.call(request)? {
            Reply::Value(value) => Ok(value),
            other => Err(unexpected(&other)),
        }
    }

    fn call(&mut self, request: &Request) -> Result<Reply, CallError> {
        self.next += 1;
        let frame = Frame { id: self.next, body: request };
        let gone = || Unreachable::new("the agent was told to end");
        protocol::write(self.input.as_mut().ok_or_else(gone)?, &frame)
            .map_err(|error| self.lost(format!("failed to write to the agent: {error}")))?;
        let reply = protocol::read::<Reply>(&mut self.output)
            .map_err(|error| self.lost(format!("failed to read from the agent: {error}")))?
            .ok_or_else(|| self.lost("the agent ended without an answer".into()))?;
        match reply.body {
            _ if reply.id != self.next => Err(unexpected(&reply.body)),
            Reply::Failed(error) => Err(error.into()),
            body => Ok(body),
        }
    }
}

impl AgentClient {
    fn lost(&self, what: String) -> Unreachable {
        match self.words.text() {
            words if words.is_empty() => Unreachable::new(what),
            words => Unreachable::new(format!("{what}: {words}")),
        }
    }
}

impl Drop for AgentClient {
    fn drop(&mut self) {
        // It ends when nobody speaks to it any more; one with other rights can be told no
        // other way. Best effort: an agent that is already gone needs no end.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unexpected(reply: &Reply) -> CallError {
    Unreachable::new(format!("the agent answered something else: {reply:?}")).into()
}
