//! Commands and shells in lab hosts, with our own terminal.

#![expect(clippy::disallowed_methods, reason = "running the user's command is what it is for")]

use std::io::IsTerminal;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::super::place;
use super::{Exit, failed, in_vm};
use crate::lab::{Entrance, Error, Running};

pub(super) fn exec(lab: Option<&str>, host: &str, command: &[String]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else {
        return Exit::BadInput.into();
    };
    let mut command = Command::new(program);
    command.args(arguments);
    in_host(lab, host, command, false)
}

pub(super) fn shell(lab: Option<&str>, host: &str) -> ExitCode {
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    in_host(lab, host, Command::new(shell), std::io::stdin().is_terminal())
}

/// This very program in a host, whether the host sees its file or not.
pub(super) fn own(lab: &str, host: &str, arguments: &[String]) -> ExitCode {
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments);
    in_host(Some(lab), host, command, false)
}

fn in_host(lab: Option<&str>, host: &str, mut command: Command, foreground: bool) -> ExitCode {
    let found = Running::with_host(lab, host)
        .and_then(place::followed)
        .and_then(|lab| Ok((lab.entrance(host)?, lab.state().name.clone())));
    let (entrance, lab) = match found {
        Ok(found) => found,
        Err(error) => {
            let kept = in_vm::instead_of(&error, lab);
            return kept.unwrap_or_else(|| failed(error).into());
        }
    };
    // Debian's prompt shows the first, a plain shell's the second.
    command.env("debian_chroot", &lab).env("PS1", format!("{lab}/{host}# "));
    match attended(&entrance, command, foreground) {
        Ok(status) => passed_on(status),
        Err(error @ Error::Command { missing, .. }) => {
            failed(error);
            ExitCode::from(if missing { 127 } else { 126 })
        }
        Err(error) => failed(error).into(),
    }
}

/// Runs a command in a host, with our terminal, and waits for it.
fn attended(
    entrance: &Entrance,
    mut command: Command,
    foreground: bool,
) -> Result<ExitStatus, Error> {
    let here = std::env::current_dir().ok().filter(|folder| entrance.has_folder(folder));
    command.current_dir(here.unwrap_or_else(|| "/".into()));
    // The terminal's signals reach the command as well, and it is for it to end or not. With
    // a handler, rather than ignored, which a program would inherit.
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let action =
            SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler does nothing, which is safe at any moment.
        let _ = unsafe { sigaction(signal, &action) };
    }
    if foreground {
        // SAFETY: only system calls between fork and exec.
        unsafe { command.pre_exec(|| take_terminal(0)) };
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = entrance.spawn(command)?;
    let status = child.wait().map_err(|error| Error::Command {
        host: entrance.host().into(),
        program,
        message: error.to_string(),
        missing: false,
    });
    if foreground {
        // SAFETY: a system call without arguments. A terminal that is gone needs no owner.
        let _ = take_terminal(unsafe { libc::getpgrp() });
    }
    status
}

extern "C" fn nothing(_: libc::c_int) {}

/// Makes a process group the one that the terminal's keys are for; 0 is a new one of our own.
/// A shell that is alone in a process namespace could not do so later: the group it would
/// find itself in has no number there.
fn take_terminal(group: libc::pid_t) -> std::io::Result<()> {
    // SAFETY: system calls that take numbers and structures on our stack.
    unsafe {
        let mut stop: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut stop);
        libc::sigaddset(&raw mut stop, libc::SIGTTOU);
        // Who asks for the terminal from the background is stopped otherwise.
        libc::sigprocmask(libc::SIG_BLOCK, &raw const stop, &raw mut before);
        if group == 0 {
            libc::setpgid(0, 0);
        }
        let group = if group == 0 { libc::getpid() } else { group };
        let result = libc::tcsetpgrp(libc::STDIN_FILENO, group);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// The exit code that a shell would give.
fn passed_on(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
