//! Regular expressions as Python's users write them, for templates and modules alike.
//!
//! The engine is `regex-lite`: no looking ahead or behind, no groups in patterns.

use regex_lite::{Captures, Regex, RegexBuilder};

/// Why a pattern or a replacement cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// It is none, or uses what this engine lacks.
    #[error("`{pattern}` is no regular expression: {cause}{why}")]
    Pattern {
        /// As it was written.
        pattern: String,
        /// In the engine's words.
        cause: String,
        /// What is known besides.
        why: &'static str,
    },
    /// A replacement names a group that the pattern has not.
    #[error("the pattern has no group {0}")]
    Group(String),
}

/// Compiles a pattern; with `lines`, `^` and `$` are those of a line.
pub(crate) fn compile(
    pattern: &str,
    ignore_case: bool,
    lines: bool,
) -> Result<Regex, PatternError> {
    // Python's `\Z` is this engine's `\z`.
    let ours = pattern.replace(r"\Z", r"\z");
    RegexBuilder::new(&ours)
        .case_insensitive(ignore_case)
        .multi_line(lines)
        .size_limit(1 << 20)
        .build()
        .map_err(|cause| {
            let looks = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| pattern.contains(look));
            let why = if looks { " (there is no looking ahead or behind)" } else { "" };
            PatternError::Pattern { pattern: pattern.to_owned(), cause: cause.to_string(), why }
        })
}

/// Writes a replacement in Python's spelling: `\1` and `\g<name>` are groups.
pub(crate) fn expand(
    with: &str,
    found: &Captures<'_>,
    out: &mut String,
) -> Result<(), PatternError> {
    let mut rest = with;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        if c.is_ascii_digit() {
            let length = rest.chars().take(2).take_while(char::is_ascii_digit).count();
            out.push_str(group(found, &rest[..length])?);
            rest = &rest[length..];
            continue;
        }
        if let Some((name, after)) = rest.strip_prefix("g<").and_then(|rest| rest.split_once('>')) {
            out.push_str(group(found, name)?);
            rest = after;
            continue;
        }
        match c {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            '\\' => out.push('\\'),
            c => {
                out.push('\\');
                out.push(c);
            }
        }
        rest = &rest[c.len_utf8()..];
    }
    out.push_str(rest);
    Ok(())
}

/// The text of a group, by its number or its name; empty where it took no part.
pub(crate) fn group<'t>(found: &Captures<'t>, name: &str) -> Result<&'t str, PatternError> {
    let there = match name.parse::<usize>() {
        Ok(at) if at < found.len() => found.get(at),
        Ok(_) => return Err(PatternError::Group(name.to_owned())),
        Err(_) => found.name(name),
    };
    Ok(there.map_or("", |found| found.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_python_takes() {
        let regex = compile(r"^(?P<key>\w+)=(\d+)\Z", false, false).unwrap();
        let found = regex.captures("port=80").unwrap();
        let mut out = String::new();
        expand(r"\g<key> is \2\t\q", &found, &mut out).unwrap();
        assert_eq!(out, "port is 80\t\\q");
        let error = expand(r"\7", &found, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "the pattern has no group 7");
    }

    #[test]
    fn says_what_is_lacking() {
        let error = compile("(?=x)", false, false).unwrap_err().to_string();
        assert!(error.starts_with("`(?=x)` is no regular expression"), "{error}");
        assert!(error.ends_with("(there is no looking ahead or behind)"), "{error}");
    }
}
