//! Labs that are up on their own, found by the names of their keepers' sockets.
//!
//! The sockets are abstract: they have no file, and are gone when their keeper is.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, socket, sockopt,
};
use nix::unistd::geteuid;

use super::Error;
use super::channel::Channel;
use super::entrance::Entrance;
use super::plan::{Answer, Ask, State};
use super::process::{self, Process};
use super::user_namespace;

/// What the names of all keepers' sockets begin with.
const PREFIX: &str = "lvsmith/lab/";

/// How long a keeper may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a lab may take to end.
pub(super) const END: Duration = Duration::from_secs(10);

/// A lab that is up and does not hang from this process.
#[derive(Debug)]
pub struct Running {
    state: State,
    keeper: Process,
}

impl Running {
    /// Lists the labs of this user, by name.
    pub fn list() -> Result<Vec<Self>, Error> {
        let table = std::fs::read("/proc/self/net/unix")
            .map_err(|error| Error::io("read `/proc/self/net/unix`", &error))?;
        let names = names(&String::from_utf8_lossy(&table));
        // One that is not there any more, or is somebody else's, is not in the list.
        Ok(names.iter().filter_map(|name| Self::named(name).ok()).collect())
    }

    /// Finds the lab of that name, or that was started from that folder; without either, the
    /// only one.
    pub fn find(asked: Option<&str>) -> Result<Self, Error> {
        let all = Self::list()?;
        let up: Vec<String> = all.iter().map(|lab| lab.state.name.clone()).collect();
        let Some(asked) = asked else {
            let mut all = all.into_iter();
            return match (all.next(), all.next()) {
                (Some(only), None) => Ok(only),
                (None, _) => Err(Error::NotUp { asked: None, up }),
                _ => Err(Error::Ambiguous { up }),
            };
        };
        let folder = Path::new(asked).canonicalize().ok();
        let is_meant = |lab: &Self| {
            lab.state.name == asked || folder.as_ref().is_some_and(|f| *f == lab.state.folder)
        };
        all.into_iter().find(is_meant).ok_or(Error::NotUp { asked: Some(asked.into()), up })
    }

    /// Finds the lab that has a host: the one that is asked for, or the only one that has it.
    pub fn with_host(asked: Option<&str>, host: &str) -> Result<Self, Error> {
        if asked.is_some() {
            return Self::find(asked);
        }
        let (mut having, others): (Vec<_>, Vec<_>) =
            Self::list()?.into_iter().partition(|lab| lab.state.hosts.contains_key(host));
        match (having.pop(), having.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                having.push(last);
                Err(Error::Ambiguous { up: having.into_iter().map(|lab| lab.state.name).collect() })
            }
            (None, _) => {
                let hosts = others.iter().flat_map(|lab| lab.state.hosts.keys().cloned()).collect();
                let lab = others.iter().map(|lab| lab.state.name.as_str()).collect::<Vec<_>>();
                if lab.is_empty() {
                    return Err(Error::NotUp { asked: None, up: Vec::new() });
                }
                Err(Error::NoHost { lab: lab.join(", "), host: host.into(), hosts })
            }
        }
    }

    /// Finds the lab of that name.
    pub fn named(name: &str) -> Result<Self, Error> {
        let gone = || Error::NotUp { asked: Some(name.into()), up: Vec::new() };
        let channel = connected(name).map_err(|errno| match errno {
            Errno::ECONNREFUSED => gone(),
            _ => keeper(name, format!("cannot be reached: {}", errno.desc().to_lowercase())),
        })?;
        let peer = getsockopt(&channel, sockopt::PeerCredentials)
            .map_err(|errno| Error::refused("see whose lab it is", errno))?;
        if peer.uid() != geteuid().as_raw() && peer.uid() != 0 {
            return Err(keeper(name, "belongs to another user".into()));
        }
        let pid = u32::try_from(peer.pid()).ok().filter(|pid| *pid > 0);
        let pid = pid.ok_or_else(|| keeper(name, "is out of sight of this container".into()))?;
        let descriptor = process::open(pid).map_err(|_| gone())?;
        let process = Process { pid, descriptor };
        // The answer proves that the process lived after we took hold of its number.
        match asked(&channel, name, &Ask::State)? {
            (Answer::State(state), _) => Ok(Self { state, keeper: process }),
            (other, _) => Err(keeper(name, format!("answered something else: {other:?}"))),
        }
    }

    /// What the lab consists of.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The way into a host.
    pub fn entrance(&self, host: &str) -> Result<Entrance, Error> {
        let name = &self.state.name;
        let channel = connected(name).map_err(|errno| keeper(name, errno.desc().to_lowercase()))?;
        entrance(&channel, name, host)
    }

    /// Stays in this process when the lab's namespaces are this user's; those of a user namespace
    /// have another root, which a command takes over from this process.
    pub fn or_there(self, command: &[OsString]) -> Result<Self, Error> {
        match user_namespace::is_elsewhere(self.keeper.pid) {
            true => Err(user_namespace::join(self.keeper(), command)),
            false => Ok(self),
        }
    }

    pub(super) fn keeper(&self) -> BorrowedFd<'_> {
        self.keeper.descriptor.as_fd()
    }

    /// Ends the lab; afterwards no process of it is left, and so nothing else.
    pub fn end(self) -> Result<(), Error> {
        self.keeper.kill();
        if self.keeper.ended_within(END) { Ok(()) } else { Err(Error::Held(self.state.name)) }
    }
}

/// Reserves the name of a lab: there is one of each name.
pub(super) fn reserve(name: &str) -> Result<OwnedFd, Error> {
    let failed = |errno| Error::refused("make the socket of the lab", errno);
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
        .map_err(failed)?;
    match bind(socket.as_raw_fd(), &address(name).map_err(failed)?) {
        Ok(()) => Ok(socket),
        Err(Errno::EADDRINUSE) => Err(match Running::named(name) {
            Ok(lab) => {
                let folder = lab.state.folder.display().to_string();
                Error::AlreadyUp { name: name.into(), folder }
            }
            Err(Error::NotUp { .. }) => Error::ComingUp(name.into()),
            Err(error) => error,
        }),
        Err(errno) => Err(failed(errno)),
    }
}

/// Asks a keeper for the way into a host.
pub(super) fn entrance(channel: &Channel, lab: &str, host: &str) -> Result<Entrance, Error> {
    match asked(channel, lab, &Ask::Enter(host.into()))? {
        (Answer::Enter, Some(init)) => Ok(Entrance::new(host.into(), init)),
        (Answer::Failed(error), _) => Err(error),
        (other, _) => Err(keeper(lab, format!("answered something else: {other:?}"))),
    }
}

fn asked(channel: &Channel, lab: &str, ask: &Ask) -> Result<(Answer, Option<OwnedFd>), Error> {
    let answer = channel.send(ask, None).and_then(|()| channel.receive());
    match answer {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(keeper(lab, "closed the connection".into())),
        Err(Errno::EBADMSG) => Err(keeper(lab, "is of another version of this program".into())),
        Err(errno) => Err(keeper(lab, format!("does not answer: {}", errno.desc().to_lowercase()))),
    }
}

fn keeper(lab: &str, what: String) -> Error {
    Error::Keeper { lab: lab.into(), what }
}

fn connected(name: &str) -> Result<Channel, Errno> {
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    connect(socket.as_raw_fd(), &address(name)?)?;
    let channel = Channel::new(socket);
    channel.patience(PATIENCE)?;
    Ok(channel)
}

fn address(name: &str) -> Result<UnixAddr, Errno> {
    UnixAddr::new_abstract(format!("{PREFIX}{name}").as_bytes())
}

/// The names of the labs in `/proc/net/unix`, where an abstract socket's begins with an `@`.
fn names(table: &str) -> BTreeSet<String> {
    let sockets = table.lines().filter_map(|line| line.split_whitespace().nth(7));
    sockets
        .filter_map(|socket| socket.strip_prefix('@')?.strip_prefix(PREFIX))
        .map(Into::into)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_labs_among_the_sockets() {
        let table = "\
            Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0005 01 123 @lvsmith/lab/lvs-dr\n\
            0000000000000000: 00000003 00000000 00000000 0005 03 124 @lvsmith/lab/lvs-dr\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 125 /run/lvsmith/lab/x\n\
            0000000000000000: 00000002 00000000 00000000 0002 01 126\n\
            0000000000000000: 00000002 00000000 00010000 0005 01 127 @lvsmith/lab/b\n";
        assert_eq!(names(table).into_iter().collect::<Vec<_>>(), ["b", "lvs-dr"]);
    }

    #[test]
    fn a_lab_that_is_not_up_is_not_found() {
        let name = format!("none-{}", std::process::id());
        let error = Running::named(&name).unwrap_err();
        assert_eq!(error.to_string(), format!("no lab `{name}` is up"));
    }

    #[test]
    fn a_name_is_reserved_once() {
        let name = format!("once-{}", std::process::id());
        let first = reserve(&name).unwrap();
        assert_eq!(reserve(&name).unwrap_err(), Error::ComingUp(name.clone()));
        drop(first);
        reserve(&name).unwrap();
    }
}
