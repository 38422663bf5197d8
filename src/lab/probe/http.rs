//! Real requests from this host: a fresh TCP connection for each, as a balancer that
//! schedules by connection wants it, one after the other so that their order means something;
//! or several over each connection, and several connections at a time. TLS is in `tls`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use super::capture::Capture;
use super::response::{Response, WANTED};
use super::{Scheme, Seconds, Url, port};
use crate::http::{self, Broken, Timed};
use crate::modules::Error;

mod answers;
mod tls;

pub(super) use answers::failure;
use answers::hopeless;
pub use answers::{Answer, Answers, Failure, Outcome, Stage, Trouble};
pub use tls::Tls;
use tls::{Line, Speaker};

/// Stop when this many requests in a row timed out: the rest would do the same, slowly.
const GIVE_UP: usize = 3;

/// How long a server may take to close a connection after its answer.
const CLOSING: Duration = Duration::from_millis(250);
/// As many source ports are tried before the kernel may choose one.
const TRIES: usize = 1000;

/// Who answers HTTP requests?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// What to ask for.
    #[serde(deserialize_with = "Url::with_tls")]
    pub url: Url,
    /// What is asked of a server that speaks TLS.
    #[serde(default)]
    pub tls: Tls,
    /// How many connections.
    #[serde(default = "one")]
    pub connections: u32,
    /// How many requests over each of them, one after the other.
    #[serde(default = "one")]
    pub keep_alive: u32,
    /// How many connections are open at a time.
    #[serde(default = "one")]
    pub concurrency: u32,
    /// How long one request may take to the last byte, the first over a connection from the SYN.
    #[serde(default = "Http::default_timeout")]
    pub timeout: Seconds,
    /// The client's address, when it has several.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// Several addresses of the client, one after the other, over and over.
    #[serde(default)]
    pub sources: Vec<IpAddr>,
    /// The client's port, the same for every request.
    #[serde(default)]
    pub source_port: Option<u16>,
    /// Headers besides `Host` and `Connection`.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
}

fn one() -> u32 {
    1
}

impl Http {
    /// One request, as usual.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            tls: Tls::default(),
            connections: 1,
            keep_alive: 1,
            concurrency: 1,
            timeout: Self::default_timeout(),
            source: None,
            sources: Vec::new(),
            source_port: None,
            headers: IndexMap::new(),
        }
    }

    /// Three seconds: an emulated machine under load stays below one, and a lost SYN is sent
    /// again after one.
    #[must_use]
    pub fn default_timeout() -> Seconds {
        Seconds::from_millis(3_000)
    }

    pub(super) fn run(&self) -> Result<Answers, Error> {
        let peer = self.url.here()?;
        let requests = Requests {
            each: request(&self.url, &self.headers, false)?,
            last: request(&self.url, &self.headers, true)?,
            speaker: match self.url.scheme {
                Scheme::Http => None,
                Scheme::Https => Some(Speaker::new(&self.tls, &self.url)?),
            },
        };
        let capture = Mutex::new(Capture::start());
        let mut answers: Vec<Answer> = Vec::new();
        while answers.len() < self.connections as usize && !hopeless(&answers) {
            let left = self.connections as usize - answers.len();
            let together = left.min(self.concurrency.max(1) as usize);
            // Who has connected waits for the others, so that all are open at the same time.
            let barrier = Barrier::new(together);
            let one = |number: usize| self.ask(peer, number, &requests, &barrier, &capture);
            let first = answers.len();
            let made: Vec<Result<Answer, Error>> = match together {
                1 => vec![one(first)],
                _ => thread::scope(|scope| {
                    let begun: Vec<_> = (first..first + together)
                        .map(|number| scope.spawn(move || one(number)))
                        .collect();
                    let ended = |thread: thread::ScopedJoinHandle<'_, _>| {
                        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    };
                    begun.into_iter().map(ended).collect()
                }),
            };
            for answer in made {
                answers.push(answer?);
            }
        }
        let made = u32::try_from(answers.len()).unwrap_or(u32::MAX);
        let not_sent = self.connections.saturating_sub(made).saturating_mul(self.keep_alive.max(1));
        let capture = capture.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Answers { requests: answers, not_sent, capture: capture.finish() })
    }

    /// Makes one connection and the requests over it; an error is one of this host, before
    /// anything was sent.
    fn ask(
        &self,
        peer: SocketAddr,
        number: usize,
        requests: &Requests,
        together: &Barrier,
        capture: &Mutex<Capture>,
    ) -> Result<Answer, Error> {
        let start = Instant::now();
        let turn = number.checked_rem(self.sources.len());
        let from = turn.and_then(|turn| self.sources.get(turn).copied()).or(self.source);
        let connected = self.connect(peer, from, start + self.timeout.0);
        together.wait();
        let Connected { socket, port, failure: failed } = connected?;
        // The wait for others is not the server's.
        let deadline = match self.concurrency {
            0 | 1 => start + self.timeout.0,
            _ => Instant::now() + self.timeout.0,
        };
        let mut connection = Line::new(Timed { socket: &socket, deadline });
        let mut certificate = None;
        let mut outcomes: Vec<Outcome> = Vec::new();
        if let Some(broken) = failed {
            outcomes.push(Outcome::Failed(failure(Stage::Connect, &broken)));
        } else if let Some(speaker) = &requests.speaker {
            let agreed = connection.agree(speaker);
            certificate = agreed.certificate;
            outcomes.extend(agreed.failure.map(Outcome::Failed));
        }
        let mut seconds = start.elapsed().as_secs_f64();
        let keep_alive = self.keep_alive.max(1);
        while outcomes.len() < keep_alive as usize
            && !matches!(outcomes.last(), Some(Outcome::Failed(_)))
        {
            if !outcomes.is_empty() {
                connection.timed.deadline = Instant::now() + self.timeout.0;
            }
            let last = outcomes.len() + 1 == keep_alive as usize;
            let request = if last { &requests.last } else { &requests.each };
            let (outcome, ended) = match over(&mut connection, request) {
                Ok((response, ended)) => (Outcome::Response(response), ended.filter(|_| !last)),
                Err(failed) => (Outcome::Failed(failed), None),
            };
            outcomes.push(outcome);
            if outcomes.len() == 1 {
                seconds = start.elapsed().as_secs_f64();
            }
            outcomes.extend(ended.map(Outcome::Failed));
        }
        if let Some(Outcome::Response(_)) = outcomes.last() {
            connection.let_the_server_close();
        }
        // Only connecting chooses the address, and a failure takes it back.
        let local = socket.local_addr().ok().and_then(|address| address.as_socket());
        let local = local.unwrap_or(SocketAddr::new(unspecified(peer), port));
        let reply_macs = capture.lock().unwrap_or_else(PoisonError::into_inner).replies(peer, port);
        let later = outcomes.split_off(1);
        let outcome = outcomes.remove(0);
        Ok(Answer { local, peer, seconds, reply_macs, certificate, outcome, later })
    }

    /// Connects. The connection before, from the same port, may be on its last packets yet.
    fn connect(
        &self,
        peer: SocketAddr,
        from: Option<IpAddr>,
        deadline: Instant,
    ) -> Result<Connected, Error> {
        loop {
            let tcp = |domain| Socket::new(domain, Type::STREAM, None);
            let socket = source(peer, from, self.source_port, tcp)?;
            let local = socket.local_addr().map(|address| address.as_socket());
            let port = local.ok().flatten().map_or(0, |local| local.port());
            let connected = Timed { socket: &socket, deadline }.connect(peer);
            let again = connected.as_ref().is_err_and(|error| {
                error.kind() == ErrorKind::AddrNotAvailable
                    && self.source_port.is_some()
                    && Instant::now() < deadline
            });
            if !again {
                return Ok(Connected { socket, port, failure: connected.err().map(Broken::Io) });
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The bytes of requests, and who speaks TLS around them.
#[derive(Debug)]
struct Requests {
    /// Of one that others follow.
    each: Vec<u8>,
    /// Of the last one over a connection.
    last: Vec<u8>,
    speaker: Option<Speaker>,
}

/// A connection, or why there is none.
#[derive(Debug)]
struct Connected {
    socket: Socket,
    port: u16,
    failure: Option<Broken>,
}

/// One request over a connection that stands, and why no other can follow it.
fn over(connection: &mut Line<'_>, request: &[u8]) -> Result<(Response, Option<Failure>), Failure> {
    connection.write_all(request).map_err(|error| failure(Stage::Send, &error.into()))?;
    let answer =
        http::read(connection, WANTED).map_err(|broken| failure(Stage::Receive, &broken))?;
    let closes = answer.headers.iter().any(|(name, value)| {
        name == "connection"
            && value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close"))
    });
    let why = match (closes, answer.truncated) {
        (true, _) => Some("the server closes the connection after the answer before"),
        (_, true) => Some("the answer before is too long for another one after it"),
        _ => None,
    };
    let (stage, trouble) = (Stage::Send, Trouble::Closed);
    let ended = why.map(|why| Failure { stage, trouble, message: why.into() });
    Ok((answer.into(), ended))
}

/// A socket bound before it connects, so that its port is known even when that fails; to an
/// address and a port, or to a port that nobody has used lately.
pub(super) fn source(
    peer: SocketAddr,
    address: Option<IpAddr>,
    port: Option<u16>,
    new: impl Fn(Domain) -> io::Result<Socket>,
) -> Result<Socket, Error> {
    let from = address.unwrap_or(unspecified(peer));
    let open = |number: u16| {
        let socket = new(Domain::for_address(peer))?;
        if port.is_some() {
            // The connection before may still be on its way out.
            socket.set_reuse_address(true)?;
        }
        socket.bind(&SocketAddr::new(from, number).into())?;
        Ok(socket)
    };
    let taken = |result: &io::Result<Socket>| {
        result.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
    };
    let opened = match port {
        Some(port) => open(port),
        None => {
            let mut tries = (0..TRIES).map(|_| open(port::next()));
            tries.find(|result| !taken(result)).unwrap_or_else(|| open(0))
        }
    };
    opened.map_err(|error| {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let error = Error::io(format!("failed to use the source `{from}{port}`"), &error);
        match address {
            Some(_) => error.hint("`source` must be an address of this host"),
            None => error,
        }
    })
}

pub(super) fn unspecified(peer: SocketAddr) -> IpAddr {
    if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// The bytes of a request; the server is told to close after it, or to keep the connection.
pub(super) fn request(
    url: &Url,
    headers: &IndexMap<String, String>,
    close: bool,
) -> Result<Vec<u8>, Error> {
    let named = |name: &str| headers.keys().any(|key| key.eq_ignore_ascii_case(name));
    let mut text = format!("GET {} HTTP/1.1\r\n", url.path);
    if !named("host") {
        text += &format!("Host: {}\r\n", url.authority());
    }
    for (name, value) in headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
            let shown = format!("{name}: {value}").escape_debug().to_string();
            return Err(Error::new(format!("`{shown}` is not a header")));
        }
        text += &format!("{name}: {value}\r\n");
    }
    text += if close { "Connection: close\r\n\r\n" } else { "\r\n" };
    Ok(text.into_bytes())
}

impl Url {
    /// The address that it means on this host.
    pub(super) fn here(&self) -> Result<SocketAddr, Error> {
        // A machine without the file knows no names.
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        self.resolve(&hosts).ok_or_else(|| {
            Error::new(format!("`{}` is neither an address nor a name in /etc/hosts", self.host))
        })
    }
}

/// One request over a connection of its own.
pub(super) fn exchange(
    connection: &mut Timed<'_>,
    peer: SocketAddr,
    request: &[u8],
) -> Result<Response, (Stage, Broken)> {
    connection.connect(peer).map_err(|error| (Stage::Connect, error.into()))?;
    connection.send(request).map_err(|error| (Stage::Send, error.into()))?;
    answer(connection).map_err(|broken| (Stage::Receive, broken))
}

/// Reads the answer to a request.
pub(super) fn answer(connection: &mut Timed<'_>) -> Result<Response, Broken> {
    http::read(connection, WANTED).map(Response::from)
}

impl Line<'_> {
    /// Waits a moment for the server's end of the connection: who closes first keeps its port
    /// busy for a minute, and that should not be this host.
    fn let_the_server_close(&mut self) {
        self.timed.deadline = self.timed.deadline.min(Instant::now() + CLOSING);
        let mut rest = [0; 1024];
        // Whatever comes or goes wrong now is no part of the answer any more.
        while self.read(&mut rest).is_ok_and(|got| got > 0) {}
    }
}

#[cfg(test)]
mod tests;
