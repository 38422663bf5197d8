//! What the user who starts a VM may not read. In the guest that user is root, and a root to whom
//! the log of a web server is refused starts none: so each of these stands there empty, with the
//! owner and the mode that it has here, and can be written as everything else can.

use std::collections::VecDeque;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc;
use nix::unistd::{AccessFlags, faccessat, geteuid};
use serde::{Deserialize, Serialize};

/// Where things lie that are for root or a service alone, and that a host may write.
const PLACES: [&str; 3] = ["/etc", "/root", "/var"];

/// How many files and folders are looked at; a machine with a web server has some ten thousand.
const LIMIT: usize = 100_000;

/// What an overlay takes for a folder that has nothing of the one below it.
const OPAQUE: &std::ffi::CStr = c"trusted.overlay.opaque";

/// A file or a folder that is not for this user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    path: PathBuf,
    folder: bool,
}

/// All of them.
pub fn all() -> Vec<Withheld> {
    if geteuid().is_root() {
        return Vec::new();
    }
    below(PLACES.iter().map(PathBuf::from), &|path, wanted| {
        faccessat(AT_FDCWD, path, wanted, AtFlags::AT_EACCESS) != Err(Errno::EACCES)
    })
}

/// Those in some folders, the nearest first, on the filesystems of these.
fn below(
    places: impl Iterator<Item = PathBuf>,
    allowed: &dyn Fn(&Path, AccessFlags) -> bool,
) -> Vec<Withheld> {
    let looked_at = |path: PathBuf| Some((fs::symlink_metadata(&path).ok()?, path));
    let mut ahead: VecDeque<(Metadata, PathBuf)> = places.filter_map(looked_at).collect();
    let (mut found, mut count) = (Vec::new(), 0);
    while let Some((metadata, path)) = ahead.pop_front() {
        count += 1;
        let (folder, file) = (metadata.is_dir(), metadata.is_file());
        let wanted = if folder { AccessFlags::X_OK } else { AccessFlags::R_OK };
        if (folder || file) && !allowed(&path, wanted) {
            // Names that are no text cannot be told to the guest; programs have none.
            found.extend(path.to_str().is_some().then_some(Withheld { path, folder }));
        } else if folder && count + ahead.len() < LIMIT {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            let here = |(inner, _): &(Metadata, PathBuf)| inner.dev() == metadata.dev();
            ahead.extend(entries.filter_map(|entry| looked_at(entry.path())).filter(here));
        }
    }
    found
}

impl Withheld {
    /// Puts the empty one into the upper layer of an overlay that is not mounted yet.
    pub fn stand_in(&self, lower: &Path, upper: &Path) -> io::Result<()> {
        let path = self.path.strip_prefix("/").unwrap_or(&self.path);
        let mut parents: Vec<&Path> = path.ancestors().skip(1).collect();
        parents.pop();
        for parent in parents.into_iter().rev() {
            made(&lower.join(parent), &upper.join(parent), true)?;
        }
        made(&lower.join(path), &upper.join(path), self.folder)?;
        if self.folder { opaque(&upper.join(path)) } else { Ok(()) }
    }
}

/// Makes a file or folder, unless it is there, and gives it the owner and mode of another.
fn made(like: &Path, path: &Path, folder: bool) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let metadata = fs::symlink_metadata(like)?;
    if folder {
        fs::create_dir(path)?;
    } else {
        File::create(path)?;
    }
    chown(path, Some(metadata.uid()), Some(metadata.gid()))?;
    fs::set_permissions(path, Permissions::from_mode(metadata.mode() & 0o7777))
}

fn opaque(folder: &Path) -> io::Result<()> {
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes())?;
    // SAFETY: both names end with a zero, and the value is one byte long.
    let result =
        unsafe { libc::setxattr(path.as_ptr(), OPAQUE.as_ptr(), c"y".as_ptr().cast(), 1, 0) };
    Ok(Errno::result(result).map(drop)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_may_not_be_read_and_nothing_within_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::create_dir_all(place("private/inner")).unwrap();
        fs::create_dir(place("log")).unwrap();
        fs::write(place("log/error.log"), "line\n").unwrap();
        fs::write(place("log/other.log"), "line\n").unwrap();
        std::os::unix::fs::symlink("/nowhere", place("log/private")).unwrap();
        let allowed = |path: &Path, _| !(path.ends_with("error.log") || path.ends_with("private"));
        let mut found = below([folder.path().to_owned()].into_iter(), &allowed);
        found.sort_by_key(|one| one.path.clone());
        let expected = [("log/error.log", false), ("private", true)];
        let expected = expected.map(|(name, folder)| Withheld { path: place(name), folder });
        assert_eq!(found, expected);
    }

    #[test]
    fn stands_in_with_owner_and_mode_and_nothing_in_it() {
        let (lower, upper) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        fs::create_dir_all(lower.path().join("var/log")).unwrap();
        let log = lower.path().join("var/log/error.log");
        fs::write(&log, "line\n").unwrap();
        fs::set_permissions(&log, Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(lower.path().join("var/log"), Permissions::from_mode(0o750)).unwrap();
        let withheld = Withheld { path: "/var/log/error.log".into(), folder: false };
        withheld.stand_in(lower.path(), upper.path()).unwrap();
        let log = upper.path().join("var/log/error.log");
        assert_eq!((fs::read_to_string(&log).unwrap().as_str(), mode(&log)), ("", 0o640));
        assert_eq!(mode(&upper.path().join("var/log")), 0o750);
    }
}
