//! The monitor: every frame of the lab, seen where the cables end, in the keeper's namespace.
//!
//! Each cable of each host has its other end there, at a bridge, so what a host sends and what
//! reaches it is seen whoever it is for, and no host notices. Frames wait in the kernel until
//! somebody asks or the monitor's own thread comes round, which is seldom: looking must cost
//! little, or the lab would behave otherwise when it is looked at. The last frames are kept;
//! who said to have which address is kept for the whole run.
//!
//! A monitor holds on to the namespace, so it must be dropped before the lab ends.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sched::{CloneFlags, setns};

use super::connector::Reachable;
use super::{Error, process};

mod frame;
mod neighbour;
mod packet;
mod socket;

pub use frame::{Cable, Direction, Frame};
pub use neighbour::{Neighbour, Said};
pub use packet::{Arp, Ip, Packet, Payload, Ports, TcpFlags, Transport};

use neighbour::Neighbours;
use socket::Socket;

/// So many frames are kept, the latest ones: some 20 MB.
const KEPT: usize = 60_000;

/// How often frames are fetched when nobody asks. The socket has room for what a busy lab sends
/// meanwhile.
const ROUND: Duration = Duration::from_millis(20);

/// A passive look at all of a lab's traffic, from its start until it is dropped.
#[derive(Debug)]
pub struct Monitor {
    seen: Arc<Mutex<Seen>>,
    /// The thread ends when this is closed.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// A moment, for [`Monitor::since`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// What was seen so far.
#[derive(Debug)]
struct Seen {
    socket: Socket,
    frames: VecDeque<Frame>,
    /// How many frames came before the first that is kept.
    forgotten: u64,
    neighbours: Neighbours,
}

impl Monitor {
    /// Begins to look at a lab that is up.
    pub fn start(lab: &dyn Reachable) -> Result<Self, Error> {
        let failed = |error: &io::Error| Error::io("watch the lab's network", error);
        let keeper = lab.keeper().try_clone_to_owned().map_err(|error| failed(&error))?;
        let state = lab.state().clone();
        let (stop, stopped) = UnixStream::pair().map_err(|error| failed(&error))?;
        // Namespaces belong to threads, so the socket is made in one of its own; it can be read
        // from any.
        let opened = thread::Builder::new()
            .name("to the keeper".into())
            .stack_size(256 << 10)
            .spawn(move || {
                enter(&keeper)?;
                Socket::open(&state)
            })
            .map_err(|error| failed(&error))?
            .join();
        let socket = opened.map_err(|_| failed(&io::Error::other("its thread ended")))??;
        let seen = Seen {
            socket,
            frames: VecDeque::new(),
            forgotten: 0,
            neighbours: Neighbours::default(),
        };
        let seen = Arc::new(Mutex::new(seen));
        let shared = Arc::clone(&seen);
        let thread = thread::Builder::new()
            .name("monitor".into())
            .stack_size(256 << 10)
            .spawn(move || {
                // Readable means closed: nobody writes to it.
                while !process::readable_within(stopped.as_fd(), PollFlags::POLLIN, ROUND) {
                    locked(&shared).take_in();
                }
            })
            .map_err(|error| failed(&error))?;
        Ok(Self { seen, stop: Some(stop), thread: Some(thread) })
    }

    /// This moment: everything that was sent before it was seen before it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let mut seen = self.seen();
        seen.take_in();
        Mark(seen.count())
    }

    /// The frames since then, in the order in which they came by; of a long time only the last.
    #[must_use]
    pub fn since(&self, mark: Mark) -> Vec<Frame> {
        let mut seen = self.seen();
        seen.take_in();
        let skip = mark.0.saturating_sub(seen.forgotten);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        seen.frames.iter().skip(skip).cloned().collect()
    }

    /// The frames since then, and from now on those after them.
    pub fn next(&self, mark: &mut Mark) -> Vec<Frame> {
        let frames = self.since(*mark);
        let before = mark.0 + self.forgotten_since(*mark);
        *mark = Mark(before + u64::try_from(frames.len()).unwrap_or(u64::MAX));
        frames
    }

    /// How many of the frames since then are not kept any more.
    #[must_use]
    pub fn forgotten_since(&self, mark: Mark) -> u64 {
        self.seen().forgotten.saturating_sub(mark.0)
    }

    /// Who said, in the whole run, to have which address: answers to ARP and neighbour
    /// discovery, announcements, and what a question says of who asks.
    #[must_use]
    pub fn neighbours(&self) -> Vec<Neighbour> {
        let mut seen = self.seen();
        seen.take_in();
        seen.neighbours.all()
    }

    /// How many frames the kernel dropped because they were not fetched soon enough.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.seen().socket.lost()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        locked(&self.seen)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What another thread left behind when it panicked is as good as before: frames are only added.
fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    /// Fetches what the kernel has, all of it.
    fn take_in(&mut self) {
        let Self { socket, frames, forgotten, neighbours } = self;
        socket.drain(&mut |frame| {
            if frame.direction == Direction::Left {
                neighbours.hear(&frame);
            }
            if frames.len() == KEPT {
                frames.pop_front();
                *forgotten += 1;
            }
            frames.push_back(frame);
        });
    }

    fn count(&self) -> u64 {
        self.forgotten + u64::try_from(self.frames.len()).unwrap_or(u64::MAX)
    }
}

/// Takes this thread into the network namespace of the lab's keeper, for good.
pub(super) fn enter(keeper: &OwnedFd) -> Result<(), Error> {
    setns(keeper, CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
        Errno::ESRCH => Error::refused("enter the lab's network: its keeper has ended", errno),
        _ => Error::refused("enter the lab's network", errno),
    })
}
