//! The process that a lab hangs from: the first of a process namespace that all hosts are
//! in, in a network namespace that holds the bridges.
//!
//! When it ends, however it ends, the kernel kills every process of the lab with it, and with
//! the processes go their namespaces, mounts and interfaces. It ends when it is killed, and,
//! unless the lab is to stay, when the socket to its starter closes, which no way of dying
//! prevents.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::socket::{Backlog, SockFlag, accept4, getsockopt, listen, sockopt};
use nix::unistd::{chdir, geteuid, setsid};

use super::channel::Channel;
use super::plan::{Answer, Ask, HostPlan, HostState, Order, Plan, State};
use super::process::{self, Process};
use super::{Error, fabric, host};

/// What a keeper is called on its command line.
pub(super) const ROLE: &str = "keeper";

/// Where its channel to the starter is.
pub(super) const CHANNEL: i32 = 3;

/// Where the socket of a lab that stays is.
pub(super) const LISTENER: i32 = 4;

/// How long all hosts together may take to come up.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long one who asks may take.
const ASKER: Duration = Duration::from_secs(2);

/// Is the keeper of a lab.
pub(super) fn run() -> ExitCode {
    let Some(starter) = process::inherited(CHANNEL).map(Channel::new) else {
        return process::by_hand();
    };
    // Signals of the starter's terminal are for the starter; it fails for a group's leader
    // only, which a fresh process is not.
    let _ = setsid();
    // Not to keep a folder of the machine busy.
    let _ = chdir("/");
    let Ok(Some((plan, _))) = starter.receive::<Plan>() else { return process::by_hand() };
    let starter = Arc::new(starter);
    let stays = Arc::new(AtomicBool::new(false));
    watch(Arc::clone(&starter), Arc::clone(&stays));
    match keep(&plan, &starter, &stays) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A starter that is gone needs no answer.
            let _ = starter.send(&Answer::Failed(error), None);
            ExitCode::FAILURE
        }
    }
}

/// Ends this process, and the lab with it, when the starter is gone before the lab may stay.
fn watch(starter: Arc<Channel>, stays: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        loop {
            // That the other end is closed is told unasked.
            let mut polled = [PollFd::new(starter.as_fd(), PollFlags::empty())];
            match poll(&mut polled, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                _ if stays.load(Ordering::SeqCst) => return,
                // SAFETY: ends the process at once, past whatever the other thread is doing.
                _ => unsafe { nix::libc::_exit(1) },
            }
        }
    });
}

fn keep(plan: &Plan, starter: &Channel, stays: &AtomicBool) -> Result<(), Error> {
    let hosts = start(plan)?;
    let mut lab = Kept::new(plan, hosts);
    let listener = if plan.detached { Some(open_door()?) } else { None };
    stays.store(plan.detached, Ordering::SeqCst);
    let told = starter.send(&Answer::State(lab.state.clone()), None);
    if let Err(errno) = told {
        return Err(Error::refused("tell that the lab is up", errno));
    }
    match listener {
        Some(door) => lab.serve_many(&door),
        None => lab.serve_one(starter),
    }
    Ok(())
}

/// Starts the hosts, all at once, and wires them up while they become clones.
fn start(plan: &Plan) -> Result<Vec<Process>, Error> {
    let hosts_file = plan.hosts_file();
    let mut processes = Vec::new();
    let mut channels = Vec::new();
    for host in &plan.hosts {
        let (ours, theirs) =
            Channel::pair().map_err(|errno| Error::refused("make a socket", errno))?;
        let become_it = Order::Become {
            host: host.clone(),
            folder: plan.folder.clone(),
            hosts_file: hosts_file.clone(),
        };
        ours.send(&become_it, None).map_err(|errno| Error::refused("tell a host", errno))?;
        let namespaces = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC;
        let (input, output, errors) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let descriptors = [input.as_fd(), output.as_fd(), errors.as_fd(), theirs.as_fd()];
        let arguments = ["lab", host::ROLE, &host.name];
        let process = process::spawn(&arguments, namespaces, &descriptors)
            .map_err(|errno| Error::refused("start a host in namespaces of its own", errno))?;
        processes.push(process);
        channels.push(ours);
    }
    let built = fabric::build(plan, &processes);
    if built.is_ok() {
        for channel in &channels {
            // One that has failed already says so below.
            let _ = channel.send(&Order::Wired, None);
        }
    }
    let deadline = Instant::now() + PATIENCE;
    for (host, channel) in plan.hosts.iter().zip(&channels) {
        // Cables fail to reach a host that has failed, and its reason is the better one.
        let wait = if built.is_ok() { deadline - Instant::now() } else { Duration::ZERO };
        if process::readable_within(channel.as_fd(), PollFlags::POLLIN, wait) {
            came_up(host, channel)?;
        } else if built.is_ok() {
            return Err(Error::Environment {
                message: format!("host `{}` was not up within {PATIENCE:?}", host.name),
                hint: Some("the machine may be overloaded".into()),
            });
        }
    }
    built.map(|()| processes)
}

fn came_up(host: &HostPlan, channel: &Channel) -> Result<(), Error> {
    match channel.receive::<Result<(), Error>>() {
        Ok(Some((result, _))) => result,
        Ok(None) => Err(Error::HostEnded(host.name.clone())),
        Err(errno) => Err(Error::refused(format!("bring host `{}` up", host.name), errno)),
    }
}

/// From now on the lab is found. The credentials that a peer sees are those of whoever calls
/// `listen`, hence not the starter, which made the socket.
fn open_door() -> Result<OwnedFd, Error> {
    let failed = |errno| Error::refused("listen for `lab` commands", errno);
    let door = process::inherited(LISTENER).ok_or(Errno::EBADF).map_err(failed)?;
    listen(&door, Backlog::MAXCONN).map_err(failed)?;
    Ok(door)
}

/// A lab that is up, as its keeper sees it.
struct Kept {
    state: State,
    hosts: Vec<(String, Process)>,
}

impl Kept {
    fn new(plan: &Plan, processes: Vec<Process>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let hosts = plan.hosts.iter().zip(&processes).map(|(host, process)| {
            let pid = process::number(process.descriptor.as_fd());
            let interfaces = host.interfaces.clone();
            (host.name.clone(), HostState { pid, interfaces })
        });
        let state = State {
            name: plan.name.clone(),
            folder: plan.folder.clone(),
            since: since.map_or(0, |since| since.as_secs()),
            hosts: hosts.collect(),
            controller: plan.controller.clone(),
        };
        let names = plan.hosts.iter().map(|host| host.name.clone());
        Self { state, hosts: names.zip(processes).collect() }
    }

    /// Answers the starter until it is gone.
    fn serve_one(&mut self, starter: &Channel) {
        while self.wait(starter.as_fd()) {
            if !self.answer(starter) {
                return;
            }
        }
    }

    /// Answers whoever knocks and is the same user, for ever.
    fn serve_many(&mut self, door: &OwnedFd) {
        while self.wait(door.as_fd()) {
            let Ok(socket) = accept4(door.as_raw_fd(), SockFlag::SOCK_CLOEXEC) else { continue };
            // SAFETY: the kernel just made this descriptor for us.
            let asker = Channel::new(unsafe { OwnedFd::from_raw_fd(socket) });
            let same_user = getsockopt(&asker, sockopt::PeerCredentials)
                .is_ok_and(|peer| peer.uid() == geteuid().as_raw());
            if same_user && asker.patience(ASKER).is_ok() {
                self.answer(&asker);
            }
        }
    }

    /// Waits for something to read there, and reaps hosts meanwhile.
    fn wait(&mut self, source: BorrowedFd<'_>) -> bool {
        loop {
            let mut polled = vec![PollFd::new(source, PollFlags::POLLIN)];
            let hosts = self.hosts.iter().map(|(_, host)| host.descriptor.as_fd());
            polled.extend(hosts.map(|host| PollFd::new(host, PollFlags::POLLIN)));
            let ready = match poll(&mut polled, PollTimeout::NONE) {
                Ok(_) => polled.first().is_some_and(|first| first.any().unwrap_or(true)),
                Err(Errno::EINTR) => false,
                Err(_) => return false,
            };
            let state = &mut self.state;
            self.hosts.retain(|(name, host)| {
                let ended = host.ended_within(Duration::ZERO);
                if ended && let Some(host) = state.hosts.get_mut(name) {
                    host.pid = None;
                }
                !ended
            });
            if ready {
                return true;
            }
        }
    }

    /// Answers once; false when there is nobody any more.
    fn answer(&self, asker: &Channel) -> bool {
        let Ok(Some((ask, _))) = asker.receive::<Ask>() else { return false };
        let (answer, descriptor) = match ask {
            Ask::State => (Answer::State(self.state.clone()), None),
            Ask::Enter(name) => match self.hosts.iter().find(|(host, _)| *host == name) {
                Some((_, host)) => (Answer::Enter, Some(host.descriptor.as_fd())),
                None if self.state.hosts.contains_key(&name) => {
                    (Answer::Failed(Error::HostEnded(name)), None)
                }
                None => (Answer::Failed(self.no_host(name)), None),
            },
        };
        asker.send(&answer, descriptor).is_ok()
    }

    fn no_host(&self, host: String) -> Error {
        let hosts = self.state.hosts.keys().cloned().collect();
        Error::NoHost { lab: self.state.name.clone(), host, hosts }
    }
}
