//! Every topology of the guide: that it works, and that what breaks it is found and named.
//!
//! What a case says with `-e` is what its owner got wrong.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::support::{ROOT, Trial, nothing_left, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    case("topologies::lvs_nat", || works("lvs-nat")),
    case("topologies::lvs_tun", || works("lvs-tun")),
    case("topologies::lvs_local", || works("lvs-local")),
    case("topologies::lvs_fwmark", || works("lvs-fwmark")),
    case("topologies::lvs_dr_ipv6", || works("lvs-dr-ipv6")),
    case("topologies::lvs_mixed", || works("lvs-mixed")),
    case("topologies::lvs_udp", || works("lvs-udp")),
    case("topologies::lvs_sctp", || works("lvs-sctp")),
    case("topologies::lvs_ha", || works("lvs-ha")),
    case("topologies::kube_like", || works("kube-like")),
];

const fn case(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Ipvs, run }
}

/// The folder of a topology. The emulated processors are few, so one case at a time has them.
fn topology(name: &str) -> (PathBuf, MutexGuard<'static, ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    (Path::new(ROOT).join("playbooks").join(name), alone)
}

fn works(name: &str) -> Result<()> {
    let (folder, _alone) = topology(name);
    trial(&folder, &[])?.passed()?;
    nothing_left(name)
}

/// The topology with some variable other than it should be.
fn broken(name: &str, variables: &str) -> Result<Trial> {
    let (folder, _alone) = topology(name);
    trial(&folder, &["-e", variables])
}
