//! What a program says on standard error, of which the last is worth keeping: why it ended.

use std::io::Read;
use std::process::ChildStderr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How much is kept, in bytes.
const KEPT: usize = 8 << 10;

/// How long to wait for a program that has ended its output to end its standard error too.
const PATIENCE: Duration = Duration::from_millis(500);

/// The last words of a program, while it still speaks.
#[derive(Debug, Clone, Default)]
pub struct LastWords(Arc<(Mutex<Said>, Condvar)>);

#[derive(Debug, Default)]
struct Said {
    bytes: Vec<u8>,
    speaking: bool,
}

impl LastWords {
    /// Listens until the program ends; to nothing at all when there is no pipe.
    #[must_use]
    pub fn of(stderr: Option<ChildStderr>) -> Self {
        let words = Self::default();
        if let Some(mut stderr) = stderr {
            words.said().speaking = true;
            let listener = words.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                    listener.hear(&buffer[..count]);
                }
                listener.said().speaking = false;
                listener.0.1.notify_all();
            });
        }
        words
    }

    /// What was said, once the program has ended or half a second has passed.
    #[must_use]
    pub fn text(&self) -> String {
        let waited = self.0.1.wait_timeout_while(self.said(), PATIENCE, |said| said.speaking);
        let said = match waited {
            Ok((said, _)) => said,
            Err(poisoned) => poisoned.into_inner().0,
        };
        String::from_utf8_lossy(&said.bytes).trim().to_owned()
    }

    fn hear(&self, bytes: &[u8]) {
        let mut said = self.said();
        said.bytes.extend_from_slice(bytes);
        let more = said.bytes.len().saturating_sub(KEPT);
        said.bytes.drain(..more);
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
