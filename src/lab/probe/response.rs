//! Reads one HTTP/1.1 response from a connection that closes after it.
//!
//! Everything a server can do wrong (end early, send something else, send without end)
//! becomes a [`Broken`]; nothing is taken for a response that is none.

use std::io::{self, ErrorKind, Read};

use httparse::Status;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// More than any server's headers; what is longer is not HTTP.
const HEAD_LIMIT: usize = 64 << 10;
/// As many headers as are read.
const HEADERS: usize = 100;
/// As much of a body as is fetched and kept, in bytes.
pub(super) const BODY_LIMIT: usize = 16 << 10;
/// The header by which a real server names itself.
const NAMES_ITSELF: &str = "x-real-server";

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers that tell servers apart (`Server` and `X-…`), names in lower case.
    pub headers: IndexMap<String, String>,
    /// The body, at most 16 KiB of it.
    pub body: String,
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
            (self.status == 200 && a_name).then_some(body)
        })
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The connection ended before the response did.
    #[error("the connection was closed {0}")]
    Closed(String),
    /// What came is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    Malformed(String),
}

/// How a body's end is known.
enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

struct Head {
    status: u16,
    headers: IndexMap<String, String>,
    framing: Framing,
    length: usize,
}

/// Reads a response; reading stops, with `truncated` set, once the body is over its limit.
pub(super) fn read(stream: &mut impl Read) -> Result<Response, Broken> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(head) = parse_head(&bytes)? {
            break head;
        }
        if bytes.len() > HEAD_LIMIT {
            return Err(Broken::Malformed(format!("no end of the headers in {HEAD_LIMIT} bytes")));
        }
        if more(stream, &mut bytes)? == 0 {
            return Err(Broken::Closed(match bytes.len() {
                0 => "without an answer".into(),
                got => format!("within the headers, after {got} bytes"),
            }));
        }
    };
    let rest = bytes.split_off(head.length);
    let (mut body, mut truncated) = match head.framing {
        Framing::None => (Vec::new(), false),
        Framing::Length(length) => read_length(stream, rest, length)?,
        Framing::Chunked => read_chunks(stream, rest)?,
        Framing::UntilClose => read_until_close(stream, rest)?,
    };
    if body.len() > BODY_LIMIT {
        body.truncate(BODY_LIMIT);
        truncated = true;
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Response { status: head.status, headers: head.headers, body, truncated })
}

fn more(stream: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(got) => {
                bytes.extend_from_slice(buffer.get(..got).unwrap_or(&buffer));
                return Ok(got);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<Head>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let malformed = |error: httparse::Error| {
        let start: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
        Broken::Malformed(format!("{error} in `{}`", start.escape_debug()))
    };
    let Status::Complete(length) = parsed.parse(bytes).map_err(malformed)? else {
        return Ok(None);
    };
    let status = parsed.code.ok_or_else(|| Broken::Malformed("no status code".into()))?;
    let mut kept = IndexMap::new();
    let mut framing = Framing::UntilClose;
    for header in parsed.headers {
        let name = header.name.to_ascii_lowercase();
        let value = String::from_utf8_lossy(header.value).trim().to_owned();
        match name.as_str() {
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                framing = Framing::Chunked;
            }
            // Chunks win over a length: RFC 9112, section 6.3.
            "content-length" if !matches!(framing, Framing::Chunked) => {
                let length = value.parse().map_err(|_| {
                    Broken::Malformed(format!("`content-length` is `{}`", value.escape_debug()))
                })?;
                framing = Framing::Length(length);
            }
            _ => {}
        }
        if name == "server" || name.starts_with("x-") {
            kept.insert(name, value);
        }
    }
    if status == 204 || status == 304 || status < 200 {
        framing = Framing::None;
    }
    Ok(Some(Head { status, headers: kept, framing, length }))
}

type Body = (Vec<u8>, bool);

fn read_length(stream: &mut impl Read, mut body: Vec<u8>, length: u64) -> Result<Body, Broken> {
    let wanted = usize::try_from(length).unwrap_or(usize::MAX);
    while body.len() < wanted.min(BODY_LIMIT) {
        if more(stream, &mut body)? == 0 {
            return Err(Broken::Closed(format!(
                "after {} of the body's {length} bytes",
                body.len()
            )));
        }
    }
    body.truncate(wanted);
    Ok((body, wanted > BODY_LIMIT))
}

fn read_until_close(stream: &mut impl Read, mut body: Vec<u8>) -> Result<Body, Broken> {
    while body.len() <= BODY_LIMIT {
        if more(stream, &mut body)? == 0 {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

fn read_chunks(stream: &mut impl Read, mut raw: Vec<u8>) -> Result<Body, Broken> {
    let mut body = Vec::new();
    while body.len() <= BODY_LIMIT {
        let parsed = httparse::parse_chunk_size(&raw)
            .map_err(|_| Broken::Malformed("a chunk of the body has no size".into()))?;
        if let Status::Complete((at, size)) = parsed {
            if size == 0 {
                return Ok((body, false));
            }
            // A chunk over the limit is not waited for: what is there of it is enough.
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            let end = at.saturating_add(size);
            if let Some(chunk) = raw.get(at..end) {
                body.extend_from_slice(chunk);
                // The line end after the chunk goes with it, once it is there.
                if raw.len() >= end + 2 {
                    raw.drain(..end + 2);
                    continue;
                }
                body.truncate(body.len() - size);
            } else if raw.len().saturating_sub(at) > BODY_LIMIT {
                body.extend(raw.drain(at..));
                return Ok((body, true));
            }
        }
        if more(stream, &mut raw)? == 0 {
            return Err(Broken::Closed("within a chunk of the body".into()));
        }
    }
    Ok((body, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out its bytes a few at a time, as a network may.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let step = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(step);
            buffer[..step].copy_from_slice(now);
            self.0 = later;
            Ok(step)
        }
    }

    fn parse(text: &str) -> Result<Response, String> {
        let whole = read(&mut Drip(text.as_bytes(), usize::MAX)).map_err(|e| e.to_string());
        let dripped = read(&mut Drip(text.as_bytes(), 1)).map_err(|e| e.to_string());
        if whole.is_ok() {
            assert_eq!(whole, dripped, "must not depend on how the bytes arrive");
        } else {
            // What is no HTTP is known at its first byte, so the words may be fewer.
            assert!(dripped.is_err(), "{whole:?} {dripped:?}");
        }
        whole
    }

    #[test]
    fn reads_a_body_of_each_framing() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nrs1\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nrs\r\n2\r\n1\n\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nrs1\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nrs1\nmore than was promised",
        ] {
            let response = parse(text).expect(text);
            assert_eq!((response.status, response.body.as_str()), (200, "rs1\n"));
            assert_eq!(response.real_server(), Some("rs1"));
        }
        assert_eq!(parse("HTTP/1.1 204 No Content\r\n\r\n").expect("no body").body, "");
    }

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

    #[test]
    fn says_how_a_response_is_broken() {
        let broken = |text: &str| parse(text).expect_err(text);
        assert_eq!(broken(""), "the connection was closed without an answer");
        assert!(broken("HTTP/1.1 200 OK\r\nSer").contains("within the headers, after 20 bytes"));
        assert!(
            broken("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrs1").contains("3 of the body's 9")
        );
        assert!(broken("SSH-2.0-OpenSSH_9.2\r\n").contains("not HTTP"));
        assert!(broken("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").contains("`x`"));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(broken(&format!("{chunked}4\r\nrs")).contains("within a chunk"));
        assert!(broken(&format!("{chunked}zz\r\nrs")).contains("no size"));
    }

    #[test]
    fn stops_at_the_limits_of_what_never_ends() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"
                .replace("99999999999999999999", "18446744073709551615"),
            format!("{chunked}ffffffffffffffff\r\n"),
            format!("{chunked}{}", "a\r\n0123456789\r\n".repeat(4000)),
        ] {
            let mut endless = head.as_bytes().chain(io::repeat(b'x'));
            let response = read(&mut endless).expect(&head);
            assert!(response.truncated);
            assert_eq!(response.body.len(), BODY_LIMIT);
        }
        let mut endless = b"HTTP/1.1 200 OK\r\nX-A: ".chain(io::repeat(b'x'));
        assert!(read(&mut endless).expect_err("no end of headers").to_string().contains("no end"));
    }
}
