//! What becomes of the lines of a text. Pure, and line by line what ansible-core's module does.

use regex_lite::{Captures, Regex};

use super::Lineinfile;
use crate::modules::Error;
use crate::modules::filesystem::Edit;
use crate::pattern;

/// The patterns, compiled.
pub(super) struct Patterns {
    regexp: Option<Regex>,
    /// Where a new line goes; none for an end of the file.
    beside: Option<Regex>,
}

/// Where the line goes when it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Last,
    At(usize),
}

impl Lineinfile {
    pub(super) fn patterns(&self) -> Result<Patterns, Error> {
        let after = self.insertafter.as_deref().filter(|text| !matches!(*text, "BOF" | "EOF"));
        let before = self.insertbefore.as_deref().filter(|text| *text != "BOF");
        Ok(Patterns {
            regexp: self.regexp.as_deref().map(compile).transpose()?,
            beside: after.or(before).map(compile).transpose()?,
        })
    }

    /// The text with the line in it.
    pub(super) fn with(&self, text: &str) -> Result<Edit, Error> {
        let line = self.line.as_deref().unwrap_or_default();
        let patterns = self.patterns()?;
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let matching = (0..lines.len()).filter(|at| self.matches(&patterns, lines[*at]));
        let matched = if self.firstmatch { { matching }.next() } else { matching.last() };
        let mut wanted = line.to_owned();
        let at = match matched {
            Some(at) => {
                if let (true, Some(regex)) = (self.backrefs, &patterns.regexp) {
                    wanted = expanded(line, regex, lines[at])?;
                }
                Ok(at)
            }
            None => self.place(&patterns, &lines, line),
        };
        let at = match at {
            Ok(at) => at,
            // Without a match there is nothing to take the groups from.
            Err(_) if self.backrefs => return Ok(unchanged(text)),
            Err(place) => return Ok(added(&lines, line, place)),
        };
        if !wanted.ends_with('\n') {
            wanted.push('\n');
        }
        if lines[at] == wanted {
            return Ok(unchanged(text));
        }
        lines[at] = &wanted;
        Ok(Edit {
            text: lines.concat(),
            message: "line replaced".into(),
            change: format!("replace line {}", at + 1),
        })
    }

    /// The text without the lines, and how many they were.
    pub(super) fn without(&self, text: &str) -> Result<(Edit, usize), Error> {
        let patterns = self.patterns()?;
        let gone = |line: &&str| match self.regexp.is_some() || self.search_string.is_some() {
            true => self.matches(&patterns, line),
            false => self.line.as_deref() == Some(bare(line)),
        };
        let count = text.split_inclusive('\n').filter(gone).count();
        if count == 0 {
            return Ok((unchanged(text), 0));
        }
        let edit = Edit {
            text: text.split_inclusive('\n').filter(|line| !gone(line)).collect(),
            message: format!("{count} line(s) removed"),
            change: format!("remove {count} line{}", if count == 1 { "" } else { "s" }),
        };
        Ok((edit, count))
    }

    fn matches(&self, patterns: &Patterns, line: &str) -> bool {
        let regex = patterns.regexp.as_ref().is_some_and(|regex| found(regex, line).is_some());
        regex || self.search_string.as_deref().is_some_and(|text| line.contains(text))
    }

    /// Where the line is already, or else where it goes.
    fn place(&self, patterns: &Patterns, lines: &[&str], line: &str) -> Result<usize, Place> {
        let (mut there, mut beside) = (None, None);
        for (at, now) in lines.iter().enumerate() {
            if bare(now) == line {
                there = Some(at);
            } else if patterns.beside.as_ref().is_some_and(|regex| found(regex, now).is_some()) {
                beside = Some(at);
                if self.firstmatch {
                    break;
                }
            }
        }
        if let Some(at) = there {
            return Ok(at);
        }
        let begins = |text: &Option<String>| text.as_deref() == Some("BOF");
        Err(match beside {
            _ if begins(&self.insertbefore) || begins(&self.insertafter) => Place::First,
            None => Place::Last,
            Some(at) if self.insertbefore.is_some() => Place::At(at),
            // One that stands there already was found above, unless the search ended first.
            Some(at) if lines.get(at + 1).is_some_and(|next| bare(next) == line) => {
                return Ok(at + 1);
            }
            Some(at) => Place::At(at + 1),
        })
    }
}

fn compile(text: &str) -> Result<Regex, Error> {
    pattern::compile(text, false, false).map_err(|error| Error::new(error.to_string()))
}

/// Python's `$` also stands before a line's end, this engine's only behind it: so the line
/// is tried without its end first.
fn found<'t>(regex: &Regex, line: &'t str) -> Option<Captures<'t>> {
    let without = line.strip_suffix('\n').unwrap_or(line);
    regex.captures(without).or_else(|| regex.captures(line))
}

fn expanded(line: &str, regex: &Regex, now: &str) -> Result<String, Error> {
    let mut out = String::new();
    if let Some(found) = found(regex, now) {
        pattern::expand(line, &found, &mut out).map_err(|error| Error::new(error.to_string()))?;
    }
    Ok(out)
}

fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

fn unchanged(text: &str) -> Edit {
    Edit { text: text.to_owned(), ..Edit::default() }
}

fn added(lines: &[&str], line: &str, place: Place) -> Edit {
    let at = match place {
        Place::First => 0,
        Place::Last => lines.len(),
        Place::At(at) => at,
    };
    let (before, after) = lines.split_at(at.min(lines.len()));
    let mut text = before.concat();
    // A last line without its end gets one, when the new line comes after it.
    if after.is_empty() && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
    text.extend(after.iter().copied());
    let change = match place {
        Place::Last => "add a line at the end".to_owned(),
        _ => format!("add a line as line {}", at + 1),
    };
    Edit { text, message: "line added".into(), change }
}
