//! A kernel with IPVS where the running one has none: a qemu micro-VM with a stock
//! distribution kernel, whose root is a copy-on-write view of this machine's.
//!
//! [`run`] boots one for a single command and ends it; [`background`] leaves one running that
//! [`attach`] runs commands in. Whatever a command changes is gone with the VM, except in
//! the folders that [`Options::shares`] names. No way of ending leaves anything behind: qemu
//! dies with the process that started it, and nothing of a VM has a name in a filesystem.
//!
//! The guest's init is the very program that boots the VM: such a program calls [`init`] first
//! thing in its `main`. [`background`] moreover starts itself as `lvsmith vm keep`.
//!
//! How it hangs together: `kernel`, `image`, `modules` and `initramfs` make what is booted,
//! `machine` is qemu, `guest` is process 1 in it; `frame` is what the two say to each other,
//! `hub` shares one machine among many callers, and `caller` is the end that has the terminal.

mod acceleration;
mod cache;
mod caller;
mod cpio;
mod elf;
mod error;
mod frame;
mod guest;
mod hub;
mod image;
mod initramfs;
mod keeper;
mod kernel;
mod log;
mod machine;
mod modules;
mod qemu;
mod signals;
mod unpack;
mod withheld;

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use acceleration::Acceleration;
pub use error::Error;
pub use guest::init;
pub use keeper::{attach, background, end, keep, running};

use hub::Hub;
use machine::Machine;
use signals::Signals;

/// Set in the environment of every command that runs in a VM.
pub const VARIABLE: &str = "LVSMITH_VM";

/// What a VM is to be like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// An image file, or the release of a cached kernel, or how that begins.
    pub kernel: Option<PathBuf>,
    /// The folder of that kernel's modules, such as `/lib/modules/6.1.0-56-amd64`.
    pub modules: Option<PathBuf>,
    /// Folders in which changes are real.
    pub shares: Vec<PathBuf>,
    /// Memory, in MiB.
    pub memory: u32,
    /// Processors.
    pub cpus: u32,
    /// What runs the guest's instructions.
    pub acceleration: Acceleration,
    /// How long a boot may take.
    pub boot_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kernel: None,
            modules: None,
            shares: Vec::new(),
            memory: 1024,
            cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get().min(2) as u32),
            acceleration: Acceleration::Auto,
            // Emulated, a boot takes two to four seconds on an idle machine.
            boot_deadline: Duration::from_secs(60),
        }
    }
}

/// A VM that ends with this value, and with this process.
#[derive(Debug)]
pub struct Vm {
    hub: Hub,
    signals: Signals,
}

impl Vm {
    /// Boots one. While it lives, signals such as Ctrl-C go to the commands in it.
    pub fn boot(options: &Options) -> Result<Self, Error> {
        let signals = Signals::take()?;
        let machine = Machine::boot(options, &|| signals.interrupted())?;
        Ok(Self { hub: Hub::new(machine)?, signals })
    }

    /// Runs a command with this process's standard streams, folder and environment, as far as
    /// that concerns a guest; gives what a shell would call its exit code.
    pub fn run(&self, argv: &[OsString]) -> Result<u8, Error> {
        let (ours, theirs) = UnixStream::pair().map_err(Error::io("make a socket"))?;
        self.hub.connect(theirs)?;
        caller::run(&ours, argv, &self.signals)
    }
}

/// Boots a VM, runs one command in it, and ends it.
pub fn run(options: &Options, argv: &[OsString]) -> Result<u8, Error> {
    Vm::boot(options)?.run(argv)
}

/// Whether this process runs inside a VM of ours.
#[must_use]
pub fn inside() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Whether IPVS takes a VM here: the running kernel has none, or this user cannot load it.
#[must_use]
pub fn needed() -> bool {
    // The file is there in every network namespace once ip_vs is, as a module or built in.
    let has_ipvs = || Path::new("/proc/net/ip_vs").exists();
    if has_ipvs() {
        return false;
    }
    let modprobe = Command::new("modprobe")
        .args(["-q", "ip_vs"])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // Without modprobe, or with one that fails, the answer is in the file just the same.
    drop(modprobe);
    !has_ipvs()
}
