//! A blocking netlink socket: requests out, replies in, nothing lost without a word.
//!
//! Replies are matched by sequence number; an answer counts only when its end was seen. What
//! only reads is asked again when the kernel says that the answer is not of one piece.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
};
use netlink_sys::SocketAddr;
use nix::errno::Errno;

use super::wire::{HEADER_LENGTH, Malformed, Message, Messages, align};

mod batch;

pub use batch::{Batch, Batches};

/// How often something is read again before that counts as a failure.
const ATTEMPTS: usize = 10;

/// The kernel fills at most 32 KiB at once (`netlink_recvmsg`); a page more does no harm.
const BUFFER: usize = 64 << 10;

/// Has the kernel tell how long a datagram was that did not fit.
const REAL_LENGTH: i32 = nix::sys::socket::MsgFlags::MSG_TRUNC.bits();

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error("{}", .0.desc().to_lowercase())]
    Kernel(Errno),
    /// The socket failed.
    #[error("the netlink socket failed: {0}")]
    Io(#[from] io::Error),
    /// The answer makes no sense.
    #[error("the kernel's answer could not be decoded: {0}")]
    Malformed(#[from] Malformed),
    /// Something else kept changing what was being read.
    #[error("it kept changing while it was read")]
    Unsteady,
    /// Replies were lost, since they came faster than they were read.
    #[error("the socket's receive buffer overran, and replies were lost")]
    Overrun,
}

/// What to ask, besides the header.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The message type: for generic netlink, the family.
    pub kind: u16,
    /// What follows the header.
    pub body: &'a [u8],
}

/// A netlink socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Socket<W = netlink_sys::Socket> {
    wire: W,
    sequence: u32,
    buffer: Vec<u8>,
}

/// Datagrams to and from the kernel; tests put a kernel that misbehaves at the other end.
trait Wire {
    /// Sends one datagram and tells how much of it went out.
    fn send(&self, datagram: &[u8]) -> io::Result<usize>;

    /// Receives one datagram into what room there is behind the buffer's content, and tells
    /// how long it was and the port of its sender, which is 0 for the kernel.
    fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<(usize, u32)>;
}

impl Wire for netlink_sys::Socket {
    fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.send_to(datagram, &SocketAddr::new(0, 0), 0)
    }

    fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<(usize, u32)> {
        let (length, sender) = self.recv_from(buffer, REAL_LENGTH)?;
        Ok((length, sender.port_number()))
    }
}

impl Socket {
    /// Opens a socket of that protocol.
    pub fn open(protocol: isize) -> io::Result<Self> {
        let mut wire = netlink_sys::Socket::new(protocol)?;
        wire.bind_auto()?;
        // Without it an error carries the whole request back; older kernels than 4.2 do so.
        let _ = wire.set_cap_ack(true);
        Ok(Self { wire, sequence: 0, buffer: Vec::with_capacity(BUFFER) })
    }
}

#[expect(private_bounds, reason = "no one outside has another wire than a real socket")]
impl<W: Wire> Socket<W> {
    /// Asks for one change and waits until the kernel has made it.
    pub fn change(&mut self, request: Request<'_>) -> Result<(), Error> {
        let sequence = self.send(request, NLM_F_ACK)?;
        self.receive(sequence, |_| Ok(())).map(drop)
    }

    /// Asks for one thing; `decode` makes something of what follows the header.
    pub fn get<T>(
        &mut self,
        request: Request<'_>,
        decode: impl Fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Error> {
        self.read(request, NLM_F_ACK, &decode).map(|found| found.into_iter().next())
    }

    /// Asks for everything of a kind.
    pub fn dump<T>(
        &mut self,
        request: Request<'_>,
        decode: impl Fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Error> {
        self.read(request, NLM_F_DUMP, &decode)
    }

    /// Asks for many changes of one kind, and answers which of them were refused, and why.
    ///
    /// They go out in large datagrams of which only the last message asks for an
    /// acknowledgement: the kernel reports errors anyway, and works through a datagram
    /// before the call that sends it returns. A refusal does not stop what follows it.
    pub fn change_all(
        &mut self,
        batches: impl IntoIterator<Item = Batch>,
    ) -> Result<Vec<(usize, Errno)>, Error> {
        let mut refused = Vec::new();
        for batch in batches {
            self.exchange(batch, &mut refused)?;
        }
        Ok(refused)
    }

    /// Sends a batch and waits for its end.
    fn exchange(
        &mut self,
        mut batch: Batch,
        refused: &mut Vec<(usize, Errno)>,
    ) -> Result<(), Error> {
        let first = self.sequence.wrapping_add(1);
        let last = self.sequence.wrapping_add(batch.count as u32);
        self.sequence = last;
        batch.number_from(first);
        self.transmit(&batch.datagram)?;
        self.replies(|message| {
            let index = message.sequence.wrapping_sub(first) as usize;
            if message.kind != NLMSG_ERROR || index >= batch.count {
                return Ok(false);
            }
            refused.extend(error_of(message)?.map(|errno| (batch.begins_at + index, errno)));
            Ok(message.sequence == last)
        })
    }

    fn read<T>(
        &mut self,
        request: Request<'_>,
        flags: u16,
        decode: &impl Fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Error> {
        let mut overrun = false;
        for _ in 0..ATTEMPTS {
            let mut found = Vec::new();
            let sequence = self.send(request, flags)?;
            let end = self.receive(sequence, |body| {
                found.push(decode(body)?);
                Ok(())
            });
            match end {
                Ok(End::Whole) => return Ok(found),
                Ok(End::Interrupted) => overrun = false,
                Err(Error::Overrun) => overrun = true,
                Err(error) => return Err(error),
            }
        }
        Err(if overrun { Error::Overrun } else { Error::Unsteady })
    }

    fn send(&mut self, request: Request<'_>, flags: u16) -> Result<u32, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = HEADER_LENGTH + request.body.len();
        let mut datagram = Vec::with_capacity(align(length));
        let stated = u32::try_from(length).expect("requests are small");
        put_header(&mut datagram, stated, request.kind, flags | NLM_F_REQUEST, self.sequence);
        datagram.extend_from_slice(request.body);
        datagram.resize(align(length), 0);
        self.transmit(&datagram)?;
        Ok(self.sequence)
    }

    fn transmit(&self, datagram: &[u8]) -> Result<(), Error> {
        let sent = retry(|| self.wire.send(datagram))?;
        if sent == datagram.len() {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::WriteZero).into())
        }
    }

    /// Hands over what answers one request, until its end. Even when `each` fails the rest is
    /// read, so that the next request does not find it.
    fn receive(
        &mut self,
        sequence: u32,
        mut each: impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> Result<End, Error> {
        let mut interrupted = false;
        let mut first_failure = None;
        let mut refused = None;
        self.replies(|message| {
            if message.sequence != sequence {
                return Ok(false);
            }
            interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
            match message.kind {
                NLMSG_ERROR | NLMSG_DONE => {
                    refused = error_of(message)?;
                    Ok(true)
                }
                kind if kind < 16 => Ok(false),
                _ => {
                    if first_failure.is_none() {
                        first_failure = each(message.body).err();
                    }
                    Ok(false)
                }
            }
        })?;
        match (refused, first_failure) {
            (Some(errno), _) => Err(Error::Kernel(errno)),
            (None, Some(malformed)) => Err(malformed.into()),
            (None, None) if interrupted => Ok(End::Interrupted),
            (None, None) => Ok(End::Whole),
        }
    }

    /// Hands over messages from the kernel until `each` says that it has seen the last.
    fn replies(
        &mut self,
        mut each: impl FnMut(&Message<'_>) -> Result<bool, Malformed>,
    ) -> Result<(), Error> {
        loop {
            self.buffer.clear();
            let (wire, buffer) = (&self.wire, &mut self.buffer);
            let (length, sender) = match retry(|| wire.receive(buffer)) {
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    return Err(Error::Overrun);
                }
                other => other?,
            };
            if sender != 0 {
                // Any process may write to this socket; only the kernel is listened to.
                continue;
            }
            if length > self.buffer.len() {
                // The next attempt has room for it.
                self.buffer.reserve(align(length));
                return Err(Error::Overrun);
            }
            let mut last = false;
            for message in Messages(&self.buffer) {
                last |= each(&message?)?;
            }
            if last {
                return Ok(());
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Whole,
    Interrupted,
}

/// Writes `struct nlmsghdr`; the length counts the header too.
fn put_header(datagram: &mut Vec<u8>, length: u32, kind: u16, flags: u16, sequence: u32) {
    let [l1, l2, l3, l4] = length.to_ne_bytes();
    let ([k1, k2], [f1, f2]) = (kind.to_ne_bytes(), flags.to_ne_bytes());
    let [s1, s2, s3, s4] = sequence.to_ne_bytes();
    datagram.extend_from_slice(&[l1, l2, l3, l4, k1, k2, f1, f2, s1, s2, s3, s4, 0, 0, 0, 0]);
}

/// Reads the error number of an acknowledgement or of the end of a dump.
fn error_of(message: &Message<'_>) -> Result<Option<Errno>, Malformed> {
    match message.body.first_chunk() {
        Some(code) => match i32::from_ne_bytes(*code) {
            0 => Ok(None),
            code => Ok(Some(Errno::from_raw(code.saturating_neg()))),
        },
        // The end of a dump need not have one.
        None if message.kind == NLMSG_DONE => Ok(None),
        None => Err(Malformed("an acknowledgement without an error number")),
    }
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod replay;
#[cfg(test)]
mod tests;
