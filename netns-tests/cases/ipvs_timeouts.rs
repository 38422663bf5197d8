//! How long connections are remembered, declared by us and listed by the real ipvsadm.

use anyhow::{Result, ensure};

use crate::namespace::Namespace;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] =
    &[Case { name: "ipvs_timeouts", needs: Needs::Ipvs, run: timeouts }];

fn listed(namespace: &Namespace, wanted: &str) -> Result<()> {
    let listing = namespace.shell("ipvsadm -L --timeout")?;
    ensure!(listing.contains(wanted), "wanted `{wanted}`, got {listing}");
    Ok(())
}

fn timeouts() -> Result<()> {
    let namespace = Namespace::new("timeouts")?;
    // One of three was given: the others stay at the kernel's defaults.
    let one = "    - ipvs_timeouts: {udp: 30}\n";
    namespace.applied(one)?;
    listed(&namespace, "900 120 30")?;
    namespace.is_so_already(one)?;

    let all = "    - ipvs_timeouts: {tcp: 7200, tcp_fin: 60, udp: 30}\n";
    let told = namespace.applied(all)?;
    ensure!(told.contains("tcp 7200 s (was 900 s) tcp_fin 60 s (was 120 s)"), "{told}");
    listed(&namespace, "7200 60 30")?;
    namespace.shell("ipvsadm --set 1 0 0")?;
    namespace.applied(all)?;
    listed(&namespace, "7200 60 30")
}
