//! The pipes to an agent. Neither end ever waits for the other to read first: while something
//! is written, what comes in is taken. Who says nothing for too long counts as gone.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::process::{ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::agent::protocol::{self, Frame, Reply};

/// How long a wait may last before the caller is asked whether it still wants to.
const GLANCE: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Wire {
    /// Until the agent is told to end.
    input: Option<ChildStdin>,
    output: ChildStdout,
    incoming: Vec<u8>,
    /// How long the agent may be silent while it is spoken to or waited for.
    pub(super) patience: Duration,
}

impl Wire {
    pub(super) fn new(
        input: ChildStdin,
        output: ChildStdout,
        patience: Duration,
    ) -> io::Result<Self> {
        for end in [input.as_fd(), output.as_fd()] {
            let flags = OFlag::from_bits_retain(fcntl(end, FcntlArg::F_GETFL)?);
            fcntl(end, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        }
        Ok(Self { input: Some(input), output, incoming: Vec::new(), patience })
    }

    /// Tells the agent that nobody will speak to it any more.
    pub(super) fn close(&mut self) {
        self.input = None;
    }

    /// Sends all of it.
    pub(super) fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut heard = Instant::now();
        while !bytes.is_empty() {
            let input = self.input.as_mut().ok_or(ErrorKind::BrokenPipe)?;
            match input.write(bytes) {
                Ok(count) => {
                    bytes = &bytes[count..];
                    heard = Instant::now();
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.wait(heard, true)?;
            if self.take_in()? > 0 {
                heard = Instant::now();
            }
        }
        Ok(())
    }

    /// The next answer, once it is there; `meanwhile` is done several times a second. `None`
    /// when the agent has ended between two answers.
    pub(super) fn receive(
        &mut self,
        meanwhile: &mut dyn FnMut(&mut Self) -> io::Result<()>,
    ) -> io::Result<Option<Frame<Reply>>> {
        let mut heard = Instant::now();
        loop {
            while let Some(length) = protocol::whole(&self.incoming)? {
                let frame = protocol::read::<Reply>(&mut &self.incoming[..length])?;
                self.incoming.drain(..length);
                match frame {
                    Some(Frame { body: Reply::Alive, .. }) => heard = Instant::now(),
                    frame => return Ok(frame),
                }
            }
            match self.take_in() {
                Ok(0) => self.wait(heard, false)?,
                Ok(_) => heard = Instant::now(),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return if self.incoming.is_empty() { Ok(None) } else { Err(error) };
                }
                Err(error) => return Err(error),
            }
            meanwhile(self)?;
        }
    }

    /// Takes what is there, which may be nothing.
    fn take_in(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 << 10];
        match self.output.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.incoming.extend_from_slice(&buffer[..count]);
                Ok(count)
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for a moment until something can be read, or written.
    fn wait(&self, heard: Instant, to_write: bool) -> io::Result<()> {
        let left = self.patience.saturating_sub(heard.elapsed());
        if left.is_zero() {
            let silence = self.patience.as_secs_f64();
            let message = format!("it has been silent for {silence:.0} s");
            return Err(io::Error::new(ErrorKind::TimedOut, message));
        }
        let timeout = PollTimeout::try_from(left.min(GLANCE)).unwrap_or(PollTimeout::ZERO);
        let mut ends = vec![PollFd::new(self.output.as_fd(), PollFlags::POLLIN)];
        if let Some(input) = self.input.as_ref().filter(|_| to_write) {
            ends.push(PollFd::new(input.as_fd(), PollFlags::POLLOUT));
        }
        match poll(&mut ends, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}
