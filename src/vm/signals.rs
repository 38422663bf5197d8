//! Signals as something to wait for, so that Ctrl-C can be handed on to a guest.

use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::error::Error;

/// Takes the signals that end a program, and that of a resized terminal, until it is dropped.
/// Threads started meanwhile leave them alone as well; those started before must block them
/// themselves.
#[derive(Debug)]
pub struct Signals {
    pending: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Starts taking them.
    pub fn take() -> Result<Self, Error> {
        let taken: SigSet =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGWINCH]
                .into_iter()
                .collect();
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&taken), Some(&mut before))
            .map_err(Error::errno("block signals"))?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let pending =
            SignalFd::with_flags(&taken, flags).map_err(Error::errno("wait for signals"))?;
        Ok(Self { pending, before })
    }

    /// The next signal, if one has come.
    pub fn next(&self) -> Option<Signal> {
        let info = self.pending.read_signal().ok()??;
        Signal::try_from(libc::c_int::try_from(info.ssi_signo).ok()?).ok()
    }

    /// Whether somebody wants an end of this.
    pub fn interrupted(&self) -> bool {
        std::iter::from_fn(|| self.next()).any(|signal| signal != Signal::SIGWINCH)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pending.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None);
    }
}
