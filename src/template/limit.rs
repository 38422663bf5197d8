//! How much a variable may be: a few of them, each twice in the next, would fill any memory.

use std::io::{self, Write};

use serde::Serialize;

/// The most bytes of a value as JSON.
const LARGEST: usize = 16 << 20;

/// Counts, and refuses what is too much.
struct Counter {
    left: usize,
    exceeded: bool,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.exceeded |= bytes.len() > self.left;
        if self.exceeded {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.left -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a value is not too large.
pub(super) fn fits(value: &impl Serialize) -> bool {
    let mut counter = Counter { left: LARGEST, exceeded: false };
    // What is no JSON is told where it is made into it.
    let _ = serde_json::to_writer(&mut counter, value);
    !counter.exceeded
}
