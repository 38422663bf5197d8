//! Filters with regular expressions, in Python's spelling of replacements.

use std::cell::RefCell;
use std::collections::HashMap;

use regex_lite::Regex;
use tera::{TeraResult, Value};

use super::super::python::{error, limited, text};
use super::super::table::{Given, Row};
use crate::pattern::{self, expand, group};

pub(super) const ROWS: &[Row] = &[
    Row::filter("regex_replace", replace)
        .takes(&["pattern", "replacement?", "ignorecase?", "multiline?", "count?"])
        .doc("With the replacement for each match; `\\1` and `\\g<name>` are its groups."),
    Row::filter("regex_search", search)
        .takes(&["regex", "*", "ignorecase?", "multiline?"])
        .doc("The first match, or those of its groups that are named; none where nothing matches."),
    Row::filter("regex_findall", findall)
        .takes(&["regex", "multiline?", "ignorecase?"])
        .doc("All matches, or their groups."),
    Row::filter("regex_escape", |value, _| Ok(regex_lite::escape(&text(value)).into()))
        .doc("The text with a backslash before what means something in a pattern."),
];

/// Compiled patterns are kept: loops use the same one again and again.
const KEPT: usize = 256;

type Patterns = HashMap<(String, bool, bool), Regex>;

thread_local! {
    static PATTERNS: RefCell<Patterns> = RefCell::new(Patterns::new());
}

/// A pattern; a mistake in it, or what this engine lacks, is an error.
pub(super) fn pattern(pattern: &str, ignore_case: bool, lines: bool) -> TeraResult<Regex> {
    let key = (pattern.to_owned(), ignore_case, lines);
    if let Some(regex) = PATTERNS.with_borrow(|kept| kept.get(&key).cloned()) {
        return Ok(regex);
    }
    let regex = pattern::compile(pattern, ignore_case, lines).map_err(error)?;
    PATTERNS.with_borrow_mut(|kept| {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, regex.clone());
    });
    Ok(regex)
}

fn flags(given: &Given) -> (bool, bool) {
    (given.flag("ignorecase").unwrap_or(false), given.flag("multiline").unwrap_or(false))
}

fn replace(value: &Value, given: &Given) -> TeraResult<Value> {
    let (ignore_case, lines) = flags(given);
    let regex = pattern(&text(&given.need("pattern")?), ignore_case, lines)?;
    let with = given.text("replacement").unwrap_or_default();
    let most = given.integer("count")?.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let text = text(value);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, found) in regex.captures_iter(&text).enumerate() {
        if most > 0 && at >= most {
            break;
        }
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&text[from..whole.start()]);
        expand(&with, &found, &mut out).map_err(error)?;
        limited(out.len())?;
        from = whole.end();
    }
    out.push_str(&text[from..]);
    Ok(out.into())
}

fn search(value: &Value, given: &Given) -> TeraResult<Value> {
    let (ignore_case, lines) = flags(given);
    let regex = pattern(&text(&given.need("regex")?), ignore_case, lines)?;
    let text = text(value);
    let Some(found) = regex.captures(&text) else { return Ok(Value::none()) };
    let groups = given.rest();
    if groups.is_empty() {
        return Ok(found.get(0).map_or("", |found| found.as_str()).into());
    }
    let named = groups.iter().map(|name| {
        let name = self::text(name);
        let name = name.trim_start_matches('\\');
        let name = name.strip_prefix("g<").and_then(|name| name.strip_suffix('>')).unwrap_or(name);
        group(&found, name).map(Value::from).map_err(error)
    });
    named.collect::<TeraResult<Vec<_>>>().map(Value::from)
}

fn findall(value: &Value, given: &Given) -> TeraResult<Value> {
    let (ignore_case, lines) = flags(given);
    let regex = pattern(&text(&given.need("regex")?), ignore_case, lines)?;
    let text = text(value);
    let part =
        |found: Option<regex_lite::Match<'_>>| Value::from(found.map_or("", |one| one.as_str()));
    let all = regex.captures_iter(&text).map(|found| match found.len() {
        1 => part(found.get(0)),
        2 => part(found.get(1)),
        count => (1..count).map(|at| part(found.get(at))).collect::<Vec<_>>().into(),
    });
    Ok(all.collect::<Vec<_>>().into())
}
