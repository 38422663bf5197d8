//! A line that is ours among all that a login or a program prints: it begins with a number made
//! up for this one connection.

use std::io::Read;
use std::process::ChildStdout;

use super::Unreachable;

/// What may be printed before a line of ours comes, in bytes.
const CHATTER: usize = 1 << 20;

/// A number made up for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark(String);

impl Mark {
    pub(super) fn new() -> Result<Self, Unreachable> {
        let mut bytes = [0; 8];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut bytes))
            .map_err(|error| Unreachable::new(format!("no random number to be had: {error}")))?;
        Ok(Self(format!("lvsmith-{:016x}", u64::from_be_bytes(bytes))))
    }

    /// The mark itself: digits, letters and a hyphen.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The next line of ours, without its mark; `None` when there is no more. Byte by byte:
    /// after the last of them comes what is the agent's.
    pub(super) fn next(&self, output: &mut ChildStdout) -> Option<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        for _ in 0..CHATTER {
            if !output.read(&mut byte).is_ok_and(|count| count == 1) {
                return None;
            }
            if byte != *b"\n" {
                line.extend(byte);
                continue;
            }
            let text = String::from_utf8_lossy(&line);
            if let Some((_, word)) = text.split_once(&self.0) {
                return Some(word.trim().to_owned());
            }
            line.clear();
        }
        None
    }
}
