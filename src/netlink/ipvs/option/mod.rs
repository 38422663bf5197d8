//! The older interface of IPVS, socket options: a fast way to read, and all there is in a user
//! namespace.
//!
//! A service's destinations come in one system call and without their counters in two widths,
//! where generic netlink takes at least three: 2,000 services in 20 ms on an emulated 6.1, while
//! `/proc/net/ip_vs`, which knows no thresholds, took 48 ms and a dump for each 280 ms.
//!
//! Generic netlink wants CAP_NET_ADMIN of the first user namespace, these options that of the
//! one which owns the network namespace (`do_ip_vs_set_ctl`). What they cannot say is in `lack`.

mod lack;
mod layout;
mod read;
mod write;

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::constants::IP_VS_SO_GET_INFO;

#[cfg(any(test, fuzzing))]
pub(super) use self::layout::{
    counted, daemons, destination_states as destinations, listed, services,
};

/// The most bytes that are asked for at once: two million services. What is more comes over
/// netlink, piece by piece.
const LARGEST: usize = 256 << 20;

/// A socket whose options are those of IPVS, in the namespace of the thread that opened it.
#[derive(Debug)]
pub(super) struct Options {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Options {
    /// Opens one, where the layouts are the kernel's: a 32-bit program has others.
    pub(super) fn open() -> Option<Self> {
        if cfg!(not(target_pointer_width = "64")) {
            return None;
        }
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None).ok()?;
        Some(Self { socket, buffer: Vec::new() })
    }

    /// Whether this thread may use them.
    pub(super) fn are_permitted(&mut self) -> bool {
        self.ask(IP_VS_SO_GET_INFO, layout::INFO, |_| {}).is_ok()
    }

    /// Has the kernel fill the buffer, of which `write` says what is wanted.
    fn ask(
        &mut self,
        option: i32,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<(), Errno> {
        if length > LARGEST {
            return Err(Errno::E2BIG);
        }
        self.buffer.clear();
        self.buffer.resize(length, 0);
        write(&mut self.buffer);
        let mut length = length as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes, which is how long the buffer is.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::IPPROTO_IP,
                option,
                self.buffer.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        Errno::result(result).map(drop)
    }

    /// Has the kernel change something.
    fn tell(&self, option: i32, value: &[u8]) -> Result<(), Errno> {
        // SAFETY: the kernel reads as many bytes as the value has.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                libc::IPPROTO_IP,
                option,
                value.as_ptr().cast(),
                value.len() as libc::socklen_t,
            )
        };
        Errno::result(result).map(drop)
    }
}
