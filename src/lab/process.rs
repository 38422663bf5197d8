//! Processes of our own program in namespaces of their own, held by a pidfd.
//!
//! `clone` gives the namespaces and `execve` follows at once, so that nothing which needs a
//! lock runs in the copy of a process with threads.

use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::wait::{Id, WaitPidFlag, waitid};

/// This very program, even when its file was replaced meanwhile.
pub const SELF: &str = "/proc/self/exe";

/// A child that cannot be mistaken for another process.
#[derive(Debug)]
pub(super) struct Process {
    /// Its number in our process namespace; valid while it is not reaped.
    pub pid: u32,
    /// What stands for it.
    pub descriptor: OwnedFd,
}

/// Starts this program with other arguments in new namespaces. The child has the given
/// descriptors as 0, 1, 2, … and no others.
pub(super) fn spawn(
    arguments: &[&str],
    namespaces: CloneFlags,
    descriptors: &[BorrowedFd<'_>],
) -> Result<Process, Errno> {
    // All that allocates is done before the copy is made.
    let text = |text: &str| CString::new(text).map_err(|_| Errno::EINVAL);
    let arguments = std::iter::once(&"lvsmith")
        .chain(arguments)
        .map(|argument| text(argument))
        .collect::<Result<Vec<_>, _>>()?;
    let environment: Vec<CString> = std::env::vars_os()
        .filter_map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            CString::new(name.into_vec()).ok()
        })
        .collect();
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments_at, environment_at) = (pointers(&arguments), pointers(&environment));
    let program = text(SELF)?;
    // Out of the way of the numbers they are to have.
    let count = RawFd::try_from(descriptors.len()).map_err(|_| Errno::EINVAL)?;
    let sources = descriptors
        .iter()
        .map(|descriptor| {
            let copy = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(count.max(3)))?;
            // SAFETY: the kernel just made this descriptor for us.
            Ok(unsafe { OwnedFd::from_raw_fd(copy) })
        })
        .collect::<Result<Vec<_>, Errno>>()?;

    let flags = namespaces.bits() | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut descriptor: RawFd = -1;
    // SAFETY: without CLONE_VM and with no stack given this is a fork: the child goes on here
    // with a copy of all memory. The kernel writes the pidfd into the parent's memory only.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            libc::c_long::from(flags),
            std::ptr::null::<libc::c_void>(),
            &raw mut descriptor,
            std::ptr::null::<libc::c_void>(),
            std::ptr::null::<libc::c_void>(),
        )
    };
    if pid == 0 {
        // SAFETY: only system calls from here on, on memory made before the copy; no lock is
        // taken and nothing is freed, and the pointers are to texts that end in a zero.
        unsafe {
            for (source, target) in sources.iter().zip(0..) {
                libc::dup2(source.as_raw_fd(), target);
            }
            libc::syscall(libc::SYS_close_range, count, libc::c_uint::MAX, 0);
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            libc::execve(program.as_ptr(), arguments_at.as_ptr(), environment_at.as_ptr());
            libc::_exit(127);
        }
    }
    let pid = u32::try_from(Errno::result(pid)?).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: the kernel just made this descriptor for us.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    Ok(Process { pid, descriptor })
}

impl Process {
    /// Waits until it has ended and reaps it; false when it has not at the deadline.
    pub fn ended_within(&self, patience: Duration) -> bool {
        ended_within(self.descriptor.as_fd(), patience) && {
            // An error means that somebody reaped it before; ended it has either way.
            let _ = waitid(Id::PIDFd(self.descriptor.as_fd()), WaitPidFlag::WEXITED);
            true
        }
    }

    /// Kills it, and with it everything in the process namespace that it is the first of. One
    /// that is gone already is fine.
    pub fn kill(&self) {
        kill(self.descriptor.as_fd());
    }
}

/// Kills the process that a pidfd stands for.
pub(crate) fn kill(process: BorrowedFd<'_>) {
    // SAFETY: a system call that takes numbers and a null pointer.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<libc::c_void>(),
            0,
        );
    }
}

/// Takes over a descriptor that this process was started with, if it was.
pub(super) fn inherited(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: asking whether a number is an open descriptor harms nothing.
    let open = unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    // SAFETY: the process that started us gave it to us, and nobody else takes it over.
    open.then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Tells whoever starts one of a lab's processes by hand.
pub(super) fn by_hand() -> ExitCode {
    eprintln!("error: this is started by `lvsmith lab` itself, as part of a lab");
    ExitCode::FAILURE
}

/// Makes a pidfd for a process.
pub(crate) fn open(pid: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: a system call that takes numbers.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let descriptor = RawFd::try_from(Errno::result(descriptor)?).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Waits until the process that a pidfd stands for has ended, at most so long.
pub(super) fn ended_within(process: BorrowedFd<'_>, patience: Duration) -> bool {
    readable_within(process, PollFlags::POLLIN, patience)
}

/// Waits until something happens on a descriptor, at most so long.
pub(super) fn readable_within(
    descriptor: BorrowedFd<'_>,
    events: PollFlags,
    patience: Duration,
) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up, so that a wait is never a busy one.
        let timeout = PollTimeout::try_from(left + Duration::from_micros(999));
        let mut polled = [PollFd::new(descriptor, events)];
        match poll(&mut polled, timeout.unwrap_or(PollTimeout::MAX)) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

/// The number of a process as `/proc` shows it, which may be another than in our namespace.
pub(super) fn number(process: BorrowedFd<'_>) -> Option<u32> {
    let mut text = String::new();
    let path = format!("/proc/self/fdinfo/{}", process.as_raw_fd());
    std::fs::File::open(path).ok()?.read_to_string(&mut text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    line.trim().parse().ok().filter(|pid| *pid > 0)
}
