//! Modules that newer kernels have under another name, which old recipes still load.

use super::kernel::{Kernel, canonical};

/// Old name, new name, and the kernel that began with it. Distributions backport, so what the
/// running kernel has decides, not its version. Those that kept an alias need no row here.
const RENAMED: &[(&str, &str, &str)] = &[
    ("nf_conntrack_ipv4", "nf_conntrack", "4.19"),
    ("nf_conntrack_ipv6", "nf_conntrack", "4.19"),
    ("nf_nat_ipv4", "nf_nat", "5.1"),
    ("nf_nat_ipv6", "nf_nat", "5.1"),
];

/// Another name of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Renamed {
    /// What it is called now.
    pub(super) to: &'static str,
    /// The kernel that began with it.
    pub(super) since: &'static str,
}

/// The new name of a module that this kernel has under no other.
pub(super) fn renamed(kernel: &Kernel, name: &str) -> Option<Renamed> {
    let name = canonical(name);
    let (_, to, since) = RENAMED.iter().find(|(old, ..)| *old == name)?;
    (!kernel.has(&name) && kernel.has(to)).then_some(Renamed { to, since })
}
