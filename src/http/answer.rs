//! Reads one HTTP/1.1 answer from a connection that closes after it.
//!
//! Everything a server can do wrong (end early, send something else, send without end)
//! becomes a [`Broken`]; nothing is taken for a response that is none.

use std::io::{self, ErrorKind, Read};

use httparse::Status;

/// More than any server's headers; what is longer is not HTTP.
const HEAD_LIMIT: usize = 64 << 10;
/// As many headers as are read.
const HEADERS: usize = 100;

/// What a server answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// What the server says beside it, such as `Not Found`.
    pub(crate) reason: String,
    /// The headers in their order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, as much of it as was wanted.
    pub(crate) body: Vec<u8>,
    /// Set when the body goes on; the rest was not fetched.
    pub(crate) truncated: bool,
}

/// What is wanted of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// As much of a body as is fetched and kept, in bytes.
    pub(crate) limit: usize,
    /// Whether it answers a `HEAD`, so that no body follows.
    pub(crate) head_only: bool,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
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
    reason: String,
    headers: Vec<(String, String)>,
    framing: Framing,
    length: usize,
}

/// Reads an answer; reading stops, with `truncated` set, once the body is over its limit.
pub(crate) fn read(stream: &mut impl Read, wanted: Wanted) -> Result<Answer, Broken> {
    let limit = wanted.limit;
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
        _ if wanted.head_only => (Vec::new(), false),
        Framing::None => (Vec::new(), false),
        Framing::Length(length) => read_length(stream, rest, length, limit)?,
        Framing::Chunked => read_chunks(stream, rest, limit)?,
        Framing::UntilClose => read_until_close(stream, rest, limit)?,
    };
    if body.len() > limit {
        body.truncate(limit);
        truncated = true;
    }
    let Head { status, reason, headers, .. } = head;
    Ok(Answer { status, reason, headers, body, truncated })
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
    let reason = parsed.reason.unwrap_or_default().to_owned();
    let mut kept = Vec::new();
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
        kept.push((name, value));
    }
    if status == 204 || status == 304 || status < 200 {
        framing = Framing::None;
    }
    Ok(Some(Head { status, reason, headers: kept, framing, length }))
}

type Body = (Vec<u8>, bool);

fn read_length(
    stream: &mut impl Read,
    mut body: Vec<u8>,
    length: u64,
    limit: usize,
) -> Result<Body, Broken> {
    let wanted = usize::try_from(length).unwrap_or(usize::MAX);
    while body.len() < wanted.min(limit) {
        if more(stream, &mut body)? == 0 {
            return Err(Broken::Closed(format!(
                "after {} of the body's {length} bytes",
                body.len()
            )));
        }
    }
    body.truncate(wanted);
    Ok((body, wanted > limit))
}

fn read_until_close(
    stream: &mut impl Read,
    mut body: Vec<u8>,
    limit: usize,
) -> Result<Body, Broken> {
    while body.len() <= limit {
        if more(stream, &mut body)? == 0 {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

fn read_chunks(stream: &mut impl Read, mut raw: Vec<u8>, limit: usize) -> Result<Body, Broken> {
    let mut body = Vec::new();
    while body.len() <= limit {
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
            } else if raw.len().saturating_sub(at) > limit {
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

    const WANTED: Wanted = Wanted { limit: 16 << 10, head_only: false };

    fn parse(text: &str) -> Result<Answer, String> {
        let read = |step| read(&mut Drip(text.as_bytes(), step), WANTED);
        let whole = read(usize::MAX).map_err(|e| e.to_string());
        let dripped = read(1).map_err(|e| e.to_string());
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
            let answer = parse(text).expect(text);
            assert_eq!((answer.status, answer.body.as_slice()), (200, b"rs1\n".as_slice()));
        }
        assert_eq!(parse("HTTP/1.1 204 No Content\r\n\r\n").expect("no body").body, b"");
        let text = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nX-A: 1\r\nx-a: 2\r\n\r\n";
        let head = read(&mut Drip(text, 1), Wanted { head_only: true, ..WANTED }).expect("a head");
        assert_eq!((head.reason.as_str(), head.headers.len()), ("Not Found", 3));
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
            let response = read(&mut endless, WANTED).expect(&head);
            assert!(response.truncated);
            assert_eq!(response.body.len(), WANTED.limit);
        }
        let mut endless = b"HTTP/1.1 200 OK\r\nX-A: ".chain(io::repeat(b'x'));
        assert!(
            read(&mut endless, WANTED)
                .expect_err("no end of headers")
                .to_string()
                .contains("no end")
        );
    }
}
