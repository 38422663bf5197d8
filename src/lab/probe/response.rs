//! What a probe keeps of an HTTP answer: enough to tell real servers apart.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::http::{Answer, Wanted};
use crate::modules::Bytes;

/// What a probe wants of an answer.
pub(super) const WANTED: Wanted = Wanted { limit: 16 << 10, head_only: false };

/// The header by which a real server names itself.
const NAMES_ITSELF: &str = "x-real-server";

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The status code; `None` where the protocol has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The headers that tell servers apart (`Server` and `X-…`), names in lower case.
    pub headers: IndexMap<String, String>,
    /// The body, at most 16 KiB of it.
    pub body: String,
    /// The same as it came, where the protocol is not one of texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bytes>,
    /// Set when the body goes on; the rest was not fetched.
    #[serde(default)]
    pub truncated: bool,
}

impl Response {
    /// The real server that answered: its `X-Real-Server` header, or else a body that is
    /// nothing but a name.
    #[must_use]
    pub fn real_server(&self) -> Option<&str> {
        let name_like = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        self.headers.get(NAMES_ITSELF).map(String::as_str).or_else(|| {
            let body = self.body.trim();
            let a_name = (1..=63).contains(&body.len()) && body.chars().all(name_like);
            (self.status.is_none_or(|status| status == 200) && a_name).then_some(body)
        })
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        let tells = |(name, _): &(String, String)| name == "server" || name.starts_with("x-");
        Self {
            status: Some(answer.status),
            headers: answer.headers.into_iter().filter(tells).collect(),
            body: String::from_utf8_lossy(&answer.body).into_owned(),
            bytes: None,
            truncated: answer.truncated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::read;

    #[test]
    fn knows_the_real_server_by_header_before_body() {
        let text = "HTTP/1.1 200 OK\r\nX-Real-Server: rs2\r\nServer: nginx\r\nDate: x\r\n\r\nrs1";
        let response = parse(text).expect("a response");
        assert_eq!(response.real_server(), Some("rs2"));
        assert_eq!(response.headers.len(), 2, "Date tells nothing");
        let named = |text: &str| parse(text).expect(text).real_server().map(str::to_owned);
        assert_eq!(named("HTTP/1.1 200 OK\r\n\r\n<h1>Welcome to nginx!</h1>"), None);
        assert_eq!(named("HTTP/1.1 503 No\r\n\r\noverloaded"), None);
    }

    fn parse(text: &str) -> Result<Response, String> {
        read(&mut text.as_bytes(), WANTED).map(Response::from).map_err(|error| error.to_string())
    }
}
