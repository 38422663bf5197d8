//! What the controller has sent, read by a thread of its own: a request that is to stop others
//! is heard while one is being done, and what is sent ahead never stands in a full pipe.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use super::protocol::{self, Frame, Request};
use crate::modules::Bytes;

pub(super) struct Inbox {
    frames: mpsc::Receiver<io::Result<Frame<Request>>>,
    /// Requests that came while something else was waited for.
    early: VecDeque<Frame<Request>>,
    heard: Arc<Heard>,
}

/// What is known of requests before they are taken out.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Requests that have begun to arrive and are not answered.
    open: AtomicUsize,
    /// The chain that was stopped last.
    stopped: AtomicU64,
}

impl Heard {
    /// Whether the controller waits for an answer.
    pub(super) fn is_asked(&self) -> bool {
        self.open.load(Ordering::SeqCst) > 0
    }

    /// Whether no more of that chain is to begin.
    pub(super) fn is_stopped(&self, chain: u64) -> bool {
        self.stopped.load(Ordering::SeqCst) == chain
    }

    pub(super) fn answered(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Inbox {
    /// Listens until the input ends.
    pub(super) fn listen(input: impl Read + Send + 'static) -> Self {
        let (hand_in, frames) = mpsc::channel();
        let heard = Arc::new(Heard::default());
        let ear = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut input = BufReader::new(input);
            while let Some(frame) = hear(&mut input, &ear).transpose() {
                let last = frame.is_err();
                if hand_in.send(frame).is_err() || last {
                    break;
                }
            }
        });
        Self { frames, early: VecDeque::new(), heard }
    }

    pub(super) fn heard(&self) -> &Arc<Heard> {
        &self.heard
    }

    /// The next request; `None` when the controller is gone.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame<Request>>> {
        match self.early.pop_front() {
            Some(frame) => Ok(Some(frame)),
            None => self.frames.recv().ok().transpose(),
        }
    }

    /// The bytes for a request that is being done; others wait meanwhile.
    pub(super) fn content(&mut self, id: u64) -> io::Result<Option<Bytes>> {
        while let Some(frame) = self.frames.recv().ok().transpose()? {
            match frame.body {
                Request::Content(bytes) if frame.id == id => {
                    self.heard.answered();
                    return Ok(Some(bytes));
                }
                _ => self.early.push_back(frame),
            }
        }
        Ok(None)
    }
}

/// The next request that is to be answered.
fn hear(input: &mut impl BufRead, heard: &Heard) -> io::Result<Option<Frame<Request>>> {
    loop {
        // A large one takes its time to arrive, in which the controller is told that it does.
        if input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        heard.open.fetch_add(1, Ordering::SeqCst);
        let frame: Frame<Request> = match protocol::read(input) {
            Ok(Some(frame)) => frame,
            // The controller is gone in the middle of a word: as good as its end.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => return other,
        };
        let Request::Stop(chain) = frame.body else { return Ok(Some(frame)) };
        heard.stopped.store(chain, Ordering::SeqCst);
        heard.answered();
    }
}
