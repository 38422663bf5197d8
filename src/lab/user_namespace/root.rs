//! The root of a user namespace, put together in a tmpfs: what hosts write to is the namespace's own,
//! the rest the machine's.

use std::fs::{self, DirEntry, OpenOptions, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::mount::MsFlags;

use super::super::Error;
use super::super::mounting::{become_root, below, bound_whole, enslaved, made, mounted};
use super::super::mounts::shown;
use super::survey::{Kind, PLACES, Piece};

/// Where the new root is put together; what it hides is held open meanwhile.
const STAGE: &str = "/sys";

/// Puts this process, in a mount namespace of its own, into that root.
pub(super) fn enter(pieces: &[Piece]) -> Result<(), Error> {
    enslaved()?;
    let hidden = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(STAGE)
        .map_err(|error| Error::io(format!("open `{STAGE}`"), &error))?;
    let hidden_at = PathBuf::from(format!("/proc/self/fd/{}", hidden.as_raw_fd()));
    let root = Path::new(STAGE);
    mounted(Some("tmpfs"), root, Some("lvsmith"), MsFlags::empty(), Some("mode=755"))?;
    let entries = fs::read_dir("/").map_err(|error| Error::io("list `/`", &error))?;
    for entry in entries.flatten() {
        top(&entry, root, &hidden_at)?;
    }
    // Parents come first; their modes must not stand in the way of what they hold.
    pieces.iter().try_for_each(|piece| put(piece, root))?;
    pieces.iter().rev().try_for_each(|piece| owned(piece, root))?;
    become_root(root)
}

/// One entry of `/`.
fn top(entry: &DirEntry, root: &Path, hidden: &Path) -> Result<(), Error> {
    let (from, to) = (entry.path(), root.join(entry.file_name()));
    let kind = entry.file_type().map_err(|error| about("look at", &from, &error))?;
    if PLACES.iter().any(|place| from == Path::new(place)) {
        return Ok(());
    }
    if kind.is_symlink() {
        let target = fs::read_link(&from).map_err(|error| about("read", &from, &error))?;
        return symlink(target, &to).map_err(|error| about("make", &from, &error));
    }
    if !kind.is_dir() {
        return Ok(());
    }
    made(&to)?;
    if from == Path::new("/root") {
        let closed = Permissions::from_mode(0o700);
        return fs::set_permissions(&to, closed).map_err(|error| about("prepare", &from, &error));
    }
    bound_whole(if from == Path::new(STAGE) { hidden } else { &from }, &to)
}

fn put(piece: &Piece, root: &Path) -> Result<(), Error> {
    let (from, to) = (&piece.path, below(root, &piece.path));
    let done = match &piece.kind {
        Kind::Folder | Kind::Bound { folder: true } => fs::create_dir(&to),
        Kind::Empty | Kind::Bound { folder: false } => fs::write(&to, ""),
        Kind::Link(target) => symlink(target, &to),
        // One that is gone since it was seen stands there empty: programs change their files at any
        // time.
        Kind::Copy => match fs::copy(from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::StorageFull => fs::write(&to, ""),
            copied => copied.map(drop),
        },
    };
    done.map_err(|error| about("make", from, &error))?;
    match piece.kind {
        Kind::Bound { .. } if fs::symlink_metadata(from).is_ok() => bound_whole(from, &to),
        _ => Ok(()),
    }
}

/// Gives a piece its owner and mode; an id that is not mapped stays root's.
fn owned(piece: &Piece, root: &Path) -> Result<(), Error> {
    let path = below(root, &piece.path);
    if matches!(piece.kind, Kind::Bound { .. }) {
        return Ok(());
    }
    let changed = match lchown(&path, Some(piece.user), Some(piece.group)) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        changed => changed,
    };
    let changed = match piece.kind {
        Kind::Link(_) => changed,
        _ => changed.and_then(|()| fs::set_permissions(&path, Permissions::from_mode(piece.mode))),
    };
    changed.map_err(|error| about("prepare", &piece.path, &error))
}

fn about(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::io(format!("{what} `{}`", shown(path)), error)
}
