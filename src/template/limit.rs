//! How much a template may make: a few variables, each twice in the next, would fill any memory.

use std::io::{self, Write};

use serde::Serialize;

/// The most bytes of a text, or of a value as JSON.
pub(super) const LARGEST: usize = 16 << 20;

/// A writer that takes so much and no more.
#[derive(Debug)]
pub(super) struct Limited<W> {
    inner: W,
    left: usize,
    exceeded: bool,
}

impl<W: Write> Limited<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, left: LARGEST, exceeded: false }
    }

    /// Whether it was too much.
    pub(super) fn exceeded(&self) -> bool {
        self.exceeded
    }

    pub(super) fn into_inner(self) -> W {
        self.inner
    }
}

impl<W: Write> Write for Limited<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.exceeded |= bytes.len() > self.left;
        if self.exceeded {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.left -= bytes.len();
        self.inner.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether a value is not too large.
pub(super) fn fits(value: &impl Serialize) -> bool {
    let mut counted = Limited::new(io::sink());
    // What is no JSON is told where it is made into it.
    let _ = serde_json::to_writer(&mut counted, value);
    !counted.exceeded
}
