//! Methods of Python's texts and mappings: `name.split('.')`, `services.items()`.

use tera::value::Map;
use tera::{TeraResult, Value};

use super::super::format::braces;
use super::super::python::{error, iterate, key, limited, text, type_name};
use super::super::table::{Given, Row};

pub(super) const ROWS: &[Row] = &[
    Row::method("items", |value, _| {
        let pairs = mapping(value, "items")?.iter();
        Ok(pairs.map(|(key, value)| vec![key.as_value(), value.clone()].into()).collect::<Vec<Value>>().into())
    })
    .doc("The pairs of a mapping."),
    Row::method("keys", |value, _| {
        Ok(mapping(value, "keys")?.keys().map(|key| key.as_value()).collect::<Vec<_>>().into())
    })
    .doc("The keys of a mapping."),
    Row::method("values", |value, _| {
        Ok(mapping(value, "values")?.values().cloned().collect::<Vec<_>>().into())
    })
    .doc("The values of a mapping."),
    Row::method("get", |value, given| {
        let found = key(&given.need("key")?).ok().and_then(|key| mapping(value, "get").ok()?.get(&key).cloned());
        match found {
            Some(found) => Ok(found),
            None => mapping(value, "get").map(|_| given.get("default").unwrap_or_else(Value::none)),
        }
    })
    .takes(&["key", "default?"])
    .doc("What a mapping has under the key, or the default, or none."),
    Row::method("split", |value, given| split(string(value, "split")?, given))
        .takes(&["sep|pat?", "maxsplit?"])
        .doc("The parts of a text between whitespace, or between `sep`."),
    Row::method("rsplit", rsplit)
        .takes(&["sep?", "maxsplit?"])
        .doc("As `split`; the last `maxsplit` parts are split off."),
    Row::method("splitlines", |value, _| Ok(lines(&text(string(value, "splitlines")?)).into()))
        .doc("The lines of a text."),
    Row::method("strip", |value, given| {
        let text = text(string(value, "strip")?);
        Ok(match given.text("chars") {
            Some(chars) => text.trim_matches(|c| chars.contains(c)).into(),
            None => text.trim().into(),
        })
    })
    .takes(&["chars?"])
    .doc("Without the whitespace, or the letters in `chars`, at both ends."),
    Row::method("lstrip", |value, given| {
        let text = text(string(value, "lstrip")?);
        Ok(match given.text("chars") {
            Some(chars) => text.trim_start_matches(|c| chars.contains(c)).into(),
            None => text.trim_start().into(),
        })
    })
    .takes(&["chars?"])
    .doc("As `strip`, at the beginning."),
    Row::method("rstrip", |value, given| {
        let text = text(string(value, "rstrip")?);
        Ok(match given.text("chars") {
            Some(chars) => text.trim_end_matches(|c| chars.contains(c)).into(),
            None => text.trim_end().into(),
        })
    })
    .takes(&["chars?"])
    .doc("As `strip`, at the end."),
    Row::method("startswith", |value, given| {
        affix(string(value, "startswith")?, &given.need("prefix")?, |text, affix| text.starts_with(affix))
    })
    .takes(&["prefix"])
    .doc("Whether a text begins so, or with one of a list."),
    Row::method("endswith", |value, given| {
        affix(string(value, "endswith")?, &given.need("suffix")?, |text, affix| text.ends_with(affix))
    })
    .takes(&["suffix"])
    .doc("Whether a text ends so, or with one of a list."),
    Row::method("lower", |value, _| Ok(text(string(value, "lower")?).to_lowercase().into())).doc("In small letters."),
    Row::method("upper", |value, _| Ok(text(string(value, "upper")?).to_uppercase().into())).doc("In capitals."),
    Row::method("capitalize", |value, given| {
        string(value, "capitalize")?;
        (super::super::table::find(super::Kind::Filter, "capitalize").ok_or_else(|| error("no such filter"))?.call)(value, given)
    })
    .doc("The first letter in capitals, the others small."),
    Row::method("title", |value, given| {
        string(value, "title")?;
        (super::super::table::find(super::Kind::Filter, "title").ok_or_else(|| error("no such filter"))?.call)(value, given)
    })
    .doc("Each word's first letter in capitals, the others small."),
    Row::method("replace", |value, given| super::texts::replace(string(value, "replace")?, given))
        .takes(&["old", "new", "count?"])
        .doc("With `new` for each `old`, or for the first `count` of them."),
    Row::method("format", |value, given| {
        braces(&text(string(value, "format")?), &given.rest(), &given.named().into()).map(Value::from)
    })
    .takes(&["*", "**"])
    .doc("The text with its `{}`, `{0}` and `{name}` filled in; width, precision and `d`, `x`, `f` are known."),
    Row::method("join", |value, given| {
        let between = text(string(value, "join")?);
        let mut parts = Vec::new();
        for one in iterate(&given.need("iterable")?)? {
            parts.push(text(string(&one, "join")?));
        }
        limited(parts.iter().map(|part| part.len() + between.len()).sum())?;
        Ok(parts.join(&between).into())
    })
    .takes(&["iterable"])
    .doc("The texts of a list as one, with this text in between."),
    Row::method("isdigit", |value, _| {
        let text = text(string(value, "isdigit")?);
        Ok((!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())).into())
    })
    .doc("Whether a text is digits only."),
    Row::method("find", |value, given| {
        let text = text(string(value, "find")?);
        let found = text.find(&super::super::python::text(&given.need("sub")?));
        let at = found.map_or(-1, |at| i64::try_from(text[..at].chars().count()).unwrap_or(-1));
        Ok(at.into())
    })
    .takes(&["sub"])
    .doc("Where a text has another, or -1."),
    Row::method("index", |value, given| {
        let wanted = given.need("value")?;
        let items = iterate(value)?;
        let found = items.iter().position(|one| super::super::python::equal(one, &wanted));
        found.map(Value::from).ok_or_else(|| error("the value is not in the list"))
    })
    .takes(&["value"])
    .doc("Where a list has a value first."),
    Row::method("count", |value, given| {
        let wanted = given.need("value")?;
        Ok(match (value.as_str(), wanted.as_str()) {
            (Some(text), Some(part)) => text.matches(part).count().into(),
            _ => iterate(value)?.iter().filter(|one| super::super::python::equal(one, &wanted)).count().into(),
        })
    })
    .takes(&["value"])
    .doc("How often a list or a text has a value."),
    Row::method("zfill", |value, given| {
        let text = text(string(value, "zfill")?);
        let width = given.integer("width")?.and_then(|one| usize::try_from(one).ok()).unwrap_or(0);
        limited(width)?;
        let missing = width.saturating_sub(text.chars().count());
        let sign = usize::from(text.starts_with(['-', '+']));
        Ok(format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..]).into())
    })
    .takes(&["width"])
    .doc("With zeros on the left."),
];

fn mapping<'v>(value: &'v Value, method: &str) -> TeraResult<&'v Map> {
    value.as_map().ok_or_else(|| no_method(value, method))
}

fn string<'v>(value: &'v Value, method: &str) -> TeraResult<&'v Value> {
    match value.is_string() {
        true => Ok(value),
        false => Err(no_method(value, method)),
    }
}

fn no_method(value: &Value, method: &str) -> tera::Error {
    error(format!("a value of type `{}` has no method `{method}`", type_name(value)))
}

/// `text.split(sep, maxsplit)`.
pub(super) fn split(value: &Value, given: &Given) -> TeraResult<Value> {
    let text = text(value);
    let most = given.integer("maxsplit")?.and_then(|most| usize::try_from(most).ok());
    let parts: Vec<&str> = match (given.text("sep"), most) {
        (Some(sep), _) if sep.is_empty() => return Err(error("the separator is empty")),
        (Some(sep), None) => text.split(&sep).collect(),
        (Some(sep), Some(most)) => text.splitn(most + 1, &sep).collect(),
        (None, None) => text.split_whitespace().collect(),
        (None, Some(most)) => words(&text, most),
    };
    Ok(parts.into_iter().map(Value::from).collect::<Vec<_>>().into())
}

/// The first `most` words, and all that is left.
fn words(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).filter(|_| parts.len() < most);
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        parts.push(part);
        rest = after.trim_start();
    }
    parts
}

fn rsplit(value: &Value, given: &Given) -> TeraResult<Value> {
    let text = text(string(value, "rsplit")?);
    let most = given.integer("maxsplit")?.and_then(|most| usize::try_from(most).ok());
    let (Some(sep), Some(most)) = (given.text("sep").filter(|sep| !sep.is_empty()), most) else {
        return split(value, given);
    };
    let mut parts: Vec<Value> = text.rsplitn(most + 1, &sep).map(Value::from).collect();
    parts.reverse();
    Ok(parts.into())
}

/// The lines of a text; no empty one after the last newline.
pub(super) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(Value::from).collect()
}

fn affix(value: &Value, affix: &Value, test: fn(&str, &str) -> bool) -> TeraResult<Value> {
    let text = text(value);
    match (affix.as_str(), affix.as_array()) {
        (Some(affix), _) => Ok(test(&text, affix).into()),
        (_, Some(many)) => {
            Ok(many.iter().filter_map(Value::as_str).any(|one| test(&text, one)).into())
        }
        _ => Err(error(format!("a text is wanted, not a value of type `{}`", type_name(affix)))),
    }
}
