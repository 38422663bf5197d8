//! The end of patience: a thread that does something unless told in time that it need not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::Error;

/// A deadline that is called off when this is dropped.
#[derive(Debug)]
pub(super) struct Deadline {
    passed: Arc<AtomicBool>,
    _call_off: Option<SyncSender<()>>,
}

impl Deadline {
    /// One after so long; without, none at all.
    pub fn after(
        patience: Option<Duration>,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<Self, Error> {
        let passed = Arc::new(AtomicBool::new(false));
        let Some(patience) = patience else { return Ok(Self { passed, _call_off: None }) };
        let (call_off, called_off) = sync_channel(0);
        let noted = Arc::clone(&passed);
        std::thread::Builder::new()
            .name("deadline".into())
            .spawn(move || {
                if called_off.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                    noted.store(true, Ordering::SeqCst);
                    then();
                }
            })
            .map_err(|error| Error::io("start a thread", &error))?;
        Ok(Self { passed, _call_off: Some(call_off) })
    }

    /// Whether it has passed.
    pub fn passed(&self) -> bool {
        self.passed.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn does_it_when_nobody_calls_it_off() {
        let (told, heard) = sync_channel(1);
        let deadline = Deadline::after(Some(Duration::from_millis(1)), move || {
            let _ = told.send(());
        });
        assert_eq!(heard.recv_timeout(Duration::from_secs(20)), Ok(()));
        assert!(deadline.unwrap().passed());
    }

    #[test]
    fn is_called_off_at_once() {
        let start = Instant::now();
        let (told, heard) = sync_channel::<()>(1);
        let deadline = Deadline::after(Some(Duration::from_secs(600)), move || {
            let _ = told.send(());
        })
        .unwrap();
        assert!(!deadline.passed());
        drop(deadline);
        // The thread has ended, and what it was to tell by with it.
        assert_eq!(
            heard.recv_timeout(Duration::from_secs(20)),
            Err(RecvTimeoutError::Disconnected)
        );
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
