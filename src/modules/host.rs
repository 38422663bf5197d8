//! The machine an agent works on, as modules see it: what kind it is, and its netlink sockets.

use serde::{Deserialize, Serialize};

/// What kind of machine this is, since not everything is namespaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostKind {
    /// A machine of its own: everything may be changed that was declared.
    #[default]
    Machine,
    /// A lab host on the running kernel: modules and sysctls outside `net.` are the machine's.
    Lab,
    /// A lab host inside a micro-VM: the kernel is the lab's own.
    LabInVm,
}

/// The machine an agent works on.
#[derive(Debug, Default)]
pub struct Host {
    /// What kind of machine it is.
    pub kind: HostKind,
}

impl Host {
    /// A machine of that kind, with nothing open yet.
    #[must_use]
    pub fn new(kind: HostKind) -> Self {
        Self { kind }
    }
}
