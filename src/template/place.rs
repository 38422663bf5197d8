//! Where in the user's file a part of a scalar stands.

use crate::diagnostic::Span;

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
