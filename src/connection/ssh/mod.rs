//! Another machine, over the system's `ssh`: what the user has set up there (keys, agents, jump
//! hosts, known hosts, `~/.ssh/config`) counts, and host keys are checked as it says.
//!
//! One connection does it all: a script for the far shell looks for the agent, takes it from
//! the same pipe where it is missing, and becomes it. The far side needs a POSIX shell only.

#![expect(clippy::disallowed_methods, reason = "a connection is a program that is run")]

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::local::spawn;
use super::mark::Mark;
use super::{AgentClient, Become, CallError, Connection, LastWords, Unreachable};
use crate::inventory::Vars;
use crate::lab::{Entrance, Error, sshd};
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
    /// The lab host that connections leave from; otherwise it is this machine.
    controller: Option<Entrance>,
}

impl Ssh {
    /// A connection to that host of the inventory, as its variables say; they are Ansible's.
    pub fn new(host: &str, vars: &Vars) -> Result<Self, Unreachable> {
        let sockets = options::sockets();
        let (program, arguments) = options::command(host, vars, &[], sockets.as_deref())?;
        Ok(Self { host: host.to_owned(), program, arguments, controller: None })
    }

    /// A connection from a lab's controller to one of its hosts.
    pub fn in_lab(host: &str, vars: &Vars, controller: Entrance) -> Result<Self, Unreachable> {
        let alias = format!("HostKeyAlias={host}");
        let first = ["-F", sshd::CONFIG, "-o", &alias, "-o", "Port=22"].map(str::to_owned);
        let sockets = Some(Path::new(sshd::FOLDER));
        let (program, arguments) = options::command(host, vars, &first, sockets)?;
        Ok(Self { host: host.to_owned(), program, arguments, controller: Some(controller) })
    }

    fn spawn(&self, script: &str) -> Result<Child, Unreachable> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(script).stderr(Stdio::piped());
        if let Some(controller) = &self.controller {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/").process_group(0);
            let failed = |error: Error| Unreachable::new(error.to_string());
            return controller.spawn(command).map_err(failed);
        }
        spawn(&mut command).map_err(|error| {
            let failed = Unreachable::new(format!("failed to start `{}`: {error}", self.program));
            match error.kind() {
                io::ErrorKind::NotFound => failed.hint("the package is openssh-client"),
                _ => failed,
            }
        })
    }

    fn kind(&self) -> HostKind {
        self.controller.as_ref().map_or(HostKind::Machine, Entrance::kind)
    }
}

impl Connection for Ssh {
    fn start(&self, identity: Option<&Become>) -> Result<AgentClient, CallError> {
        let mark = Mark::new()?;
        let bootstrap = Bootstrap::new(&mark, identity)?;
        let mut child = self.spawn(&bootstrap.script())?;
        let words = match identity {
            None => LastWords::of(child.stderr.take()),
            Some(identity) => identity.listen(&mut child, &mark)?,
        };
        let deadline = Deadline::start(child.id(), ANSWER);
        let brought = match bootstrap.follow(&mut child, &deadline) {
            Ok(()) => {
                deadline.extend(ANSWER);
                AgentClient::greet(child, self.kind(), words.clone()).map_err(Problem::Agent)
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
        brought.map_err(|problem| {
            let words = words.text();
            let refused = identity.and_then(|identity| identity.refused(&self.host, &words));
            match refused.filter(|_| matches!(problem, Problem::Ended)) {
                Some(error) => error.into(),
                None => hint::explain(&self.host, problem, late, &words).into(),
            }
        })
    }
}
