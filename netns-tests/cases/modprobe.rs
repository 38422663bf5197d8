//! Modules under the names that older kernels had for them.

use anyhow::{Result, ensure};

use crate::namespace::Namespace;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] =
    &[Case { name: "modprobe::under_its_old_name", needs: Needs::Ipvs, run: renamed }];

fn renamed() -> Result<()> {
    let namespace = Namespace::new("modprobe")?;
    let task = "    - modprobe: {name: nf_nat_ipv4}\n";
    let told = namespace.applied(task)?;
    let said = "load `nf_nat`, which `nf_nat_ipv4` is called since kernel 5.1";
    ensure!(told.contains(said), "{told}");
    let modules = std::fs::read_to_string("/proc/modules")?;
    ensure!(modules.lines().any(|line| line.starts_with("nf_nat ")), "{modules}");
    namespace.is_so_already(task)?;
    // IPVS has brought this one along.
    namespace.is_so_already("    - modprobe: {name: nf_conntrack_ipv4}\n")
}
