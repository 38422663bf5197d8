//! The controller's files, read. While somebody wants to know, what was read is noted, so that a
//! saved plan can say what it was made of.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

/// Files by their absolute paths, each with the SHA-256 of what was in it.
pub type Files = BTreeMap<PathBuf, String>;

static NOTED: Mutex<Option<Files>> = Mutex::new(None);

/// Reads a file whole.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, u64::MAX)
}

/// Reads so many bytes of a file, which may be a device that has no end.
pub fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    if let Some(files) = noted().as_mut() {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        files.insert(path, digest(&bytes));
    }
    Ok(bytes)
}

/// Begins to note what is read in this process.
pub fn note() {
    noted().get_or_insert_default();
}

/// What was read since, and begins anew.
#[must_use]
pub fn take() -> Files {
    noted().as_mut().map(std::mem::take).unwrap_or_default()
}

/// The SHA-256 of some bytes, in hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn noted() -> MutexGuard<'static, Option<Files>> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}
