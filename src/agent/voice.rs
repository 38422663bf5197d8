//! What the agent says: answers, and while the controller waits for one, every few seconds that
//! it is alive. That comes from a thread of its own, so that it is true of the process and the
//! link, and not of the module that runs.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::inbox::Heard;
use super::protocol::{self, Frame, Reply};
use crate::modules::Error;

/// How often it says so. The controller's patience is some of these.
pub const BEAT: Duration = Duration::from_secs(3);

pub(super) struct Voice<W> {
    output: Arc<Mutex<W>>,
}

impl<W: Write + Send + 'static> Voice<W> {
    pub(super) fn new(output: W, heard: Arc<Heard>) -> Self {
        let output = Arc::new(Mutex::new(output));
        let beating = Arc::downgrade(&output);
        std::thread::spawn(move || beat(&beating, &heard));
        Self { output }
    }

    /// Answers; an answer that cannot be sent is one that it failed. `BrokenPipe` when nobody
    /// listens any more.
    pub(super) fn say(&self, id: u64, reply: Reply) -> io::Result<()> {
        match self.write(id, reply) {
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let error = Error::new(format!("the answer cannot be sent: {error}"));
                self.write(id, Reply::Failed(error))
            }
            other => other,
        }
    }

    fn write(&self, id: u64, body: Reply) -> io::Result<()> {
        let bytes = protocol::encode(&Frame { id, body })?;
        write(&self.output, &bytes)
    }
}

/// Until nobody is left to speak for, or to listen.
fn beat<W: Write>(output: &Weak<Mutex<W>>, heard: &Heard) {
    let Ok(alive) = protocol::encode(&Frame { id: 0, body: Reply::Alive }) else { return };
    loop {
        std::thread::sleep(BEAT);
        let Some(output) = output.upgrade() else { return };
        if heard.is_asked() && write(&output, &alive).is_err() {
            return;
        }
    }
}

fn write(output: &Mutex<impl Write>, bytes: &[u8]) -> io::Result<()> {
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    output.write_all(bytes)?;
    output.flush()
}
