//! A file with these bytes at this place: what the controller makes of `copy` and
//! `template`, and what the agent does about it.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::attributes::AttributeChange;
use super::{Accounts, Attributes, Bytes, Content, ContentDigest, FileMode, Owned, Replacement};
use crate::modules::{self, Error, Host, Resource, TextDiff};

/// A file with its bytes: the agent's side of `copy` and `template`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// The path on the host; a folder, or ending in `/`, to put `name` into it.
    pub dest: String,
    /// The name of the source, for a `dest` that is a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The bytes.
    pub content: Content,
    /// Permission bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Owner, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether a file that is there already is replaced.
    pub force: bool,
    /// Whether to keep a copy of what was there.
    #[serde(default)]
    pub backup: bool,
    /// Whether a symbolic link at `dest` is written through rather than replaced.
    #[serde(default)]
    pub follow: bool,
    /// A command with `%s` for the new file, which may refuse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<String>,
}

/// What is at the place now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// Where the file belongs, once folders and links are followed.
    pub path: PathBuf,
    /// The bytes that should be there; `None` when their source on the host is missing.
    pub wanted: Option<Bytes>,
    /// The file there, if there is one.
    pub present: Option<Present>,
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Present {
    /// Its bytes; `None` for a symbolic link, which is not the file that is declared.
    pub content: Option<Bytes>,
    /// Its attributes.
    pub owned: Owned,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Write the bytes, with all attributes.
    Write {
        /// Where.
        path: PathBuf,
        /// The bytes; `None` when there is nothing to take them from.
        content: Option<Bytes>,
        /// What the file has now.
        now: Option<Owned>,
    },
    /// Change an attribute of a file whose bytes are right.
    Attribute(PathBuf, AttributeChange),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { path, content, now } => {
                let verb = if now.is_some() { "rewrite" } else { "create" };
                write!(f, "{verb} `{}`", path.display())?;
                match content {
                    Some(bytes) => write!(f, " ({} bytes)", bytes.0.len()),
                    None => f.write_str(" (its source does not exist yet)"),
                }
            }
            Self::Attribute(path, change) => write!(f, "`{}`: {change}", path.display()),
        }
    }
}

impl Placed {
    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            mode: self.mode.as_ref(),
            owner: self.owner.as_deref(),
            group: self.group.as_deref(),
        }
    }

    /// Where the file belongs: inside `dest` when that is a folder.
    fn path(&self) -> Result<PathBuf, Error> {
        let dest = Path::new(&self.dest);
        if !dest.is_absolute() {
            return Err(Error::new(format!("`dest: {}` is not an absolute path", self.dest)));
        }
        let mut path = dest.to_path_buf();
        if self.dest.ends_with('/') || dest.is_dir() {
            let name = self.name.as_deref().ok_or_else(|| {
                Error::new(format!("`{}` is a folder", self.dest))
                    .hint("with `content`, `dest` must be the path of the file")
            })?;
            path.push(name);
        }
        if self.follow
            && let Ok(target) = path.canonicalize()
        {
            path = target;
        }
        Ok(path)
    }

    /// What has to be asked for before these arguments, if they are a file's, can be used.
    pub(crate) fn lacks(arguments: &Value) -> Result<Option<ContentDigest>, Error> {
        if arguments.pointer("/content/digest").is_none() {
            return Ok(None);
        }
        let placed: Self = modules::arguments(arguments.clone())?;
        let Content::Digest(digest) = &placed.content else { return Ok(None) };
        let path = placed.path()?;
        let is_there = fs::symlink_metadata(&path).is_ok_and(|found| found.len() == digest.size)
            && fs::read(&path).is_ok_and(|bytes| ContentDigest::of(&bytes) == *digest);
        Ok((!is_there).then(|| digest.clone()))
    }

    fn wanted(&self) -> Result<Option<Bytes>, Error> {
        match &self.content {
            Content::Digest(digest) => {
                let path = self.path()?;
                let failed = || Error::new(format!("`{}` changes all the time", path.display()));
                let bytes =
                    fs::read(&path).ok().filter(|bytes| ContentDigest::of(bytes) == *digest);
                bytes.map(|bytes| Some(Bytes(bytes))).ok_or_else(failed)
            }
            Content::Text(text) => Ok(Some(Bytes(text.clone().into_bytes()))),
            Content::Base64(bytes) => Ok(Some(bytes.clone())),
            Content::Remote(path) => match fs::read(path) {
                Ok(bytes) => Ok(Some(Bytes(bytes))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Error::io(format!("failed to read `{path}`"), &error)),
            },
        }
    }
}

impl Resource for Placed {
    type Observed = Observed;
    type Change = Change;

    fn observe(&self, _host: &mut Host) -> Result<Observed, Error> {
        let path = self.path()?;
        let wanted = self.wanted()?;
        let failed = |error: &_| Error::io(format!("failed to read `{}`", path.display()), error);
        let present = match fs::symlink_metadata(&path) {
            Ok(metadata) => {
                if metadata.is_dir() {
                    return Err(Error::new(format!("`{}` is a folder", path.display())));
                }
                let content = if metadata.is_file() {
                    Some(Bytes(fs::read(&path).map_err(|error| failed(&error))?))
                } else {
                    None
                };
                Some(Present { content, owned: Owned::of(&metadata, &Accounts::read()) })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&error)),
        };
        Ok(Observed { path, wanted, present })
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        let write = |now: Option<Owned>| {
            vec![Change::Write {
                path: observed.path.clone(),
                content: observed.wanted.clone(),
                now,
            }]
        };
        let Some(present) = &observed.present else { return write(None) };
        let differs = present.content.is_none() || present.content != observed.wanted;
        if differs && self.force {
            // A link's own attributes are no example for the file that takes its place.
            return write(Some(present.owned.clone()).filter(|owned| !owned.is_link));
        }
        let changes = self.attributes().diff(&present.owned);
        changes.into_iter().map(|one| Change::Attribute(observed.path.clone(), one)).collect()
    }

    fn apply(&self, _host: &mut Host, change: &Change) -> Result<(), Error> {
        let (path, content, now) = match change {
            Change::Attribute(path, change) => return change.apply(path),
            Change::Write { path, content, now } => (path, content, now),
        };
        let content = content.as_ref().ok_or_else(|| {
            Error::new(format!("there is no file to copy to `{}`", path.display()))
                .hint("with `remote_src: true`, `src` is a path on the host itself")
        })?;
        if self.dest.ends_with('/') {
            fs::create_dir_all(&self.dest).map_err(|error| {
                Error::io(format!("failed to create the folder `{}`", self.dest), &error)
            })?;
        }
        Replacement {
            path,
            content: &content.0,
            now: now.as_ref(),
            attributes: self.attributes(),
            validate: self.validate.as_deref(),
            backup: self.backup,
        }
        .write()
        .map(drop)
    }

    fn preview(&self, observed: &Observed) -> Option<TextDiff> {
        let before = observed.present.as_ref().and_then(|present| present.content.as_ref());
        let wanted = observed.wanted.as_ref();
        (before != wanted).then(|| TextDiff {
            name: observed.path.display().to_string(),
            before: before.map(shown).unwrap_or_default(),
            after: wanted.map(shown).unwrap_or_default(),
        })
    }

    fn report(&self, observed: &Observed) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("dest".into(), observed.path.display().to_string().into());
        if let Some(present) = &observed.present {
            map.insert("mode".into(), format!("{:04o}", present.owned.mode).into());
            map.insert("owner".into(), present.owned.owner.clone().into());
            map.insert("group".into(), present.owned.group.clone().into());
        }
        if let Some(bytes) = &observed.wanted {
            map.insert("size".into(), bytes.0.len().into());
        }
        map
    }
}

/// The text, or one line that says there is none.
fn shown(bytes: &Bytes) -> String {
    match bytes.text() {
        Some(text) => text.to_owned(),
        None => format!("(binary, {} bytes)\n", bytes.0.len()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::modules::{Mode, Outcome, converge};

    fn placed(dest: &Path, text: &str) -> Placed {
        Placed {
            dest: dest.to_str().unwrap().into(),
            name: Some("source.conf".into()),
            content: Content::Text(text.into()),
            mode: None,
            owner: None,
            group: None,
            force: true,
            backup: false,
            follow: false,
            validate: None,
        }
    }

    fn run(placed: &Placed) -> Outcome {
        converge(&mut Host::default(), placed, Mode { check: false, diff: true }).unwrap()
    }

    #[test]
    fn writes_once_and_then_rests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        let mode = Some(FileMode::parse("0600").unwrap());
        let wanted = Placed { mode, ..placed(&path, "one\n") };
        let first = run(&wanted);
        assert!(first.changed);
        let diff = first.diff.unwrap();
        assert_eq!((diff.before.as_str(), diff.after.as_str()), ("", "one\n"));
        assert!(!run(&wanted).changed);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        // A mode by itself is a change that writes nothing.
        let wider = Placed { mode: Some(FileMode::parse("u=rw,g=r,o=r").unwrap()), ..wanted };
        let second = run(&wider);
        assert!(second.changed && second.diff.is_none(), "{second:?}");
        assert!(!run(&wider).changed);

        // New bytes keep the mode that nobody mentions.
        assert!(run(&placed(&path, "two\n")).changed);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn changes_nothing_in_check_mode_and_shows_what_would() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        let mode = Mode { check: true, diff: true };
        let outcome = converge(&mut Host::default(), &placed(&path, "one\n"), mode).unwrap();
        assert!(outcome.changed && !path.exists());
        assert_eq!(outcome.diff.unwrap().after, "one\n");
    }

    #[test]
    fn goes_into_a_folder_under_the_name_of_its_source() {
        let folder = tempfile::tempdir().unwrap();
        assert!(run(&placed(folder.path(), "x")).changed);
        assert!(folder.path().join("source.conf").exists());
        let slash = format!("{}/new/", folder.path().display());
        assert!(run(&placed(Path::new(&slash), "x")).changed);
        assert!(folder.path().join("new/source.conf").exists());
        let nameless = Placed { name: None, ..placed(folder.path(), "x") };
        let error = nameless.observe(&mut Host::default()).unwrap_err();
        assert!(error.message.contains("is a folder"), "{error}");
    }

    #[test]
    fn leaves_other_bytes_alone_without_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        fs::write(&path, "mine").unwrap();
        let gentle = Placed { force: false, ..placed(&path, "theirs") };
        assert!(!run(&gentle).changed);
        fs::remove_file(&path).unwrap();
        assert!(run(&gentle).changed);
    }

    #[test]
    fn replaces_a_link_unless_told_to_follow_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        let through = Placed { follow: true, ..placed(&link, "new") };
        assert!(run(&through).changed);
        assert!(link.is_symlink() && fs::read(&file).unwrap() == b"new");
        assert!(!run(&through).changed);
        assert!(run(&placed(&link, "new")).changed);
        assert!(!link.is_symlink());
    }

    #[test]
    fn says_that_bytes_are_binary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let bytes = Placed { content: Content::from(vec![0xff; 9]), ..placed(&path, "") };
        assert_eq!(run(&bytes).diff.unwrap().after, "(binary, 9 bytes)\n");
        assert_eq!(fs::read(&path).unwrap(), [0xff; 9]);
    }

    #[test]
    fn plans_a_copy_of_a_file_that_does_not_exist_yet() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing").to_str().unwrap().to_owned();
        let copy =
            Placed { content: Content::Remote(missing), ..placed(&folder.path().join("copy"), "") };
        let mode = Mode { check: true, diff: true };
        assert!(converge(&mut Host::default(), &copy, mode).unwrap().changed);
        let error = converge(&mut Host::default(), &copy, Mode::default()).unwrap_err();
        assert!(error.hint.unwrap().contains("remote_src"));
    }
}
