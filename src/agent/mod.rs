//! The process on the host. It reads requests from standard input, does them, answers on
//! standard output; every effect of a playbook happens here.

use std::any::Any;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::stat::{Mode as Umask, umask};
use nix::unistd::{dup2_stdin, dup2_stdout, geteuid};

use crate::lab::probe;
use crate::modules::filesystem::Accounts;
use crate::modules::{self, Error, Host, Place};

use protocol::{Frame, Reply, Request};

mod facts;
pub mod protocol;
pub mod supervisor;

/// The build that controller and agent must share.
pub const BUILD: &str = env!("CARGO_PKG_VERSION");

/// Runs the agent on this process's standard input and output, until the controller closes.
/// It says that it is ready when it is given a mark to put before that.
pub fn run(mark: Option<&str>) -> io::Result<()> {
    let (input, mut output) = take_over_standard_streams()?;
    if let Some(mark) = mark {
        writeln!(output, "{mark} ready")?;
    }
    ignore_interrupts();
    // What modules create has predictable permissions, whoever started the agent.
    umask(Umask::from_bits_truncate(0o022));
    serve(BufReader::new(input), BufWriter::new(output))
}

/// Answers the requests that come from `input` until it ends.
pub fn serve(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut session = None;
    loop {
        let frame: Frame<Request> = match protocol::read(&mut input) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            // The controller is gone in the middle of a word: as good as its end.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let body = answer(&mut session, frame.body);
        match protocol::write(&mut output, &Frame { id: frame.id, body }) {
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let body = Reply::Failed(Error::new(format!("the answer cannot be sent: {error}")));
                protocol::write(&mut output, &Frame { id: frame.id, body })?;
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
}

/// Answers one request; the host is known once the controller has greeted.
fn answer(session: &mut Option<Host>, request: Request) -> Reply {
    if let Request::Hello { version, build, kind } = request {
        return match greet(version, &build) {
            Ok(()) => {
                *session = Some(Host::new(kind));
                hello()
            }
            Err(error) => Reply::Failed(error),
        };
    }
    let Some(host) = session else {
        return Reply::Failed(Error::new("the controller did not greet first"));
    };
    guard(host, |host| perform(host, request))
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

fn perform(host: &mut Host, request: Request) -> Result<Reply, Error> {
    match request {
        Request::Hello { .. } => Ok(hello()),
        Request::Run { module, arguments, mode } => {
            let row = modules::find(&module)
                .ok_or_else(|| Error::new(format!("this agent has no module `{module}`")))?;
            match row.place {
                Place::Agent(run) => run(host, arguments, mode).map(Reply::Outcome),
                Place::Controller => {
                    Err(Error::new(format!("`{module}` runs in the controller, not on a host")))
                }
            }
        }
        Request::Facts => Ok(Reply::Value(facts::gather())),
        Request::Probe(value) => probe::run(value).map(Reply::Value),
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it gave no reason")
}

/// Keeps the protocol's pipes to ourselves: programs that modules start find nothing on
/// standard input, and what they print by accident cannot end up between two frames.
fn take_over_standard_streams() -> io::Result<(File, File)> {
    let input = duplicate(io::stdin())?;
    let output = duplicate(io::stdout())?;
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(io::stderr())?;
    Ok((File::from(input), File::from(output)))
}

/// A copy that no child inherits, away from the three standard descriptors.
fn duplicate(descriptor: impl AsFd) -> io::Result<OwnedFd> {
    let copy = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: fcntl has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Ctrl-C reaches the whole process group; what it means is for the controller to decide.
fn ignore_interrupts() {
    extern "C" fn nothing(_: nix::libc::c_int) {}
    // A handler, not `SigIgn`: programs that modules start would inherit that.
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing. Without it the agent is only more easily interrupted.
    let _ = unsafe { sigaction(Signal::SIGINT, &action) };
}

#[cfg(test)]
mod tests;
