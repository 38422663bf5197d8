//! The way to an agent in a lab host: the host is on this machine, so it is entered.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::{AgentClient, Connection, LastWords, Unreachable};
use crate::lab::{Entrance, process};

/// A connection to a lab host.
#[derive(Debug, Clone)]
pub struct Netns {
    entrance: Entrance,
}

impl Netns {
    /// A connection through that entrance.
    #[must_use]
    pub fn new(entrance: Entrance) -> Self {
        Self { entrance }
    }
}

impl Connection for Netns {
    fn start(&self) -> Result<AgentClient, Unreachable> {
        let mut agent = Command::new(process::SELF);
        agent
            .arg0("lvsmith")
            .arg("agent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .current_dir("/")
            // Ctrl-C is for the controller, which then ends its agents in order.
            .process_group(0);
        let child =
            self.entrance.spawn(agent).map_err(|error| Unreachable::new(error.to_string()))?;
        AgentClient::greet(child, self.entrance.kind(), LastWords::default())
    }
}
