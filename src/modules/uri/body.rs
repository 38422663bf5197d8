//! What is sent: the body in its format.

use serde_json::Value;

use super::{BodyFormat, Uri};
use crate::modules::Error;

impl Uri {
    /// The body's bytes and, where the format says so, its type.
    pub(super) fn sent_body(&self) -> Result<Option<(String, Option<&'static str>)>, Error> {
        let Some(body) = &self.body else { return Ok(None) };
        let text = match (self.body_format, body) {
            (_, Value::String(text)) => text.clone(),
            (BodyFormat::Json, value) => value.to_string(),
            (BodyFormat::FormUrlencoded, Value::Object(fields)) => {
                form(fields.iter().map(|(name, value)| (name.as_str(), value)))?
            }
            (BodyFormat::FormUrlencoded, Value::Array(pairs)) => {
                let pairs: Option<Vec<_>> = pairs.iter().map(pair).collect();
                let pairs = pairs.ok_or_else(|| {
                    Error::new("a form is a mapping, or a list of names with their values")
                })?;
                form(pairs.into_iter())?
            }
            (BodyFormat::Raw, Value::Object(_) | Value::Array(_)) => {
                return Err(Error::new("a `body` that is no text needs a `body_format`")
                    .hint("`body_format: json`, or `form-urlencoded`"));
            }
            (_, value) => value.to_string(),
        };
        let kind = match self.body_format {
            BodyFormat::Raw => None,
            BodyFormat::Json => Some("application/json"),
            BodyFormat::FormUrlencoded => Some("application/x-www-form-urlencoded"),
        };
        Ok(Some((text, kind)))
    }
}

fn pair(value: &Value) -> Option<(&str, &Value)> {
    match value.as_array()?.as_slice() {
        [Value::String(name), value] => Some((name, value)),
        _ => None,
    }
}

/// A field whose value is a list is there once for each of its items.
fn form<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>) -> Result<String, Error> {
    let mut parts = Vec::new();
    for (name, value) in fields {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Object(_) | Value::Array(_) => {
                    return Err(Error::new(format!("the field `{name}` of a form is no text")));
                }
                value => value.to_string(),
            };
            parts.push(format!("{}={}", encoded(name), encoded(&text)));
        }
    }
    Ok(parts.join("&"))
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
