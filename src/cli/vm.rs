//! `lvsmith vm`: commands in a micro-VM.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Exit;
use crate::diagnostic::Diagnostic;
use crate::vm::{self, Acceleration, Error, Options};

/// What to do with a VM.
#[derive(Debug, Subcommand)]
pub enum Vm {
    /// Boot a VM, run a command in it, end it; its exit code is the command's.
    ///
    /// The command sees this machine's files, and what it changes is gone afterwards.
    Run {
        #[command(flatten)]
        machine: MachineArgs,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true)]
        command: Vec<OsString>,
    },
    /// Boot a VM and leave it running.
    Start {
        #[command(flatten)]
        machine: MachineArgs,
        /// What to call it.
        id: String,
    },
    /// Run a command in a VM that was started.
    Exec {
        /// Which.
        id: String,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true)]
        command: Vec<OsString>,
    },
    /// List the VMs that were started.
    List,
    /// End a VM that was started.
    Stop {
        /// Which.
        id: String,
    },
    /// Keep a VM; `start` runs this.
    #[command(hide = true)]
    Keep {
        /// Its name.
        id: String,
    },
}

/// What a VM is to be like.
#[derive(Debug, Args)]
pub struct MachineArgs {
    /// Kernel image, or the release of a cached kernel, or how that begins (`6.12`).
    #[arg(long, value_name = "FILE")]
    pub(super) kernel: Option<PathBuf>,
    /// Folder of that kernel's modules, such as `/lib/modules/6.1.0-56-amd64`.
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// Write changes in this folder through to this machine.
    #[arg(long = "share", value_name = "DIR")]
    shares: Vec<PathBuf>,
    /// Memory, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = Options::default().memory,
          value_parser = clap::value_parser!(u32).range(128..=1 << 20))]
    memory: u32,
    /// Processors.
    #[arg(long, default_value_t = Options::default().cpus,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    cpus: u32,
    /// What runs the guest.
    #[arg(long, value_enum, default_value_t)]
    acceleration: Acceleration,
    /// How long a boot may take.
    #[arg(long, value_name = "SECONDS", value_parser = seconds,
          default_value_t = Options::default().boot_deadline.as_secs_f64())]
    boot_deadline: f64,
}

impl From<MachineArgs> for Options {
    fn from(args: MachineArgs) -> Self {
        Self {
            kernel: args.kernel,
            modules: args.modules,
            shares: args.shares,
            memory: args.memory,
            cpus: args.cpus,
            acceleration: args.acceleration,
            boot_deadline: Duration::from_secs_f64(args.boot_deadline),
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86400.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds, a day's worth at most".into()),
    }
}

/// Does it.
pub fn run(command: Vm) -> ExitCode {
    let done = |result: Result<(), Error>| result.map(|()| ExitCode::SUCCESS);
    let result = match command {
        Vm::Run { machine, command } => vm::run(&machine.into(), &command).map(ExitCode::from),
        Vm::Start { machine, id } => done(vm::background(&machine.into(), &id)),
        Vm::Exec { id, command } => vm::attach(&id, &command).map(ExitCode::from),
        Vm::List => done(vm::running().map(|ids| {
            let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
            // A reader that has seen enough is no error.
            let _ = std::io::stdout().write_all(lines.as_bytes());
        })),
        Vm::Stop { id } => done(vm::end(&id)),
        // The process that started it tells the user.
        Vm::Keep { id } => {
            return vm::keep(&id).map_or(Exit::Environment.into(), |()| ExitCode::SUCCESS);
        }
    };
    exit_of(result)
}

/// The exit code, or what went wrong as one; that is told.
pub(super) fn exit_of(result: Result<ExitCode, Error>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let color = std::io::stderr().is_terminal();
        anstream::eprintln!("{}", Diagnostic::from(&error).render(color));
        exit(&error)
    })
}

/// What a VM's error means as an exit code.
#[must_use]
pub fn exit(error: &Error) -> ExitCode {
    match error {
        Error::Command { code, .. } => ExitCode::from(*code),
        Error::Interrupted => Exit::Interrupted.into(),
        Error::Share(_) | Error::Name(_) | Error::NotAKernel(_) => Exit::BadInput.into(),
        _ => Exit::Environment.into(),
    }
}
