//! Exchanges below HTTP: a connection by TCP or SCTP, or a datagram, with a text to send and
//! one to hear.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use super::capture::Capture;
use super::http::{Answer, Answers, Outcome, Stage, failure, source, unspecified};
use super::{Endpoint, Response, Seconds};
use crate::http::{Broken, Timed};
use crate::modules::{Bytes, Error};

/// As much of an answer is kept.
const LIMIT: usize = 16 << 10;
/// A stream that has said something is listened to for so long after its last word.
const QUIET: Duration = Duration::from_millis(50);

/// What carries an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// A TCP connection.
    Tcp,
    /// An SCTP association of one stream.
    Sctp,
    /// One datagram each way.
    Udp,
}

/// Who answers there?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Talk {
    /// What carries it.
    pub carrier: Carrier,
    /// Where to.
    pub to: Endpoint,
    /// How many exchanges, one after the other, each from a port of its own.
    pub requests: u32,
    /// How long one may take.
    pub timeout: Seconds,
    /// The client's address, when it has several.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// The client's port, the same for every exchange.
    #[serde(default)]
    pub source_port: Option<u16>,
    /// What to say.
    #[serde(default)]
    pub send: Option<Bytes>,
    /// Whether an answer is waited for; if not, a connection is enough.
    pub listens: bool,
}

impl Talk {
    pub(super) fn run(&self) -> Result<Answers, Error> {
        let peer = self.to.resolve()?;
        Answers::of(self.requests, |_, capture| self.exchange(peer, capture))
    }

    fn exchange(&self, peer: SocketAddr, capture: &mut Capture) -> Result<Answer, Error> {
        let start = Instant::now();
        let deadline = start + self.timeout.0;
        let socket = source(peer, self.source, self.source_port, |domain| self.socket(domain))?;
        let port = socket.local_addr().ok().and_then(|local| local.as_socket());
        let port = port.map_or(0, |local| local.port());
        let outcome = match self.talk(&socket, peer, deadline) {
            Ok(said) => Outcome::Response(Response {
                status: None,
                headers: IndexMap::new(),
                truncated: said.len() >= LIMIT,
                body: String::from_utf8_lossy(&said).into_owned(),
                bytes: Some(Bytes(said)),
            }),
            Err((stage, error)) => Outcome::Failed(failure(stage, &Broken::Io(error))),
        };
        let seconds = start.elapsed().as_secs_f64();
        let local = socket.local_addr().ok().and_then(|address| address.as_socket());
        let local = local.unwrap_or(SocketAddr::new(unspecified(peer), port));
        Ok(Answer {
            local,
            peer,
            seconds,
            reply_macs: capture.replies(peer, port),
            outcome,
            certificate: None,
            later: Vec::new(),
        })
    }

    fn socket(&self, domain: Domain) -> io::Result<Socket> {
        match self.carrier {
            Carrier::Tcp => Socket::new(domain, Type::STREAM, None),
            Carrier::Sctp => Socket::new(domain, Type::STREAM, Some(socket2::Protocol::SCTP)),
            Carrier::Udp => Socket::new(domain, Type::DGRAM, None),
        }
    }

    /// Says what is to be said, and gives what came back.
    fn talk(
        &self,
        socket: &Socket,
        peer: SocketAddr,
        deadline: Instant,
    ) -> Result<Vec<u8>, (Stage, io::Error)> {
        let mut connection = Timed { socket, deadline };
        connection.connect(peer).map_err(|error| (Stage::Connect, error))?;
        let words = self.send.as_ref().map_or(&[][..], |bytes| &bytes.0);
        match self.carrier {
            // One that is empty is a datagram, too.
            Carrier::Udp => socket.send(words).map(drop),
            Carrier::Tcp | Carrier::Sctp => connection.send(words),
        }
        .map_err(|error| (Stage::Send, error))?;
        let mut said = Vec::new();
        if self.listens {
            self.listen(&mut connection, &mut said).map_err(|error| (Stage::Receive, error))?;
        }
        Ok(said)
    }

    fn listen(&self, connection: &mut Timed<'_>, said: &mut Vec<u8>) -> io::Result<()> {
        let mut buffer = vec![0; LIMIT];
        while said.len() < LIMIT {
            match connection.read(&mut buffer) {
                Ok(0) if said.is_empty() && self.carrier != Carrier::Udp => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the connection was closed without an answer",
                    ));
                }
                Ok(got) => {
                    said.extend_from_slice(buffer.get(..got).unwrap_or(&buffer));
                    if got == 0 || self.carrier == Carrier::Udp {
                        return Ok(());
                    }
                    connection.deadline = connection.deadline.min(Instant::now() + QUIET);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What was said before counts.
                Err(_) if !said.is_empty() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::thread;

    use super::super::http::Trouble;
    use super::*;

    fn talk(carrier: Carrier, to: SocketAddr, send: &str) -> Answers {
        let send = Some(Bytes(send.into()));
        let (source, source_port) = (None, None);
        let (to, timeout) =
            (to.to_string().parse().expect("an endpoint"), Seconds::from_millis(5_000));
        let talk =
            Talk { carrier, to, requests: 2, timeout, source, source_port, send, listens: true };
        talk.run().expect("loopback can be talked to")
    }

    fn bodies(answers: &Answers) -> Vec<&str> {
        let body = |answer: &'_ Answer| answer.response().map(|response| response.body.clone());
        assert!(answers.requests.iter().all(|answer| body(answer).is_some()), "{answers:?}");
        answers.requests.iter().filter_map(Answer::response).map(|one| one.body.as_str()).collect()
    }

    #[test]
    fn sends_datagrams_from_ports_of_their_own_and_hears_the_answers() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
        let to = server.local_addr().expect("it is bound");
        thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((got, from)) = server.recv_from(&mut buffer) {
                server.send_to(&buffer[..got], from).expect("loopback answers");
            }
        });
        let answers = talk(Carrier::Udp, to, "rs1");
        assert_eq!(bodies(&answers), ["rs1", "rs1"]);
        assert_ne!(answers.requests[0].local.port(), answers.requests[1].local.port());
    }

    #[test]
    fn hears_what_a_stream_says_in_pieces() {
        let server = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let to = server.local_addr().expect("it is bound");
        thread::spawn(move || {
            for stream in server.incoming() {
                let mut stream = stream.expect("somebody connected");
                io::Write::write_all(&mut stream, b"220 ").expect("it listens");
                io::Write::write_all(&mut stream, b"rs1\n").expect("it listens");
            }
        });
        assert_eq!(bodies(&talk(Carrier::Tcp, to, "hello")), ["220 rs1\n", "220 rs1\n"]);
    }

    #[test]
    fn tells_a_datagram_that_is_refused_from_one_that_is_lost() {
        let free = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
        let to = free.local_addr().expect("it is bound");
        drop(free);
        let answers = talk(Carrier::Udp, to, "");
        let failure = answers.requests[0].failure().expect("nobody is there");
        assert_eq!((failure.stage, failure.trouble), (Stage::Receive, Trouble::Refused));
    }
}
