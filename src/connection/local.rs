//! This machine: the agent is this same program, started once more.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::setsid;

use super::{AgentClient, Connection, LastWords, Unreachable};
use crate::modules::HostKind;

/// The connection `local`.
///
/// The kernel ends the agent when the *thread* that called [`Connection::start`] ends: call
/// it on the thread that goes on to drive the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    program: PathBuf,
    kind: HostKind,
}

impl Default for Local {
    fn default() -> Self {
        // Not the path it was started by, which may hold another build by now.
        Self { program: "/proc/self/exe".into(), kind: HostKind::Machine }
    }
}

impl Local {
    /// Starts `program` instead of the running one.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }
}

impl Connection for Local {
    fn start(&self) -> Result<AgentClient, Unreachable> {
        let mut command = Command::new(&self.program);
        command.arg("agent").stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: between fork and exec only setsid and prctl are called, both of which are
        // async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                // A session of its own: Ctrl-C on the terminal is the controller's.
                setsid()?;
                prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)
            });
        }
        let child = command.spawn().map_err(|error| {
            Unreachable::new(format!("failed to start `{}`: {error}", self.program.display()))
        })?;
        AgentClient::greet(child, self.kind, LastWords::default())
    }
}
