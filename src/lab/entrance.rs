//! The way into a lab host: a thread goes into the host's namespaces, starts a program there,
//! and stays for as long as that runs.
//!
//! It is a thread of its own because namespaces belong to threads and there is no way back,
//! and it stays because a child that is to die with its parent dies with its parent's thread.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};

use super::{Error, process};
use crate::modules::HostKind;

/// What in a lab host would reach the machine: its kernel's modules, its clock, its ports.
const MACHINE_WIDE: [libc::c_ulong; 3] = [16, 17, 25]; // CAP_SYS_MODULE, _RAWIO, _TIME

/// A lab host that programs can be started in.
#[derive(Debug, Clone)]
pub struct Entrance {
    host: String,
    init: Arc<OwnedFd>,
}

impl Entrance {
    pub(super) fn new(host: String, init: OwnedFd) -> Self {
        Self { host, init: Arc::new(init) }
    }

    /// The host's name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What kind of machine lab hosts are here.
    #[must_use]
    pub fn kind(&self) -> HostKind {
        // Set by the first process of a micro-VM.
        match std::env::var_os("LVSMITH_VM") {
            Some(_) => HostKind::LabInVm,
            None => HostKind::Lab,
        }
    }

    /// Starts a program in the host. It is our child; it dies when this process does, and with
    /// the host. Paths are the host's, `/proc/self/exe` excepted.
    pub fn spawn(&self, command: Command) -> Result<Child, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |error: &io::Error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            let message = if missing { "no such program".into() } else { error.to_string() };
            Error::Command { host: self.host.clone(), program: program.clone(), message, missing }
        };
        let (answer, answered) = mpsc::sync_channel(1);
        let init = Arc::clone(&self.init);
        let own_kernel = self.kind() == HostKind::LabInVm;
        std::thread::Builder::new()
            .name(format!("in {}", self.host))
            .stack_size(256 << 10)
            .spawn(move || {
                let child = inside(&init, command, own_kernel);
                let process = child.as_ref().map(|child| process::open(child.id()));
                let process = process.ok().and_then(Result::ok);
                // Whoever asked may have been stopped meanwhile; the child goes as it does.
                let _ = answer.send(child);
                while let Some(process) = &process
                    && !process::ended_within(process.as_fd(), Duration::from_secs(3600))
                {
                }
            })
            .map_err(|error| failed(&error))?;
        match answered.recv() {
            Ok(Ok(child)) => Ok(child),
            Ok(Err(error)) if error.raw_os_error() == Some(libc::ESRCH) => {
                Err(Error::HostEnded(self.host.clone()))
            }
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(failed(&io::Error::other("the thread for it ended"))),
        }
    }

    /// Where this machine sees the host's files; nothing once it has ended.
    #[must_use]
    pub fn root(&self) -> Option<PathBuf> {
        let pid = process::number(self.init.as_fd())?;
        Some(Path::new("/proc").join(pid.to_string()).join("root"))
    }

    /// Whether a folder is there, seen from the host.
    #[must_use]
    pub fn has_folder(&self, path: &Path) -> bool {
        let Some(root) = self.root() else { return false };
        root.join(path.strip_prefix("/").unwrap_or(path)).is_dir()
    }
}

/// Goes in and starts the program. There is no way back out for this thread.
fn inside(init: &OwnedFd, mut command: Command, own_kernel: bool) -> io::Result<Child> {
    // The working directory and root are shared between threads until told otherwise.
    unshare(CloneFlags::CLONE_FS)?;
    setns(
        init,
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWPID,
    )?;
    let us = process::open(std::process::id())?;
    // SAFETY: only system calls between fork and exec, on memory that is there already.
    unsafe {
        command.pre_exec(move || die_with(us.as_raw_fd()));
        if !own_kernel {
            command.pre_exec(drop_machine_wide);
        }
    }
    command.spawn()
}

/// Makes this process die with its parent, also if that has happened already.
fn die_with(parent: i32) -> io::Result<()> {
    // SAFETY: system calls that take numbers and one structure on our stack.
    unsafe {
        Errno::result(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        let mut polled = libc::pollfd { fd: parent, events: libc::POLLIN, revents: 0 };
        if Errno::result(libc::poll(&raw mut polled, 1, 0))? > 0 {
            libc::_exit(1); // There is nobody to tell why.
        }
        Ok(())
    }
}

/// Gives up, for good, what acts on the machine rather than on the host.
fn drop_machine_wide() -> io::Result<()> {
    for capability in MACHINE_WIDE {
        // SAFETY: a system call that takes numbers.
        Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) })?;
    }
    Ok(())
}
