//! What controller and agent say to each other: length-prefixed JSON frames.
//!
//! A frame is a big-endian `u32` length and that many bytes of JSON. A request carries a
//! number, and its reply the same one.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::modules::{Error, HostKind, Mode, Outcome};

/// Bumped when a frame means something else than before.
pub const VERSION: u32 = 2;

/// The largest frame either side accepts, in bytes.
pub const FRAME_LIMIT: u32 = 64 << 20;

/// What the controller asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Always the first.
    Hello {
        /// [`VERSION`] of the controller.
        version: u32,
        /// The build of the controller.
        build: String,
        /// What the connection knows of the machine.
        kind: HostKind,
    },
    /// Run one module.
    Run {
        /// Its name in the table.
        module: String,
        /// Its arguments, in canonical form.
        arguments: Value,
        /// Check mode and diff.
        mode: Mode,
    },
    /// Tell what this machine is.
    Facts,
    /// Look at the cluster from here; see [`crate::lab`].
    Probe(Value),
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The agent is of the same build.
    Hello {
        /// Whom it works as, by name where it has one.
        user: String,
    },
    /// The module ran.
    Outcome(Outcome),
    /// Facts or a probe's evidence.
    Value(Value),
    /// It did not work.
    Failed(Error),
}

/// A request or reply with its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame<T> {
    /// The same in the request and its reply.
    pub id: u64,
    /// What is said.
    pub body: T,
}

/// Writes one frame and flushes.
pub fn write<T: Serialize>(out: &mut impl Write, frame: &Frame<T>) -> io::Result<()> {
    let bytes = serde_json::to_vec(frame)?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= FRAME_LIMIT);
    let length = length.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("frame of {} bytes is too large", bytes.len()),
        )
    })?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&bytes)?;
    out.flush()
}

/// Reads one frame; `None` when the other side has closed between two frames.
pub fn read<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<Frame<T>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length);
    if length > FRAME_LIMIT {
        let message = format!("frame of {length} bytes is too large, or this is not an agent");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}
