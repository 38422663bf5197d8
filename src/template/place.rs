//! Where in the user's file a part of a scalar stands.

use crate::diagnostic::Span;

/// Where `shown[start..end]` stands, when `shown` is what was read at `span`. A scalar that
/// was folded over lines, or has rarer escapes, cannot be traced; then it is the whole one.
pub(super) fn place(span: &Span, shown: &str, start: usize, end: usize) -> Span {
    let written = span.source.text.get(span.start..span.end).unwrap_or_default();
    if let Some(offset) = written.find(shown).filter(|_| !shown.is_empty()) {
        let start = span.start + offset + start;
        let end = (span.start + offset + end).max(start + 1).min(span.end.max(start));
        return Span { start, end, source: span.source.clone() };
    }
    if let Some((from, to)) = in_quotes(written, shown, start, end) {
        let to = (span.start + to).max(span.start + from + 1).min(span.end);
        return Span { start: span.start + from, end: to, source: span.source.clone() };
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

/// Where `shown[start..end]` stands in a scalar in quotes, which has escapes and is of one line.
fn in_quotes(written: &str, shown: &str, start: usize, end: usize) -> Option<(usize, usize)> {
    let quote = written.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (mut at, mut decoded) = (1, 0);
    let (mut from, mut to) = (None, None);
    loop {
        if decoded >= start {
            from.get_or_insert(at);
        }
        if decoded >= end {
            to.get_or_insert(at);
        }
        if let (Some(from), Some(to)) = (from, to) {
            return Some((from, to));
        }
        let rest = written.get(at..)?;
        let expected = shown.get(decoded..)?.chars().next()?;
        let length = match (quote, rest.as_bytes()) {
            ('"', [b'\\', escaped, ..]) => {
                let means = match escaped {
                    b'n' => '\n',
                    b't' => '\t',
                    b'"' | b'\\' | b'/' => char::from(*escaped),
                    _ => return None,
                };
                (means == expected).then_some(2)?
            }
            ('\'', [b'\'', b'\'', ..]) => (expected == '\'').then_some(2)?,
            _ => rest.starts_with(expected).then(|| expected.len_utf8())?,
        };
        at += length;
        decoded += expected.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::diagnostic::Source;
    use crate::template::Renderer;

    fn error(text: &str) -> String {
        let source = Arc::new(Source { name: "t.yml".into(), text: text.into() });
        let node = crate::yaml::read(&source).expect("YAML");
        let none = serde_json::Map::new();
        Renderer::new(&none).node(&node).expect_err("must fail").to_string()
    }

    #[test]
    fn escapes_do_not_hide_a_place() {
        let double = error(r#"a: "{{ \"x\" }} {{ nope }}""#);
        assert!(double.starts_with("t.yml:1:20: undefined variable `nope`"), "{double}");
        let single = error("a: '{{ ''x'' }} {{ nope }}'");
        assert!(single.starts_with("t.yml:1:20: undefined variable `nope`"), "{single}");
        let block = error("a: |\n  b\n  {{ nope }}\n");
        assert!(block.starts_with("t.yml:3:6: undefined variable `nope`"), "{block}");
        let plain = error("a: x{{ nope }}");
        assert!(plain.starts_with("t.yml:1:8: undefined variable `nope`"), "{plain}");
    }

    #[test]
    fn what_is_folded_is_shown_whole() {
        let folded = error("a: \"{{ 1 }}\n  {{ nope }}\"");
        assert!(folded.starts_with("t.yml:"), "{folded}");
    }
}
