//! `copy`: a file of the playbook, or a text in it, at a place on the host.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filesystem::{ATTRIBUTES_REFUSED, Content, FileMode, Placed};
use super::{Arguments, Error, Refused};

/// Puts a file onto the host: one from the playbook's `files` folders, or a text.
///
/// The file is written under a temporary name and renamed, so that nobody ever sees half
/// of it. A symbolic link at `dest` is replaced, unless `follow` is set.
///
/// ```yaml
/// copy:
///   content: "rs1\n"
///   dest: /tmp/index.html
///   mode: "0644"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// A file beside the playbook or in a role's `files` folder; with `remote_src`, a
    /// path on the host itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    /// The text to write, instead of `src`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The path on the host; an existing folder, or a path that ends in `/`, takes the
    /// file under the name it has in `src`.
    pub dest: String,
    /// Permission bits: octal digits (`"0644"`) or symbols (`u=rw,g=r`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Owner, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether a file that is there with other bytes is replaced.
    #[serde(default = "yes")]
    pub force: bool,
    /// Whether to keep a copy of what was there, as `NAME.PID.SECONDS~`.
    #[serde(default)]
    pub backup: bool,
    /// Whether a symbolic link at `dest` is written through rather than replaced.
    #[serde(default)]
    pub follow: bool,
    /// Whether `src` is a path on the host itself.
    #[serde(default)]
    pub remote_src: bool,
    /// A command with `%s` for the new file; when it fails, nothing is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<String>,
}

pub(super) fn yes() -> bool {
    true
}

/// What the controller has to do for a `copy` before the agent can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// Read this file beside the playbook, and hand its bytes to [`Copy::placed`].
    Controller(&'a str),
    /// Nothing: hand `None` to [`Copy::placed`].
    Complete,
}

impl Arguments for Copy {
    const REFUSED: &'static [Refused] = &[ATTRIBUTES_REFUSED];

    fn check(&self) -> Result<(), Error> {
        self.source().map(drop)
    }
}

impl Copy {
    /// Says what the controller has to read.
    pub fn source(&self) -> Result<Source<'_>, Error> {
        match (&self.src, &self.content) {
            (Some(_), Some(_)) => Err(Error::new("`src` and `content` exclude each other")),
            (None, None) => Err(Error::new("`copy` needs `src` or `content`")),
            (None, Some(_)) if self.remote_src => {
                Err(Error::new("`remote_src` goes with `src`, not with `content`"))
            }
            (Some(src), None) if !self.remote_src => Ok(Source::Controller(src)),
            _ => Ok(Source::Complete),
        }
    }

    /// What the agent is asked to do, given the bytes of [`Source::Controller`].
    pub fn placed(self, bytes: Option<Vec<u8>>) -> Result<Placed, Error> {
        let needs_bytes = matches!(self.source()?, Source::Controller(_));
        let name = self.src.as_deref().and_then(file_name);
        let content = match (bytes, self.content, self.src) {
            (Some(bytes), _, _) => Content::from(bytes),
            (None, Some(text), _) => Content::Text(text),
            (None, None, Some(path)) if !needs_bytes => Content::Remote(path),
            (None, None, src) => {
                let src = src.unwrap_or_default();
                return Err(Error::new(format!("`{src}` was not read by the controller")));
            }
        };
        Ok(Placed {
            dest: self.dest,
            name,
            content,
            mode: self.mode,
            owner: self.owner,
            group: self.group,
            force: self.force,
            backup: self.backup,
            follow: self.follow,
            validate: self.validate,
        })
    }
}

pub(super) fn file_name(path: &str) -> Option<String> {
    Some(Path::new(path).file_name()?.to_string_lossy().into_owned())
}
