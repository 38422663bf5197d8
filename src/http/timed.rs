//! A connection with a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::Socket;

/// A connection whose every step ends at one deadline, however slowly bytes drip in.
#[derive(Debug)]
pub(crate) struct Timed<'a> {
    pub(crate) socket: &'a Socket,
    pub(crate) deadline: Instant,
}

impl Timed<'_> {
    pub(crate) fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.socket.connect_timeout(&peer.into(), self.left()?)
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.write_all(request)
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut socket = self.socket;
        socket.set_write_timeout(Some(self.left()?))?;
        socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut socket = self.socket;
        socket.set_read_timeout(Some(self.left()?))?;
        socket.read(buffer)
    }
}
