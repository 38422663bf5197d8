//! A text file that is changed in some of its lines: what `lineinfile` and `blockinfile` share.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nix::unistd::{getegid, geteuid};
use serde_json::{Map, Value};

use super::attributes::AttributeChange;
use super::{Accounts, Attributes, Owned, Replacement, mode};
use crate::modules::{Error, Mode, Outcome, TextDiff};

/// What Ansible says of attributes that were not as declared.
const ATTRIBUTES_CHANGED: &str = "ownership, perms or SE linux context changed";

/// The file, as it is declared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edited<'a> {
    pub(crate) path: &'a str,
    /// Whether one that is not there is made.
    pub(crate) create: bool,
    pub(crate) backup: bool,
    pub(crate) validate: Option<&'a str>,
    pub(crate) attributes: Attributes<'a>,
}

/// The file, as it is.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Where it is, with links followed: a link stays, and what it leads to is changed.
    path: PathBuf,
    /// Its text; `None` when there is no file.
    pub(crate) text: Option<String>,
    owned: Option<Owned>,
}

/// What becomes of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// All of it.
    pub(crate) text: String,
    /// Ansible's word for what was done, such as `line added`; empty when nothing was.
    pub(crate) message: String,
    /// The same as a plan shows it.
    pub(crate) change: String,
}

impl Edited<'_> {
    /// Reads the file. `None` when there is none, and none is to be made.
    pub(crate) fn find(&self) -> Result<Option<Found>, Error> {
        let path = Path::new(self.path);
        let failed =
            |error: &std::io::Error| Error::io(format!("failed to read `{}`", self.path), error);
        if path.is_dir() {
            return Err(with_code(256, Error::new(format!("`{}` is a folder", self.path))));
        }
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                let fresh = Found { path: path.to_path_buf(), text: None, owned: None };
                return Ok(self.create.then_some(fresh));
            }
            Err(error) => return Err(failed(&error)),
        };
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::new(format!("`{}` is not text in UTF-8", self.path))
                .hint("convert it first, as with `iconv`, or replace it with `copy`")
        })?;
        let real = path.canonicalize().map_err(|error| failed(&error))?;
        let metadata = fs::metadata(&real).map_err(|error| failed(&error))?;
        let owned = Some(Owned::of(&metadata, &Accounts::read()));
        Ok(Some(Found { path: real, text: Some(text), owned }))
    }

    /// There is no file: a failure, but for a plan, since an earlier task may bring it.
    pub(crate) fn missing(&self, mode: Mode) -> Result<Outcome, Error> {
        if mode.check {
            let changes = vec![format!("edit `{}`, which is not there yet", self.path)];
            return Ok(Outcome { changed: true, changes, ..Outcome::default() });
        }
        let error = Error::new(format!("`{}` does not exist", self.path));
        Err(with_code(257, error.hint("set `create: true` to make it")))
    }

    /// Puts the new text in place, if it is new, and sets the attributes.
    pub(crate) fn put(&self, found: &Found, edit: &Edit, mode: Mode) -> Result<Outcome, Error> {
        let rewritten = found.text.as_ref() != Some(&edit.text) && !edit.message.is_empty();
        // Nothing to write, and nothing there to have attributes.
        let exists = rewritten || found.owned.is_some();
        let attributes = match exists {
            true => self.attributes.diff(found.owned.as_ref().unwrap_or(&fresh())),
            false => Vec::new(),
        };
        let mut outcome = self.planned(found, edit, rewritten, &attributes);
        if mode.diff && rewritten {
            outcome.diff = Some(TextDiff {
                name: self.path.to_owned(),
                before: found.text.clone().unwrap_or_default(),
                after: edit.text.clone(),
            });
        }
        if mode.check {
            return Ok(outcome);
        }
        if rewritten {
            let backup = self.write(found, &edit.text)?;
            outcome.result.extend(backup.map(|path| ("backup_file".to_owned(), path.into())));
        } else {
            attributes.iter().try_for_each(|change| change.apply(&found.path))?;
        }
        self.verify(found, edit, exists)?;
        Ok(outcome)
    }

    fn planned(
        &self,
        found: &Found,
        edit: &Edit,
        rewritten: bool,
        attributes: &[AttributeChange],
    ) -> Outcome {
        let mut message = if rewritten { edit.message.clone() } else { String::new() };
        let mut changes = Vec::new();
        if rewritten {
            let verb = if found.text.is_none() { "create" } else { "edit" };
            changes.push(format!("{verb} `{}`: {}", self.path, edit.change));
        }
        if !attributes.is_empty() {
            let and = if message.is_empty() { "" } else { " and " };
            message.push_str(and);
            message.push_str(ATTRIBUTES_CHANGED);
        }
        changes.extend(attributes.iter().map(|change| format!("`{}`: {change}", self.path)));
        let result = Map::from_iter([("msg".to_owned(), Value::from(message))]);
        Outcome { changed: !changes.is_empty(), changes, result, ..Outcome::default() }
    }

    fn write(&self, found: &Found, text: &str) -> Result<Option<String>, Error> {
        if let Some(folder) = found.path.parent().filter(|_| found.text.is_none()) {
            fs::create_dir_all(folder).map_err(|error| {
                Error::io(format!("failed to create the folder `{}`", folder.display()), &error)
            })?;
        }
        Replacement {
            path: &found.path,
            content: text.as_bytes(),
            now: found.owned.as_ref(),
            attributes: self.attributes,
            validate: self.validate,
            backup: self.backup,
        }
        .write()
    }

    /// Reads it again: a difference that is left is an error.
    fn verify(&self, found: &Found, edit: &Edit, exists: bool) -> Result<(), Error> {
        let now = self.find()?;
        let differs = match &now {
            Some(Found { text: Some(text), owned: Some(owned), .. }) => {
                *text != edit.text || !self.attributes.diff(owned).is_empty()
            }
            _ => exists,
        };
        if differs {
            let shown = found.path.display();
            return Err(Error::new(format!("`{shown}` was written, but reads differently"))
                .hint("another program may own this file"));
        }
        Ok(())
    }
}

/// What a file has that is made anew, before anything is declared of it.
fn fresh() -> Owned {
    let accounts = Accounts::read();
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    Owned {
        mode: 0o666 & !mode::UMASK,
        uid,
        gid,
        owner: accounts.user_name(uid),
        group: accounts.group_name(gid),
        ..Owned::default()
    }
}

/// Ansible's own exit codes for a file that cannot be edited.
fn with_code(code: i32, mut error: Error) -> Error {
    error.result.insert("rc".into(), code.into());
    error
}
