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
        rest = &rest[block(rest, &mut names)..];
    }
    names
}

/// Words of Tera's own.
const WORDS: &[&str] = &[
    "and", "or", "not", "in", "is", "if", "else", "elif", "endif", "for", "endfor", "true",
    "false", "none", "hand_out",
];

/// Collects the names of one block, and gives its length.
fn block<'t>(text: &'t str, names: &mut BTreeSet<&'t str>) -> usize {
    let mut quote = None;
    let mut begun: Option<usize> = None;
    // What came before the word: a letter that is none, and the word before.
    let (mut before, mut previous) = (' ', "");
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if quote.is_some() {
            quote = quote.filter(|open| *open != c);
            continue;
        }
        if c.is_alphanumeric() || c == '_' {
            begun.get_or_insert(at);
            continue;
        }
        if let Some(from) = begun.take() {
            let word = &text[from..at];
            // `name=` gives an argument of a filter, `name==` compares a variable.
            let after = text[at..].trim_start();
            let argument = after.starts_with('=') && !after.starts_with("==");
            let number = word.starts_with(|c: char| c.is_numeric());
            let test = previous == "is";
            if !(argument || number || test || matches!(before, '.' | '|') || WORDS.contains(&word))
            {
                names.insert(word);
            }
            // `is not defined` asks for the test `defined`, too.
            previous = if word == "not" && test { previous } else { word };
            before = ' ';
        }
        match c {
            '\'' | '"' | '`' => quote = Some(c),
            '%' | '}' if text[at + 1..].starts_with('}') => return at,
            _ => {}
        }
        if !c.is_whitespace() {
            (before, previous) = (c, "");
        }
    }
    text.len()
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
    fn passes_over_what_is_no_name() {
        let found = names(
            "{{ a | default(value=b) if c == d else e.f | join(sep=',') }}{{ g is not defined }}",
        );
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "g"]);
    }

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
