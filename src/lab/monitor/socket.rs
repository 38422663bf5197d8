//! The packet socket of the monitor: every interface of the keeper's namespace at once.

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    ControlMessageOwned, LinkAddr, MsgFlags, MultiHeaders, recvmmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Type};

use super::{Cable, Direction, Frame};
use crate::lab::plan::State;
use crate::lab::{Error, probe};

/// As much of a frame is kept: headers within headers, and the first lines of a request.
const SNAP: usize = 320;
/// So many are fetched by one system call.
const BATCH: usize = 64;
/// Room for what comes between two rounds; the kernel counts some 1 to 2 KiB for each frame.
const RECEIVE_BUFFER: usize = 32 << 20;
/// `PACKET_OUTGOING` in linux/if_packet.h: from the bridge into the cable, so to the host.
const OUTGOING: u8 = 4;

/// An AF_PACKET socket that hears every cable.
#[derive(Debug)]
pub(super) struct Socket {
    socket: socket2::Socket,
    /// By the number of its interface in the keeper's namespace.
    cables: HashMap<usize, Arc<Cable>>,
    buffers: Vec<[u8; SNAP]>,
    lost: u64,
}

impl Socket {
    /// Opens it; to be called in the keeper's namespace.
    pub(super) fn open(state: &State) -> Result<Self, Error> {
        let protocol = Protocol::from(i32::from(probe::EVERY_PROTOCOL.to_be()));
        let failed = |error: &std::io::Error| Error::io("open a packet socket", error);
        let socket = socket2::Socket::new(Domain::PACKET, Type::RAW, Some(protocol))
            .map_err(|error| failed(&error))?;
        // Without CAP_NET_ADMIN the kernel caps the buffer; the count of lost frames tells.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER));
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)
            .map_err(|errno| failed(&errno.into()))?;
        let buffers = vec![[0; SNAP]; BATCH];
        Ok(Self { socket, cables: cables(state), buffers, lost: 0 })
    }

    /// Takes out every frame that is there.
    pub(super) fn drain(&mut self, take: &mut dyn FnMut(Frame)) {
        loop {
            let mut headers = MultiHeaders::<LinkAddr>::preallocate(
                BATCH,
                Some(nix::cmsg_space!(libc::timespec)),
            );
            let mut slices: Vec<[IoSliceMut<'_>; 1]> =
                self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
            // With MSG_TRUNC the length is that of the frame, not of what fits.
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
            let received =
                recvmmsg(self.socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None);
            // Nothing there; or an interface that went away, which comes once.
            let Ok(received) = received else { break };
            let mut count = 0;
            for message in received {
                count += 1;
                let Some(from) = message.address else { continue };
                // Bridges are heard as well.
                let Some(cable) = self.cables.get(&from.ifindex()) else { continue };
                let at = message.cmsgs().into_iter().flatten().find_map(|control| match control {
                    ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
                    _ => None,
                });
                take(Frame {
                    at: at.map_or_else(SystemTime::now, |at| SystemTime::UNIX_EPOCH + at),
                    cable: Arc::clone(cable),
                    direction: match from.pkttype() {
                        OUTGOING => Direction::Entered,
                        _ => Direction::Left,
                    },
                    length: u32::try_from(message.bytes).unwrap_or(u32::MAX),
                    bytes: message.iovs().next().unwrap_or_default().into(),
                });
            }
            if count < BATCH {
                break;
            }
        }
        self.lost += u64::from(dropped(&self.socket));
    }

    /// How many frames the kernel dropped, up to the last time they were taken out.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

/// What ends in the namespace that this thread is in, by the numbers of the interfaces.
fn cables(state: &State) -> HashMap<usize, Arc<Cable>> {
    let mut cables = HashMap::new();
    for (host, wired) in &state.hosts {
        for interface in &wired.interfaces {
            let cable = Arc::new(Cable {
                host: host.clone(),
                interface: interface.name.clone(),
                network: interface.network.clone(),
            });
            for name in &interface.cables {
                // One that a check has taken away is not heard.
                let Ok(index) = if_nametoindex(name.as_str()) else { continue };
                cables.insert(index as usize, Arc::clone(&cable));
            }
        }
    }
    cables
}

/// How many frames the kernel dropped since this was asked last.
fn dropped(socket: &socket2::Socket) -> u32 {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut length = libc::socklen_t::try_from(size_of_val(&statistics)).unwrap_or_default();
    // SAFETY: the kernel writes at most `length` bytes, which is the size of what it writes to.
    let asked = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut length,
        )
    };
    if asked == 0 { statistics.tp_drops } else { 0 }
}
