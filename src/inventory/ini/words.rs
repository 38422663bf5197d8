//! A line of hosts as words, by the quoting rules of Python's `shlex`: a `#` ends the line, also
//! in the middle of a word.

use std::ops::Range;

/// The words, and where each stands; an error says which quote was left open.
pub(super) fn split(line: &str) -> Result<Vec<(Range<usize>, String)>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<(usize, String)> = None;
    let mut chars = line.char_indices();
    let mut end = line.len();
    while let Some((at, c)) = chars.next() {
        if matches!(c, ' ' | '\t' | '\r' | '\n') {
            words.extend(word.take().map(|(start, text)| (start..at, text)));
            continue;
        }
        if c == '#' {
            end = at;
            break;
        }
        let (_, text) = word.get_or_insert_with(|| (at, String::new()));
        match c {
            '\\' => {
                text.push(chars.next().ok_or("there is nothing after the last backslash")?.1);
            }
            '\'' => loop {
                match chars.next().ok_or("a single quote is not closed")?.1 {
                    '\'' => break,
                    c => text.push(c),
                }
            },
            '"' => loop {
                match chars.next().ok_or("a double quote is not closed")?.1 {
                    '"' => break,
                    '\\' => match chars.next().ok_or("a double quote is not closed")?.1 {
                        c @ ('"' | '\\') => text.push(c),
                        c => text.extend(['\\', c]),
                    },
                    c => text.push(c),
                }
            },
            c => text.push(c),
        }
    }
    words.extend(word.map(|(start, text)| (start..end, text)));
    Ok(words)
}
