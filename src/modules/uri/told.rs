//! What `register` keeps of an answer, in Ansible's words.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Uri;
use super::request::{Asked, LIMIT, header, joined};
use crate::http::Answer;
use crate::modules::{Error, Outcome};

impl Uri {
    pub(super) fn told(&self, asked: Asked, elapsed: Duration) -> Result<Outcome, Error> {
        let Asked { url, redirected, answer } = asked;
        let is_json = is_json(header(&answer, "content-type").unwrap_or_default());
        if answer.truncated && (self.return_content || is_json) {
            return Err(Error::new(format!("the answer of `{url}` is longer than {LIMIT} bytes"))
                .hint("fetch it with `command: curl --output …`"));
        }
        let mut result = headers(&answer);
        if let Some(location) = header(&answer, "location") {
            result.insert("location".into(), joined(&url, location).into());
        }
        result.insert("url".into(), url.to_string().into());
        result.insert("redirected".into(), redirected.into());
        result.insert("status".into(), answer.status.into());
        result.insert("elapsed".into(), elapsed.as_secs().into());
        let cookies = cookies(&answer);
        let joined: Vec<String> =
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        result.insert("cookies_string".into(), joined.join("; ").into());
        let cookies = cookies.into_iter().map(|(name, value)| (name, value.into()));
        result.insert("cookies".into(), Value::Object(cookies.collect()));
        let content = String::from_utf8_lossy(&answer.body);
        if is_json && let Ok(value) = serde_json::from_str::<Value>(&content) {
            result.insert("json".into(), value);
        }
        if self.return_content {
            result.insert("content".into(), content.into());
        }
        let length = header(&answer, "content-length").unwrap_or("unknown");
        let said = match answer.status {
            200..300 => format!("OK ({length} bytes)"),
            status => format!("HTTP Error {status}: {}", answer.reason),
        };
        if self.status_code.0.contains(&answer.status) {
            result.insert("msg".into(), said.into());
            return Ok(Outcome { result, ..Outcome::default() });
        }
        Err(Error { result, ..self.unlike(i32::from(answer.status), &said) })
    }

    /// There is no answer; Ansible gives that the status -1.
    pub(super) fn unanswered(&self, error: Error, elapsed: Duration) -> Error {
        let mut failed = self.unlike(-1, &error.message);
        failed.hint = error.hint;
        let result = json!({
            "url": self.url, "status": -1, "redirected": false, "elapsed": elapsed.as_secs(),
        });
        failed.result = result.as_object().cloned().unwrap_or_default();
        failed
    }

    fn unlike(&self, status: i32, said: &str) -> Error {
        Error::new(format!("Status code was {status} and not {:?}: {said}", self.status_code.0))
    }
}

/// All headers, with names that can be variables; several of a name are one with commas.
fn headers(answer: &Answer) -> Map<String, Value> {
    let mut map: Map<String, Value> = Map::new();
    for (name, value) in &answer.headers {
        let name = name.replace('-', "_");
        let joined = match map.get(&name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        map.insert(name, joined.into());
    }
    map
}

/// The names and values of the cookies that were set.
fn cookies(answer: &Answer) -> Vec<(String, String)> {
    let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    set.filter_map(|(_, value)| {
        let (name, value) = value.split(';').next()?.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    })
    .collect()
}

/// Whether a `Content-Type` is one of JSON: `application/json`, `application/problem+json`.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = kind.rsplit_once('/').map_or("", |(_, kind)| kind);
    let suffix = kind.rsplit_once('+').map_or(kind, |(_, suffix)| suffix);
    matches!(suffix, "json" | "javascript")
}
