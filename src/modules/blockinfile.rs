//! `blockinfile`: several lines of a text file, between two markers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filesystem::{ATTRIBUTES_REFUSED, Attributes, Edited, FileMode};
use super::{Action, Error, Host, Mode, Outcome, Presence, Refused};

mod edit;

/// Makes sure that a block of lines is in a text file, between two marker lines, or that
/// there is none.
///
/// A block whose markers are there already is replaced where it is; else it goes where
/// `insertafter` or `insertbefore` say, or to the end. A symbolic link is followed.
///
/// The patterns are Python's, but for looking ahead and behind. The file must be UTF-8.
///
/// ```yaml
/// blockinfile:
///   path: /tmp/blockinfile-example
///   marker: "# {mark} LVS"
///   block: |
///     192.168.0.93 rs1
///     192.168.0.94 rs2
///   create: true
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blockinfile {
    /// The file.
    #[serde(alias = "dest", alias = "destfile", alias = "name")]
    pub path: String,
    /// The lines. None at all is the same as `state: absent`.
    #[serde(default, alias = "content")]
    pub block: String,
    /// The line before and after the block; `{mark}` becomes `marker_begin` and `marker_end`.
    #[serde(default = "marker")]
    pub marker: String,
    /// What `{mark}` is in the line before the block.
    #[serde(default = "begin")]
    pub marker_begin: String,
    /// What `{mark}` is in the line after the block.
    #[serde(default = "end")]
    pub marker_end: String,
    /// Whether the block is to be there.
    #[serde(default)]
    pub state: Presence,
    /// A new block comes after the last line that matches this pattern; `EOF` is the end of
    /// the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insertafter: Option<String>,
    /// A new block comes before the last line that matches this pattern; `BOF` is the
    /// beginning of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insertbefore: Option<String>,
    /// Whether an empty line follows the block.
    #[serde(default)]
    pub append_newline: bool,
    /// Whether an empty line precedes the block.
    #[serde(default)]
    pub prepend_newline: bool,
    /// Whether a file that is not there is made, and its folder.
    #[serde(default)]
    pub create: bool,
    /// Whether to keep a copy of what was there, as `NAME.PID.SECONDS~`.
    #[serde(default)]
    pub backup: bool,
    /// Permission bits: octal digits (`"0644"`) or symbols (`u=rw,g=r`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Owner, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A command with `%s` for the new file; when it fails, nothing is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<String>,
}

fn marker() -> String {
    // Ansible's own, so that its blocks are found.
    "# {mark} ANSIBLE MANAGED BLOCK".into()
}

fn begin() -> String {
    "BEGIN".into()
}

fn end() -> String {
    "END".into()
}

impl Action for Blockinfile {
    const REFUSED: &'static [Refused] = &[
        ATTRIBUTES_REFUSED,
        &[("encoding", "the file must be UTF-8; convert it first, as with `command: iconv …`")],
    ];

    fn check(&self) -> Result<(), Error> {
        if self.insertafter.is_some() && self.insertbefore.is_some() {
            return Err(Error::new("`insertafter` and `insertbefore` exclude each other"));
        }
        if self.first_marker() == self.last_marker() {
            return Err(Error::new("the markers before and after the block are the same")
                .hint("write `{mark}` into `marker`, such as `# {mark} LVS`"));
        }
        if self.marker.contains('\n') {
            return Err(Error::new("a `marker` is one line"));
        }
        self.beside().map(drop)
    }

    fn run(&self, _host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        let file = Edited {
            path: &self.path,
            create: self.create,
            backup: self.backup,
            validate: self.validate.as_deref(),
            attributes: Attributes {
                mode: self.mode.as_ref(),
                owner: self.owner.as_deref(),
                group: self.group.as_deref(),
            },
        };
        let found = match file.find()? {
            None => return file.missing(mode),
            Some(found) if found.text.is_none() && self.state == Presence::Absent => {
                let mut outcome = Outcome::default();
                outcome
                    .result
                    .insert("msg".into(), format!("File {} not present", self.path).into());
                return Ok(outcome);
            }
            Some(found) => found,
        };
        let edit = self.edit(found.text.as_deref())?;
        file.put(&found, &edit, mode)
    }
}

#[cfg(test)]
mod tests;
