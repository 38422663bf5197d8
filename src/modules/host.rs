//! The machine an agent works on, as modules see it: what kind it is, and its netlink sockets.

use serde::{Deserialize, Serialize};

use super::{Error, modprobe};
use crate::netlink::{ipvs, route};

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

/// Whether root here is root of a user namespace only, to whom the kernel's own belongs to others.
pub(crate) fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.is_empty() && !map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The machine an agent works on.
#[derive(Debug, Default)]
pub struct Host {
    /// What kind of machine it is.
    pub kind: HostKind,
    routes: Option<route::Handle>,
    ipvs: Option<ipvs::Handle>,
}

impl Host {
    /// A machine of that kind, with nothing open yet.
    #[must_use]
    pub fn new(kind: HostKind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// The machine's links, addresses and routes. The socket is opened once, in the network
    /// namespace that the calling thread is in then.
    pub fn routes(&mut self) -> Result<&mut route::Handle, Error> {
        match &mut self.routes {
            Some(handle) => Ok(handle),
            empty => Ok(empty.insert(route::Handle::new()?)),
        }
    }

    /// The machine's IPVS, which is loaded for this where it can be.
    pub fn ipvs(&mut self) -> Result<&mut ipvs::Handle, Error> {
        match &mut self.ipvs {
            Some(handle) => Ok(handle),
            empty => Ok(empty.insert(modprobe::open_ipvs()?)),
        }
    }

    /// The machine's IPVS if it is there already: what only looks must load nothing.
    pub fn loaded_ipvs(&mut self) -> Result<Option<&mut ipvs::Handle>, Error> {
        if self.ipvs.is_none() {
            self.ipvs = ipvs::Handle::open_loaded()?;
        }
        Ok(self.ipvs.as_mut())
    }
}
