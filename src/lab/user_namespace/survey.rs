//! What of `/etc` and `/var` a root of one's own has, looked at by the user it is for.
//!
//! What can be read is copied, for hosts write there; what is large is bound, and what may not be
//! read stands there empty, with its owner and its mode. Old logs are nobody's business in a lab.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat, geteuid};

/// Where hosts write, besides their own `/run` and `/tmp`.
pub(super) const PLACES: [&str; 2] = ["/etc", "/var"];

/// Where files stand empty.
const LOGS: &str = "/var/log";

/// The largest file that is copied, in bytes.
const FILE: u64 = 1 << 20;

/// The most that is copied of the files of one folder, in bytes.
const FOLDER: u64 = 4 << 20;

/// The most files of one folder that are copied.
const FILES: usize = 2000;

/// A file or a folder, after the folder it is in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub path: PathBuf,
    pub kind: Kind,
    /// The permission bits, with set-user-id and its like.
    pub mode: u32,
    pub user: u32,
    pub group: u32,
}

/// How it gets into the new root.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A folder of its own.
    Folder,
    /// A copy of the file.
    Copy,
    /// A file with nothing in it.
    Empty,
    /// A link that leads there.
    Link(PathBuf),
    /// The machine's own, with all that is below.
    Bound {
        /// Whether it is a folder.
        folder: bool,
    },
}

/// Looks at this machine.
pub(super) fn of_machine() -> Vec<Piece> {
    let mut survey = Survey { user: geteuid().as_raw(), logs: LOGS.into(), pieces: Vec::new() };
    for place in PLACES {
        if let Ok(metadata) = fs::symlink_metadata(place) {
            survey.look(Path::new(place), &metadata, metadata.dev());
        }
    }
    survey.pieces
}

struct Survey {
    user: u32,
    logs: PathBuf,
    pieces: Vec<Piece>,
}

impl Survey {
    fn look(&mut self, path: &Path, metadata: &Metadata, device: u64) {
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.folder(path, metadata, device);
        } else if kind.is_file() {
            let empty = path.starts_with(&self.logs) || !allowed(path, AccessFlags::R_OK);
            let large = metadata.len() > FILE || metadata.dev() != device;
            let kind = match (empty, large) {
                (true, _) => Kind::Empty,
                (false, true) => Kind::Bound { folder: false },
                (false, false) => Kind::Copy,
            };
            self.add(path, metadata, kind);
        } else if kind.is_symlink()
            && let Ok(target) = fs::read_link(path)
        {
            self.add(path, metadata, Kind::Link(target));
        }
    }

    fn folder(&mut self, path: &Path, metadata: &Metadata, device: u64) {
        // The user's own, everybody's, or another filesystem.
        let open_to_all = metadata.mode() & 0o1002 == 0o1002;
        if metadata.uid() == self.user || open_to_all || metadata.dev() != device {
            return self.add(path, metadata, Kind::Bound { folder: true });
        }
        let logs = path.starts_with(&self.logs);
        if !allowed(path, AccessFlags::R_OK | AccessFlags::X_OK) {
            return self.add(path, metadata, Kind::Folder);
        }
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut inner: Vec<(PathBuf, Metadata)> =
            entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?))).collect();
        inner.sort_by(|one, other| one.0.cmp(&other.0));
        let small = inner.iter().map(|(_, of)| if of.is_file() { of.len() } else { 0 });
        let size: u64 = small.filter(|size| *size <= FILE).sum();
        if !logs && (size > FOLDER || inner.len() > FILES) {
            return self.add(path, metadata, Kind::Bound { folder: true });
        }
        self.add(path, metadata, Kind::Folder);
        for (path, metadata) in &inner {
            self.look(path, metadata, device);
        }
    }

    fn add(&mut self, path: &Path, metadata: &Metadata, kind: Kind) {
        self.pieces.push(Piece {
            path: path.to_owned(),
            kind,
            mode: metadata.mode() & 0o7777,
            user: metadata.uid(),
            group: metadata.gid(),
        });
    }
}

fn allowed(path: &Path, wanted: AccessFlags) -> bool {
    faccessat(AT_FDCWD, path, wanted, AtFlags::AT_EACCESS).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn copies_what_is_small_and_binds_what_is_large() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for inner in ["app/many", "log", "spool"] {
            fs::create_dir_all(place(inner)).unwrap();
        }
        fs::write(place("app/small"), "x").unwrap();
        fs::write(place("app/large"), vec![0; (FILE + 1) as usize]).unwrap();
        for number in 0..5 {
            fs::write(place("app/many").join(number.to_string()), vec![0; FILE as usize]).unwrap();
        }
        fs::write(place("log/access.log"), "a line\n").unwrap();
        fs::set_permissions(place("spool"), fs::Permissions::from_mode(0o1777)).unwrap();
        std::os::unix::fs::symlink("small", place("app/link")).unwrap();

        let metadata = fs::symlink_metadata(folder.path()).unwrap();
        let stranger = metadata.uid() + 1;
        let mut survey = Survey { user: stranger, logs: place("log"), pieces: Vec::new() };
        survey.look(folder.path(), &metadata, metadata.dev());
        let seen: Vec<(String, Kind)> = survey
            .pieces
            .into_iter()
            .map(|piece| {
                let name = piece.path.strip_prefix(folder.path()).unwrap();
                (name.display().to_string(), piece.kind)
            })
            .collect();
        let bound = |folder| Kind::Bound { folder };
        let expected = [
            ("", Kind::Folder),
            ("app", Kind::Folder),
            ("app/large", bound(false)),
            ("app/link", Kind::Link("small".into())),
            ("app/many", bound(true)),
            ("app/small", Kind::Copy),
            ("log", Kind::Folder),
            ("log/access.log", Kind::Empty),
            ("spool", bound(true)),
        ];
        assert_eq!(seen, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn what_is_the_users_own_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = fs::symlink_metadata(folder.path()).unwrap();
        let mut survey = Survey { user: metadata.uid(), logs: LOGS.into(), pieces: Vec::new() };
        survey.look(folder.path(), &metadata, metadata.dev());
        assert_eq!(survey.pieces.len(), 1);
        assert_eq!(survey.pieces[0].kind, Kind::Bound { folder: true });
    }
}
