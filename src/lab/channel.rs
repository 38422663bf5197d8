//! A socket between a lab's processes: whole messages in JSON, each with a descriptor perhaps.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    recv, recvmsg, sendmsg, setsockopt, socketpair, sockopt,
};
use nix::sys::time::TimeVal;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Room for the plan of a lab with thousands of hosts, in bytes.
const BUFFER: usize = 8 << 20;

/// One end.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// Makes two ends that are connected.
    pub fn pair() -> Result<(Self, Self), Errno> {
        let (one, other) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Self::new(one), Self::new(other)))
    }

    /// Takes over a connected socket.
    pub fn new(socket: OwnedFd) -> Self {
        // Above the machine's limit it takes a privilege; a small lab needs neither.
        let _ = setsockopt(&socket, sockopt::SndBufForce, &BUFFER);
        Self(socket)
    }

    /// Lets nothing take longer than that.
    pub fn patience(&self, patience: Duration) -> Result<(), Errno> {
        let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
        let patience = TimeVal::new(seconds, patience.subsec_micros().into());
        setsockopt(&self.0, sockopt::ReceiveTimeout, &patience)?;
        setsockopt(&self.0, sockopt::SendTimeout, &patience)
    }

    /// Sends a message.
    pub fn send<T: Serialize>(
        &self,
        message: &T,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), Errno> {
        let bytes = serde_json::to_vec(message).map_err(|_| Errno::EINVAL)?;
        let descriptors: Vec<RawFd> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = ControlMessage::ScmRights(&descriptors);
        let control = if descriptors.is_empty() { &[][..] } else { std::slice::from_ref(&rights) };
        retried(|| {
            sendmsg::<UnixAddr>(
                self.0.as_raw_fd(),
                &[IoSlice::new(&bytes)],
                control,
                MsgFlags::MSG_NOSIGNAL,
                None,
            )
        })
        .map(drop)
    }

    /// Receives a message; `None` when the other end is closed.
    pub fn receive<T: DeserializeOwned>(&self) -> Result<Option<(T, Option<OwnedFd>)>, Errno> {
        let peek = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC;
        let length = match retried(|| recv(self.0.as_raw_fd(), &mut [], peek)) {
            Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
            other => other?,
        };
        let mut bytes = vec![0; length];
        let mut space = cmsg_space!(RawFd);
        let (received, descriptor) = {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let message = recvmsg::<UnixAddr>(
                self.0.as_raw_fd(),
                &mut parts,
                Some(&mut space),
                MsgFlags::MSG_CMSG_CLOEXEC,
            )?;
            let descriptor = message.cmsgs()?.find_map(|control| match control {
                ControlMessageOwned::ScmRights(all) => all.first().map(|raw| {
                    // SAFETY: the kernel just made this descriptor for us; there is room for one.
                    unsafe { OwnedFd::from_raw_fd(*raw) }
                }),
                _ => None,
            });
            (message.bytes, descriptor)
        };
        let bytes = bytes.get(..received).unwrap_or_default();
        let message = serde_json::from_slice(bytes).map_err(|_| Errno::EBADMSG)?;
        Ok(Some((message, descriptor)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn retried<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_messages_and_descriptors_and_knows_the_end() {
        let (one, other) = Channel::pair().unwrap();
        let big = "x".repeat(100_000);
        one.send(&big, Some(one.as_fd())).unwrap();
        let (text, descriptor) = other.receive::<String>().unwrap().unwrap();
        assert_eq!(text, big);
        assert!(descriptor.is_some());
        drop((one, descriptor));
        assert_eq!(other.receive::<String>().unwrap().map(|_| ()), None);
    }

    #[test]
    fn what_is_not_a_message_is_an_error() {
        let (one, other) = Channel::pair().unwrap();
        one.send(&7, None).unwrap();
        assert_eq!(other.receive::<String>().map(|_| ()), Err(Errno::EBADMSG));
    }

    #[test]
    fn does_not_wait_longer_than_told() {
        let (one, _other) = Channel::pair().unwrap();
        one.patience(Duration::from_millis(10)).unwrap();
        assert_eq!(one.receive::<String>().map(|_| ()), Err(Errno::EAGAIN));
    }
}
