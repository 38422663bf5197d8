//! Connections that stay open from one probe to the next: a scheduler that counts connections
//! chooses otherwise while they do. They belong to the agent, and end with it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use super::http::{Failure, Stage, failure, unspecified};
use super::{Seconds, port};
use crate::http::{Broken, Timed};
use crate::modules::Error;

/// As many source ports are tried before it is given up.
const TRIES: usize = 1000;

/// Opens a connection, and closes others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// What to open.
    pub open: Option<Open>,
    /// The numbers of those to close, afterwards.
    pub close: Vec<u64>,
}

/// A connection to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The number by which it is closed.
    pub number: u64,
    /// Where to.
    pub to: SocketAddr,
    /// The client's address, when it has several.
    pub source: Option<IpAddr>,
    /// By what.
    pub transport: Transport,
    /// How long it may take.
    pub timeout: Seconds,
}

/// What a connection is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// A connection of TCP, over which nothing is sent.
    Tcp,
    /// One datagram; nobody has to answer it.
    Udp,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What was opened.
    pub opened: Option<Opened>,
    /// How many are open now.
    pub open: u32,
}

/// A connection that was opened, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Where it comes from.
    pub local: SocketAddr,
    /// Why it is not open.
    pub failure: Option<Failure>,
}

/// What this agent holds open.
fn held() -> MutexGuard<'static, BTreeMap<u64, Socket>> {
    static HELD: Mutex<BTreeMap<u64, Socket>> = Mutex::new(BTreeMap::new());
    // Sockets are whole whoever panicked.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hold {
    pub(super) fn run(&self) -> Result<Held, Error> {
        let opened = self.open.map(Open::run).transpose()?;
        let mut held = held();
        for number in &self.close {
            // To drop a socket is to close it.
            held.remove(number);
        }
        Ok(Held { opened, open: u32::try_from(held.len()).unwrap_or(u32::MAX) })
    }
}

impl Open {
    fn run(self) -> Result<Opened, Error> {
        let deadline = Instant::now() + self.timeout.0;
        let socket = self.socket()?;
        let connected = match self.transport {
            Transport::Tcp => Timed { socket: &socket, deadline }.connect(self.to),
            Transport::Udp => {
                socket.connect(&self.to.into()).and_then(|()| socket.send(b"lvsmith\n")).map(drop)
            }
        };
        // Only connecting chooses the address, and a failure may take it back.
        let local = socket.local_addr().ok().and_then(|address| address.as_socket());
        let local = local.unwrap_or(SocketAddr::new(unspecified(self.to), 0));
        let failure = connected.err().map(|error| failure(Stage::Connect, &Broken::Io(error)));
        if failure.is_none() {
            held().insert(self.number, socket);
        }
        Ok(Opened { local, failure })
    }

    /// A socket bound to a port that no recent connection of this host had: IPVS would know it.
    fn socket(self) -> Result<Socket, Error> {
        let address = self.source.unwrap_or(unspecified(self.to));
        let kind = match self.transport {
            Transport::Tcp => Type::STREAM,
            Transport::Udp => Type::DGRAM,
        };
        let mut last = None;
        for _ in 0..TRIES {
            let opened = Socket::new(Domain::for_address(self.to), kind, None).and_then(|socket| {
                socket.bind(&SocketAddr::new(address, port::next()).into()).map(|()| socket)
            });
            match opened {
                Ok(socket) => return Ok(socket),
                Err(error) if error.kind() == ErrorKind::AddrInUse => last = Some(error),
                Err(error) => {
                    last = Some(error);
                    break;
                }
            }
        }
        let error = last.unwrap_or_else(|| ErrorKind::AddrInUse.into());
        let error = Error::io(format!("failed to use the source `{address}`"), &error);
        Err(error.hint("it must be an address of this host"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    fn open(number: u64, to: SocketAddr, source: Option<IpAddr>, transport: Transport) -> Hold {
        let timeout = Seconds::from_millis(5_000);
        let open = Some(Open { number, to, source, transport, timeout });
        Hold { open, close: Vec::new() }
    }

    #[test]
    fn holds_a_connection_until_it_is_told_to_close_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let to = listener.local_addr().expect("it is bound");
        let source = IpAddr::from([127, 0, 0, 7]);
        let opened = open(1, to, Some(source), Transport::Tcp).run().expect("it runs").opened;
        let opened = opened.expect("one was asked for");
        assert_eq!(opened.failure, None);
        let (mut stream, peer) = listener.accept().expect("a connection");
        assert_eq!(peer, opened.local);
        assert_eq!(peer.ip(), source);

        let closed = Hold { open: None, close: vec![1, 99] }.run().expect("it runs");
        assert_eq!(closed.opened, None);
        assert_eq!(stream.read(&mut [0; 8]).expect("an end"), 0, "it was closed");
    }

    #[test]
    fn tells_why_a_connection_is_not_there() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let to = listener.local_addr().expect("it is bound");
        drop(listener);
        let opened = open(2, to, None, Transport::Tcp).run().expect("it runs").opened;
        let failure = opened.expect("asked for").failure.expect("nobody listens");
        assert_eq!(failure.message, "connection refused: a reset answered the SYN");
        let nowhere = open(3, to, Some([192, 0, 2, 1].into()), Transport::Tcp).run();
        assert!(nowhere.expect_err("not ours").to_string().contains("192.0.2.1"));
        // Nobody has to answer a datagram.
        let sent = open(4, to, None, Transport::Udp).run().expect("it runs").opened;
        assert_eq!(sent.expect("asked for").failure, None);
    }
}
