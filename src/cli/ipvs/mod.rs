//! `lvsmith ipvs`: look at the IPVS table of this machine, keep it, compare it, change it.
//!
//! One file a subcommand. Each says what it has to say and hands back an exit code, or the
//! [`Failure`] that is told here.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use nix::errno::Errno;
use serde::Serialize;

use super::{Exit, complain_at};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::modules::modprobe;
use crate::netlink::ipvs::{Error, Handle, Refused, ServiceKey};

mod adopt;
mod apply;
mod connections;
mod daemon;
mod diff;
mod drain;
mod explain;
mod file;
mod flush;
mod list;
mod made;
mod restore;
mod save;
mod shares;
mod stats;
mod timeouts;
mod watch;
mod zero;

pub(super) use explain::Explain;

/// Look at the IPVS table of this machine, and change it
#[derive(Debug, Args)]
pub(super) struct Ipvs {
    #[command(subcommand)]
    command: IpvsCommand,
}

#[derive(Debug, Subcommand)]
enum IpvsCommand {
    List(list::List),
    Stats(stats::Stats),
    Shares(shares::Shares),
    Connections(connections::Connections),
    Zero(zero::Zero),
    Flush(flush::Flush),
    Timeouts(timeouts::TimeoutsArgs),
    Daemon(daemon::DaemonArgs),
    Save(save::Save),
    Restore(restore::Restore),
    Diff(diff::Diff),
    Apply(apply::Apply),
    Drain(drain::Drain),
    Adopt(adopt::Adopt),
}

/// How what was found is printed.
#[derive(Debug, Clone, Copy, Args)]
struct FormatArgs {
    /// As JSON
    #[arg(long, conflicts_with = "yaml")]
    json: bool,
    /// As YAML
    #[arg(long)]
    yaml: bool,
}

/// Why a command failed, and the exit code for that.
#[derive(Debug)]
struct Failure {
    mistakes: Diagnostics,
    exit: Exit,
}

impl Failure {
    /// The kernel, or what somebody else did to its table, stood in the way.
    fn host(diagnostic: Diagnostic) -> Self {
        Self { mistakes: diagnostic.into(), exit: Exit::HostFailed }
    }

    /// What was asked for makes no sense.
    fn input(mistakes: impl Into<Diagnostics>) -> Self {
        Self { mistakes: mistakes.into(), exit: Exit::BadInput }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::NoIpvs
            | Error::UserNamespace { .. }
            | Error::Kernel { errno: Errno::EPERM, .. } => Exit::Environment,
            Error::Refused { .. } => Exit::BadInput,
            _ => Exit::HostFailed,
        };
        Self { mistakes: told(&error).into(), exit }
    }
}

/// What went wrong, with the remedy that there is for this command.
fn told(error: &Error) -> Diagnostic {
    let hint = match error {
        Error::NoIpvs => Some(
            "load it with `modprobe ip_vs`, or try it in a micro-VM: \
             `lvsmith vm run -- lvsmith ipvs list`",
        ),
        Error::Kernel { errno: Errno::EPERM, .. } => {
            Some("IPVS needs CAP_NET_ADMIN in the initial user namespace: run as root")
        }
        error => error.hint(),
    };
    let diagnostic = Diagnostic::new(error.to_string());
    match hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}

/// How a command ended.
type Outcome = Result<Exit, Failure>;

pub(super) fn run(ipvs: Ipvs) -> ExitCode {
    let outcome = match ipvs.command {
        IpvsCommand::List(list) => list.run(),
        IpvsCommand::Stats(stats) => stats.run(),
        IpvsCommand::Shares(shares) => shares.run(),
        IpvsCommand::Connections(connections) => connections.run(),
        IpvsCommand::Zero(zero) => zero.run(),
        IpvsCommand::Flush(flush) => flush.run(),
        IpvsCommand::Timeouts(timeouts) => timeouts.run(),
        IpvsCommand::Daemon(daemon) => daemon.run(),
        IpvsCommand::Save(save) => save.run(),
        IpvsCommand::Restore(restore) => restore.run(),
        IpvsCommand::Diff(diff) => diff.run(),
        IpvsCommand::Apply(apply) => apply.run(),
        IpvsCommand::Drain(drain) => drain.run(),
        IpvsCommand::Adopt(adopt) => adopt.run(),
    };
    ended(outcome)
}

/// `lvsmith explain`, which reads the table as the subcommands here do.
pub(super) fn explain(explain: Explain) -> ExitCode {
    ended(explain.run())
}

fn ended(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            complain_at(&failure.mistakes);
            failure.exit.into()
        }
    }
}

/// The IPVS of this machine, which is loaded where it can be.
fn open() -> Result<Handle, Failure> {
    Ok(modprobe::open_ipvs()?)
}

/// Says something on standard output, with colours where it is a terminal that wants them.
fn say(text: &str) {
    // A reader that has seen enough is no error.
    let _ = anstream::stdout().write_all(text.as_bytes());
}

impl FormatArgs {
    /// Prints a value as a program wants it, or as a person does.
    fn print(self, value: &impl Serialize, drawn: impl FnOnce() -> String) -> Result<(), Failure> {
        say(&self.write(value, drawn)?);
        Ok(())
    }

    fn write(
        self,
        value: &impl Serialize,
        drawn: impl FnOnce() -> String,
    ) -> Result<String, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::host(Diagnostic::new(format!("failed to write what was found: {error}")))
        };
        if self.json {
            let text = serde_json::to_string_pretty(value).map_err(|error| failed(&error))?;
            Ok(text + "\n")
        } else if self.yaml {
            serde_yaml::to_string(value).map_err(|error| failed(&error))
        } else {
            Ok(drawn())
        }
    }
}

/// A service as it is written in an argument.
fn service_key(text: &str) -> Result<ServiceKey, String> {
    text.parse().map_err(|refused: Refused| match refused.hint {
        Some(hint) => format!("{}\n  hint: {hint}", refused.message),
        None => refused.message,
    })
}
