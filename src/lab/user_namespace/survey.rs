//! What of `/etc` and `/var` a root of one's own has, looked at by the user it is for.
//!
//! What can be read is copied, for hosts write there; what is large is bound, as is what the user may
//! write, and what may not be read stands there empty, with its owner and its mode. Old logs are
//! nobody's business in a lab.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

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

/// The most that is copied of all, in bytes; a machine with a web server has some 10 MB.
const ALL: u64 = 64 << 20;

/// The most pieces of all, logs aside.
const PIECES: usize = 20_000;

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
    let allowed =
        |path: &Path, wanted| faccessat(AT_FDCWD, path, wanted, AtFlags::AT_EACCESS).is_ok();
    let mut survey = Survey::new(LOGS.into(), &allowed);
    for place in PLACES {
        if let Ok(metadata) = fs::symlink_metadata(place) {
            survey.look(Path::new(place), &metadata, metadata.dev());
        }
    }
    survey.pieces
}

struct Survey<'a> {
    logs: PathBuf,
    allowed: &'a dyn Fn(&Path, AccessFlags) -> bool,
    pieces: Vec<Piece>,
    /// How much is copied, in bytes.
    copied: u64,
}

impl<'a> Survey<'a> {
    fn new(logs: PathBuf, allowed: &'a dyn Fn(&Path, AccessFlags) -> bool) -> Self {
        Self { logs, allowed, pieces: Vec::new(), copied: 0 }
    }

    fn look(&mut self, path: &Path, metadata: &Metadata, device: u64) {
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.folder(path, metadata, device);
        } else if kind.is_file() {
            let empty = path.starts_with(&self.logs) || !(self.allowed)(path, AccessFlags::R_OK);
            let kind = match (empty, metadata.len() > FILE) {
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
        let logs = path.starts_with(&self.logs);
        let elsewhere = metadata.dev() != device && !logs;
        if elsewhere || (self.allowed)(path, AccessFlags::W_OK) {
            return self.add(path, metadata, Kind::Bound { folder: true });
        }
        if !(self.allowed)(path, AccessFlags::R_OK | AccessFlags::X_OK) {
            return self.add(path, metadata, Kind::Folder);
        }
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut inner: Vec<(PathBuf, Metadata)> =
            entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?))).collect();
        inner.sort_by(|one, other| one.0.cmp(&other.0));
        if !logs {
            let sizes = inner.iter().map(|(_, of)| if of.is_file() { of.len() } else { 0 });
            let size: u64 = sizes.filter(|size| *size <= FILE).sum();
            let (copied, pieces) = (self.copied + size, self.pieces.len() + inner.len());
            if size > FOLDER || inner.len() > FILES || copied > ALL || pieces > PIECES {
                return self.add(path, metadata, Kind::Bound { folder: true });
            }
            self.copied = copied;
        }
        self.add(path, metadata, Kind::Folder);
        for (inner, of) in &inner {
            self.look(inner, of, metadata.dev());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen of a folder by somebody who may do all but this.
    fn seen(folder: &Path, not: &dyn Fn(&Path, AccessFlags) -> bool) -> Vec<(String, Kind)> {
        let metadata = fs::symlink_metadata(folder).unwrap();
        let allowed = |path: &Path, wanted| !not(path, wanted);
        let mut survey = Survey::new(folder.join("log"), &allowed);
        survey.look(folder, &metadata, metadata.dev());
        let name = |piece: &Piece| piece.path.strip_prefix(folder).unwrap().display().to_string();
        survey.pieces.into_iter().map(|piece| (name(&piece), piece.kind)).collect()
    }

    const FOLDER_OF_THE_MACHINE: Kind = Kind::Bound { folder: true };

    #[test]
    fn copies_what_is_small_and_binds_what_is_large() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for inner in ["app/many", "closed/inner", "log", "own"] {
            fs::create_dir_all(place(inner)).unwrap();
        }
        fs::write(place("app/small"), "x").unwrap();
        fs::write(place("app/secret"), "x").unwrap();
        fs::write(place("app/large"), vec![0; (FILE + 1) as usize]).unwrap();
        for number in 0..5 {
            fs::write(place("app/many").join(number.to_string()), vec![0; FILE as usize]).unwrap();
        }
        fs::write(place("log/access.log"), "a line\n").unwrap();
        std::os::unix::fs::symlink("small", place("app/link")).unwrap();

        let expected = [
            ("", Kind::Folder),
            ("app", Kind::Folder),
            ("app/large", Kind::Bound { folder: false }),
            ("app/link", Kind::Link("small".into())),
            ("app/many", FOLDER_OF_THE_MACHINE),
            ("app/secret", Kind::Empty),
            ("app/small", Kind::Copy),
            ("closed", Kind::Folder),
            ("log", Kind::Folder),
            ("log/access.log", Kind::Empty),
            ("own", FOLDER_OF_THE_MACHINE),
        ];
        let found = seen(folder.path(), &|path, wanted| {
            let withheld = path.ends_with("secret") || path.ends_with("closed");
            withheld || (wanted == AccessFlags::W_OK && !path.ends_with("own"))
        });
        assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn copies_no_more_than_there_is_room_for() {
        let folder = tempfile::tempdir().unwrap();
        // Sparse: each folder has as much as one may have.
        for number in 10..10 + ALL / FOLDER + 2 {
            let inner = folder.path().join(number.to_string());
            fs::create_dir(&inner).unwrap();
            for part in 0..FOLDER / FILE {
                let file = fs::File::create(inner.join(part.to_string())).unwrap();
                file.set_len(FILE).unwrap();
            }
        }
        let found = seen(folder.path(), &|_, wanted| wanted == AccessFlags::W_OK);
        let count = |kind: &Kind| found.iter().filter(|(_, one)| one == kind).count() as u64;
        assert_eq!((count(&Kind::Copy), count(&FOLDER_OF_THE_MACHINE)), (ALL / FILE, 2));
    }
}
