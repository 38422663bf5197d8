//! The first process of a lab host. It becomes the clone, sets up the interfaces that the
//! keeper puts into it, and then does nothing but reap what is orphaned in it.

use std::fs;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::sethostname;

use super::channel::Channel;
use super::plan::Order;
use super::{Error, clone, fabric, process};

/// What a host is called on the command line of its first process.
pub(super) const ROLE: &str = "host";

/// Where its channel to the keeper is.
pub(super) const CHANNEL: i32 = 3;

/// Is the first process of a lab host.
pub(super) fn run() -> ExitCode {
    let Some(keeper) = process::inherited(CHANNEL).map(Channel::new) else {
        return process::by_hand();
    };
    // Whatever the user's is: services read what is made here.
    umask(Mode::from_bits_truncate(0o022));
    let ready = become_host(&keeper);
    // Without a keeper there is nobody to tell, and soon no process either.
    let told = keeper.send(&ready, None);
    drop(keeper);
    if ready.is_err() || told.is_err() {
        return ExitCode::FAILURE;
    }
    reap()
}

fn become_host(keeper: &Channel) -> Result<(), Error> {
    let Order::Become { host, folder, hosts_file } = order(keeper)? else {
        return Err(lost(Errno::EPROTO));
    };
    sethostname(&host.name).map_err(|errno| Error::refused("set the host name", errno))?;
    // Before an interface arrives and takes them over.
    fabric::defaults()?;
    clone::enter(&folder)?;
    replace("/etc/hosts", &hosts_file)?;
    replace("/etc/hostname", &format!("{}\n", host.name))?;
    let Order::Wired = order(keeper)? else { return Err(lost(Errno::EPROTO)) };
    fabric::connect(&host)
}

fn order(keeper: &Channel) -> Result<Order, Error> {
    match keeper.receive() {
        Ok(Some((order, _))) => Ok(order),
        Ok(None) => Err(lost(Errno::ECONNRESET)),
        Err(errno) => Err(lost(errno)),
    }
}

fn lost(errno: Errno) -> Error {
    Error::refused("hear from the keeper", errno)
}

/// Writes a file anew: where it is a link, the link is replaced and not what it leads to.
fn replace(path: &str, text: &str) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => fs::write(path, text),
    }
    .map_err(|error| Error::io(format!("write `{path}`"), &error))
}

/// Reaps for ever. A signal that is blocked is not lost between a look and the wait.
fn reap() -> ExitCode {
    let mut child = SigSet::empty();
    child.add(Signal::SIGCHLD);
    if child.thread_block().is_err() {
        return ExitCode::FAILURE;
    }
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(_) => {
                // Waking for nothing is harmless.
                let _ = child.wait();
            }
            Ok(_) => {}
        }
    }
}
