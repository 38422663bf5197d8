//! Labs: clusters of network namespaces on this machine.
//!
//! [`topology`] reads the lab file. A [`Lab`] hangs from the process that started it, a
//! [`Running`] one from its own keeper; of both the hosts are reached through an [`Entrance`].
//! Behind it: `keeper` is the process that all of a lab hangs from, `host` the first process
//! of each host, `clone`, `mounts` and `mounting` make its root, `fabric` its network, `sshd` and
//! `controller` the way by ssh, `prepare` what is there before and right after. [`probe`] is what an
//! agent does to look at the cluster from its host, [`monitor`] sees every packet, and [`check`]
//! judges what was seen. [`Graph`] is a lab as a picture. [`user_namespace`] is for those who are
//! not root.

mod cable;
mod channel;
pub mod check;
mod clone;
mod connector;
mod controller;
mod deadline;
mod entrance;
pub mod environment;
mod error;
mod fabric;
mod filter;
mod graph;
mod host;
mod keeper;
mod leash;
mod logs;
pub mod model;
pub mod monitor;
mod mounting;
mod mounts;
mod pcapng;
mod plan;
mod prepare;
pub mod probe;
pub(crate) mod process;
mod rerun;
mod running;
mod sequence;
pub(crate) mod sshd;
pub mod topology;
pub mod trial;
pub mod user_namespace;

use std::fs::OpenOptions;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use nix::errno::Errno;
use nix::sched::CloneFlags;

use self::channel::Channel;
pub use self::connector::{InLab, Reachable};
pub use self::entrance::Entrance;
pub use self::error::Error;
pub use self::filter::Filter;
pub use self::graph::Graph;
pub use self::leash::Leash;
pub use self::logs::Logs;
pub use self::pcapng::Pcapng;
use self::plan::{Answer, Plan};
pub use self::plan::{HostState, Interface, State};
pub use self::prepare::lacking;
use self::process::Process;
pub use self::running::Running;
pub use self::sequence::Sequence;
pub use self::topology::Topology;

/// Is one of a lab's own processes, if this one was started as such. There are many of them, so they
/// have no command line that is looked at any further.
pub(crate) fn called() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != "lab" {
        return None;
    }
    match arguments.next()?.to_str()? {
        keeper::ROLE => Some(keeper::run()),
        host::ROLE => Some(host::run()),
        user_namespace::ROLE => Some(user_namespace::map_ids()),
        _ => None,
    }
}

/// How long a lab may take to come up; its keeper gives up before.
const PATIENCE: Duration = Duration::from_secs(120);

/// A lab that hangs from this process: it ends when this is dropped, and when the process
/// ends, however it does.
#[derive(Debug)]
pub struct Lab {
    state: State,
    entrances: IndexMap<String, Entrance>,
    keeper: Keeper,
}

impl Lab {
    /// Brings a lab up; it returns when every host is there and has its addresses.
    pub fn start(topology: &Topology) -> Result<Self, Error> {
        let (keeper, state) = launch(topology, None)?;
        let mut entrances = IndexMap::new();
        for host in state.hosts.keys() {
            let entrance = running::entrance(&keeper.channel, &state.name, host)?;
            entrances.insert(host.clone(), entrance);
        }
        let lab = Self { state, entrances, keeper };
        sshd::start(&lab)?;
        prepare::commands(topology, &lab)?;
        Ok(lab)
    }

    /// What the lab consists of.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The way into a host.
    pub fn entrance(&self, host: &str) -> Result<Entrance, Error> {
        self.entrances.get(host).cloned().ok_or_else(|| Error::NoHost {
            lab: self.state.name.clone(),
            host: host.into(),
            hosts: self.state.hosts.keys().cloned().collect(),
        })
    }

    /// What kills the lab from another thread, so that whatever is under way in it fails.
    pub fn killer(&self) -> impl FnOnce() + Send + 'static {
        let keeper = Arc::clone(&self.keeper.process);
        move || keeper.kill()
    }

    /// Ends the lab. When this returns well, the kernel has ended every process that was in
    /// it, and namespaces, mounts and interfaces with them. Agents must be dropped before.
    pub fn end(mut self) -> Result<(), Error> {
        let ended = self.keeper.end();
        self.keeper.hangs_from_us = false;
        if ended { Ok(()) } else { Err(Error::Held(self.state.name.clone())) }
    }
}

/// Brings a lab up that stays when this process ends, until [`Running::end`].
pub fn up(topology: &Topology) -> Result<Running, Error> {
    let name = topology.name.as_str();
    let door = running::reserve(name)?;
    let (mut keeper, _) = launch(topology, Some(door))?;
    let lab = Running::named(name)?;
    sshd::start(&lab)?;
    prepare::commands(topology, &lab)?;
    keeper.hangs_from_us = false;
    Ok(lab)
}

/// The keeper, which is killed when this is dropped unless it is to stay.
#[derive(Debug)]
struct Keeper {
    hangs_from_us: bool,
    process: Arc<Process>,
    channel: Channel,
}

impl Keeper {
    /// Whether it ended in time.
    fn end(&mut self) -> bool {
        self.process.kill();
        self.process.ended_within(running::END)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if self.hangs_from_us {
            // Ending twice is harmless: a pidfd stands for its process only.
            self.end();
        }
    }
}

fn launch(topology: &Topology, door: Option<OwnedFd>) -> Result<(Keeper, State), Error> {
    prepare::packages(topology)?;
    let plan = Plan::new(topology, door.is_some())?;
    let failed = |errno: Errno| Error::refused("start the lab's keeper", errno);
    let (channel, theirs) = Channel::pair().map_err(failed)?;
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null");
    let nothing = nothing.map_err(|error| Error::io("open `/dev/null`", &error))?;
    let stderr = std::io::stderr();
    // A lab that stays must not hold somebody's pipe open.
    let errors = if door.is_some() { nothing.as_fd() } else { stderr.as_fd() };
    let mut descriptors: Vec<BorrowedFd<'_>> =
        vec![nothing.as_fd(), nothing.as_fd(), errors, theirs.as_fd()];
    descriptors.extend(door.iter().map(AsFd::as_fd));
    let arguments = ["lab", keeper::ROLE, topology.name.as_str()];
    let namespaces = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET;
    let process = process::spawn(&arguments, namespaces, &descriptors).map_err(failed)?;
    // Only the keeper's own copies count from now on.
    drop((theirs, door));
    let keeper = Keeper { hangs_from_us: true, process: Arc::new(process), channel };

    keeper.channel.patience(PATIENCE).map_err(failed)?;
    let answer = keeper.channel.send(&plan, None).and_then(|()| keeper.channel.receive());
    match answer.map_err(failed)? {
        Some((Answer::State(state), _)) => Ok((keeper, state)),
        Some((Answer::Failed(error), _)) => Err(error),
        other => Err(Error::Keeper {
            lab: plan.name,
            what: match other {
                Some((answer, _)) => format!("answered something else: {answer:?}"),
                None => "ended without an answer".into(),
            },
        }),
    }
}
