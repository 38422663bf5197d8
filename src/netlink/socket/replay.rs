//! A kernel that answers from a script, for tests and fuzz targets.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;

use super::{Socket, Wire};

/// The answers that are left. When none is, the socket fails instead of waiting for ever.
#[derive(Debug)]
pub(crate) struct Replay(RefCell<VecDeque<Vec<u8>>>);

/// A socket whose kernel sends just these datagrams, whatever it is asked.
pub(crate) fn replay(answers: impl IntoIterator<Item = Vec<u8>>) -> Socket<Replay> {
    let wire = Replay(RefCell::new(answers.into_iter().collect()));
    // Little room, so that a long answer must be asked for again.
    Socket { wire, sequence: 0, buffer: Vec::with_capacity(256) }
}

impl Wire for Replay {
    fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        Ok(datagram.len())
    }

    fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<(usize, u32)> {
        let next = self.0.borrow_mut().pop_front();
        let datagram = next.ok_or(io::Error::from(io::ErrorKind::TimedOut))?;
        let room = buffer.capacity() - buffer.len();
        buffer.extend(datagram.iter().take(room));
        Ok((datagram.len(), 0))
    }
}
