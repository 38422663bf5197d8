//! A light look at a template's text, before Tera's: which names it may ask for, whether it
//! is one expression and nothing else, and where in the user's file a part of it stands.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::diagnostic::Span;

/// The expression, when the text is `{{ expression }}` and nothing else.
pub(super) fn lone_expression(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?;
    let bytes = inner.as_bytes();
    let mut depth = 0_usize;
    let mut quote = None;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(open), byte) => {
                if byte == open {
                    quote = None;
                } else if *byte == b'\\' {
                    at += 1;
                }
            }
            (None, b'\'' | b'"' | b'`') => quote = Some(byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') => {
                let rest = inner.get(at..)?;
                let inner = inner.get(..at)?;
                let inner = inner.strip_prefix('-').unwrap_or(inner);
                return (rest == "}}").then(|| inner.strip_suffix('-').unwrap_or(inner));
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Tera ends a block at the first `}}`, also where two nested maps end: sets those apart.
pub(super) fn loosen(expression: &str) -> Cow<'_, str> {
    if !expression.contains("}}") {
        return Cow::Borrowed(expression);
    }
    let mut loose = String::with_capacity(expression.len() + 8);
    let mut quote = None;
    for c in expression.chars() {
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            None if c == '}' && loose.ends_with('}') => loose.push(' '),
            _ => {}
        }
        loose.push(c);
    }
    Cow::Owned(loose)
}

/// Every word inside `{{ … }}` and `{% … %}` that could be the name of a variable. More than
/// the variables is harmless: what is not declared is looked up and not found.
pub(super) fn names(template: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut rest = template;
    while let Some(open) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        rest = &rest[open + 2..];
        let mut quote = None;
        let mut start = None;
        let mut before = ' ';
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            if quote.is_some() {
                if quote == Some(c) {
                    quote = None;
                }
                continue;
            }
            if c.is_alphanumeric() || c == '_' {
                start.get_or_insert((at, before));
                continue;
            }
            if let Some((from, before)) = start.take() {
                insert(&mut names, &rest[from..at], before);
            }
            match c {
                '\'' | '"' | '`' => quote = Some(c),
                '%' | '}' if rest[at + 1..].starts_with('}') => {
                    end = at;
                    break;
                }
                _ => {}
            }
            if !c.is_whitespace() {
                before = c;
            }
        }
        if let Some((from, before)) = start {
            insert(&mut names, &rest[from..end.max(from)], before);
        }
        rest = &rest[end..];
    }
    names
}

fn insert<'t>(names: &mut BTreeSet<&'t str>, name: &'t str, before: char) {
    let begins = name.chars().next();
    if before != '.' && begins.is_some_and(|c| c.is_alphabetic() || c == '_') {
        names.insert(name);
    }
}

/// Where `shown[start..end]` stands, when `shown` is what was read at `span`. A scalar that
/// was written with escapes or folded over lines cannot be traced; then it is the whole one.
pub(super) fn place(span: &Span, shown: &str, start: usize, end: usize) -> Span {
    let written = span.source.text.get(span.start..span.end).unwrap_or_default();
    if let Some(offset) = written.find(shown).filter(|_| !shown.is_empty()) {
        let start = span.start + offset + start;
        let end = (span.start + offset + end).max(start + 1).min(span.end.max(start));
        return Span { start, end, source: span.source.clone() };
    }
    // A block scalar's lines stand there one by one, only further to the right.
    let line_start = shown.get(..start).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1);
    let line = shown.get(line_start..).and_then(|text| text.lines().next()).unwrap_or_default();
    match written.find(line).filter(|_| !line.trim().is_empty()) {
        Some(offset) => {
            let start = span.start + offset + (start - line_start);
            Span {
                start,
                end: (start + 1)
                    .max(start + end.saturating_sub(line_start).min(line.len()))
                    .min(span.end),
                source: span.source.clone(),
            }
        }
        None => span.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_names_that_matter() {
        let found =
            names("{{ a.b | f(x='c', y=d) }} text e {% for i in groups['g'] %}{{ i }}{% endfor %}");
        for name in ["a", "d", "groups", "i"] {
            assert!(found.contains(name), "{name} in {found:?}");
        }
        for name in ["b", "c", "e", "text", "g"] {
            assert!(!found.contains(name), "{name} in {found:?}");
        }
    }

    #[test]
    fn unfinished_templates_end() {
        for text in ["{{", "{{ a", "{% if", "{{ 'a", "{{ a }", "é{{ é"] {
            names(text);
            assert_eq!(lone_expression(text), None, "{text}");
        }
    }
}
