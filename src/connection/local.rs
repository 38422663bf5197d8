//! This machine: the agent is this same program, started once more.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{geteuid, setsid};

use super::mark::Mark;
use super::{AgentClient, Become, CallError, Connection, LastWords, Unreachable};
use crate::modules::HostKind;
use crate::modules::filesystem::Accounts;

/// The connection `local`.
///
/// The kernel ends the agent when the *thread* that called [`Connection::start`] ends: call
/// it on the thread that goes on to drive the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    program: PathBuf,
}

impl Default for Local {
    fn default() -> Self {
        // Not the path it was started by, which may hold another build by now.
        Self { program: "/proc/self/exe".into() }
    }
}

impl Local {
    /// Starts `program` instead of the running one.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    fn start_as(&self, identity: &Become) -> Result<AgentClient, CallError> {
        let mark = Mark::new()?;
        // Another program would see itself there.
        let program = match self.program.to_str() {
            Some("/proc/self/exe") => std::env::current_exe().unwrap_or_default(),
            _ => self.program.clone(),
        };
        let line = identity.command(&program.to_string_lossy(), &mark);
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).stderr(Stdio::piped());
        let mut child = spawn(&mut command).map_err(|error| {
            let unreachable = Unreachable::new(format!("failed to start `{}`: {error}", line[0]));
            CallError::from(unreachable.hint("run lvsmith as that user, or install it"))
        })?;
        let said = identity.listen(&mut child, &mark)?;
        let ready = child.stdout.as_mut().and_then(|output| mark.next(output));
        if ready.as_deref() == Some("ready") {
            return Ok(AgentClient::greet(child, HostKind::Machine, said)?);
        }
        drop(child.stdin.take());
        // It has closed its output, so it ends.
        let _ = child.wait();
        let words = said.text();
        Err(match identity.refused("this machine", &words) {
            Some(error) => error.into(),
            None => Unreachable::new(format!("`{}` started no agent: {words}", line[0])).into(),
        })
    }
}

impl Connection for Local {
    fn start(&self, identity: Option<&Become>) -> Result<AgentClient, CallError> {
        let own = || Accounts::read().user_name(geteuid().as_raw());
        if let Some(identity) = identity.filter(|identity| identity.user() != own()) {
            return self.start_as(identity);
        }
        let child = spawn(Command::new(&self.program).arg("agent")).map_err(|error| {
            Unreachable::new(format!("failed to start `{}`: {error}", self.program.display()))
        })?;
        Ok(AgentClient::greet(child, HostKind::Machine, LastWords::default())?)
    }

    fn is_here(&self) -> bool {
        true
    }
}

/// Starts an agent, or what starts one, that ends when this thread does.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    // SAFETY: between fork and exec only setsid and prctl are called, both of which are
    // async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            // A session of its own: Ctrl-C on the terminal is the controller's.
            setsid()?;
            prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)
        });
    }
    command.spawn()
}
