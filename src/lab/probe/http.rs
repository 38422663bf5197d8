//! Real requests from this host: a fresh TCP connection for each, as a balancer that
//! schedules by connection wants it, one after the other so that their order means something.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use super::capture::{Capture, Coverage};
use super::response::{Response, WANTED};
use super::{Seconds, Url, port};
use crate::http::{self, Broken, Timed};
use crate::modules::Error;
use crate::netlink::MacAddress;

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
    pub url: Url,
    /// How many requests, one after the other.
    #[serde(default = "one")]
    pub requests: u32,
    /// How long one request may take, from the first SYN to the last byte.
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

/// What became of the requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// One for each request that was made, in their order.
    pub requests: Vec<Answer>,
    /// Requests that were not made any more, since those before timed out in a row.
    pub not_sent: u32,
    /// What `reply_macs` can be relied on for.
    pub capture: Coverage,
}

impl Answers {
    /// Asks so often, one after the other; `ask` is told how often that was done before. When
    /// several in a row timed out, the rest would do the same, slowly.
    pub(super) fn of(
        requests: u32,
        mut ask: impl FnMut(usize, &mut Capture) -> Result<Answer, Error>,
    ) -> Result<Self, Error> {
        let mut capture = Capture::start();
        let mut answers: Vec<Answer> = Vec::new();
        while answers.len() < requests as usize {
            answers.push(ask(answers.len(), &mut capture)?);
            let timed_out = |a: &Answer| a.failure().is_some_and(|f| f.trouble == Trouble::Timeout);
            if answers.iter().rev().take_while(|answer| timed_out(answer)).count() == GIVE_UP {
                break;
            }
        }
        let made = u32::try_from(answers.len()).unwrap_or(u32::MAX);
        let not_sent = requests.saturating_sub(made);
        Ok(Self { requests: answers, not_sent, capture: capture.finish() })
    }
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Where it came from.
    pub local: SocketAddr,
    /// Where it went.
    pub peer: SocketAddr,
    /// How long it took.
    pub seconds: f64,
    /// The Ethernet sources of what came back over its connection, first seen first.
    pub reply_macs: Vec<MacAddress>,
    /// What came back.
    pub outcome: Outcome,
}

impl Answer {
    /// The response, if there is one.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        match &self.outcome {
            Outcome::Response(response) => Some(response),
            Outcome::Failed(_) => None,
        }
    }

    /// The failure, if there is one.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Response(_) => None,
            Outcome::Failed(failure) => Some(failure),
        }
    }
}

/// A response or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A whole response.
    Response(Response),
    /// None.
    Failed(Failure),
}

/// Why a request got no response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// How far it came.
    pub stage: Stage,
    /// What went wrong.
    pub trouble: Trouble,
    /// The same for people.
    pub message: String,
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before the connection stood.
    Connect,
    /// While the request was sent.
    Send,
    /// While the response was awaited or read.
    Receive,
}

/// What went wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Nobody listens there: a reset answered.
    Refused,
    /// Nothing came in time.
    Timeout,
    /// No route, or nobody answers ARP.
    Unreachable,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the response was whole.
    Closed,
    /// What came is not HTTP.
    Malformed,
    /// Something else, on this host.
    Other,
}

impl Http {
    /// Three seconds: an emulated machine under load stays below one, and a lost SYN is sent
    /// again after one.
    #[must_use]
    pub fn default_timeout() -> Seconds {
        Seconds::from_millis(3_000)
    }

    pub(super) fn run(&self) -> Result<Answers, Error> {
        let peer = self.url.here()?;
        let request = request(&self.url, &self.headers, true)?;
        Answers::of(self.requests, |made, capture| {
            let turn = made.checked_rem(self.sources.len());
            let from = turn.and_then(|turn| self.sources.get(turn).copied()).or(self.source);
            self.ask(peer, from, &request, capture)
        })
    }

    /// Makes one request; an error is one of this host, before anything was sent.
    fn ask(
        &self,
        peer: SocketAddr,
        from: Option<IpAddr>,
        request: &[u8],
        capture: &mut Capture,
    ) -> Result<Answer, Error> {
        let start = Instant::now();
        let deadline = start + self.timeout.0;
        let (socket, port, outcome, seconds) = loop {
            let tcp = |domain| Socket::new(domain, Type::STREAM, None);
            let socket = source(peer, from, self.source_port, tcp)?;
            let local = socket.local_addr().map(|address| address.as_socket());
            let port = local.ok().flatten().map_or(0, |local| local.port());
            let mut connection = Timed { socket: &socket, deadline };
            let outcome = exchange(&mut connection, peer, request);
            let seconds = start.elapsed().as_secs_f64();
            match outcome {
                Ok(response) => {
                    connection.let_the_server_close();
                    break (socket, port, Outcome::Response(response), seconds);
                }
                // The connection before, from this same port, is on its last packets.
                Err((Stage::Connect, Broken::Io(error)))
                    if error.kind() == ErrorKind::AddrNotAvailable
                        && self.source_port.is_some()
                        && Instant::now() < deadline =>
                {
                    thread::sleep(Duration::from_millis(2));
                }
                Err((stage, broken)) => {
                    break (socket, port, Outcome::Failed(failure(stage, &broken)), seconds);
                }
            }
        };
        // Only connecting chooses the address, and a failure takes it back.
        let local = socket.local_addr().ok().and_then(|address| address.as_socket());
        let local = local.unwrap_or(SocketAddr::new(unspecified(peer), port));
        Ok(Answer { local, peer, seconds, reply_macs: capture.replies(peer, port), outcome })
    }
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

impl Timed<'_> {
    /// Waits a moment for the server's end of the connection: who closes first keeps its port
    /// busy for a minute, and that should not be this host.
    fn let_the_server_close(&mut self) {
        self.deadline = self.deadline.min(Instant::now() + CLOSING);
        let mut rest = [0; 1024];
        // Whatever comes or goes wrong now is no part of the answer any more.
        while self.read(&mut rest).is_ok_and(|got| got > 0) {}
    }
}

pub(super) fn failure(stage: Stage, broken: &Broken) -> Failure {
    let trouble = match broken {
        Broken::Closed(_) => Trouble::Closed,
        Broken::Malformed(_) => Trouble::Malformed,
        Broken::Io(error) => match (error.kind(), error.raw_os_error().map(Errno::from_raw)) {
            // A read's own timeout is told as EAGAIN.
            (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => Trouble::Timeout,
            (ErrorKind::ConnectionRefused, _) => Trouble::Refused,
            (ErrorKind::ConnectionReset | ErrorKind::BrokenPipe, _) => Trouble::Reset,
            (ErrorKind::UnexpectedEof, _) => Trouble::Closed,
            (ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable, _) => Trouble::Unreachable,
            _ => Trouble::Other,
        },
    };
    let doing = match stage {
        Stage::Connect => "while connecting",
        Stage::Send => "while sending the request",
        Stage::Receive => "while waiting for the answer",
    };
    let message = match trouble {
        Trouble::Closed | Trouble::Malformed => broken.to_string(),
        Trouble::Timeout => format!("timed out {doing}"),
        Trouble::Refused if stage == Stage::Connect => {
            "connection refused: a reset answered the SYN".into()
        }
        // Only a datagram is sent before somebody has agreed to take it.
        Trouble::Refused => "refused: an ICMP error answered, nobody waits there".into(),
        _ => format!("{broken} {doing}"),
    };
    Failure { stage, trouble, message }
}

#[cfg(test)]
mod tests;
