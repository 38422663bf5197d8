//! One command in the guest, and the thread that carries its streams.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::serve::Port;
use super::spawn::{self, Streams};
use crate::vm::frame::{Body, PIECE, Start, Stream, WINDOW};

/// How long a command whose caller is gone may take to end by itself.
const HANGUP: Duration = Duration::from_secs(2);

/// How long what a command wrote to its terminal may take to come out of it. Unlike a pipe, a
/// terminal hands bytes on in the background.
const TERMINAL: Duration = Duration::from_millis(200);

/// The way to a session's thread.
#[derive(Debug)]
pub struct Handle {
    queue: Sender<Body>,
    wake: Arc<EventFd>,
}

impl Handle {
    /// Passes something on; a session that is over does not mind.
    pub fn tell(&self, body: Body) {
        if self.queue.send(body).is_ok() {
            let _ = self.wake.write(1);
        }
    }

    /// Whether the session's thread still listens.
    pub fn is_running(&self) -> bool {
        Arc::strong_count(&self.wake) > 1
    }
}

/// A command that runs, as its thread sees it.
#[derive(Debug)]
pub struct Session {
    id: u32,
    port: Arc<Port>,
    queue: Receiver<Body>,
    wake: Arc<EventFd>,
    child: Child,
    /// Readable once the child has ended.
    ended: OwnedFd,
    streams: Streams,
    pending: VecDeque<u8>,
    /// No more input comes after what is pending.
    input_ends: bool,
    /// What the host takes, of output and of errors.
    credit: [u32; 2],
    /// When to stop being patient: with a command hung up, or with a terminal that lingers.
    deadline: Option<Instant>,
}

impl Session {
    /// Starts the command and a thread for it.
    pub fn spawn(id: u32, start: Start, port: Arc<Port>) -> io::Result<Handle> {
        let (queue, received) = channel();
        let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let wake = Arc::new(wake);
        let handle = Handle { queue, wake: Arc::clone(&wake) };
        std::thread::Builder::new().spawn(move || {
            let last = match spawn::spawn(&start) {
                Err(refused) => Body::Refused(refused.code, refused.message),
                Ok(started) => {
                    let session = Self {
                        id,
                        port: Arc::clone(&port),
                        queue: received,
                        wake,
                        child: started.child,
                        ended: started.ended,
                        streams: started.streams,
                        pending: VecDeque::new(),
                        input_ends: false,
                        credit: [WINDOW; 2],
                        deadline: None,
                    };
                    match session.carry() {
                        Ok(code) => Body::Exit(code),
                        // When it is the host that is gone, nobody will hear this.
                        Err(error) => Body::Lost(format!("the session broke: {error}")),
                    }
                }
            };
            let _ = port.send(&last.of(id));
        })?;
        Ok(handle)
    }

    /// Carries bytes until the command has ended and all it wrote is sent.
    fn carry(mut self) -> io::Result<u8> {
        let mut code = None;
        loop {
            self.wait(code.is_some())?;
            // Both are without blocking: nothing to read is no news.
            let _ = self.wake.read();
            while let Ok(body) = self.queue.try_recv() {
                self.obey(body)?;
            }
            self.feed()?;
            // Asked before the streams are: all that it wrote is in them then.
            if code.is_none()
                && let Some(status) = self.child.try_wait()?
            {
                code = Some(spawn::exit_code(status));
                self.close_input()?;
                self.deadline = self.streams.terminal.then(|| Instant::now() + TERMINAL);
            }
            for stream in [Stream::Output, Stream::Error] {
                self.forward(stream, code.is_some())?;
            }
            if let Some(code) = code
                && self.streams.output.is_none()
                && self.streams.error.is_none()
            {
                return Ok(code);
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.deadline = None;
                match code {
                    None => self.signal(Signal::SIGKILL),
                    // Somebody the command left behind holds the terminal.
                    Some(code) if self.credit[0] > 0 => return Ok(code),
                    // The caller is slow to read, which is no reason to lose a byte.
                    Some(_) => self.deadline = Some(Instant::now() + TERMINAL),
                }
            }
        }
    }

    fn obey(&mut self, body: Body) -> io::Result<()> {
        match body {
            Body::Data(Stream::Input, bytes) => {
                self.pending.extend(bytes);
                self.feed()?;
            }
            Body::Close(Stream::Input) => {
                self.input_ends = true;
                self.feed()?;
            }
            // Its reader is gone: the command is to notice as it would notice a closed pipe.
            Body::Close(_) if self.streams.terminal => self.streams.hang_up(),
            Body::Close(Stream::Output) => self.streams.output = None,
            Body::Close(Stream::Error) => self.streams.error = None,
            Body::Credit(Stream::Output, more) => self.credit[0] += more,
            Body::Credit(Stream::Error, more) => self.credit[1] += more,
            Body::Signal(number) => {
                if let Ok(signal) = Signal::try_from(number) {
                    self.signal(signal);
                }
            }
            Body::Resize(size) => self.streams.resize(size),
            Body::Hangup => {
                self.streams.hang_up();
                self.signal(Signal::SIGHUP);
                self.deadline = Some(Instant::now() + HANGUP);
            }
            _ => {}
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // The command leads a process group of its own; that it is over already is no matter.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }

    /// Writes pending input as far as the command takes it, and grants credit for it.
    fn feed(&mut self) -> io::Result<()> {
        while let Some(input) = &mut self.streams.input {
            if self.pending.is_empty() {
                break;
            }
            let (bytes, _) = self.pending.as_slices();
            match input.write(bytes) {
                Ok(count) => {
                    self.pending.drain(..count);
                    let more = u32::try_from(count).unwrap_or(u32::MAX);
                    self.port.send(&Body::Credit(Stream::Input, more).of(self.id))?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.close_input(),
            }
        }
        if self.input_ends && self.pending.is_empty() {
            self.streams.end_input();
        }
        Ok(())
    }

    /// Sends what the command wrote, as far as the host takes it. When the command has ended,
    /// an empty pipe is a finished one, whoever may still hold its other end.
    fn forward(&mut self, stream: Stream, ended: bool) -> io::Result<()> {
        let (file, credit) = match stream {
            Stream::Error => (&mut self.streams.error, &mut self.credit[1]),
            _ => (&mut self.streams.output, &mut self.credit[0]),
        };
        let mut bytes = [0; PIECE];
        while let Some(open) = file
            && *credit > 0
        {
            let room = PIECE.min(usize::try_from(*credit).unwrap_or(PIECE));
            match open.read(&mut bytes[..room]) {
                Ok(0) => *file = None,
                Ok(count) => {
                    *credit -= u32::try_from(count).unwrap_or(*credit);
                    let piece = Body::Data(stream, bytes[..count].to_vec());
                    self.port.send(&piece.of(self.id))?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if ended && !self.streams.terminal {
                        *file = None;
                    }
                    return Ok(());
                }
                // A terminal that nobody holds any more says EIO.
                Err(_) => *file = None,
            }
        }
        Ok(())
    }

    /// Tells the host that no more input is wanted.
    fn close_input(&mut self) -> io::Result<()> {
        self.pending.clear();
        match self.streams.input.take() {
            Some(_) => self.port.send(&Body::Close(Stream::Input).of(self.id)),
            None => Ok(()),
        }
    }

    /// Waits until something may have changed; what it was, trying will show.
    fn wait(&self, ended: bool) -> io::Result<()> {
        let mut fds = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        if !ended {
            fds.push(PollFd::new(self.ended.as_fd(), PollFlags::POLLIN));
        }
        let streams = &self.streams;
        for (file, wanted, flags) in [
            (&streams.output, self.credit[0] > 0, PollFlags::POLLIN),
            (&streams.error, self.credit[1] > 0, PollFlags::POLLIN),
            (&streams.input, !self.pending.is_empty(), PollFlags::POLLOUT),
        ] {
            if let Some(file) = file.as_ref().filter(|_| wanted) {
                fds.push(PollFd::new(file.as_fd(), flags));
            }
        }
        let timeout = self.deadline.map_or(PollTimeout::NONE, |deadline| {
            let left =
                deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
