//! A time by which a program must have got somewhere, or it is ended: reads from its pipes then
//! come to their end as well.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A deadline for a child of this process, which must not be reaped before [`Deadline::stop`].
#[derive(Debug)]
pub(super) struct Deadline {
    extension: Sender<Duration>,
    watch: JoinHandle<Option<Duration>>,
}

impl Deadline {
    pub(super) fn start(child: u32, patience: Duration) -> Self {
        let (extension, extensions) = mpsc::channel();
        let watch = std::thread::spawn(move || {
            let (mut patience, mut end) = (patience, Instant::now() + patience);
            loop {
                match extensions.recv_timeout(end.saturating_duration_since(Instant::now())) {
                    Ok(more) => (patience, end) = (more, Instant::now() + more),
                    Err(RecvTimeoutError::Disconnected) => return None,
                    Err(RecvTimeoutError::Timeout) => {
                        if let Ok(child) = i32::try_from(child) {
                            // It may have ended by itself, and waits to be reaped.
                            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
                        }
                        return Some(patience);
                    }
                }
            }
        });
        Self { extension, watch }
    }

    /// From now on it may take this long.
    pub(super) fn extend(&self, patience: Duration) {
        // A deadline that has passed is not extended.
        let _ = self.extension.send(patience);
    }

    /// Ends the watch; the time that was not enough, if it was not.
    pub(super) fn stop(self) -> Option<Duration> {
        drop(self.extension);
        self.watch.join().ok().flatten()
    }
}
