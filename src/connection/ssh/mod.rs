//! Another machine, over the system's `ssh`: what the user has set up there (keys, agents, jump
//! hosts, known hosts, `~/.ssh/config`) counts, and host keys are checked as it says.
//!
//! One connection does it all: a script for the far shell looks for the agent, takes it from
//! the same pipe where it is missing, and becomes it. The far side needs a POSIX shell only.

#![expect(clippy::disallowed_methods, reason = "a connection is a program that is run")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::setsid;

use super::{AgentClient, Connection, LastWords, Unreachable};
use crate::inventory::Vars;
use crate::modules::HostKind;
use bootstrap::Bootstrap;
use deadline::Deadline;
use hint::Problem;

mod binary;
mod bootstrap;
mod deadline;
mod hint;
mod options;

/// How long a host may take from the first packet to a shell that runs our script.
const ANSWER: Duration = Duration::from_secs(40);

/// How long the agent itself may take on its way there, where it has to be brought.
const PUSH: Duration = Duration::from_secs(600);

/// The connection `ssh`.
#[derive(Debug, Clone)]
pub struct Ssh {
    host: String,
    program: String,
    arguments: Vec<String>,
}

impl Ssh {
    /// A connection to that host of the inventory, as its variables say; they are Ansible's.
    pub fn new(host: &str, vars: &Vars) -> Result<Self, Unreachable> {
        let (program, arguments) = options::command(host, vars)?;
        Ok(Self { host: host.to_owned(), program, arguments })
    }

    fn spawn(&self, script: &str) -> Result<Child, Unreachable> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: between fork and exec only setsid and prctl are called, both of which are
        // async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                // A session of its own: Ctrl-C on the terminal is the controller's.
                setsid()?;
                prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)
            });
        }
        command.spawn().map_err(|error| {
            let failed = Unreachable::new(format!("failed to start `{}`: {error}", self.program));
            match error.kind() {
                io::ErrorKind::NotFound => failed.hint("the package is openssh-client"),
                _ => failed,
            }
        })
    }
}

impl Connection for Ssh {
    fn start(&self) -> Result<AgentClient, Unreachable> {
        let bootstrap = Bootstrap::new()?;
        let mut child = self.spawn(&bootstrap.script())?;
        let words = LastWords::of(child.stderr.take());
        let deadline = Deadline::start(child.id(), ANSWER);
        let brought = match bootstrap.follow(&mut child, &deadline) {
            Ok(()) => {
                deadline.extend(ANSWER);
                AgentClient::greet(child, HostKind::Machine, words.clone()).map_err(Problem::Agent)
            }
            Err(problem) => {
                // It says why before it ends, which it does once nobody speaks to it any more.
                drop(child.stdin.take());
                let _ = words.text();
                // It may have ended by itself.
                let _ = child.kill().and_then(|()| child.wait());
                Err(problem)
            }
        };
        let late = deadline.stop();
        brought.map_err(|problem| hint::explain(&self.host, problem, late, &words.text()))
    }
}
