//! Files that an option asks for.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use crate::diagnostic::Diagnostic;

/// Writes a file.
#[expect(clippy::disallowed_methods, reason = "the file is what an option asks for")]
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    std::fs::write(path, bytes).map_err(|error| failed(path, &error))
}

/// Sees beforehand whether this user may write a file, or into a folder. What else may be wrong is told
/// when it is written.
pub(super) fn may_write(path: &Path) -> Result<(), Diagnostic> {
    let folder = folder_of(path);
    let asked = if path.exists() { path } else { &folder };
    match faccessat(AT_FDCWD, asked, AccessFlags::W_OK, AtFlags::AT_EACCESS) {
        Err(errno @ (Errno::EACCES | Errno::EROFS)) => {
            Err(failed(path, &std::io::Error::from(errno)))
        }
        _ => Ok(()),
    }
}

/// Makes a folder, and those that it is in, unless it is there.
#[expect(clippy::disallowed_methods, reason = "the folder is what an option asks for")]
pub(super) fn make_folder(path: &Path) -> Result<(), Diagnostic> {
    std::fs::create_dir_all(path).map_err(|error| {
        Diagnostic::new(format!("failed to make the folder `{}`: {error}", path.display()))
    })
}

/// That a file could not be written, and why.
pub(super) fn failed(path: &Path, why: &dyn Display) -> Diagnostic {
    Diagnostic::new(format!("failed to write `{}`: {why}", path.display()))
}

/// The folder that a file is to be in.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => ".".into(),
    }
}
