//! One controller's requests, answered in the order in which they came.

use std::any::Any;
use std::io::{self, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::unistd::geteuid;
use serde_json::{Value, json};

use super::inbox::Inbox;
use super::lock::{self, Lock};
use super::protocol::{self, Frame, Link, Reply, Request};
use super::voice::Voice;
use super::{BUILD, facts};
use crate::lab::probe;
use crate::modules::filesystem::{Accounts, Content};
use crate::modules::{self, Around, ContentDigest, Error, Host, Mode, Place, Placed};

/// Answers the requests that come from `input` until it ends.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let inbox = Inbox::listen(input);
    let voice = Voice::new(output, inbox.heard().clone());
    let mut session = Session { inbox, voice, host: None, lock: None, begun: None, broken: None };
    match session.run() {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

struct Session<W> {
    inbox: Inbox,
    voice: Voice<W>,
    /// Known once the controller has greeted.
    host: Option<Host>,
    lock: Option<Lock>,
    /// The task that was begun last, by its chain and its own number.
    begun: Option<(u64, u64)>,
    /// The task that failed last, of a chain that ends there.
    broken: Option<(u64, u64)>,
}

impl<W: Write + Send + 'static> Session<W> {
    fn run(&mut self) -> io::Result<()> {
        while let Some(Frame { id, body }) = self.inbox.next()? {
            let Some(reply) = self.answer(id, body)? else { break };
            let sent = self.voice.say(id, reply);
            self.inbox.heard().answered();
            sent?;
        }
        Ok(())
    }

    /// The answer, or `None` when the controller went away meanwhile.
    fn answer(&mut self, id: u64, request: Request) -> io::Result<Option<Reply>> {
        let request = match request {
            Request::Hello { version, build, kind } => {
                return Ok(Some(match greet(version, &build) {
                    Ok(()) => {
                        self.host = Some(Host::new(kind));
                        hello()
                    }
                    Err(error) => Reply::Failed(error),
                }));
            }
            Request::Run { module, arguments, mode, link, around } => {
                let run = |session: &mut Self| session.module(id, &module, arguments, mode, around);
                return match link.filter(|_| self.host.is_some()) {
                    Some(link) if self.is_undone(link) => Ok(Some(Reply::NotDone)),
                    Some(link) => {
                        let reply = run(self)?;
                        if matches!(reply, Some(Reply::Failed(_))) && !link.may_fail {
                            self.broken = Some((link.chain, link.task));
                        }
                        Ok(reply)
                    }
                    None => run(self),
                };
            }
            other => other,
        };
        let Some(host) = &mut self.host else { return Ok(Some(strange())) };
        let lock = &mut self.lock;
        Ok(Some(guard(host, |_| match request {
            Request::Hold(claim) => match lock::take(&claim)? {
                Ok(taken) => {
                    *lock = Some(taken);
                    Ok(Reply::Held)
                }
                Err(holder) => Ok(Reply::Busy(holder)),
            },
            Request::Facts => facts::gather(&[], &[]).map(Reply::Value),
            Request::Probe(value) => probe::run(value).map(Reply::Value),
            Request::Hello { .. } | Request::Run { .. } => Ok(hello()),
            Request::Content(_) | Request::Stop(_) => {
                Err(Error::new("the controller answers what nobody asked"))
            }
        })))
    }

    /// Whether a task must not begin; notes that it does when it may.
    fn is_undone(&mut self, link: Link) -> bool {
        let task = (link.chain, link.task);
        let after =
            self.broken.is_some_and(|(chain, failed)| chain == link.chain && failed != link.task);
        let stopped = self.inbox.heard().is_stopped(link.chain) && self.begun != Some(task);
        if !(after || stopped) {
            self.begun = Some(task);
        }
        after || stopped
    }

    fn module(
        &mut self,
        id: u64,
        module: &str,
        mut arguments: Value,
        mode: Mode,
        around: Around,
    ) -> io::Result<Option<Reply>> {
        let Some(host) = &mut self.host else { return Ok(Some(strange())) };
        match Placed::lacks(&arguments) {
            Ok(None) => {}
            Ok(Some(digest)) => {
                self.voice.say(id, Reply::Need(digest.clone()))?;
                let Some(bytes) = self.inbox.content(id)? else { return Ok(None) };
                if ContentDigest::of(&bytes.0) != digest {
                    let error = Error::new("the bytes that came are not those that were announced");
                    return Ok(Some(Reply::Failed(error)));
                }
                arguments["content"] = json!(Content::from(bytes.0));
            }
            Err(error) => return Ok(Some(Reply::Failed(error))),
        }
        Ok(Some(guard(host, |host| {
            around.hold(|| run(host, module, arguments, mode)).map(Reply::Outcome)
        })))
    }
}

fn run(
    host: &mut Host,
    module: &str,
    arguments: Value,
    mode: Mode,
) -> Result<modules::Outcome, Error> {
    let row = modules::find(module)
        .ok_or_else(|| Error::new(format!("this agent has no module `{module}`")))?;
    match row.place {
        Place::Agent(run) => run(host, arguments, mode),
        Place::Controller => {
            Err(Error::new(format!("`{module}` runs in the controller, not on a host")))
        }
    }
}

/// A mistake in one module must not take the host away from the whole run.
fn guard(host: &mut Host, work: impl FnOnce(&mut Host) -> Result<Reply, Error>) -> Reply {
    match catch_unwind(AssertUnwindSafe(|| work(host))) {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => Reply::Failed(error),
        Err(panic) => {
            // Its sockets may be in the middle of an exchange.
            *host = Host::new(host.kind);
            let error = Error::new(format!("the agent hit a bug: {}", words(&*panic)));
            Reply::Failed(error.hint("please report it, together with the task"))
        }
    }
}

fn strange() -> Reply {
    Reply::Failed(Error::new("the controller did not greet first"))
}

fn hello() -> Reply {
    Reply::Hello { user: Accounts::read().user_name(geteuid().as_raw()) }
}

fn greet(version: u32, build: &str) -> Result<(), Error> {
    if version != protocol::VERSION {
        return Err(Error::new(format!(
            "the controller speaks protocol {version}, this agent {}",
            protocol::VERSION
        ))
        .hint("run the same build of lvsmith on both sides"));
    }
    if build != BUILD {
        return Err(Error::new(format!("the controller is lvsmith {build}, this agent {BUILD}"))
            .hint("run the same build of lvsmith on both sides"));
    }
    Ok(())
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it gave no reason")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::HostKind;

    #[test]
    fn makes_a_failed_reply_of_a_panic_and_keeps_the_kind_of_host() {
        let mut host = Host::new(HostKind::Lab);
        let reply = guard(&mut host, |_| panic!("index {} of 3", 7));
        assert!(matches!(reply, Reply::Failed(error) if error.message.ends_with("index 7 of 3")));
        assert_eq!(host.kind, HostKind::Lab);
    }
}
