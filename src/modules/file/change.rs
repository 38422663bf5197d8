//! What differs at a path, and how it is made right.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{File, Kind, Observed, State};
use crate::modules::Error;
use crate::modules::filesystem::{Accounts, AttributeChange, Owned};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Remove what is there.
    Remove(Kind),
    /// Create a folder, and those above it.
    CreateFolder,
    /// Create an empty file.
    CreateFile,
    /// Make the path a symbolic link, in the place of what is there.
    Link(Kind),
    /// Make the path a hard link, in the place of what is there.
    HardLink(Kind),
    /// Change an attribute.
    Attribute(PathBuf, AttributeChange),
    /// It cannot be done, because. A plan shows it, since an earlier task may still help.
    Blocked(String, Option<String>),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remove(kind) => write!(f, "remove the {}", kind.noun()),
            Self::CreateFolder => f.write_str("create the folder"),
            Self::CreateFile => f.write_str("create an empty file"),
            Self::Link(Kind::Absent) => f.write_str("create the link"),
            Self::Link(kind) => write!(f, "put the link in the place of the {}", kind.noun()),
            Self::HardLink(Kind::Absent) => f.write_str("create the hard link"),
            Self::HardLink(kind) => {
                write!(f, "put the hard link in the place of the {}", kind.noun())
            }
            Self::Attribute(path, change) => write!(f, "`{}`: {change}", path.display()),
            Self::Blocked(reason, _) => f.write_str(reason),
        }
    }
}

impl Kind {
    fn noun(&self) -> &'static str {
        match self {
            Self::Absent => "nothing",
            Self::File => "file",
            Self::Folder => "folder",
            Self::Link(_) => "link",
            Self::Other => "special file",
        }
    }
}

fn blocked(reason: impl Into<String>, hint: &str) -> Vec<Change> {
    vec![Change::Blocked(reason.into(), (!hint.is_empty()).then(|| hint.into()))]
}

pub(super) fn diff(file: &File, seen: &Observed) -> Vec<Change> {
    let path = &file.path;
    let implied = match (&seen.kind, file.recurse) {
        (_, true) | (Kind::Folder, _) => State::Directory,
        _ => State::File,
    };
    match (file.state.unwrap_or(implied), &seen.kind) {
        (State::Absent, Kind::Absent) => Vec::new(),
        (State::Absent, kind) => vec![Change::Remove(kind.clone())],

        (State::Directory, Kind::Folder) => attributes(file, seen),
        (State::Directory, Kind::Absent) => created(file, Change::CreateFolder),
        (State::Directory, kind) => blocked(
            format!("`{path}` is a {}, not a folder", kind.noun()),
            "remove it first with `state: absent`",
        ),

        (State::Touch, Kind::Absent) => created(file, Change::CreateFile),
        (State::File, Kind::Absent) => blocked(
            format!("`{path}` does not exist"),
            "`state: touch` makes an empty file, `state: directory` a folder",
        ),
        (State::File, Kind::Folder) => blocked(format!("`{path}` is a folder, not a file"), ""),
        (State::File | State::Touch, _) => attributes(file, seen),

        (State::Link, Kind::Link(to))
            if Some(to.as_path()) == file.src.as_deref().map(Path::new) =>
        {
            attributes(file, seen)
        }
        (State::Hard, _) if seen.same_as_src => attributes(file, seen),
        (State::Link | State::Hard, _) if !seen.src_exists && !file.force => blocked(
            format!("`{}` does not exist, so `{path}` would lead nowhere", src(file)),
            "`force: true` makes the link nevertheless",
        ),
        (State::Link, kind @ (Kind::Absent | Kind::Link(_))) => link(Change::Link(kind.clone())),
        (State::Hard, Kind::Absent) => link(Change::HardLink(Kind::Absent)),
        (State::Link | State::Hard, kind) if !file.force => blocked(
            format!("`{path}` is a {} already", kind.noun()),
            "`force: true` puts the link in its place",
        ),
        (State::Link, kind) => link(Change::Link(kind.clone())),
        (State::Hard, kind) => link(Change::HardLink(kind.clone())),
    }
}

fn src(file: &File) -> &str {
    file.src.as_deref().unwrap_or_default()
}

fn link(change: Change) -> Vec<Change> {
    vec![change]
}

/// The creation, and what of the attributes a new file or folder will not have by itself.
fn created(file: &File, creation: Change) -> Vec<Change> {
    let is_folder = creation == Change::CreateFolder;
    let fresh = Owned {
        mode: if is_folder { 0o755 } else { 0o644 },
        is_folder,
        owner: "root".into(),
        group: "root".into(),
        ..Owned::default()
    };
    let path = PathBuf::from(&file.path);
    let attributes = file.attributes().diff(&fresh);
    let changes = attributes.into_iter().map(|one| Change::Attribute(path.clone(), one));
    std::iter::once(creation).chain(changes).collect()
}

fn attributes(file: &File, seen: &Observed) -> Vec<Change> {
    let path = PathBuf::from(&file.path);
    let top = seen.owned.iter().map(|owned| (&path, owned));
    let below = seen.below.iter().map(|(path, owned)| (path, owned));
    let mut changes = Vec::new();
    for (path, owned) in top.chain(below) {
        let differing = file.attributes().diff(owned);
        changes.extend(differing.into_iter().map(|one| Change::Attribute(path.clone(), one)));
    }
    changes
}

impl Change {
    pub(super) fn apply(&self, file: &File) -> Result<(), Error> {
        let path = Path::new(&file.path);
        let failed = |what: &str, error: &io::Error| {
            Error::io(format!("failed to {what} `{}`", file.path), error)
        };
        match self {
            Self::Remove(kind) => remove(path, kind).map_err(|error| failed("remove", &error)),
            Self::CreateFolder => create_folders(file),
            Self::CreateFile => {
                File::empty(&file.path)?;
                establish(file, path)
            }
            Self::Link(kind) => replace(path, kind, |place| symlink(src(file), place))
                .map_err(|error| failed("link", &error)),
            Self::HardLink(kind) => {
                let target = file.target().unwrap_or_default();
                replace(path, kind, |place| fs::hard_link(&target, place))
                    .map_err(|error| failed("link", &error))
            }
            Self::Attribute(path, change) => change.apply(path),
            Self::Blocked(reason, hint) => {
                Err(Error { hint: hint.clone(), ..Error::new(reason.clone()) })
            }
        }
    }
}

fn remove(path: &Path, kind: &Kind) -> io::Result<()> {
    let removed =
        if *kind == Kind::Folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Creates the folder and those above it that are missing, all with the same attributes.
fn create_folders(file: &File) -> Result<(), Error> {
    let path = Path::new(&file.path);
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.iter().rev() {
        let failed = |error: &io::Error| {
            Error::io(format!("failed to create the folder `{}`", folder.display()), error)
        };
        match fs::create_dir(folder) {
            // Somebody else was faster, and that is as good.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => other.map_err(|error| failed(&error))?,
        }
        establish(file, folder)?;
    }
    Ok(())
}

/// Gives what was just created its attributes, whatever it has by itself.
fn establish(file: &File, path: &Path) -> Result<(), Error> {
    let found = fs::metadata(path)
        .map_err(|error| Error::io(format!("failed to look at `{}`", path.display()), &error))?;
    let changes = file.attributes().diff(&Owned::of(&found, &Accounts::read()));
    changes.iter().try_for_each(|change| change.apply(path))
}

/// Makes a link under a temporary name and renames it, so that the path is never missing.
fn replace(path: &Path, kind: &Kind, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    match kind {
        Kind::Absent => return make(path),
        // Only an empty one goes: a link is no reason to lose what is in a folder.
        Kind::Folder => {
            fs::remove_dir(path)?;
            return make(path);
        }
        Kind::File | Kind::Link(_) | Kind::Other => {}
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.lvsmith", std::process::id()));
    make(&temporary)?;
    fs::rename(&temporary, path).inspect_err(|_| {
        // The failure itself is what is reported.
        let _ = fs::remove_file(&temporary);
    })
}
