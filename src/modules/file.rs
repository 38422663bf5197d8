//! `file`: a file, folder or link, with its mode and owner; or none.

use std::fs;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::filesystem::{ATTRIBUTES_REFUSED, Attributes, FileMode};
use super::{Action, Error, Host, Mode, Outcome, Refused, Resource, converge};

mod change;
mod observe;
mod touch;

pub use change::Change;
pub use observe::{Kind, Observed};
pub use touch::Time;

/// Makes sure that a path is a file, a folder or a link, with this mode and owner, or that
/// it is not there at all.
///
/// ```yaml
/// file:
///   path: /tmp/lvsmith-example
///   state: directory
///   mode: "0755"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The path.
    #[serde(alias = "dest", alias = "name")]
    pub path: String,
    /// What is to be there. By default what is there already, or with `recurse` a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Permission bits: octal digits (`"0644"`) or symbols (`u=rw,g=r`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Owner, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What a link leads to; for `link` as it is to be read from the link's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    /// Whether mode and owner also hold for everything inside the folder.
    #[serde(default)]
    pub recurse: bool,
    /// Whether a link replaces a file that is there, and may lead nowhere.
    #[serde(default)]
    pub force: bool,
    /// With `touch`: whether the time of the last change becomes now.
    #[serde(default)]
    pub modification_time: Time,
    /// With `touch`: whether the time of the last access becomes now.
    #[serde(default)]
    pub access_time: Time,
}

/// What is to be at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The file, which must be there already.
    File,
    /// A folder, with those above it.
    Directory,
    /// A symbolic link to `src`.
    Link,
    /// A hard link to `src`.
    Hard,
    /// A file, made empty if need be, with new times.
    Touch,
    /// Nothing; a folder goes with all that is in it.
    Absent,
}

/// `touch` is not a state that holds, so that the module is an action around one that does.
impl Action for File {
    const REFUSED: &'static [Refused] = &[ATTRIBUTES_REFUSED];

    fn check(&self) -> Result<(), Error> {
        Resource::check(self)
    }

    fn run(&self, host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        let mut outcome = converge(host, self, mode)?;
        if self.state == Some(State::Touch) {
            touch::touch(self, mode, &mut outcome)?;
        }
        Ok(outcome)
    }
}

impl Resource for File {
    type Observed = Observed;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        let wrong = |message: String| Err(Error::new(message));
        if !self.path.starts_with('/') {
            return wrong(format!("`{}` is not an absolute path", self.path));
        }
        let links = matches!(self.state, Some(State::Link | State::Hard));
        if links && self.src.is_none() {
            return wrong("a link needs `src`, the path that it leads to".into());
        }
        if !links && self.src.is_some() {
            return Err(Error::new("`src` goes only with `state: link` or `state: hard`")
                .hint("to copy a file, use `copy`"));
        }
        if self.recurse && !matches!(self.state, None | Some(State::Directory)) {
            return wrong("`recurse` goes only with `state: directory`".into());
        }
        if self.state == Some(State::Absent) && self.path.trim_matches('/').is_empty() {
            return wrong("refusing to remove `/`".into());
        }
        Ok(())
    }

    fn observe(&self, _host: &mut Host) -> Result<Observed, Error> {
        Resource::check(self)?;
        observe::observe(self)
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        change::diff(self, observed)
    }

    fn apply(&self, _host: &mut Host, change: &Change) -> Result<(), Error> {
        change.apply(self)
    }

    fn report(&self, observed: &Observed) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("path".into(), self.path.clone().into());
        map.insert("state".into(), observed.kind.word().into());
        if let Some(owned) = &observed.owned {
            map.insert("mode".into(), format!("{:04o}", owned.mode).into());
            map.insert("owner".into(), owned.owner.clone().into());
            map.insert("group".into(), owned.group.clone().into());
        }
        map
    }
}

impl File {
    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            mode: self.mode.as_ref(),
            owner: self.owner.as_deref(),
            group: self.group.as_deref(),
        }
    }

    /// What `src` of a link leads to, seen from the link's folder.
    fn target(&self) -> Option<PathBuf> {
        let folder = std::path::Path::new(&self.path).parent()?;
        Some(folder.join(self.src.as_deref()?))
    }

    fn empty(path: &str) -> Result<(), Error> {
        fs::File::options().append(true).create(true).open(path).map(drop).map_err(|error| {
            let failed = Error::io(format!("failed to create `{path}`"), &error);
            match error.kind() {
                std::io::ErrorKind::NotFound => {
                    failed.hint("its folder is missing; create it with `state: directory`")
                }
                _ => failed,
            }
        })
    }
}

#[cfg(test)]
mod tests;
