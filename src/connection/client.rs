//! The controller's end of a running agent: asks one thing and waits, or sends requests ahead
//! and takes the answers later, in the same order.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::wire::Wire;
use super::{CallError, LastWords, Unreachable};
use crate::agent::protocol::{self, Frame, Link, Reply, Request};
use crate::agent::{BEAT, Claim, Holder};
use crate::lab::process;
use crate::modules::{Around, Bytes, Error, HostKind, Mode, Outcome};

/// How long an agent may be silent: some of its beats may be lost on a bad link.
const PATIENCE: Duration = BEAT.saturating_mul(9);

/// How long it may take to end once it is told to.
const ENDING: Duration = Duration::from_secs(5);

/// How many requests are sent before the first of them is answered.
const AHEAD: usize = 128;

/// How many bytes of files are kept for requests that are not answered.
const OFFERED: usize = 4 << 20;

/// One module to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its name in the table.
    pub module: String,
    /// Its arguments, in canonical form.
    pub arguments: Value,
    /// Check mode and diff.
    pub mode: Mode,
    /// The file of which the arguments have only the digest.
    pub content: Option<Bytes>,
    /// What it runs within.
    pub around: Around,
}

impl Call {
    /// One whose arguments are all there is.
    pub fn new(module: impl Into<String>, arguments: Value, mode: Mode) -> Self {
        Self { module: module.into(), arguments, mode, content: None, around: Around::default() }
    }

    /// Says what it runs within.
    #[must_use]
    pub fn around(self, around: Around) -> Self {
        Self { around, ..self }
    }
}

/// The controller's end of a running agent.
#[derive(Debug)]
pub struct AgentClient {
    child: Child,
    wire: Wire,
    /// The number of the last request.
    last: u64,
    /// What was sent and is not answered, in order.
    open: VecDeque<Open>,
    /// Answers nobody has asked for yet.
    answers: VecDeque<Reply>,
    words: LastWords,
    user: String,
}

/// A request without an answer.
#[derive(Debug)]
struct Open {
    id: u64,
    content: Option<Bytes>,
}

impl AgentClient {
    /// Takes over a child whose standard input and output are an agent's, and greets it. What
    /// it says on standard error, if somebody listens, tells why it ended when it does.
    pub fn greet(mut child: Child, kind: HostKind, words: LastWords) -> Result<Self, Unreachable> {
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Unreachable::new("the agent was started without pipes"));
        };
        let wire = Wire::new(input, output, PATIENCE)
            .map_err(|error| Unreachable::new(format!("an agent's pipes are odd: {error}")))?;
        let (open, answers, user) = Default::default();
        let mut agent = Self { child, wire, last: 0, open, answers, words, user };
        let hello = Request::Hello {
            version: protocol::VERSION,
            build: env!("CARGO_PKG_VERSION").into(),
            kind,
        };
        match agent.ask(&hello) {
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

    /// What kills the agent from another thread, so that whoever waits for it goes on.
    pub fn killer(&self) -> impl FnOnce() + Send + 'static {
        // It is not reaped before this value is dropped, so the number is still its own.
        let pid = process::open(self.child.id());
        move || {
            if let Ok(pid) = pid {
                process::kill(pid.as_fd());
            }
        }
    }

    /// The user it works as.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// How long it may be silent while it is waited for; 27 seconds unless told otherwise. It
    /// says every three seconds that it is alive, however long a task takes.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.wire.patience = patience;
        self
    }

    /// Keeps other runs from changing the machine, or says which one does.
    pub fn hold(&mut self, claim: &Claim) -> Result<Result<(), Holder>, CallError> {
        match self.ask(&Request::Hold(claim.clone()))? {
            Reply::Held => Ok(Ok(())),
            Reply::Busy(holder) => Ok(Err(holder)),
            other => Err(unexpected(&other)),
        }
    }

    /// Runs one module.
    pub fn run(&mut self, call: Call) -> Result<Outcome, CallError> {
        self.send(call, None)?;
        match self.next(&|| None)? {
            Reply::Outcome(outcome) => Ok(outcome),
            Reply::Failed(error) => Err(error.into()),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends a module's run ahead; [`AgentClient::answer`] tells later what became of it.
    pub fn send_ahead(&mut self, call: Call, link: Link) -> Result<(), CallError> {
        while self.open.len() >= AHEAD || self.offered() > OFFERED {
            self.take_in(&|| None)?;
        }
        self.send(call, Some(link))
    }

    /// What became of the first call that was sent ahead and is not asked about yet; `None` when
    /// it was not done. While it is waited for, a chain that `stop` names is stopped.
    pub fn answer(&mut self, stop: &dyn Fn() -> Option<u64>) -> Result<Option<Outcome>, CallError> {
        match self.next(stop)? {
            Reply::Outcome(outcome) => Ok(Some(outcome)),
            Reply::NotDone => Ok(None),
            Reply::Failed(error) => Err(error.into()),
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
        match self.ask(request)? {
            Reply::Value(value) => Ok(value),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, CallError> {
        self.request(request, None)?;
        match self.next(&|| None)? {
            Reply::Failed(error) => Err(error.into()),
            reply => Ok(reply),
        }
    }

    fn send(&mut self, call: Call, link: Option<Link>) -> Result<(), CallError> {
        let Call { module, arguments, mode, content, around } = call;
        self.request(&Request::Run { module, arguments, mode, link, around }, content)
    }

    fn request(&mut self, request: &Request, content: Option<Bytes>) -> Result<(), CallError> {
        let frame = Frame { id: self.last + 1, body: request };
        let bytes = protocol::encode(&frame)
            .map_err(|error| Error::new(format!("the task cannot be sent: {error}")))?;
        self.last += 1;
        self.wire
            .send(&bytes)
            .map_err(|error| self.lost("failed to write to the agent", &error))?;
        self.open.push_back(Open { id: self.last, content });
        Ok(())
    }

    fn next(&mut self, stop: &dyn Fn() -> Option<u64>) -> Result<Reply, Unreachable> {
        while self.answers.is_empty() {
            self.take_in(stop)?;
        }
        Ok(self.answers.pop_front().expect("there is one"))
    }

    /// Takes one answer in, and hands out what the agent asks for on its way there.
    fn take_in(&mut self, stop: &dyn Fn() -> Option<u64>) -> Result<(), Unreachable> {
        let mut stopped = None;
        loop {
            let received = self.wire.receive(&mut |wire| match stop() {
                chain if chain == stopped => Ok(()),
                chain => {
                    stopped = chain;
                    let request = chain.map(Request::Stop);
                    request.map_or(Ok(()), |body| {
                        wire.send(&protocol::encode(&Frame { id: 0, body })?)
                    })
                }
            });
            let Frame { id, body } = match received {
                Ok(Some(frame)) => frame,
                Ok(None) => return Err(self.ended()),
                Err(error) => return Err(self.lost("failed to read from the agent", &error)),
            };
            let first = self.open.front_mut().filter(|first| first.id == id);
            let Some(first) = first else { return Err(odd(&body)) };
            match body {
                Reply::Need(_) => {
                    let bytes = first.content.take().ok_or_else(|| odd(&body))?;
                    self.hand_out(id, bytes)?;
                }
                body => {
                    self.open.pop_front();
                    self.answers.push_back(body);
                    return Ok(());
                }
            }
        }
    }

    fn hand_out(&mut self, id: u64, bytes: Bytes) -> Result<(), Unreachable> {
        let frame = Frame { id, body: Request::Content(bytes) };
        protocol::encode(&frame)
            .and_then(|bytes| self.wire.send(&bytes))
            .map_err(|error| self.lost("failed to send a file to the agent", &error))
    }

    fn offered(&self) -> usize {
        let contents = self.open.iter().filter_map(|open| open.content.as_ref());
        contents.map(|bytes| bytes.0.len()).sum()
    }

    fn ended(&self) -> Unreachable {
        self.with_last_words("the agent ended without an answer".into())
    }

    fn lost(&self, what: &str, error: &io::Error) -> Unreachable {
        if error.kind() == ErrorKind::TimedOut {
            return Unreachable::new(format!("the agent does not answer: {error}"))
                .hint("the host hangs, its agent was stopped, or the way to it is cut");
        }
        self.with_last_words(format!("{what}: {error}"))
    }

    fn with_last_words(&self, what: String) -> Unreachable {
        match self.words.text() {
            words if words.is_empty() => Unreachable::new(what),
            words => Unreachable::new(format!("{what}: {words}")),
        }
    }
}

impl Drop for AgentClient {
    fn drop(&mut self) {
        // It ends when nobody speaks to it any more; one with other rights can be told no
        // other way, and is not waited for when it hangs. Best effort: an agent that is
        // already gone needs no end.
        self.wire.close();
        let killed = self.child.kill().is_ok();
        let begun = Instant::now();
        while !killed && begun.elapsed() < ENDING {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        if killed {
            let _ = self.child.wait();
        }
    }
}

fn odd(reply: &Reply) -> Unreachable {
    Unreachable::new(format!("the agent answered something else: {reply:?}"))
}

fn unexpected(reply: &Reply) -> CallError {
    odd(reply).into()
}
