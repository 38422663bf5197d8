//! A steady load: requests at a steady pace for some time, each noted with its moment. How a
//! cluster takes a fault or a change is seen by it.

use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use super::http::{Failure, Stage, Trouble, exchange, failure, request, source};
use super::{Seconds, Url};
use crate::http::{Broken, Timed};
use crate::modules::Error;

/// A load on a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// What to ask for.
    pub url: Url,
    /// For how long requests are begun.
    pub seconds: Seconds,
    /// From the beginning of one request to that of the next, unless that one takes longer.
    pub pause: Seconds,
    /// How long one request may take.
    pub timeout: Seconds,
    /// The client's address, when it has several.
    #[serde(default)]
    pub source: Option<IpAddr>,
}

/// What became of a load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    /// One for each request, in their order.
    pub shots: Vec<Shot>,
}

/// One request of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shot {
    /// When it began, in seconds since 1970; hosts of a lab have one clock.
    pub at: f64,
    /// How long it took.
    pub seconds: f64,
    /// The real server that answered, where it named itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Why it counts as failed: no answer, or one that is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Load {
    pub(super) fn run(&self) -> Result<Loaded, Error> {
        let peer = self.url.here()?;
        let request = request(&self.url, &indexmap::IndexMap::new(), true)?;
        let end = Instant::now() + self.seconds.0;
        let mut shots = Vec::new();
        while Instant::now() < end {
            let begun = Instant::now();
            let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let tcp =
                |domain: Domain| -> io::Result<Socket> { Socket::new(domain, Type::STREAM, None) };
            let socket = source(peer, self.source, None, tcp)?;
            let mut connection = Timed { socket: &socket, deadline: begun + self.timeout.0 };
            let (server, failure) = match exchange(&mut connection, peer, &request) {
                Ok(answer) => {
                    let status = answer.status.unwrap_or_default();
                    let failed = (status >= 400).then(|| Failure {
                        stage: Stage::Receive,
                        trouble: Trouble::Malformed,
                        message: format!("status {status}"),
                    });
                    (answer.real_server().map(str::to_owned), failed)
                }
                Err((stage, broken)) => (None, Some(failure(stage, &broken))),
            };
            let (at, seconds) = (at.as_secs_f64(), begun.elapsed().as_secs_f64());
            shots.push(Shot { at, seconds, server, failure });
            thread::sleep(self.pause.0.saturating_sub(begun.elapsed()));
        }
        Ok(Loaded { shots })
    }
}

/// Connections that are kept open, with a request on each from time to time, until a file is
/// there: what a drained real server must not cut off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// What to ask for.
    pub url: Url,
    /// How many connections.
    pub connections: u32,
    /// From one request on a connection to the next.
    pub pause: Seconds,
    /// How long one request may take.
    pub timeout: Seconds,
    /// The file that ends it, on this host.
    pub until: String,
    /// It ends after this long in any case.
    pub at_most: Seconds,
}

/// What became of the connections, in the order in which they were opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The connections.
    pub connections: Vec<KeptConnection>,
}

/// A connection that was kept open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptConnection {
    /// The real server at its other end, where it named itself.
    pub server: Option<String>,
    /// How many requests were answered on it.
    pub answered: u32,
    /// Why it ended before its time.
    pub failure: Option<Failure>,
}

impl Keep {
    /// The file that is there once every connection has been used.
    #[must_use]
    pub fn ready(until: &str) -> String {
        format!("{until}.ready")
    }

    pub(super) fn run(&self) -> Result<Kept, Error> {
        let peer = self.url.here()?;
        let request = request(&self.url, &indexmap::IndexMap::new(), false)?;
        let end = Instant::now() + self.at_most.0;
        let mut open: Vec<(Option<Socket>, KeptConnection)> = Vec::new();
        for _ in 0..self.connections {
            let tcp = |domain| Socket::new(domain, Type::STREAM, None);
            let socket = source(peer, None, None, tcp)?;
            let mut kept = KeptConnection { server: None, answered: 0, failure: None };
            let connection = Timed { socket: &socket, deadline: Instant::now() + self.timeout.0 };
            if let Err(error) = connection.connect(peer) {
                kept.failure = Some(failure(Stage::Connect, &Broken::Io(error)));
            }
            open.push((kept.failure.is_none().then_some(socket), kept));
        }
        loop {
            for (socket, kept) in &mut open {
                if let Some(wire) = socket
                    && let Err(failed) = kept.ask(wire, &request, self.timeout.0)
                {
                    kept.failure = Some(failed);
                    *socket = None;
                }
            }
            std::fs::write(Self::ready(&self.until), "").map_err(|error| {
                Error::io(format!("failed to write `{}`", Self::ready(&self.until)), &error)
            })?;
            if std::path::Path::new(&self.until).exists() || Instant::now() >= end {
                return Ok(Kept { connections: open.into_iter().map(|(_, kept)| kept).collect() });
            }
            thread::sleep(self.pause.0);
        }
    }
}

impl KeptConnection {
    fn ask(&mut self, socket: &Socket, request: &[u8], timeout: Duration) -> Result<(), Failure> {
        let mut connection = Timed { socket, deadline: Instant::now() + timeout };
        connection.send(request).map_err(|error| failure(Stage::Send, &Broken::Io(error)))?;
        let answer = super::http::answer(&mut connection)
            .map_err(|broken| failure(Stage::Receive, &broken))?;
        self.server = answer.real_server().map(str::to_owned).or(self.server.take());
        self.answered += 1;
        Ok(())
    }
}
