//! Where a lab runs: on this kernel, or inside a micro-VM that runs the same command again.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nix::unistd::geteuid;

use super::vm::MachineArgs;
use super::{Exit, complain};
use crate::diagnostic::Diagnostic;
use crate::lab::{self, Topology};
use crate::vm;

/// Where a lab is to run.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// Run in a micro-VM, whatever this kernel has
    #[arg(long, conflicts_with = "no_vm")]
    vm: bool,
    /// Run on this kernel or not at all
    #[arg(long)]
    no_vm: bool,
    #[command(flatten)]
    machine: MachineArgs,
}

/// Where it will run.
pub(super) enum Place {
    /// In this process.
    Here,
    /// In a VM that is like this.
    Vm(vm::Options),
}

impl PlaceArgs {
    /// Asks for a VM with that kernel, unless something else was asked for.
    pub(super) fn take_kernel(&mut self, kernel: &str) {
        self.vm = !self.no_vm;
        self.machine.kernel.get_or_insert_with(|| kernel.into());
    }

    /// Decides; an exit code when it cannot be had.
    pub(super) fn choose(self, topology: &Topology) -> Result<Place, Exit> {
        if vm::inside() {
            return Ok(Place::Here);
        }
        if !geteuid().is_root() {
            return self.of_an_ordinary_user();
        }
        let ipvs = topology.requires_ipvs() && vm::needed();
        // Another kernel may have what this one lacks; that it lacks it too is told in there.
        let needed = ipvs || (!self.no_vm && lab::lacking(topology).is_some());
        match (self.vm, needed, self.no_vm) {
            (false, false, _) => Ok(Place::Here),
            (false, true, true) => {
                complain(
                    &Diagnostic::new("this kernel has no IPVS, and `--no-vm` refuses a micro-VM")
                        .hint("leave out `--no-vm`, or load the module: modprobe ip_vs"),
                );
                Err(Exit::Environment)
            }
            _ => Ok(Place::Vm(self.machine.into())),
        }
    }

    /// Namespaces and overlays of what root owns are root's, and in a VM anybody is.
    fn of_an_ordinary_user(self) -> Result<Place, Exit> {
        if self.no_vm {
            complain(
                &Diagnostic::new(
                    "a lab on this kernel is for root, and `--no-vm` refuses a micro-VM",
                )
                .hint("leave out `--no-vm`, or run it as root"),
            );
            return Err(Exit::Environment);
        }
        if !self.vm {
            anstream::eprintln!("lvsmith: this user is not root, so the lab runs in a micro-VM");
        }
        Ok(Place::Vm(self.machine.into()))
    }
}

/// This very command, to be run again inside a VM.
pub(super) fn this_command() -> Vec<OsString> {
    let program =
        std::env::current_exe().map_or_else(|_| "lvsmith".into(), PathBuf::into_os_string);
    std::iter::once(program).chain(std::env::args_os().skip(1)).collect()
}

/// Runs this very command again in a VM; files in `shares` are this machine's own.
pub(super) fn again(mut options: vm::Options, shares: Vec<PathBuf>) -> ExitCode {
    options.shares.extend(shares);
    super::vm::exit_of(vm::run(&options, &this_command()).map(ExitCode::from))
}
