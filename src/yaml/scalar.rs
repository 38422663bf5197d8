//! What a scalar means, which is for `serde_yaml` to say; and for values, the words of YAML 1.1
//! for true and false besides.

use std::borrow::Cow;

use serde_json::Number;
use serde_yaml::Value;

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
    if is_text(&text) {
        return Ok(Kind::String(text.into_owned()));
    }
    match serde_yaml::from_str(&text) {
        Ok(Value::Null) => Ok(Kind::Null),
        Ok(Value::Bool(value)) => Ok(Kind::Bool(value)),
        Ok(Value::Number(value)) => {
            number(&value, &text).ok_or_else(|| unusable(&text)).map(Kind::Number)
        }
        Ok(_) => Ok(Kind::String(text.into_owned())),
        // It is a scalar already, so it is a number beyond all that there are.
        Err(_) => Err(unusable(&text)),
    }
}

/// What a scalar of a type of the core schema means, such as `!!int 5`.
pub(super) fn of_type(text: Cow<'_, str>, name: &str) -> Result<Kind, Diagnostic> {
    let what = match name {
        "null" => "null",
        "bool" => "a boolean",
        "int" => "an integer",
        "float" => "a float",
        _ => return Ok(Kind::String(text.into_owned())),
    };
    let wrong = || Diagnostic::new(format!("`{text}` is not {what}"));
    match (name, plain(text.clone())?) {
        ("null", kind @ Kind::Null) | ("bool", kind @ Kind::Bool(_)) => Ok(kind),
        ("int", Kind::Number(number)) if !number.is_f64() => Ok(Kind::Number(number)),
        ("float", Kind::Number(number)) => {
            let float = number.as_f64().and_then(Number::from_f64);
            float.map(Kind::Number).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// Whether it can mean nothing but itself: most scalars are names and addresses, and need not be
/// read once more. Tests hold this against `serde_yaml`.
fn is_text(text: &str) -> bool {
    match text.as_bytes() {
        [] | [b'~'] => false,
        [b'0'..=b'9' | b'+' | b'-' | b'.', ..] => {
            text.contains([' ', ':', '/']) || text.matches('.').count() > 1
        }
        [b't' | b'T' | b'f' | b'F' | b'n' | b'N', ..] => text.len() > "false".len(),
        _ => true,
    }
}

/// A number that is what was written: not a whole one that became a float, nor an infinite one.
fn number(value: &serde_yaml::Number, text: &str) -> Option<Number> {
    let whole = value.as_u64().map(Number::from).or_else(|| value.as_i64().map(Number::from));
    let is_whole = text.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit());
    whole.or_else(|| Number::from_f64(value.as_f64().filter(|_| !is_whole)?))
}

fn unusable(text: &str) -> Diagnostic {
    Diagnostic::new(format!("`{text}` is not a number that can be used"))
        .hint("in quotes it is a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_cannot_be_kept_as_it_is_is_refused() {
        for text in ["99999999999999999999", &"9".repeat(60), "-9223372036854775809", ".inf"] {
            assert!(plain(text.into()).is_err(), "{text}");
        }
        for text in ["18446744073709551615", "1e44", "0x10", "-9223372036854775808"] {
            assert!(matches!(plain(text.into()), Ok(Kind::Number(_))), "{text}");
        }
    }
}
