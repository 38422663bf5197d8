//! Starting a command in the guest: its environment, its pipes or its terminal.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::libc;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{OutputFlags, SetArg, tcgetattr, tcsetattr};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, pipe2, setsid};

use crate::vm::frame::{Size, Start};

/// What a terminal takes for the end of input: Ctrl-D.
const END_OF_TRANSMISSION: u8 = 4;

/// The session's ends of the command's standard streams; none of them ever blocks.
#[derive(Debug, Default)]
pub struct Streams {
    /// What the command reads.
    pub input: Option<File>,
    /// What it wrote.
    pub output: Option<File>,
    /// What it wrote to standard error, unless that is the same terminal as its output.
    pub error: Option<File>,
    /// Whether any of them is a terminal.
    pub terminal: bool,
    input_is_terminal: bool,
    master: Option<File>,
}

impl Streams {
    /// Ends the command's input.
    pub fn end_input(&mut self) {
        if let Some(mut input) = self.input.take()
            && self.input_is_terminal
        {
            // Should the terminal be full, there is somebody to press Ctrl-D again.
            let _ = input.write(&[END_OF_TRANSMISSION]);
        }
    }

    /// Gives the terminal another size, which the kernel tells the command.
    pub fn resize(&self, size: Size) {
        if let Some(master) = &self.master {
            // A terminal whose command is gone may refuse.
            let _ = resize(master, size);
        }
    }

    /// Closes everything; a terminal's command gets SIGHUP by that.
    pub fn hang_up(&mut self) {
        *self = Self { terminal: self.terminal, ..Self::default() };
    }
}

/// A command that was started.
#[derive(Debug)]
pub struct Started {
    /// It.
    pub child: Child,
    /// Readable once it has ended.
    pub ended: OwnedFd,
    /// Its streams.
    pub streams: Streams,
}

/// A command that could not be started.
#[derive(Debug)]
pub struct Refused {
    /// What a shell would exit with.
    pub code: u8,
    /// Why.
    pub message: String,
}

/// What a shell would say the exit code is.
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Starts the command as the leader of a session, and of a terminal if it has one.
pub fn spawn(start: &Start) -> Result<Started, Refused> {
    let Some((program, arguments)) = start.argv.split_first() else {
        return Err(Refused { code: 126, message: "no command was given".into() });
    };
    if !Path::new(&start.cwd).is_dir() {
        let message = format!("no folder `{}` in the VM", start.cwd.display());
        return Err(Refused { code: 126, message });
    }
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&start.env).current_dir(&start.cwd);
    start_in(&mut command, start).map_err(|error| {
        let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        let message = format!("failed to start `{}` in the VM: {error}", program.display());
        Refused { code, message }
    })
}

fn start_in(command: &mut Command, start: &Start) -> io::Result<Started> {
    let terminal = start
        .terminal
        .contains(&true)
        .then(|| open_terminal(start.size, start.terminal[0]))
        .transpose()?;
    let stdio = |at: usize| match &terminal {
        Some((_, slave)) if start.terminal[at] => Ok(Stdio::from(slave.try_clone()?)),
        _ => Ok::<_, io::Error>(Stdio::piped()),
    };
    command.stdin(stdio(0)?).stdout(stdio(1)?).stderr(stdio(2)?);
    let controlling = start.terminal.iter().position(|terminal| *terminal);
    // SAFETY: setsid and ioctl may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            if let Some(at) = controlling.and_then(|at| i32::try_from(at).ok()) {
                Errno::result(libc::ioctl(at, libc::TIOCSCTTY, 0))?;
            }
            Ok(())
        });
    }
    let mut child = command.spawn()?;
    let mut streams = Streams {
        input: child.stdin.take().map(|pipe| OwnedFd::from(pipe).into()),
        output: child.stdout.take().map(|pipe| OwnedFd::from(pipe).into()),
        error: child.stderr.take().map(|pipe| OwnedFd::from(pipe).into()),
        terminal: terminal.is_some(),
        input_is_terminal: start.terminal[0],
        master: None,
    };
    if let Some((master, _)) = terminal {
        if start.terminal[0] {
            streams.input = Some(master.try_clone()?);
        }
        // Errors on the same terminal come out of it with the output.
        match start.terminal {
            [_, true, _] => streams.output = Some(master.try_clone()?),
            [_, _, true] => streams.error = Some(master.try_clone()?),
            _ => {}
        }
        streams.master = Some(master);
    }
    for file in [&streams.input, &streams.output, &streams.error].into_iter().flatten() {
        fcntl(file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let ended = process_descriptor(&child)?;
    Ok(Started { child, ended, streams })
}

/// Opens a terminal; `raw` says that the caller's is, as it is when it passes on each key.
fn open_terminal(size: Size, raw: bool) -> io::Result<(File, OwnedFd)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master: PtyMaster = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = open(ptsname_r(&master)?.as_str(), flags, Mode::empty())?;
    let master = File::from(OwnedFd::from(master));
    resize(&master, size)?;
    if !raw {
        // The caller's own terminal, which still does it, turns line ends into what it needs.
        let mut attributes = tcgetattr(&slave)?;
        attributes.output_flags.remove(OutputFlags::OPOST);
        tcsetattr(&slave, SetArg::TCSANOW, &attributes)?;
    }
    Ok((master, slave))
}

fn resize(terminal: &File, size: Size) -> io::Result<()> {
    let size =
        libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel reads one winsize, which lives until the call is over.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    Ok(Errno::result(result).map(drop)?)
}

/// A descriptor that is readable, or hung up, once the child has ended.
fn process_descriptor(child: &Child) -> io::Result<OwnedFd> {
    // SAFETY: takes two integers.
    match Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) }) {
        Ok(fd) => {
            let fd = i32::try_from(fd).map_err(io::Error::other)?;
            // SAFETY: the kernel has just handed out this descriptor, to nobody else.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        }
        // It came with Linux 5.3; before that a thread has to wait.
        Err(Errno::ENOSYS) => watched(child.id()),
        Err(errno) => Err(errno.into()),
    }
}

/// One end of a pipe, whose other end closes when the process has ended. Does not reap it.
fn watched(process: u32) -> io::Result<OwnedFd> {
    let process = i32::try_from(process).map_err(io::Error::other)?;
    let (ended, other) = pipe2(OFlag::O_CLOEXEC)?;
    std::thread::Builder::new().spawn(move || {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(Pid::from_raw(process)), flags) == Err(Errno::EINTR) {}
        drop(other);
    })?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    #[test]
    fn tells_the_end_of_a_process_and_leaves_it_to_be_reaped() {
        for descriptor in [process_descriptor, |child: &Child| watched(child.id())] {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let ended = descriptor(&child).unwrap();
            let within = |milliseconds: u64| {
                let mut fds = [PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
                let timeout = PollTimeout::try_from(Duration::from_millis(milliseconds)).unwrap();
                poll(&mut fds, timeout).unwrap()
            };
            assert_eq!(within(20), 0, "it is still there");
            drop(child.stdin.take());
            assert_eq!(within(10_000), 1, "it has ended");
            assert!(child.wait().unwrap().success());
        }
    }
}
