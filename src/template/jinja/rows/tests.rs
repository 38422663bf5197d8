//! The tests, what may stand after `is`.

use std::cmp::Ordering;

use tera::value::Key;
use tera::{TeraResult, Value};

use super::super::python::{Number, compare, contains, equal, error, iterate, text};
use super::super::table::{Given, Row};

pub(super) const ROWS: &[Row] = &[
    Row::test("defined", |value, _| yes(!value.is_undefined()))
        .of_undefined()
        .doc("Whether it is there, at any depth."),
    Row::test("undefined", |value, _| yes(value.is_undefined()))
        .of_undefined()
        .doc("Whether it is not there."),
    Row::test("none", |value, _| yes(value.is_none())).doc("Whether it is none."),
    Row::test("string", |value, _| yes(value.is_string())).doc("Whether it is a text."),
    Row::test("number", |value, _| yes(value.is_number() || value.is_bool()))
        .doc("Whether it is a number; booleans are."),
    Row::test("integer", |value, _| yes(value.is_number() && !value.is_f64()))
        .doc("Whether it is a whole number."),
    Row::test("float", |value, _| yes(value.is_f64()))
        .doc("Whether it is a number with a fraction."),
    Row::test("boolean", |value, _| yes(value.is_bool())).doc("Whether it is true or false."),
    Row::test("true", |value, _| yes(value.as_bool() == Some(true)))
        .doc("Whether it is the boolean true."),
    Row::test("false", |value, _| yes(value.as_bool() == Some(false)))
        .doc("Whether it is the boolean false."),
    Row::test("mapping", |value, _| yes(value.is_map())).doc("Whether it is a mapping."),
    Row::test("sequence", |value, _| yes(value.is_array() || value.is_string() || value.is_map()))
        .doc("Whether it has a length and items: lists, texts and mappings do."),
    Row::test("iterable", |value, _| yes(iterate(value).is_ok()))
        .doc("Whether a `for` can run over it."),
    Row::test("lower", |value, _| {
        let text = text(value);
        yes(text.chars().any(char::is_alphabetic) && text == text.to_lowercase())
    })
    .doc("Whether no letter is a capital."),
    Row::test("upper", |value, _| {
        let text = text(value);
        yes(text.chars().any(char::is_alphabetic) && text == text.to_uppercase())
    })
    .doc("Whether all letters are capitals."),
    Row::test("even", |value, _| yes(whole(value)? % 2 == 0)).doc("Whether two divides it."),
    Row::test("odd", |value, _| yes(whole(value)? % 2 != 0)).doc("Whether two does not divide it."),
    Row::test("divisibleby", |value, given| {
        let by = whole(&given.need("num")?)?;
        let rest = whole(value)?.checked_rem(by).ok_or_else(|| error("division by zero"))?;
        yes(rest == 0)
    })
    .takes(&["num"])
    .doc("Whether the argument divides it."),
    Row::test("eq", |value, given| yes(equal(value, &given.need("b")?)))
        .alias(&["==", "equalto", "sameas"])
        .takes(&["b"])
        .doc("Whether it equals the argument."),
    Row::test("ne", |value, given| yes(!equal(value, &given.need("b")?)))
        .alias(&["!="])
        .takes(&["b"])
        .doc("Whether it differs from the argument."),
    Row::test("lt", |value, given| yes(compare(value, &given.need("b")?)? == Ordering::Less))
        .alias(&["<", "lessthan"])
        .takes(&["b"])
        .doc("Whether it is less than the argument."),
    Row::test("le", |value, given| yes(compare(value, &given.need("b")?)? != Ordering::Greater))
        .alias(&["<="])
        .takes(&["b"])
        .doc("Whether it is not greater than the argument."),
    Row::test("gt", |value, given| yes(compare(value, &given.need("b")?)? == Ordering::Greater))
        .alias(&[">", "greaterthan"])
        .takes(&["b"])
        .doc("Whether it is greater than the argument."),
    Row::test("ge", |value, given| yes(compare(value, &given.need("b")?)? != Ordering::Less))
        .alias(&[">="])
        .takes(&["b"])
        .doc("Whether it is not less than the argument."),
    Row::test("in", |value, given| yes(contains(&given.need("seq")?, value)?))
        .takes(&["seq"])
        .doc("Whether the argument contains it."),
    Row::test("contains", |value, given| yes(contains(value, &given.need("b")?)?))
        .takes(&["b"])
        .doc("Whether it contains the argument."),
    Row::test("subset", |value, given| subset(value, &given.need("b")?))
        .alias(&["issubset"])
        .takes(&["b"])
        .doc("Whether all of its items are in the argument."),
    Row::test("superset", |value, given| subset(&given.need("b")?, value))
        .alias(&["issuperset"])
        .takes(&["b"])
        .doc("Whether all items of the argument are in it."),
    Row::test("any", |value, _| yes(iterate(value)?.iter().any(Value::is_truthy)))
        .doc("Whether one of its items is true."),
    Row::test("all", |value, _| yes(iterate(value)?.iter().all(Value::is_truthy)))
        .doc("Whether all of its items are true."),
    Row::test("truthy", |value, given| {
        let convert = given.flag("convert_bool").unwrap_or(false);
        yes(truthy(value, convert))
    })
    .takes(&["convert_bool?"])
    .doc("Whether it counts as true; with `convert_bool`, `yes` does and `no` does not."),
    Row::test("falsy", |value, given| {
        let convert = given.flag("convert_bool").unwrap_or(false);
        yes(!truthy(value, convert))
    })
    .takes(&["convert_bool?"])
    .doc("Whether it counts as false."),
    Row::test("match", |value, given| pattern(value, given, Some("match")))
        .takes(&["pattern", "ignorecase?", "multiline?"])
        .doc("Whether the pattern matches at its beginning."),
    Row::test("search", |value, given| pattern(value, given, None))
        .takes(&["pattern", "ignorecase?", "multiline?"])
        .doc("Whether the pattern matches anywhere in it."),
    Row::test("regex", |value, given| pattern(value, given, given.text("match_type").as_deref()))
        .takes(&["pattern", "ignorecase?", "multiline?", "match_type?"])
        .doc("Whether the pattern matches; `match_type` is `search`, `match` or `fullmatch`."),
    Row::test("version", version)
        .alias(&["version_compare"])
        .takes(&["version", "operator?", "strict?", "version_type?"])
        .doc("Whether it stands in that relation (`==`, `>=`, `lt`, …) to a version."),
    Row::test("changed", |value, _| yes(flag(value, "changed")?))
        .alias(&["change"])
        .doc("Whether a registered result changed something."),
    Row::test("failed", |value, _| yes(flag(value, "failed")?))
        .alias(&["failure"])
        .doc("Whether a registered result is a failure."),
    Row::test("skipped", |value, _| yes(flag(value, "skipped")?))
        .alias(&["skip"])
        .doc("Whether a registered task was skipped."),
    Row::test("succeeded", |value, _| yes(!flag(value, "failed")?))
        .alias(&["success", "successful"])
        .doc("Whether a registered result is no failure."),
    Row::test("finished", |value, _| {
        yes(value.get_from_path("finished").is_none_or(Value::is_truthy))
    })
    .doc("Whether a registered task has ended."),
];

fn yes(value: bool) -> TeraResult<Value> {
    Ok(value.into())
}

fn whole(value: &Value) -> TeraResult<i128> {
    match Number::of(value) {
        Some(Number::Integer(value)) => Ok(value),
        _ => Err(error("a whole number is wanted")),
    }
}

fn truthy(value: &Value, convert: bool) -> bool {
    match value.as_str().filter(|_| convert) {
        Some(text) => {
            let word = text.to_lowercase();
            !matches!(word.as_str(), "false" | "no" | "off" | "0" | "n" | "f" | "")
        }
        None => value.is_truthy(),
    }
}

fn subset(value: &Value, of: &Value) -> TeraResult<Value> {
    let of = iterate(of)?;
    yes(iterate(value)?.iter().all(|item| of.iter().any(|one| equal(item, one))))
}

fn flag(result: &Value, name: &str) -> TeraResult<bool> {
    match result.as_map() {
        Some(map) => Ok(map.get(&Key::Str(name)).is_some_and(Value::is_truthy)),
        None => Err(error(format!("`{name}` is asked of a registered result"))),
    }
}

fn pattern(value: &Value, given: &Given, kind: Option<&str>) -> TeraResult<Value> {
    let flags =
        (given.flag("ignorecase").unwrap_or(false), given.flag("multiline").unwrap_or(false));
    let written = text(&given.need("pattern")?);
    let written = match kind {
        Some("match") => format!(r"\A(?:{written})"),
        Some("fullmatch") => format!(r"\A(?:{written})\z"),
        None | Some("search") => written,
        Some(other) => return Err(error(format!("`match_type` cannot be `{other}`"))),
    };
    yes(super::patterns::pattern(&written, flags.0, flags.1)?.is_match(&text(value)))
}

/// A part of a version: numbers count as numbers, and before words.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Word(String),
    Number(u128),
}

fn version_parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text.trim().trim_start_matches('v');
    while let Some(c) = rest.chars().next() {
        let digits = c.is_ascii_digit();
        let length = match digits {
            true => rest.find(|c: char| !c.is_ascii_digit()),
            false => rest.find(|c: char| c.is_ascii_digit() || c == '.'),
        };
        let (part, after) = rest.split_at(length.unwrap_or(rest.len()));
        match (digits, part) {
            (true, _) => parts.push(Part::Number(part.parse().unwrap_or(u128::MAX))),
            (false, "") => {}
            (false, word) => parts.push(Part::Word(word.to_owned())),
        }
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    parts
}

fn version(value: &Value, given: &Given) -> TeraResult<Value> {
    let (left, right) = (text(value), text(&given.need("version")?));
    if left.is_empty() || right.is_empty() {
        return Err(error("a version is empty"));
    }
    let strict = given.flag("strict").unwrap_or(false) || given.get("version_type").is_some();
    let (left, right) = match strict {
        true => {
            let (left, right) = (released(&left), released(&right));
            return ordered(left.cmp(&right), given);
        }
        false => (version_parts(&left), version_parts(&right)),
    };
    ordered(left.cmp(&right), given)
}

/// A version where what comes after `-` makes it earlier: `1.0-rc1` is before `1.0`.
fn released(text: &str) -> (Vec<Part>, bool, Vec<Part>) {
    let text = text.split('+').next().unwrap_or(text);
    let (number, before) = text.split_once('-').unwrap_or((text, ""));
    (version_parts(number), before.is_empty(), version_parts(before))
}

fn ordered(order: Ordering, given: &Given) -> TeraResult<Value> {
    let operator = given.text("operator").unwrap_or_else(|| "eq".into());
    yes(match operator.as_str() {
        "==" | "=" | "eq" => order == Ordering::Equal,
        "!=" | "<>" | "ne" => order != Ordering::Equal,
        "<" | "lt" => order == Ordering::Less,
        "<=" | "le" => order != Ordering::Greater,
        ">" | "gt" => order == Ordering::Greater,
        ">=" | "ge" => order != Ordering::Less,
        other => return Err(error(format!("`{other}` compares no versions"))),
    })
}
