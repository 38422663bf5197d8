//! What is at a path, and below it.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{File, State};
use crate::modules::Error;
use crate::modules::filesystem::{Accounts, Owned};

/// What is at the path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// Its kind.
    pub kind: Kind,
    /// Its attributes, if it is there.
    pub owned: Option<Owned>,
    /// Whether it is the same file as `src`, under another name.
    pub same_as_src: bool,
    /// Whether `src` is there.
    pub src_exists: bool,
    /// With `recurse`, everything below the folder.
    pub below: Vec<(PathBuf, Owned)>,
}

/// The kind of what is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// Nothing is there.
    Absent,
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link that reads so.
    Link(PathBuf),
    /// A device, socket or pipe.
    Other,
}

impl Kind {
    /// As `register` shows it, in Ansible's words.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::File | Self::Other => "file",
            Self::Folder => "directory",
            Self::Link(_) => "link",
        }
    }
}

pub(super) fn observe(file: &File) -> Result<Observed, Error> {
    let path = Path::new(&file.path);
    let failed = |error: &io::Error| Error::io(format!("failed to look at `{}`", file.path), error);
    let accounts = Accounts::read();
    let itself = present(fs::symlink_metadata(path)).map_err(|error| failed(&error))?;
    // Links are followed unless the declaration is about the link itself.
    let about_itself = matches!(file.state, Some(State::Link | State::Hard | State::Absent));
    let metadata = match &itself {
        Some(link) if link.is_symlink() && !about_itself => {
            present(fs::metadata(path)).map_err(|error| failed(&error))?.or(itself)
        }
        _ => itself,
    };
    let kind = match &metadata {
        None => Kind::Absent,
        Some(found) if found.is_symlink() => {
            Kind::Link(fs::read_link(path).map_err(|error| failed(&error))?)
        }
        Some(found) if found.is_dir() => Kind::Folder,
        Some(found) if found.is_file() => Kind::File,
        Some(_) => Kind::Other,
    };
    let source = file.target().and_then(|target| fs::metadata(target).ok());
    let same_as_src = matches!((&metadata, &source), (Some(a), Some(b))
        if a.ino() == b.ino() && a.dev() == b.dev());
    let mut below = Vec::new();
    if file.recurse && kind == Kind::Folder {
        walk(path, &accounts, &mut below).map_err(|error| failed(&error))?;
    }
    let owned = metadata.as_ref().map(|found| Owned::of(found, &accounts));
    Ok(Observed { kind, owned, same_as_src, src_exists: source.is_some(), below })
}

/// Only the kernel's own "not there" means absent.
fn present(found: io::Result<fs::Metadata>) -> io::Result<Option<fs::Metadata>> {
    match found {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Lists everything below a folder; the folders still to be read are kept in a list, so
/// that depth costs no stack.
fn walk(top: &Path, accounts: &Accounts, found: &mut Vec<(PathBuf, Owned)>) -> io::Result<()> {
    let mut folders = vec![top.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path)?;
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            found.push((path, Owned::of(&metadata, accounts)));
        }
    }
    Ok(())
}
