//! What came of requests: answers, and failures with the stage they happened in.

use std::io::ErrorKind;
use std::net::SocketAddr;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::GIVE_UP;
use crate::http::Broken;
use crate::lab::probe::capture::{Capture, Coverage};
use crate::lab::probe::response::Response;
use crate::modules::Error;
use crate::netlink::MacAddress;

/// What became of the requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// One for each connection, in the order in which they were begun; most have one request.
    pub requests: Vec<Answer>,
    /// Requests that were not made any more, since those before timed out in a row.
    pub not_sent: u32,
    /// What `reply_macs` can be relied on for.
    pub capture: Coverage,
}

impl Answers {
    /// Asks so often, one after the other; `ask` is told how often that was done before.
    pub(in super::super) fn of(
        requests: u32,
        mut ask: impl FnMut(usize, &mut Capture) -> Result<Answer, Error>,
    ) -> Result<Self, Error> {
        let mut capture = Capture::start();
        let mut answers: Vec<Answer> = Vec::new();
        while answers.len() < requests as usize {
            answers.push(ask(answers.len(), &mut capture)?);
            if hopeless(&answers) {
                break;
            }
        }
        let made = u32::try_from(answers.len()).unwrap_or(u32::MAX);
        let not_sent = requests.saturating_sub(made);
        Ok(Self { requests: answers, not_sent, capture: capture.finish() })
    }
}

/// When several in a row timed out, the rest would do the same, slowly.
pub(super) fn hopeless(answers: &[Answer]) -> bool {
    let timed_out = |a: &Answer| a.failure().is_some_and(|f| f.trouble == Trouble::Timeout);
    answers.iter().rev().take_while(|answer| timed_out(answer)).count() >= GIVE_UP
}

/// What became of one connection, and of the requests over it.
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
    /// The SHA-256 of the certificate that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// What came back, for the first request.
    pub outcome: Outcome,
    /// What came back for those after it, over the same connection; no more than one failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Outcome>,
}

impl Answer {
    /// What came back for each request.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        std::iter::once(&self.outcome).chain(&self.later)
    }

    /// The response, if there is one.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.outcome.response()
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

impl Outcome {
    /// The response, if it is one.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        match self {
            Self::Response(response) => Some(response),
            Self::Failed(_) => None,
        }
    }
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
    /// While TLS was agreed on.
    Handshake,
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
    /// What came is not HTTP, or not TLS where that is expected.
    Malformed,
    /// The certificate is not one that is to be trusted.
    Untrusted,
    /// TLS could not be agreed on.
    Tls,
    /// Something else, on this host.
    Other,
}

/// What a connection that broke is told as.
pub(in super::super) fn failure(stage: Stage, broken: &Broken) -> Failure {
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
        Stage::Handshake => "during the TLS handshake",
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
