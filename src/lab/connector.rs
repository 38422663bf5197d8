//! How the engine reaches the hosts of a lab that is up: by entering them, or by ssh from the
//! lab's controller.

use std::fmt::Debug;
use std::os::fd::{AsFd, BorrowedFd};

use super::{Entrance, Error, Lab, Running, State};
use crate::connection::{Connection, Ssh, Unreachable, netns::Netns};
use crate::engine::Connector;
use crate::inventory::Vars;

/// A lab that is up, whoever it hangs from.
pub trait Reachable: Debug + Sync {
    /// What it consists of.
    fn state(&self) -> &State;

    /// The way into a host.
    fn entrance(&self, host: &str) -> Result<Entrance, Error>;

    /// What stands for the process that it hangs from, in whose network all cables end.
    fn keeper(&self) -> BorrowedFd<'_>;
}

impl Reachable for Lab {
    fn state(&self) -> &State {
        self.state()
    }

    fn entrance(&self, host: &str) -> Result<Entrance, Error> {
        self.entrance(host)
    }

    fn keeper(&self) -> BorrowedFd<'_> {
        self.keeper.process.descriptor.as_fd()
    }
}

impl Reachable for Running {
    fn state(&self) -> &State {
        self.state()
    }

    fn entrance(&self, host: &str) -> Result<Entrance, Error> {
        self.entrance(host)
    }

    fn keeper(&self) -> BorrowedFd<'_> {
        self.keeper()
    }
}

/// The hosts of a lab, as the engine reaches them.
#[derive(Debug)]
pub struct InLab<'a>(pub &'a dyn Reachable);

impl Connector for InLab<'_> {
    fn connect(&self, host: &str, vars: &Vars) -> Result<Box<dyn Connection>, Unreachable> {
        let entrance = |host| {
            let entrance = self.0.entrance(host);
            entrance.map_err(|error| Unreachable { message: error.to_string(), hint: error.hint() })
        };
        Ok(match &self.0.state().controller {
            Some(controller) => Box::new(Ssh::in_lab(host, vars, entrance(controller)?)?),
            None => Box::new(Netns::new(entrance(host)?)),
        })
    }
}
