//! What becomes of the lines of a text. Pure, and line by line what ansible-core's module does.

use regex_lite::Regex;

use super::Blockinfile;
use crate::modules::filesystem::Edit;
use crate::modules::{Error, Presence};
use crate::pattern;

/// A pattern, and whether it is about the whole text rather than about lines.
pub(super) struct Beside {
    regex: Regex,
    whole: bool,
}

impl Blockinfile {
    /// Where a new block goes; none for an end of the file.
    pub(super) fn beside(&self) -> Result<Option<Beside>, Error> {
        let after = self.insertafter.as_deref().filter(|text| *text != "EOF");
        let before = self.insertbefore.as_deref().filter(|text| *text != "BOF");
        let Some(text) = after.or(before) else { return Ok(None) };
        let regex =
            pattern::compile(text, false, false).map_err(|error| Error::new(error.to_string()))?;
        // `(?m)` or `(?im)`, as Python has them at the beginning.
        let flags = text.strip_prefix("(?").and_then(|rest| rest.split_once(')'));
        let whole = flags.is_some_and(|(flags, _)| {
            flags.contains('m') && flags.chars().all(|c| c.is_ascii_alphabetic())
        });
        Ok(Some(Beside { regex, whole }))
    }

    pub(super) fn first_marker(&self) -> String {
        self.marker.replace("{mark}", &self.marker_begin) + "\n"
    }

    pub(super) fn last_marker(&self) -> String {
        self.marker.replace("{mark}", &self.marker_end) + "\n"
    }

    /// The lines between the markers, markers included; none when there is to be no block.
    fn wanted(&self) -> String {
        if self.state == Presence::Absent || self.block.is_empty() {
            return String::new();
        }
        let end = if self.block.ends_with('\n') { "" } else { "\n" };
        format!("{}{}{end}{}", self.first_marker(), self.block, self.last_marker())
    }

    /// The text with the block in it, or without; `None` stands for a file that is not there.
    pub(super) fn edit(&self, original: Option<&str>) -> Result<Edit, Error> {
        let text = original.unwrap_or_default();
        let block = self.wanted();
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let last = |marker: String| lines.iter().rposition(|line| *line == marker);
        let (first, second) = (last(self.first_marker()), last(self.last_marker()));
        let at = match (first, second) {
            (Some(one), Some(other)) => {
                lines.drain(one.min(other)..=one.max(other));
                one.min(other)
            }
            _ => self.place(text, &lines)?,
        };
        let (before, after) = lines.split_at(at);
        let mut out = before.concat();
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        let present = self.state == Presence::Present;
        if self.prepend_newline && present && before.last().is_some_and(|line| *line != "\n") {
            out.push('\n');
        }
        out.push_str(&block);
        if self.append_newline && present && after.first().is_some_and(|line| *line != "\n") {
            out.push('\n');
        }
        out.extend(after.iter().copied());
        let (message, change) = match original {
            Some(text) if text == out => ("", ""),
            None => ("File created", "put the block in"),
            Some(_) if block.is_empty() => ("Block removed", "remove the block"),
            Some(_) if first.and(second).is_some() => ("Block inserted", "replace the block"),
            Some(_) => ("Block inserted", "insert the block"),
        };
        Ok(Edit { text: out, message: message.into(), change: change.into() })
    }

    /// Before which line a new block goes.
    fn place(&self, text: &str, lines: &[&str]) -> Result<usize, Error> {
        let after = self.insertbefore.is_none();
        let Some(Beside { regex, whole }) = self.beside()? else {
            return Ok(if after { lines.len() } else { 0 });
        };
        let found = if whole {
            let ends = |before: &str| before.matches('\n').count();
            let found = regex.find(text);
            found.map(|found| ends(&text[..if after { found.end() } else { found.start() }]))
        } else {
            // As in `lineinfile`: Python's `$` also stands before a line's end.
            let matches = |line: &&str| {
                regex.is_match(line.strip_suffix('\n').unwrap_or(line)) || regex.is_match(line)
            };
            lines.iter().rposition(matches)
        };
        let at = found.map(|at| if after { at + 1 } else { at });
        Ok(at.unwrap_or(lines.len()).min(lines.len()))
    }
}
