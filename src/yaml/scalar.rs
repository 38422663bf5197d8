//! What a scalar means: YAML 1.2's core schema, with numbers of base 2 besides, and for values
//! the words of YAML 1.1 for true and false.

use std::borrow::Cow;

use serde_json::Number;

use super::Kind;
use crate::diagnostic::Diagnostic;

/// What a value without quotes means.
pub(super) fn plain_value(text: Cow<'_, str>) -> Result<Kind, Diagnostic> {
    match &*text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Ok(Kind::Bool(true)),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Ok(Kind::Bool(false)),
        _ => plain(text),
    }
}

/// What a key without quotes means.
pub(super) fn plain(text: Cow<'_, str>) -> Result<Kind, Diagnostic> {
    if is_null(&text) {
        return Ok(Kind::Null);
    }
    if let Some(value) = boolean(&text) {
        return Ok(Kind::Bool(value));
    }
    Ok(match number(&text)? {
        Some(number) => Kind::Number(number),
        None => Kind::String(text.into_owned()),
    })
}

/// What a scalar of a type of the core schema means, such as `!!int 5`.
pub(super) fn of_type(text: Cow<'_, str>, name: &str) -> Result<Kind, Diagnostic> {
    let (kind, what) = match name {
        "null" => (is_null(&text).then_some(Kind::Null), "null"),
        "bool" => (boolean(&text).map(Kind::Bool), "a boolean"),
        "int" => (integer(&text)?.map(Kind::Number), "an integer"),
        "float" => (float(&text)?.map(Kind::Number), "a float"),
        _ => return Ok(Kind::String(text.into_owned())),
    };
    kind.ok_or_else(|| Diagnostic::new(format!("`{text}` is not {what}")))
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A number; what begins like one and is none is a text, as is what begins with a 0 that does
/// not count (`0644`).
fn number(text: &str) -> Result<Option<Number>, Diagnostic> {
    let Some(b'0'..=b'9' | b'+' | b'-' | b'.') = text.as_bytes().first() else { return Ok(None) };
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    if leading_zero && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match integer(text)? {
        None => float(text),
        whole => Ok(whole),
    }
}

fn integer(text: &str) -> Result<Option<Number>, Diagnostic> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let based = |prefix, base| Some((rest.strip_prefix(prefix)?, base));
    let (digits, base) =
        based("0x", 16).or_else(|| based("0o", 8)).or_else(|| based("0b", 2)).unwrap_or((rest, 10));
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return Ok(None);
    }
    let number = u64::from_str_radix(digits, base).ok().and_then(|value| match negative {
        true => 0_i64.checked_sub_unsigned(value).map(Number::from),
        false => Some(value.into()),
    });
    number.map(Some).ok_or_else(|| unusable(text))
}

fn float(text: &str) -> Result<Option<Number>, Diagnostic> {
    match text.strip_prefix('+').unwrap_or(text) {
        ".inf" | ".Inf" | ".INF" | "-.inf" | "-.Inf" | "-.INF" => return Err(unusable(text)),
        _ => {}
    }
    match text {
        ".nan" | ".NaN" | ".NAN" => Err(unusable(text)),
        // What is too large for one stays a text.
        _ => Ok(text.parse().ok().and_then(Number::from_f64)),
    }
}

fn unusable(text: &str) -> Diagnostic {
    Diagnostic::new(format!("`{text}` is not a number that can be used"))
        .hint("in quotes it is a text")
}
