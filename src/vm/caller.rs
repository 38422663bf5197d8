//! The end of a session that has the user: standard streams, terminal, signals.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::VARIABLE;
use super::error::Error;
use super::frame::{Body, Frame, PIECE, Size, Start, Stream, WINDOW};
use super::signals::Signals;

/// Variables that mean the same in the guest; those of the prefixes as well.
const PASSED: [&str; 7] = ["PATH", "TERM", "HOME", "LANG", "RUST_BACKTRACE", "NO_COLOR", "CI"];
const PASSED_PREFIXES: [&str; 2] = ["LVSMITH_", "INSTA_"];

/// After so many signals the caller leaves, whether or not the command does.
const PATIENCE: u32 = 3;

/// Runs a command over a socket that leads to a hub; gives its exit code.
pub fn run(socket: &UnixStream, argv: &[OsString], signals: &Signals) -> Result<u8, Error> {
    let terminals = [io::stdin().is_terminal(), io::stdout().is_terminal()];
    let start = Start {
        argv: argv.to_vec(),
        env: environment(std::env::vars_os()),
        cwd: std::env::current_dir().map_err(Error::io("read the current folder"))?.into(),
        // Keys go to the guest's terminal only when its answers come back to one.
        terminal: [
            terminals == [true, true],
            terminals[1],
            terminals[1] && io::stderr().is_terminal(),
        ],
        size: size(io::stdout().as_fd()),
    };
    // Whatever the way out, the terminal is as it was.
    let _raw =
        start.terminal[0].then(Raw::enter).transpose().map_err(Error::errno("use the terminal"))?;
    let session =
        Session { socket, signals, credit: WINDOW, input_open: true, owed: [0; 2], count: 0 };
    session.say(Body::Start(start))?;
    session.carry()
}

/// What of an environment a guest is told.
fn environment(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> std::collections::BTreeMap<OsString, OsString> {
    let passed = |name: &str| {
        PASSED.contains(&name) || PASSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    all.filter(|(name, _)| name.to_str().is_some_and(passed))
        .chain([(VARIABLE.into(), "1".into())])
        .collect()
}

struct Session<'a> {
    socket: &'a UnixStream,
    signals: &'a Signals,
    /// How much input the command takes.
    credit: u32,
    input_open: bool,
    /// What was written to output and to error since the guest was last told.
    owed: [u32; 2],
    /// Signals so far.
    count: u32,
}

impl Session<'_> {
    fn say(&self, body: Body) -> Result<(), Error> {
        body.of(0).write(self.socket).map_err(|_| Error::Gone)
    }

    fn carry(mut self) -> Result<u8, Error> {
        loop {
            let stdin = io::stdin();
            let mut fds = vec![
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            if self.input_open && self.credit > 0 {
                fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(Error::errno("wait for the guest")(error)),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
            drop(fds);
            while let Some(signal) = self.signals.next() {
                self.signal(signal)?;
            }
            if ready.get(2) == Some(&true) {
                self.input()?;
            }
            if ready.first() == Some(&true)
                && let Some(code) = self.frame()?
            {
                return Ok(code);
            }
        }
    }

    fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        if signal == Signal::SIGWINCH {
            return self.say(Body::Resize(size(io::stdout().as_fd())));
        }
        self.count += 1;
        if self.count >= PATIENCE {
            return Err(Error::Interrupted);
        }
        self.say(Body::Signal(signal as i32))
    }

    fn input(&mut self) -> Result<(), Error> {
        let mut bytes = [0; PIECE];
        let room = PIECE.min(usize::try_from(self.credit).unwrap_or(PIECE));
        match unbuffered(io::stdin().as_fd()).read(&mut bytes[..room]) {
            Ok(count) if count > 0 => {
                self.credit -= u32::try_from(count).unwrap_or(self.credit);
                self.say(Body::Data(Stream::Input, bytes[..count].to_vec()))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) =>
            {
                Ok(())
            }
            // One that cannot be read, because it is closed for instance, has ended.
            _ => {
                self.input_open = false;
                self.say(Body::Close(Stream::Input))
            }
        }
    }

    /// Takes one frame; its exit code when the command is over.
    fn frame(&mut self) -> Result<Option<u8>, Error> {
        match Frame::read(self.socket).map_err(|_| Error::Gone)?.body {
            Body::Data(stream, bytes) => self.output(stream, &bytes)?,
            Body::Credit(Stream::Input, more) => self.credit = self.credit.saturating_add(more),
            Body::Close(Stream::Input) => self.input_open = false,
            Body::Exit(code) => return Ok(Some(code)),
            Body::Refused(code, message) => return Err(Error::Command { message, code }),
            Body::Lost(why) => return Err(Error::Reported(why)),
            _ => {}
        }
        Ok(None)
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Error> {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let (fd, owed) = match stream {
            Stream::Error => (stderr.as_fd(), &mut self.owed[1]),
            _ => (stdout.as_fd(), &mut self.owed[0]),
        };
        if write_all(fd, bytes).is_err() {
            // The command is to notice as it would if it had the pipe itself.
            return self.say(Body::Close(stream));
        }
        *owed += u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if *owed >= WINDOW / 4 {
            let more = std::mem::take(owed);
            self.say(Body::Credit(stream, more))?;
        }
        Ok(())
    }
}

/// A standard stream without the standard library's buffer, and left open.
fn unbuffered(fd: BorrowedFd<'_>) -> ManuallyDrop<File> {
    // SAFETY: the file is never dropped, so that it never closes what it does not own.
    ManuallyDrop::new(unsafe { File::from_raw_fd(fd.as_raw_fd()) })
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    let mut file = unbuffered(fd);
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Some shell may have left it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
                let _ = poll(&mut fds, PollTimeout::NONE);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn size(terminal: BorrowedFd<'_>) -> Size {
    let mut size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel writes one winsize, which lives until the call is over; what is no
    // terminal leaves it as it is.
    unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    Size { rows: size.ws_row, columns: size.ws_col }
}

/// A terminal that hands on every key, Ctrl-C among them, until this is dropped.
struct Raw(Termios);

impl Raw {
    fn enter() -> nix::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_told_what_it_can_use_and_that_it_is_one() {
        let all = [
            ("PATH", "/bin"),
            ("LVSMITH_REQUIRE_IPVS", "1"),
            ("INSTA_UPDATE", "no"),
            ("SSH_AUTH_SOCK", "/tmp/agent"),
        ];
        let passed = environment(all.into_iter().map(|(name, value)| (name.into(), value.into())));
        let names: Vec<&str> = passed.keys().filter_map(|name| name.to_str()).collect();
        assert_eq!(names, ["INSTA_UPDATE", "LVSMITH_REQUIRE_IPVS", "LVSMITH_VM", "PATH"]);
    }
}
