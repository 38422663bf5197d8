//! Asking: the request's text, one connection for each, redirects and the server's question
//! for a user.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::{Follow, NO_TLS, Uri};
use crate::http::{self, Answer, Broken, Timed, Url, Wanted};
use crate::modules::Error;

/// As much of an answer as is kept; it goes to the controller in one frame.
pub(super) const LIMIT: usize = 4 << 20;

/// As many redirects are followed.
const HOPS: usize = 10;

/// What was asked for in the end, and what came of it.
pub(super) struct Asked {
    pub(super) url: Url,
    pub(super) redirected: bool,
    pub(super) answer: Answer,
}

impl Uri {
    pub(super) fn ask(&self) -> Result<Asked, Error> {
        let first = self.target()?;
        let mut url = first.clone();
        let mut method = self.method.to_ascii_uppercase();
        let mut with_user = self.force_basic_auth;
        let mut with_body = true;
        for hop in 0..=HOPS {
            let answer = self.exchange(&url, &method, with_body, with_user)?;
            if answer.status == 401 && !with_user && self.url_username.is_some() {
                with_user = true;
                continue;
            }
            let Some(next) = self.redirect(&url, &method, &answer)? else {
                return Ok(Asked { redirected: hop > 0 && url != first, url, answer });
            };
            // What browsers do, and Python's library: only 307 and 308 keep the method.
            if !matches!(answer.status, 307 | 308) && method != "HEAD" {
                method = "GET".into();
                with_body = false;
            }
            // A password is for the server that it was meant for.
            with_user &= next.authority() == url.authority();
            url = next;
        }
        Err(Error::new(format!("`{first}` redirects more than {HOPS} times")))
    }

    /// Where the answer sends us, if it is to be followed.
    fn redirect(&self, url: &Url, method: &str, answer: &Answer) -> Result<Option<Url>, Error> {
        let follows = match self.follow_redirects {
            Follow::None => false,
            Follow::All => true,
            Follow::Safe => matches!(method, "GET" | "HEAD"),
        };
        if !follows || !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = header(answer, "location") else { return Ok(None) };
        let next = joined(url, location);
        next.parse().map(Some).map_err(|error: http::NotAUrl| {
            let error = Error::new(format!("`{url}` redirects to where there is no way: {error}"));
            if next.starts_with("https://") { error.hint(NO_TLS) } else { error }
        })
    }

    fn exchange(
        &self,
        url: &Url,
        method: &str,
        with_body: bool,
        with_user: bool,
    ) -> Result<Answer, Error> {
        let request = self.request(url, method, with_body, with_user)?;
        let wanted = Wanted { limit: LIMIT, head_only: method == "HEAD" };
        let deadline = Instant::now() + self.limit();
        let mut last = None;
        for peer in addresses(url)? {
            match once(peer, deadline, request.as_bytes(), wanted) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = Some(error),
            }
        }
        let cause = last.map_or_else(|| "it has no address".to_owned(), |error| words(&error));
        Err(Error::new(format!("failed to ask `{url}`: {cause}")))
    }

    fn request(
        &self,
        url: &Url,
        method: &str,
        with_body: bool,
        with_user: bool,
    ) -> Result<String, Error> {
        let mut text = format!("{method} {} HTTP/1.1\r\n", url.path);
        let given = |name: &str| self.headers.keys().any(|key| key.eq_ignore_ascii_case(name));
        let mut add = |name: &str, value: &str| -> Result<(), Error> {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
                let shown = format!("{name}: {value}").escape_debug().to_string();
                return Err(Error::new(format!("`{shown}` is not a header")));
            }
            text.push_str(&format!("{name}: {value}\r\n"));
            Ok(())
        };
        for (name, value) in &self.headers {
            match value {
                Value::String(value) => add(name, value)?,
                value => add(name, &value.to_string())?,
            }
        }
        let body = if with_body { self.sent_body()? } else { None };
        let body_type = body.as_ref().and_then(|(_, kind)| *kind);
        let length = body.as_ref().map(|(text, _)| text.len().to_string());
        let user = match (&self.url_username, with_user) {
            (Some(user), true) => {
                let password = self.url_password.as_deref().unwrap_or_default();
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            _ => None,
        };
        let ours = [
            ("Host", Some(url.authority())),
            ("User-Agent", Some(self.http_agent.clone())),
            ("Accept-Encoding", Some("identity".to_owned())),
            ("Cache-Control", self.force.then(|| "no-cache".to_owned())),
            ("Authorization", user),
            ("Content-Type", body_type.map(str::to_owned)),
            ("Content-Length", length),
        ];
        for (name, value) in ours {
            if let Some(value) = value.filter(|_| !given(name)) {
                add(name, &value)?;
            }
        }
        text.push_str("Connection: close\r\n\r\n");
        text.push_str(body.as_ref().map_or("", |(text, _)| text));
        Ok(text)
    }
}

/// The first of the headers with that name.
pub(super) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut headers = answer.headers.iter();
    headers.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What a `Location` means at a URL.
pub(super) fn joined(url: &Url, location: &str) -> String {
    if location.contains("://") {
        return location.to_owned();
    }
    let origin = format!("http://{}", url.authority());
    if let Some(rest) = location.strip_prefix("//") {
        return format!("http://{rest}");
    }
    if location.starts_with('/') {
        return format!("{origin}{location}");
    }
    let path = url.path.split('?').next().unwrap_or_default();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{origin}{folder}/{location}")
}

/// As `/etc/hosts` has it, or else as the machine's resolver does.
fn addresses(url: &Url) -> Result<Vec<SocketAddr>, Error> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    if let Some(peer) = url.resolve(&hosts) {
        return Ok(vec![peer]);
    }
    let found = (url.host.as_str(), url.port).to_socket_addrs();
    found.map(Iterator::collect).map_err(|error| {
        Error::new(format!("failed to ask `{url}`: `{}` has no address: {error}", url.host))
    })
}

fn once(
    peer: SocketAddr,
    deadline: Instant,
    request: &[u8],
    wanted: Wanted,
) -> Result<Answer, Broken> {
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM, None)?;
    let mut connection = Timed { socket: &socket, deadline };
    connection.connect(peer)?;
    connection.send(request)?;
    http::read(&mut connection, wanted)
}

fn words(broken: &Broken) -> String {
    match broken {
        Broken::Io(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock
            ) =>
        {
            "no answer in time".into()
        }
        broken => broken.to_string(),
    }
}
