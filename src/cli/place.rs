//! Where a lab runs: in this process, or where the same command is run again, in a user namespace or
//! inside a micro-VM.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nix::unistd::geteuid;

use super::vm::MachineArgs;
use super::{Exit, complain};
use crate::diagnostic::Diagnostic;
use crate::lab::user_namespace::{self, Ids, Lacking};
use crate::lab::{self, Error, Running, Topology};
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
    /// In a process like this one that is root of a user namespace.
    UserNamespace(Ids),
    /// In a VM that is like this.
    Vm(vm::Options),
}

/// Why a lab runs in a VM.
#[derive(Debug, Clone)]
pub(super) enum Why {
    /// Somebody wants it so.
    Asked,
    /// What the running kernel lacks.
    Kernel(String),
    /// What this user lacks.
    User(String),
}

impl PlaceArgs {
    /// Asks for a VM with that kernel, unless something else was asked for.
    pub(super) fn take_kernel(&mut self, kernel: &str) {
        self.vm = !self.no_vm;
        self.machine.kernel.get_or_insert_with(|| kernel.into());
    }

    /// Why that lab is to run in a micro-VM, if it is. Another kernel may have what this one lacks;
    /// that it lacks it too is told in there. Namespaces and overlays of what root owns are root's,
    /// and in a VM anybody is root.
    pub(super) fn needs_vm(&self, topology: &Topology) -> Option<Why> {
        if vm::inside() || self.no_vm {
            return None;
        }
        let asked = self.vm.then_some(Why::Asked);
        let kernel = || {
            let ipvs = lacks_ipvs(topology).then(|| "this kernel has no IPVS loaded".to_owned());
            ipvs.or_else(|| lab::lacking(topology)).map(Why::Kernel)
        };
        asked.or_else(kernel).or_else(|| {
            if is_root_for(topology) {
                None
            } else if topology.requires_root() {
                Some(Why::User("the lab requires root, which this user is not".into()))
            } else {
                let Lacking { why, remedy } = user_namespace::possible().err()?;
                Some(Why::User(format!("{why} ({remedy})")))
            }
        })
    }

    /// A VM like this; who is not root and did not ask for one is told why it is.
    pub(super) fn vm(self, why: &Why) -> vm::Options {
        match why {
            Why::User(why) => tell_vm(why),
            Why::Kernel(why) if !geteuid().is_root() => tell_vm(why),
            Why::Kernel(_) | Why::Asked => {}
        }
        self.machine.into()
    }

    /// Decides; an exit code when it cannot be had.
    pub(super) fn choose(self, topology: &Topology) -> Result<Place, Exit> {
        if let Some(why) = self.needs_vm(topology) {
            return Ok(Place::Vm(self.vm(&why)));
        }
        let refused = |why: &str, instead: &str| {
            complain(&match vm::inside() {
                true => Diagnostic::new(why).hint(instead),
                false => Diagnostic::new(format!("{why}, and `--no-vm` refuses a micro-VM"))
                    .hint(format!("leave out `--no-vm`, or {instead}")),
            });
            Err(Exit::Environment)
        };
        if !vm::inside() && lacks_ipvs(topology) {
            return refused("this kernel has no IPVS", "load the module: modprobe ip_vs");
        }
        if is_root_for(topology) {
            return Ok(Place::Here);
        }
        if topology.requires_root() {
            return refused("this lab requires `root`, and this user is not", "run it as root");
        }
        match user_namespace::possible() {
            Ok(ids) => Ok(Place::UserNamespace(ids)),
            Err(Lacking { why, remedy }) => {
                let why = format!("this user is not root and can have no user namespace: {why}");
                refused(&why, &format!("{remedy}; or run it as root"))
            }
        }
    }
}

fn tell_vm(why: &str) {
    anstream::eprintln!("lvsmith: {why}, so the lab runs in a micro-VM");
}

/// Whether this user is root enough for a lab.
fn is_root_for(topology: &Topology) -> bool {
    geteuid().is_root() && !(topology.requires_root() && user_namespace::inside())
}

/// Runs this very command again as root of a user namespace.
pub(super) fn in_user_namespace(ids: &Ids) -> ExitCode {
    anstream::eprintln!("lvsmith: this user is not root, so the lab runs in a user namespace");
    complain(&Diagnostic::from(user_namespace::again(ids, &this_command())));
    Exit::Environment.into()
}

fn lacks_ipvs(topology: &Topology) -> bool {
    topology.requires_ipvs() && vm::needed()
}

/// A lab whose hosts this process can enter: of one in a user namespace that takes this very
/// command, run again in there.
pub(super) fn followed(lab: Running) -> Result<Running, Error> {
    lab.or_there(&this_command())
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
