//! The process on the host. It reads requests from standard input, does them, answers on
//! standard output; every effect of a playbook happens here.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::stat::{Mode as Umask, umask};
use nix::unistd::{dup2_stdin, dup2_stdout};

pub(crate) mod facts;
mod inbox;
mod lock;
pub mod protocol;
mod session;
pub mod supervisor;
mod voice;

pub use lock::{Claim, Holder};
pub use session::serve;
pub use voice::BEAT;

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
    serve(input, BufWriter::new(output))
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
