//! `uri`: one HTTP request, and whether the answer is as it should be.

use std::path::Path;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Action, Error, Host, Mode, Outcome, Refused, around};
use crate::http::Url;

mod body;
mod request;
mod shape;
mod told;

pub use shape::{BodyFormat, Codes, Follow};

/// Asks a web server, and fails unless the answer has the status code that was wanted.
///
/// `register` keeps `status`, `url`, `redirected`, `elapsed`, `content`, `json` where the answer is
/// JSON, `cookies`, and every header under its name in lower case with `_` for `-`. In check mode
/// nothing is asked.
///
/// Only `http://`. For `https://` run `command: curl`, which has the machine's root certificates.
///
/// ```yaml
/// uri:
///   url: http://127.0.0.1/
///   status_code: [200, 204]
///   return_content: true
///   timeout: 5
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uri {
    /// What to ask for.
    pub url: String,
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// The status codes that are well: one, or a list.
    #[serde(default)]
    pub status_code: Codes,
    /// Whether `content` is kept; JSON is in any case.
    #[serde(default)]
    pub return_content: bool,
    /// What to send: a text, or with a `body_format` a mapping or list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// How the body is written, which also says its `Content-Type`.
    #[serde(default)]
    pub body_format: BodyFormat,
    /// Headers to send.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub headers: Map<String, Value>,
    /// How long one request may take, in seconds.
    #[serde(default = "half_a_minute")]
    pub timeout: u64,
    /// Which redirects are followed.
    #[serde(default)]
    pub follow_redirects: Follow,
    /// A user for the server's question, by HTTP Basic.
    #[serde(default, alias = "user", skip_serializing_if = "Option::is_none")]
    pub url_username: Option<String>,
    /// The user's password.
    #[serde(default, alias = "password", skip_serializing_if = "Option::is_none")]
    pub url_password: Option<String>,
    /// Whether user and password are sent before the server asks for them.
    #[serde(default)]
    pub force_basic_auth: bool,
    /// How the request calls itself, in `User-Agent`.
    #[serde(default = "agent")]
    pub http_agent: String,
    /// Whether caches on the way are told to ask again.
    #[serde(default)]
    pub force: bool,
    /// Without effect, since there is no TLS.
    #[serde(default = "super::copy::yes")]
    pub validate_certs: bool,
    /// Without effect: no proxy is used, whatever the environment says.
    #[serde(default)]
    pub use_proxy: bool,
    /// A path; when it exists already, nothing is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creates: Option<String>,
    /// A path; when it does not exist, nothing is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removes: Option<String>,
}

fn get() -> String {
    "GET".into()
}

fn half_a_minute() -> u64 {
    30
}

fn agent() -> String {
    "lvsmith".into()
}

const NO_TLS: &str = "there is no TLS; run `command: curl …` instead";
const NO_FILE: &str = "keep the answer with `return_content` and `register`, write it with `copy`";

impl Action for Uri {
    const REFUSED: &'static [Refused] = &[&[
        ("ca_path", NO_TLS),
        ("ciphers", NO_TLS),
        ("client_cert", NO_TLS),
        ("client_key", NO_TLS),
        ("decompress", "leave it out: no compressed answer is asked for"),
        ("dest", NO_FILE),
        ("group", NO_FILE),
        ("mode", NO_FILE),
        ("owner", NO_FILE),
        ("remote_src", "write the text into `body`, as with `lookup('file', …)`"),
        ("src", "write the text into `body`, as with `lookup('file', …)`"),
        ("unix_socket", "run `command: curl --unix-socket …` instead"),
        ("unredirected_headers", "set `follow_redirects: none`, and ask again in a second task"),
        ("use_gssapi", "run `command: curl --negotiate …` instead"),
        ("use_netrc", "leave it out: no `.netrc` is read; give `url_username`"),
    ]];

    fn check(&self) -> Result<(), Error> {
        self.target()?;
        let method = self.method.to_ascii_uppercase();
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Error::new(format!("`{}` is no method", self.method))
                .hint("a single word, like `GET` or `POST`"));
        }
        if self.url_password.is_some() && self.url_username.is_none() {
            return Err(Error::new("`url_password` needs a `url_username`"));
        }
        if self.timeout == 0 {
            return Err(Error::new("a `timeout` of 0 seconds lets nothing be asked"));
        }
        self.sent_body().map(drop)
    }

    fn run(&self, _host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        let exists = |path: &String| Path::new(path).symlink_metadata().is_ok();
        if let Some(path) = self.creates.as_ref().filter(|path| exists(path)) {
            return Ok(Outcome::skipped(format!("`{path}` exists")));
        }
        if let Some(path) = self.removes.as_ref().filter(|path| !exists(path)) {
            return Ok(Outcome::skipped(format!("`{path}` does not exist")));
        }
        if mode.check {
            return Ok(Outcome::skipped("not asked in check mode"));
        }
        let start = Instant::now();
        match self.ask() {
            Ok(asked) => self.told(asked, start.elapsed()),
            Err(error) => {
                around::check_time()?;
                Err(self.unanswered(error, start.elapsed()))
            }
        }
    }
}

impl Uri {
    fn target(&self) -> Result<Url, Error> {
        self.url.parse().map_err(|error: crate::http::NotAUrl| {
            let error = Error::new(error.to_string());
            if self.url.starts_with("https://") {
                error.hint(NO_TLS)
            } else if self.url.contains('@') {
                error.hint("give user and password as `url_username` and `url_password`")
            } else {
                error
            }
        })
    }

    fn limit(&self) -> Duration {
        let limit = Duration::from_secs(self.timeout);
        around::time_left().map_or(limit, |left| left.min(limit))
    }
}

#[cfg(test)]
mod tests;
