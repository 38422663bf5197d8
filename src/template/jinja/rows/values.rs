//! Filters that turn a value into another: defaults, types, choices.

use tera::{TeraResult, Value};

use super::super::python::{Number, error, integer, iterate, text, type_name};
use super::super::table::{Given, Row};

pub(super) const ROWS: &[Row] = &[
    Row::filter("default", default)
        .alias(&["d"])
        .takes(&["default_value|value?", "boolean?"])
        .of_undefined()
        .maybe()
        .doc("The value, or another where it is undefined; with `boolean`, also where it is empty, zero or false."),
    Row::filter("bool", boolean).doc("`yes`, `on`, `true` and `1` as true, what else is known as false."),
    Row::filter("int", int)
        .takes(&["default?", "base?"])
        .doc("The value as a whole number; `default` (0) where it is none."),
    Row::filter("float", float)
        .takes(&["default?"])
        .doc("The value as a number; `default` (0.0) where it is none."),
    Row::filter("string", |value, _| Ok(text(value).into())).doc("The value as it is printed."),
    Row::filter("list", |value, _| iterate(value).map(Value::from))
        .doc("The items of a list, the keys of a mapping, the letters of a text."),
    Row::filter("ternary", ternary)
        .takes(&["true_val", "false_val", "none_val?"])
        .doc("The first argument where the value is true, the second where it is not, the third where it is none."),
    Row::filter("mandatory", mandatory)
        .takes(&["msg?"])
        .of_undefined()
        .doc("The value; where it is undefined, an error with `msg`."),
    Row::filter("type_debug", |value, _| Ok(type_name(value).into()))
        .of_undefined()
        .doc("The value's type, as Python names it."),
];

fn default(value: &Value, given: &Given) -> TeraResult<Value> {
    let falsy = given.flag("boolean").unwrap_or(false) && !value.is_truthy();
    match value.is_undefined() || falsy {
        true => Ok(given.need("default_value").unwrap_or_else(|_| Value::from(""))),
        false => Ok(value.clone()),
    }
}

fn boolean(value: &Value, _: &Given) -> TeraResult<Value> {
    if value.is_none() {
        return Ok(value.clone());
    }
    let word = text(value).to_lowercase();
    Ok(matches!(word.as_str(), "true" | "yes" | "on" | "1" | "1.0").into())
}

fn int(value: &Value, given: &Given) -> TeraResult<Value> {
    let base = given.integer("base")?.and_then(|base| u32::try_from(base).ok()).unwrap_or(10);
    let unless = || given.get("default").unwrap_or_else(|| Value::from(0));
    if let Some(number) = Number::of(value) {
        return match number {
            Number::Integer(value) => integer(value),
            Number::Float(value) => truncated(value).map_or_else(|| Ok(unless()), integer),
        };
    }
    let Some(text) = value.as_str().map(str::trim) else { return Ok(unless()) };
    let written = text.replace('_', "").to_lowercase();
    let (base, digits) = match (base, written.get(..2)) {
        (16, Some("0x")) | (8, Some("0o")) | (2, Some("0b")) => (base, &written[2..]),
        (0, Some("0x")) => (16, &written[2..]),
        (0, Some("0o")) => (8, &written[2..]),
        (0, Some("0b")) => (2, &written[2..]),
        (0, _) => (10, written.as_str()),
        (2..=36, _) => (base, written.as_str()),
        _ => return Err(error("`base` is from 2 to 36")),
    };
    if let Ok(number) = i128::from_str_radix(digits, base) {
        return integer(number);
    }
    match text.parse::<f64>().ok().and_then(truncated) {
        Some(number) => integer(number),
        None => Ok(unless()),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "as Python's int() does")]
fn truncated(value: f64) -> Option<i128> {
    (value.is_finite() && value.abs() < 1e30).then(|| value.trunc() as i128)
}

fn float(value: &Value, given: &Given) -> TeraResult<Value> {
    let number = match (Number::of(value), value.as_str()) {
        (Some(number), _) => Some(number.float()),
        (None, Some(text)) => text.trim().replace('_', "").parse().ok(),
        _ => None,
    };
    Ok(match number {
        Some(number) => Value::from(number),
        None => given.get("default").unwrap_or_else(|| Value::from(0.0)),
    })
}

fn ternary(value: &Value, given: &Given) -> TeraResult<Value> {
    match given.get("none_val") {
        Some(unless) if value.is_none() => Ok(unless),
        _ => given.need(if value.is_truthy() { "true_val" } else { "false_val" }),
    }
}

fn mandatory(value: &Value, given: &Given) -> TeraResult<Value> {
    match (value.is_undefined(), given.text("msg")) {
        (false, _) => Ok(value.clone()),
        (true, Some(message)) => Err(error(message)),
        (true, None) => Err(error(super::operators::UNDEFINED)),
    }
}
