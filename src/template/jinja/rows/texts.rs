//! Filters of texts.

use tera::{TeraResult, Value};

use super::super::format::percent;
use super::super::python::{error, item, iterate, limited, text};
use super::super::table::{Given, Row};

pub(super) const ROWS: &[Row] = &[
    Row::filter("upper", |value, _| Ok(text(value).to_uppercase().into())).doc("In capitals."),
    Row::filter("lower", |value, _| Ok(text(value).to_lowercase().into())).doc("In small letters."),
    Row::filter("capitalize", |value, _| Ok(capitalized(&text(value)).into()))
        .doc("The first letter in capitals, the others small."),
    Row::filter("title", |value, _| Ok(titled(&text(value)).into()))
        .doc("Each word's first letter in capitals, the others small."),
    Row::filter("trim", trim)
        .takes(&["chars?"])
        .doc("Without the whitespace, or the `chars`, at both ends."),
    Row::filter("replace", replace)
        .takes(&["old|from", "new|to", "count?"])
        .doc("With `new` for each `old`, or for the first `count` of them."),
    Row::filter("join", join)
        .takes(&["d|sep?", "attribute?"])
        .doc("The items, or that attribute of each, as one text with `d` in between."),
    Row::filter("split", super::methods::split)
        .takes(&["sep|pat?", "maxsplit?"])
        .doc("The parts of a text between whitespace, or between `sep`."),
    Row::filter("splitlines", |value, _| Ok(super::methods::lines(&text(value)).into()))
        .doc("The lines of a text."),
    Row::filter("indent", indent)
        .takes(&["width?", "first?", "blank?"])
        .doc("Every line but the first moved right by `width` (4) spaces, or by that text."),
    Row::filter("truncate", truncate)
        .takes(&["length?", "killwords?", "end?", "leeway?"])
        .doc("At most `length` (255) letters, ending in `end` (`...`) when some are cut off."),
    Row::filter("wordcount", |value, _| Ok(text(value).split_whitespace().count().into()))
        .doc("How many words there are."),
    Row::filter("center", |value, given| {
        let width = given.integer("width")?.and_then(|one| usize::try_from(one).ok()).unwrap_or(80);
        limited(width)?;
        let text = text(value);
        let missing = width.saturating_sub(text.chars().count());
        // Python gives the odd space to the left where the width is odd.
        let left = missing / 2 + (missing & width & 1);
        Ok(format!("{}{text}{}", " ".repeat(left), " ".repeat(missing - left)).into())
    })
    .takes(&["width?"])
    .doc("In the middle of `width` (80) columns."),
    Row::filter("format", |value, given| {
        let named = given.named();
        let values = if named.is_empty() { given.rest().into() } else { Value::from(named) };
        percent(&text(value), &values).map(Value::from)
    })
    .takes(&["*", "**"])
    .doc("The text with its `%s` and `%d` filled in."),
    Row::filter("quote", |value, _| {
        let shown = if value.is_none() { String::new() } else { text(value) };
        Ok(quoted(&shown).into())
    })
    .doc("Quoted for a POSIX shell, where that is needed."),
    Row::filter("basename", |value, _| {
        let path = text(value);
        Ok(path.rsplit('/').next().unwrap_or_default().into())
    })
    .doc("What comes after a path's last `/`."),
    Row::filter("dirname", |value, _| Ok(dirname(&text(value)).into()))
        .doc("What comes before a path's last `/`."),
    Row::filter("splitext", |value, _| {
        let path = text(value);
        let name = path.rsplit('/').next().unwrap_or_default();
        let dot = name
            .trim_start_matches('.')
            .rfind('.')
            .map(|at| at + name.len() - name.trim_start_matches('.').len());
        let at = dot.map_or(path.len(), |dot| path.len() - name.len() + dot);
        Ok(vec![Value::from(&path[..at]), Value::from(&path[at..])].into())
    })
    .doc("A path without its extension, and the extension."),
    Row::filter("path_join", |value, _| {
        let mut path = String::new();
        for part in iterate(value)? {
            let part = text(&part);
            match part.starts_with('/') || path.is_empty() {
                true => path = part,
                false if path.ends_with('/') => path.push_str(&part),
                false => path = format!("{path}/{part}"),
            }
        }
        Ok(path.into())
    })
    .doc("A list of a path's parts as one path."),
];

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters.flat_map(char::to_lowercase)).collect(),
        None => String::new(),
    }
}

fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        match begins {
            true => out.extend(c.to_uppercase()),
            false => out.extend(c.to_lowercase()),
        }
        begins = c.is_whitespace() || matches!(c, '-' | '(' | '{' | '[' | '<');
    }
    out
}

fn trim(value: &Value, given: &Given) -> TeraResult<Value> {
    let text = text(value);
    Ok(match given.text("chars") {
        Some(chars) => text.trim_matches(|c| chars.contains(c)).into(),
        None => text.trim().into(),
    })
}

pub(super) fn replace(value: &Value, given: &Given) -> TeraResult<Value> {
    let text = text(value);
    let (old, new) = (self::text(&given.need("old")?), self::text(&given.need("new")?));
    let times = text.len().checked_div(old.len()).unwrap_or(text.len() + 1);
    limited(text.len().saturating_add(times.saturating_mul(new.len())))?;
    Ok(match given.integer("count")?.and_then(|count| usize::try_from(count).ok()) {
        Some(count) => text.replacen(&old, &new, count).into(),
        None => text.replace(&old, &new).into(),
    })
}

fn join(value: &Value, given: &Given) -> TeraResult<Value> {
    let between = given.text("d").unwrap_or_default();
    let attribute = given.get("attribute");
    let mut parts = Vec::new();
    let mut length = 0;
    for one in iterate(value)? {
        let one = match &attribute {
            Some(attribute) => super::collections::path(&one, attribute)?,
            None => one,
        };
        if one.is_undefined() {
            return Err(error("an item of the list is undefined"));
        }
        let part = text(&one);
        length += part.len() + between.len();
        limited(length)?;
        parts.push(part);
    }
    Ok(parts.join(&between).into())
}

fn indent(value: &Value, given: &Given) -> TeraResult<Value> {
    let by = match given.get("width") {
        Some(width) if width.as_str().is_some() => text(&width),
        _ => {
            let width = given.integer("width")?.unwrap_or(4);
            " ".repeat(usize::try_from(width.clamp(0, 1000)).unwrap_or(4))
        }
    };
    let first = given.flag("first").unwrap_or(false);
    let blank = given.flag("blank").unwrap_or(false);
    let text = text(value);
    limited(text.len().saturating_add(text.matches('\n').count().saturating_mul(by.len())))?;
    let lines: Vec<String> = text
        .split('\n')
        .enumerate()
        .map(|(at, line)| match at == 0 && !first || at > 0 && line.is_empty() && !blank {
            true => line.to_owned(),
            false => format!("{by}{line}"),
        })
        .collect();
    Ok(lines.join("\n").into())
}

fn truncate(value: &Value, given: &Given) -> TeraResult<Value> {
    let size = |name, unless: usize| -> TeraResult<usize> {
        Ok(given.integer(name)?.and_then(|one| usize::try_from(one).ok()).unwrap_or(unless))
    };
    let text = text(value);
    let (length, leeway) = (size("length", 255)?, size("leeway", 5)?);
    let end = given.text("end").unwrap_or_else(|| "...".into());
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text.into());
    }
    let Some(room) = length.checked_sub(end.chars().count()) else {
        return Err(error("`length` has no room for `end`"));
    };
    let cut: String = text.chars().take(room).collect();
    Ok(match (given.flag("killwords").unwrap_or(false), cut.rsplit_once(' ')) {
        (false, Some((whole, _))) => format!("{whole}{end}").into(),
        _ => format!("{cut}{end}").into(),
    })
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\"'\"'")),
    }
}

fn dirname(path: &str) -> String {
    let head = &path[..path.rfind('/').map_or(0, |at| at + 1)];
    match head.trim_end_matches('/') {
        "" => head.to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// An attribute or index of an item, for `attribute='name'`.
pub(super) fn part(value: &Value, key: &str) -> Value {
    let at = match key.parse::<i64>() {
        Ok(at) if value.as_map().is_none() => Value::from(at),
        _ => Value::from(key),
    };
    item(value, &at)
}
