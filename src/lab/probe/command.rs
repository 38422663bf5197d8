//! Runs a program on the host and tells how it went.
//!
//! Output goes to memory files, not to pipes: a daemon that the program leaves behind may
//! hold its output open for ever, and must not hold up the probe.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::Seconds;
use crate::modules::Error;

/// As much of each output as is kept, in bytes.
const KEPT: u64 = 64 << 10;

/// What does this program say?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments; no shell reads them.
    pub argv: Vec<String>,
    /// After this long it is killed, with all that it started.
    #[serde(default = "Command::default_timeout")]
    pub timeout: Seconds,
}

/// How a program went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOutput {
    /// The exit code; 128 and the signal's number for one that a signal ended, as in a shell.
    pub rc: i32,
    /// What it wrote, at most 64 KiB of it.
    pub stdout: String,
    /// What it complained, at most 64 KiB of it.
    pub stderr: String,
    /// Set when it took too long and was killed.
    pub timed_out: bool,
}

impl Command {
    /// Ten seconds.
    #[must_use]
    pub fn default_timeout() -> Seconds {
        Seconds::from_millis(10_000)
    }

    pub(super) fn run(&self) -> Result<CommandOutput, Error> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(Error::new("there is no program to run: `argv` is empty"));
        };
        let failed = |error: &std::io::Error| {
            let error_of = Error::io(format!("failed to run `{program}`"), error);
            match error.kind() {
                ErrorKind::NotFound => error_of.hint("is the package that has it installed?"),
                _ => error_of,
            }
        };
        let (mut stdout, mut stderr) =
            memory("stdout").and_then(|out| Ok((out, memory("stderr")?)))?;
        let mut child = std::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().map_err(|error| failed(&error))?)
            .stderr(stderr.try_clone().map_err(|error| failed(&error))?)
            .process_group(0)
            .spawn()
            .map_err(|error| failed(&error))?;
        let ended = wait(&mut child, self.timeout.0).map_err(|error| failed(&error))?;
        Ok(CommandOutput {
            rc: ended.map_or(128 + Signal::SIGKILL as i32, |status| {
                status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
            }),
            stdout: text(&mut stdout).map_err(|error| failed(&error))?,
            stderr: text(&mut stderr).map_err(|error| failed(&error))?,
            timed_out: ended.is_none(),
        })
    }
}

fn memory(name: &str) -> Result<File, Error> {
    memfd_create(name, MFdFlags::MFD_CLOEXEC)
        .map(File::from)
        .map_err(|errno| Error::io("failed to make a memory file", &errno.into()))
}

/// Waits for the end; kills the whole group, and gives `None`, when it does not come in time.
fn wait(child: &mut Child, timeout: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let group = Pid::from_raw(i32::try_from(child.id()).map_err(std::io::Error::other)?);
            // It may end just now; then there is nobody left to kill.
            let _ = killpg(group, Signal::SIGKILL);
            child.wait()?;
            return Ok(None);
        }
        sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn text(file: &mut File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(KEPT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(argv: &[&str], millis: u64) -> Result<CommandOutput, Error> {
        let argv = argv.iter().map(ToString::to_string).collect();
        Command { argv, timeout: Seconds::from_millis(millis) }.run()
    }

    #[test]
    fn keeps_both_outputs_and_the_exit_code() {
        let out = run(&["sh", "-c", "echo out; echo err >&2; exit 3"], 10_000).expect("sh runs");
        assert_eq!((out.rc, out.stdout.as_str(), out.stderr.as_str()), (3, "out\n", "err\n"));
        assert!(!out.timed_out);
    }

    #[test]
    fn kills_what_takes_too_long_with_all_that_it_started() {
        let before = Instant::now();
        let out = run(&["sh", "-c", "sleep 60 & echo $!; sleep 60"], 100).expect("sh runs");
        assert!(out.timed_out && before.elapsed() < Duration::from_secs(30), "{out:?}");
        let stat = format!("/proc/{}/stat", out.stdout.trim());
        let gone = || {
            // Where nobody reaps it, it stays as a zombie.
            std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z"))
        };
        // A killed process may take a moment to go.
        let deadline = Instant::now() + Duration::from_secs(5);
        while !gone() && Instant::now() < deadline {
            sleep(Duration::from_millis(1));
        }
        assert!(gone(), "{stat} lives on");
    }

    #[test]
    fn does_not_wait_for_a_daemon_that_holds_the_output_open() {
        let before = Instant::now();
        let out = run(&["sh", "-c", "sleep 2 & echo started"], 10_000).expect("sh runs");
        assert_eq!(out.stdout, "started\n");
        assert!(before.elapsed() < Duration::from_millis(1900), "{:?}", before.elapsed());
    }

    #[test]
    fn tells_a_signal_as_a_shell_does_and_cuts_endless_output() {
        let out = run(&["sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x; kill -9 $$"], 10_000)
            .expect("sh runs");
        assert_eq!((out.rc, out.stdout.len()), (137, 64 << 10));
    }

    #[test]
    fn names_the_program_that_is_missing() {
        let error = run(&["no-such-program"], 1000).expect_err("it is not there");
        assert!(error.message.contains("`no-such-program`"), "{error}");
        assert!(run(&[], 1000).is_err());
    }
}
