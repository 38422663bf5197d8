//! Process 1 of the guest. It is this same program, started by the guest's kernel as `/init`:
//! it finds the host's root, moves there, and serves commands until the host lets go.

mod boot;
mod serve;
mod session;
mod spawn;

use std::convert::Infallible;

use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{ForkResult, fork};

use super::error::Error;

/// What init puts before the reason when it gives up; the host looks for it on the console.
pub const FAILED: &str = "lvsmith init failed: ";

/// Takes over when this process is the init of a guest, and does not return then; otherwise
/// does nothing. Comes first in `main`, while there is but one thread.
pub fn init() {
    let first =
        std::process::id() == 1 && std::env::args_os().next().is_some_and(|name| name == "/init");
    // Process 1 of a container may be called /init too, but has no instructions.
    if !first || !std::path::Path::new(super::initramfs::INSTRUCTIONS).exists() {
        return;
    }
    let Err(error) = boot_and_serve();
    eprintln!("{FAILED}{error}");
    power_off();
}

fn boot_and_serve() -> Result<Infallible, Error> {
    let port = boot::boot()?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }.map_err(Error::errno("fork"))? {
        ForkResult::Child => serve::serve(port),
        ForkResult::Parent { child } => loop {
            // Orphans come here to be reaped; the server's end is the end of the VM.
            match wait() {
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) if pid == child => {
                    power_off()
                }
                _ => {}
            }
        },
    }
}

fn power_off() -> ! {
    nix::unistd::sync();
    // The kernel refuses this to all but a privileged process 1, which this is; and should it
    // fail, the end of process 1 is a panic, which ends the VM as well.
    let _ = reboot(RebootMode::RB_POWER_OFF);
    std::process::exit(1)
}
