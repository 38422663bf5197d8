//! What a task loops over: items made of a rendered value, and what each of them is called.

use serde_json::{Value, json};

use crate::diagnostic::Diagnostic;
use crate::playbook::{Loop, LoopKind};
use crate::yaml::{Kind, Node};

/// The most items that numbers may stand for.
const MOST: u64 = 1_000_000;

/// One of a loop's items.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) index: usize,
    pub(super) all: &'a [Value],
}

impl<'a> Item<'a> {
    pub(super) fn of(all: &'a [Value]) -> impl Iterator<Item = Self> {
        (0..all.len()).map(move |index| Self { index, all })
    }

    pub(super) fn value(self) -> &'a Value {
        &self.all[self.index]
    }

    /// The value of a name that the loop gives one.
    pub(super) fn variable(self, over: &Loop, name: &str) -> Option<Value> {
        if name == over.name {
            return Some(self.value().clone());
        }
        if over.index.as_deref() == Some(name) {
            return Some(self.index.into());
        }
        (over.extended && name == "ansible_loop").then(|| self.extended())
    }

    fn extended(self) -> Value {
        let (index, length) = (self.index, self.all.len());
        let mut told = json!({
            "allitems": self.all,
            "index": index + 1,
            "index0": index,
            "revindex": length - index,
            "revindex0": length - index - 1,
            "first": index == 0,
            "last": index + 1 == length,
            "length": length,
        });
        let previous = index.checked_sub(1).and_then(|at| self.all.get(at));
        for (name, item) in [("previtem", previous), ("nextitem", self.all.get(index + 1))] {
            if let Some(item) = item {
                told[name] = item.clone();
            }
        }
        told
    }

    /// Everything that the loop gives a value, for what an include brings.
    pub(super) fn bindings(self, over: &Loop) -> Vec<(String, Value)> {
        let names = [Some(over.name.as_str()), over.index.as_deref(), Some("ansible_loop")];
        let names = names.into_iter().flatten();
        names.filter_map(|name| Some((name.to_owned(), self.variable(over, name)?))).collect()
    }
}

/// The items of a loop whose value is rendered.
pub(super) fn items(over: &Loop, rendered: &Node) -> Result<Vec<Value>, Diagnostic> {
    match (over.kind, &rendered.kind) {
        (LoopKind::List, Kind::Sequence(items)) => Ok(items.iter().map(Node::to_json).collect()),
        (LoopKind::List, _) => Err(rendered
            .expected("a list to loop over")
            .hint("write `loop: [a, b]`; `with_items` takes a single value, too")),
        (LoopKind::Items, _) => Ok(rendered.one_or_many().iter().flat_map(laid_out).collect()),
        (LoopKind::Dict, Kind::Mapping(entries)) => Ok(entries
            .iter()
            .map(|(key, value)| json!({"key": key.text, "value": value.to_json()}))
            .collect()),
        (LoopKind::Dict, Kind::Sequence(items)) if items.is_empty() => Ok(Vec::new()),
        (LoopKind::Dict, _) => Err(rendered.expected("a mapping to loop over")),
        (LoopKind::Sequence, _) => {
            let mut numbers = Vec::new();
            for one in rendered.one_or_many() {
                let text = one.decode::<String>()?;
                let more = sequence(&text).map_err(|what| {
                    Diagnostic::new(format!("`{text}` is no sequence: {what}"))
                        .at(&one.span)
                        .hint("write `start=1 end=8 stride=1 format=web%02d`, or `count=8`")
                })?;
                numbers.extend(more);
            }
            Ok(numbers)
        }
    }
}

fn laid_out(node: &Node) -> Vec<Value> {
    match &node.kind {
        Kind::Sequence(items) => items.iter().map(Node::to_json).collect(),
        _ => vec![node.to_json()],
    }
}

/// `start=1 end=8 stride=2 format=web%02d`, `count=3`, or short `1-8/2:web%02d`.
fn sequence(text: &str) -> Result<Vec<Value>, String> {
    let (mut start, mut end, mut count, mut stride, mut format) = (1, None, None, None, "%d");
    let number = |text: &str| -> Result<i64, String> {
        let text = text.trim();
        let read = match text.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        read.map_err(|_| format!("`{text}` is no number"))
    };
    if text.contains('=') {
        for word in text.split_whitespace() {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("`{word}` has no value"))?;
            match name {
                "start" => start = number(value)?,
                "end" => end = Some(number(value)?),
                "count" => count = Some(number(value)?),
                "stride" => stride = Some(number(value)?),
                "format" => format = value,
                other => return Err(format!("there is no `{other}`")),
            }
        }
    } else {
        let (numbers, shape) = text.split_once(':').unwrap_or((text, "%d"));
        format = shape;
        let (range, step) = match numbers.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (numbers, None),
        };
        stride = step;
        match range.trim().split_once('-').filter(|(first, _)| !first.is_empty()) {
            Some((first, last)) => {
                start = number(first)?;
                end = Some(number(last)?);
            }
            None => end = Some(number(range)?),
        }
    }
    let stride = stride.unwrap_or(1);
    let end = match (end, count) {
        (Some(_), Some(_)) => return Err("`end` and `count` exclude each other".into()),
        (None, None) => return Err("it has no `end` and no `count`".into()),
        (Some(end), None) => end,
        (None, Some(0)) => return Ok(Vec::new()),
        (None, Some(count)) => count
            .checked_sub(1)
            .and_then(|more| more.checked_mul(stride))
            .and_then(|more| start.checked_add(more))
            .ok_or("it is too long")?,
    };
    if stride == 0 {
        return if start == end {
            Ok(vec![formatted(format, start)?.into()])
        } else {
            Err("a stride of 0 leads nowhere".into())
        };
    }
    if (stride > 0 && end < start) || (stride < 0 && end > start) {
        return Err("it would have to count the other way: give `stride` the other sign".into());
    }
    let items = end.abs_diff(start) / stride.unsigned_abs() + 1;
    if items > MOST {
        return Err(format!("{items} items are too many"));
    }
    let mut numbers = Vec::new();
    let mut at = Some(start);
    while let Some(number) = at.filter(|at| if stride > 0 { *at <= end } else { *at >= end }) {
        numbers.push(formatted(format, number)?.into());
        at = number.checked_add(stride);
    }
    Ok(numbers)
}

/// A number as `%d`, `%02d`, `%x` or `%o` have it within a text.
fn formatted(format: &str, number: i64) -> Result<String, String> {
    let wrong = || format!("`{format}` is no format: write `%d`, `%02d`, `%x` or `%o` in it");
    let (before, rest) = format.split_once('%').ok_or_else(wrong)?;
    let letter = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (flags, after) = rest.split_at(letter);
    let (kind, after) = after.split_at(1);
    let digits = match kind {
        "d" | "i" | "u" => number.to_string(),
        "x" => format!("{number:x}"),
        "X" => format!("{number:X}"),
        "o" => format!("{number:o}"),
        _ => return Err(wrong()),
    };
    let width: usize = match flags.trim_start_matches('0') {
        "" => 0,
        width => width.parse().ok().filter(|width| *width <= 64).ok_or_else(wrong)?,
    };
    let padded = match flags.starts_with('0') {
        true => format!("{digits:0>width$}"),
        false => format!("{digits:>width$}"),
    };
    Ok(format!("{before}{padded}{after}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("count=3", &["1", "2", "3"])]
    #[case("start=0 end=4 stride=2", &["0", "2", "4"])]
    #[case("start=4 end=1 stride=-2", &["4", "2"])]
    #[case("start=1 end=2 format=web%02d.lan", &["web01.lan", "web02.lan"])]
    #[case("start=0x0a count=2 format=%x", &["a", "b"])]
    #[case("2", &["1", "2"])]
    #[case("2-6/2:h%d", &["h2", "h4", "h6"])]
    #[case("count=0", &[])]
    fn counts(#[case] text: &str, #[case] expected: &[&str]) {
        let found = sequence(text).unwrap();
        assert_eq!(found, expected.iter().map(|item| Value::from(*item)).collect::<Vec<_>>());
    }

    #[rstest]
    #[case("start=1", "no `end`")]
    #[case("start=5 end=1", "the other way")]
    #[case("end=1 count=1", "exclude")]
    #[case("start=1 end=99999999999", "too many")]
    #[case("count=9223372036854775807 stride=3", "too long")]
    #[case("end=3 format=web", "no format")]
    #[case("many", "no number")]
    fn refuses(#[case] text: &str, #[case] words: &str) {
        let error = sequence(text).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}
