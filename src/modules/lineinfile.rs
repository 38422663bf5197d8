//! `lineinfile`: one line of a text file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filesystem::{ATTRIBUTES_REFUSED, Attributes, Edited, FileMode};
use super::{Action, Error, Host, Mode, Outcome, Presence, Refused};

mod edit;

/// Makes sure that a line is in a text file, or that none like it is.
///
/// With `regexp` or `search_string` the last line that matches is replaced; when none does,
/// and the line is not there already, it is added where `insertafter` or `insertbefore` say,
/// else at the end. A symbolic link is followed.
///
/// The patterns are Python's, but for looking ahead and behind. The file must be UTF-8.
///
/// ```yaml
/// lineinfile:
///   path: /tmp/lineinfile-example
///   regexp: '^Listen '
///   line: Listen 8080
///   create: true
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lineinfile {
    /// The file.
    #[serde(alias = "dest", alias = "destfile", alias = "name")]
    pub path: String,
    /// The line that is to be there, without its end. With `absent` and no pattern, the one
    /// that is to go.
    #[serde(default, alias = "value", skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// A pattern: the last line that matches is replaced, or with `absent` each is removed.
    #[serde(default, alias = "regex", skip_serializing_if = "Option::is_none")]
    pub regexp: Option<String>,
    /// A text to look for within lines, instead of a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_string: Option<String>,
    /// Whether the line is to be there.
    #[serde(default)]
    pub state: Presence,
    /// Where nothing was replaced, the line comes after the last one that matches this
    /// pattern; `EOF` is the end of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insertafter: Option<String>,
    /// Where nothing was replaced, the line comes before the last one that matches this
    /// pattern; `BOF` is the beginning of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insertbefore: Option<String>,
    /// Whether `\1` and `\g<name>` in `line` are groups of `regexp`. Where that matches
    /// nothing, the file stays as it is.
    #[serde(default)]
    pub backrefs: bool,
    /// Whether `insertafter` and `insertbefore` mean the first line that matches; so do
    /// `regexp` and `search_string` then.
    #[serde(default)]
    pub firstmatch: bool,
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

/// A line with groups in it may match its own pattern and grow each time, so that this is no
/// state that always holds; the file is read again all the same.
impl Action for Lineinfile {
    const REFUSED: &'static [Refused] = &[
        ATTRIBUTES_REFUSED,
        &[("encoding", "the file must be UTF-8; convert it first, as with `command: iconv …`")],
    ];

    fn check(&self) -> Result<(), Error> {
        let exclude = |one: &str, other: &str| {
            Err(Error::new(format!("`{one}` and `{other}` exclude each other")))
        };
        if self.insertafter.is_some() && self.insertbefore.is_some() {
            return exclude("insertafter", "insertbefore");
        }
        if self.regexp.is_some() && self.search_string.is_some() {
            return exclude("regexp", "search_string");
        }
        if self.backrefs && self.search_string.is_some() {
            return exclude("backrefs", "search_string");
        }
        if self.state == Presence::Present {
            if self.line.is_none() {
                return Err(Error::new("`state: present` needs a `line`"));
            }
            if self.backrefs && self.regexp.is_none() {
                return Err(Error::new("`backrefs` needs a `regexp`, whose groups they are"));
            }
        } else if self.line.is_none() && self.regexp.is_none() && self.search_string.is_none() {
            return Err(Error::new("`state: absent` needs `line`, `regexp` or `search_string`"));
        }
        self.patterns().map(drop)
    }

    fn run(&self, _host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        let absent = self.state == Presence::Absent;
        let file = Edited {
            path: &self.path,
            create: self.create && !absent,
            backup: self.backup,
            validate: self.validate.as_deref(),
            attributes: Attributes {
                mode: self.mode.as_ref(),
                owner: self.owner.as_deref(),
                group: self.group.as_deref(),
            },
        };
        let Some(found) = file.find()? else {
            if !absent {
                return file.missing(mode);
            }
            let mut outcome = Outcome::default();
            outcome.result.insert("msg".into(), "file not present".into());
            return Ok(outcome);
        };
        let text = found.text.as_deref().unwrap_or_default();
        let (edit, removed) = match absent {
            true => self.without(text)?,
            false => (self.with(text)?, 0),
        };
        let mut outcome = file.put(&found, &edit, mode)?;
        if absent {
            outcome.result.insert("found".into(), removed.into());
        }
        let backup = outcome.result.shift_remove("backup_file").unwrap_or_else(|| "".into());
        outcome.result.insert("backup".into(), backup);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests;
