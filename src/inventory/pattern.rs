//! `hosts:` and `--limit`: which hosts a pattern names.

use std::collections::HashSet;
use std::path::Path;

use indexmap::IndexSet;
use regex_lite::Regex;

use super::{Inventory, LOCALHOST};
use crate::diagnostic::Diagnostic;

mod glob;

pub(crate) use glob::glob;

/// The hosts a pattern names, in its order: names of hosts and groups, joined by `:` or `,`; `&`
/// keeps only those that are also there, `!` takes away. `*`, `?` and `[abc]` stand for letters,
/// `~` begins a regular expression, `group[0]` and `group[1:3]` are some of a group.
pub fn select(inventory: &Inventory, pattern: &str) -> Result<Vec<String>, Diagnostic> {
    select_parts(inventory, split(pattern))
}

/// The hosts of `--limit`: a pattern, in which `@file` stands for the patterns in a file, one on
/// each line.
pub fn limit(inventory: &Inventory, pattern: &str) -> Result<Vec<String>, Diagnostic> {
    let mut read = Vec::new();
    for part in split(pattern) {
        match part.strip_prefix('@') {
            Some(file) => {
                let text = crate::yaml::source(Path::new(file))?;
                read.extend(text.text.lines().map(|line| line.trim().to_owned()));
            }
            None => read.push(part.to_owned()),
        }
    }
    select_parts(inventory, read.iter().map(String::as_str).collect())
}

fn select_parts(inventory: &Inventory, mut parts: Vec<&str>) -> Result<Vec<String>, Diagnostic> {
    parts.retain(|part| !part.is_empty());
    // `!` and `&` act after all that adds.
    parts.sort_by_key(|part| match part.chars().next() {
        Some('&') => 1,
        Some('!') => 2,
        _ => 0,
    });
    if parts.first().is_some_and(|part| part.starts_with(['&', '!'])) {
        parts.insert(0, "all");
    }
    let mut selected: IndexSet<&str> = IndexSet::new();
    for part in parts {
        if let Some(rest) = part.strip_prefix('!') {
            let gone: HashSet<&str> = named(inventory, rest)?.into_iter().collect();
            selected.retain(|name| !gone.contains(name));
        } else if let Some(rest) = part.strip_prefix('&') {
            let kept: HashSet<&str> = named(inventory, rest)?.into_iter().collect();
            selected.retain(|name| kept.contains(name));
        } else {
            selected.extend(named(inventory, part)?);
        }
    }
    Ok(selected.into_iter().map(str::to_owned).collect())
}

/// The parts of a pattern. Where there is a comma only commas divide; a colon divides nothing
/// inside brackets, nor in an IPv6 address.
fn split(pattern: &str) -> Vec<&str> {
    if pattern.contains(',') {
        return pattern.split(',').map(str::trim).collect();
    }
    if pattern.trim().parse::<std::net::Ipv6Addr>().is_ok() {
        return vec![pattern.trim()];
    }
    let mut depth = 0_usize;
    let divides = |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (c == ':' || c.is_whitespace())
    };
    pattern.split(divides).collect()
}

fn named<'a>(inventory: &'a Inventory, part: &str) -> Result<Vec<&'a str>, Diagnostic> {
    if let Some((host, _)) = inventory.hosts.get_key_value(part) {
        return Ok(vec![host]);
    }
    let (name, subscript) = match part.starts_with('~') {
        true => (part, None),
        false => subscript(part),
    };
    let found = matches(inventory, name)?;
    let Some(Subscript { first, last }) = subscript.filter(|_| !found.is_empty()) else {
        return Ok(found);
    };
    let count = found.len();
    let index = |at: i64| match usize::try_from(at) {
        Ok(at) => Some(at),
        Err(_) => count.checked_sub(usize::try_from(at.unsigned_abs()).ok()?),
    };
    let first = index(first).filter(|first| *first < count || last.is_some());
    let Some(first) = first else {
        let mistake = format!("`{part}` names no host: `{name}` has {count}");
        return Err(Diagnostic::new(mistake).hint("the first one is `[0]`, the last one `[-1]`"));
    };
    let last = last.map_or(first, |last| last.unwrap_or(count)).min(count.saturating_sub(1));
    Ok(found.get(first..=last).unwrap_or_default().to_vec())
}

/// What stands in brackets behind a pattern: one, or from one to another.
struct Subscript {
    first: i64,
    /// Nothing for one; the end of a range, which may be open.
    last: Option<Option<usize>>,
}

fn subscript(part: &str) -> (&str, Option<Subscript>) {
    let parsed = part.strip_suffix(']').and_then(|rest| {
        let (name, inside) = rest.rsplit_once('[')?;
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = inside.strip_prefix('-').unwrap_or(inside);
        let subscript = if !unsigned.is_empty() && number(unsigned) {
            Subscript { first: inside.parse().ok()?, last: None }
        } else {
            let (first, last) = inside.split_once([':', '-'])?;
            if first.is_empty() || !number(first) || !number(last) {
                return None;
            }
            let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
            Subscript { first: first.parse().ok()?, last: Some(last) }
        };
        (!name.is_empty()).then_some((name, subscript))
    });
    match parsed {
        Some((name, subscript)) => (name, Some(subscript)),
        None => (part, None),
    }
}

fn matches<'a>(inventory: &'a Inventory, name: &str) -> Result<Vec<&'a str>, Diagnostic> {
    if let Some(expression) = name.strip_prefix('~') {
        let regex = Regex::new(&format!("^(?:{expression})")).map_err(|error| {
            Diagnostic::new(format!("`{name}` is not a regular expression: {error}"))
                .hint("what comes behind `~` is one; without it, `*` stands for any letters")
        })?;
        return Ok(all_that(inventory, |text| regex.is_match(text)));
    }
    if name.contains(['*', '?', '[']) {
        return Ok(all_that(inventory, |text| glob(name, text)));
    }
    if inventory.groups.contains_key(name) {
        return Ok(inventory.members(name));
    }
    if let Some((host, _)) = inventory.hosts.get_key_value(name) {
        return Ok(vec![host]);
    }
    if !LOCALHOST.contains(&name) {
        let known = inventory.groups.keys().chain(inventory.hosts.keys()).map(String::as_str);
        let mistake = Diagnostic::new(format!("no host or group is called `{name}`"));
        return Err(mistake.did_you_mean(name, known));
    }
    // Whichever of its names the controller has here.
    let here = LOCALHOST.iter().find_map(|name| inventory.hosts.get_key_value(*name));
    match here {
        Some((host, _)) => Ok(vec![host]),
        None => Err(Diagnostic::new(format!("there is no `{name}` in a lab"))
            .hint("a playbook in a lab must not touch the machine; use one of the lab's hosts")),
    }
}

/// The members of groups, and the hosts, whose names are right.
fn all_that(inventory: &Inventory, right: impl Fn(&str) -> bool) -> Vec<&str> {
    let groups = inventory.groups.keys().filter(|name| right(name));
    let mut found: IndexSet<&str> = groups.flat_map(|name| inventory.members(name)).collect();
    let explicit = inventory.hosts.iter().filter(|(_, host)| !host.implicit);
    found.extend(explicit.map(|(name, _)| name.as_str()).filter(|name| right(name)));
    found.into_iter().collect()
}

#[cfg(test)]
mod tests;
