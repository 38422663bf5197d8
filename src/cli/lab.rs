//! `lvsmith lab`: clusters of network namespaces on this machine.

use std::io::{IsTerminal, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::{Exit, complain, complain_at};
use crate::diagnostic::Diagnostic;
use crate::lab::{self, Entrance, Error, HostState, Running, State, Topology};
use crate::report::counted;

/// Build labs: clusters of hosts that are copy-on-write clones of this machine
#[derive(Debug, Args)]
pub(super) struct Lab {
    #[command(subcommand)]
    command: LabCommand,
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Make a lab, run its playbook twice, look at its checks, end it
    Test(super::trial::Test),
    /// Start a lab that stays up until `lab down`
    Up {
        /// The lab's folder, or its lab.yml
        #[arg(default_value = ".")]
        lab: PathBuf,
    },
    /// End a lab
    Down {
        /// Its name or folder; not needed when one is up
        lab: Option<String>,
    },
    /// List the labs that are up
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Open a shell on a lab host
    Shell {
        /// The lab's name or folder; not needed when one has that host
        #[arg(long)]
        lab: Option<String>,
        /// The host
        host: String,
    },
    /// Run a command on a lab host; its exit code is this one's
    Exec {
        /// The lab's name or folder; not needed when one has that host
        #[arg(long)]
        lab: Option<String>,
        /// The host
        host: String,
        /// The command and its arguments
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// The process that a lab hangs from
    #[command(hide = true)]
    Keeper { name: String },
    /// The first process of a lab host
    #[command(hide = true)]
    Host { name: String },
}

/// Runs it; of a command in a lab host the exit code is passed on.
pub(super) fn run(lab: Lab) -> ExitCode {
    match lab.command {
        LabCommand::Test(test) => super::trial::run(test),
        LabCommand::Up { lab } => up(&lab).into(),
        LabCommand::Down { lab } => down(lab.as_deref()).into(),
        LabCommand::List { json } => list(json).into(),
        LabCommand::Shell { lab, host } => shell(lab.as_deref(), &host),
        LabCommand::Exec { lab, host, command } => exec(lab.as_deref(), &host, &command),
        LabCommand::Keeper { .. } => lab::keeper::run(),
        LabCommand::Host { .. } => lab::host::run(),
    }
}

fn up(path: &Path) -> Exit {
    let topology = match Topology::read(path) {
        Ok(topology) => topology,
        Err(mistakes) => return complain_at(&mistakes),
    };
    let start = Instant::now();
    match lab::up(&topology) {
        Ok(lab) => {
            let count = counted(lab.state().hosts.len(), "host");
            let took = start.elapsed().as_millis();
            let name = &topology.name;
            say(&format!(
                "lab `{name}` is up: {count} in {took} ms\n{}\
                 try `lvsmith lab shell HOST`; `lvsmith lab down {name}` ends it\n",
                hosts(lab.state())
            ));
            Exit::Declared
        }
        Err(Error::AlreadyUp { name, folder }) if Path::new(&folder) == topology.folder => {
            say(&format!("lab `{name}` is up already\n"));
            Exit::Declared
        }
        Err(error) => failed(error),
    }
}

fn down(lab: Option<&str>) -> Exit {
    let ended = Running::find(lab).and_then(|lab| {
        let name = lab.state().name.clone();
        lab.end().map(|()| name)
    });
    match ended {
        Ok(name) => {
            say(&format!("lab `{name}` is down\n"));
            Exit::Declared
        }
        Err(error) => failed(error),
    }
}

fn list(json: bool) -> Exit {
    let labs = match Running::list() {
        Ok(labs) => labs,
        Err(error) => return failed(error),
    };
    let states: Vec<&State> = labs.iter().map(Running::state).collect();
    if json {
        say(&format!("{}\n", serde_json::json!(states)));
        return Exit::Declared;
    }
    if states.is_empty() {
        say("no lab is up\n");
    }
    for state in states {
        let (name, folder) = (&state.name, state.folder.display());
        let (count, age) = (counted(state.hosts.len(), "host"), age(state.since));
        say(&format!("{name}: {count}, up {age}, from {folder}\n{}", hosts(state)));
    }
    Exit::Declared
}

/// Says something on standard output; who closed it does not want to hear it.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn hosts(state: &State) -> String {
    let width = state.hosts.keys().map(String::len).max().unwrap_or_default();
    let line = |(name, host): (&String, &HostState)| {
        let interfaces = host.interfaces.iter();
        let mut words: Vec<String> = interfaces
            .map(|one| format!("{} {}/{} ({})", one.name, one.address, one.prefix, one.network))
            .collect();
        if host.pid.is_none() {
            words.push("has ended".into());
        }
        format!("  {name:width$}  {}\n", words.join(", "))
    };
    state.hosts.iter().map(line).collect()
}

fn age(since: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    match now.saturating_sub(since) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

fn exec(lab: Option<&str>, host: &str, command: &[String]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else {
        return Exit::BadInput.into();
    };
    let mut command = Command::new(program);
    command.args(arguments);
    in_host(lab, host, command, false)
}

fn shell(lab: Option<&str>, host: &str) -> ExitCode {
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    in_host(lab, host, Command::new(shell), std::io::stdin().is_terminal())
}

fn in_host(lab: Option<&str>, host: &str, mut command: Command, foreground: bool) -> ExitCode {
    let found = Running::with_host(lab, host)
        .and_then(|lab| Ok((lab.entrance(host)?, lab.state().name.clone())));
    let (entrance, lab) = match found {
        Ok(found) => found,
        Err(error) => return failed(error).into(),
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

fn failed(error: Error) -> Exit {
    let exit = match &error {
        Error::AlreadyUp { .. }
        | Error::ComingUp(_)
        | Error::NotUp { .. }
        | Error::Ambiguous { .. }
        | Error::NoHost { .. } => Exit::BadInput,
        Error::HostEnded(_) => Exit::Unreachable,
        Error::Environment { .. }
        | Error::Command { .. }
        | Error::Keeper { .. }
        | Error::Held(_) => Exit::Environment,
    };
    complain(&Diagnostic::from(error));
    exit
}
