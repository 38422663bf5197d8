//! A playbook of a director that runs: what was found on it, as tasks that find it so.
//!
//! Found are the IPVS table, the addresses of its services on local interfaces, kernel
//! parameters that are not the kernel's defaults, and the modules it takes. Before anything is
//! written, every task is tried in check mode: what would change anything is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use super::Setup;
use crate::modules::{self, Host, Mode};
use crate::netlink::ipvs::{Daemon, Family, Handle, ServiceKey, Timeouts, VirtualService};
use crate::netlink::route::{self, Scope};

mod playbook;
mod sysctls;

pub(crate) use playbook::flow;

/// What was found on a director.
#[derive(Debug)]
pub struct Adopted {
    host: String,
    modules: Vec<Value>,
    sysctls: Vec<Value>,
    services: Vec<Value>,
    /// None when they are the kernel's own.
    timeouts: Option<Value>,
    daemons: Vec<Value>,
    vips: Vec<Value>,
}

/// The kernel's own timeouts, in seconds (`ip_vs_proto_tcp.c`, `ip_vs_proto_udp.c`).
const TIMEOUTS: Timeouts = Timeouts { tcp: Some(900), tcp_fin: Some(120), udp: Some(300) };

/// Why a director cannot be adopted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// IPVS could not be read.
    #[error(transparent)]
    Ipvs(#[from] crate::netlink::ipvs::Error),
    /// Addresses could not be read.
    #[error(transparent)]
    Route(#[from] route::Error),
    /// Kernel parameters could not be read.
    #[error("failed to read the kernel parameters of IPVS: {0}")]
    Sysctls(String),
    /// What other programs made of the table has no words.
    #[error("failed to write a service: {0}")]
    Words(#[from] serde_json::Error),
    /// A task of the playbook does not find what was found.
    #[error("`{module}` would not leave things as they are: {reason}")]
    Unsteady {
        /// The module of the task.
        module: &'static str,
        /// What it would do, or why it fails.
        reason: String,
    },
}

/// A file to be written, below the folder that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path there.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Adopted {
    /// Looks at this machine; `host` is what the inventory will call it.
    pub fn observe(
        host: &str,
        ipvs: &mut Handle,
        routes: &mut route::Handle,
    ) -> Result<Self, Error> {
        let setup = Setup::read(ipvs)?;
        let mut services = setup.table.services().to_vec();
        services.sort_by_key(|one| one.service.key);
        for service in &mut services {
            service.destinations.sort_by_key(|destination| destination.key);
        }
        let timeouts = setup.timeouts.filter(|timeouts| *timeouts != TIMEOUTS);
        let adopted = Self {
            host: host.into(),
            modules: kernel_modules(&services),
            sysctls: sysctls::found(&services).map_err(Error::Sysctls)?,
            services: services.iter().map(serde_json::to_value).collect::<Result<_, _>>()?,
            timeouts: timeouts.map(serde_json::to_value).transpose()?,
            daemons: setup.daemons.iter().flatten().map(daemon).collect(),
            vips: vips(&services, routes)?,
        };
        adopted.check()?;
        Ok(adopted)
    }

    /// Tries every task in check mode.
    fn check(&self) -> Result<(), Error> {
        let mut host = Host::default();
        for (module, arguments) in playbook::tasks(self) {
            steady(&mut host, module, &arguments)
                .map_err(|reason| Error::Unsteady { module, reason })?;
        }
        Ok(())
    }

    /// The files of the playbook.
    #[must_use]
    pub fn files(&self) -> Vec<File> {
        playbook::files(self)
    }

    /// How many services, VIPs and kernel parameters were found.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.services.len(), self.vips.len(), self.sysctls.len())
    }
}

/// Whether a task finds nothing to do; what it would do otherwise.
fn steady(host: &mut Host, module: &str, arguments: &Value) -> Result<(), String> {
    let Some(modules::Place::Agent(run)) = modules::find(module).map(|module| module.place) else {
        return Err("there is no such module here".into());
    };
    let mode = Mode { check: true, diff: false };
    let outcome = run(host, arguments.clone(), mode).map_err(|error| error.to_string())?;
    if outcome.changed { Err(outcome.changes.join(", ")) } else { Ok(()) }
}

/// `ip_vs` and those of its schedulers and engines.
fn kernel_modules(services: &[VirtualService]) -> Vec<Value> {
    let mut names = BTreeSet::from(["ip_vs".to_owned()]);
    for VirtualService { service, .. } in services {
        // `none` is how a service reads back whose scheduler was taken away.
        if service.scheduler.as_str() != "none" {
            names.insert(format!("ip_vs_{}", service.scheduler));
        }
        names.extend(service.engine.as_ref().map(|engine| format!("ip_vs_pe_{engine}")));
    }
    names.into_iter().map(|name| json!({"name": name})).collect()
}

/// A sync daemon as the arguments of `ipvs_daemon`.
fn daemon(daemon: &Daemon) -> Value {
    json!({
        "state": daemon.key.role,
        "interface": daemon.interface,
        "sync_id": daemon.key.sync_id,
        "max_length": daemon.max_length,
        "group": daemon.group,
        "port": daemon.port,
        "ttl": daemon.ttl,
    })
}

/// Where an address is, as the arguments of `address`.
#[derive(Serialize)]
struct Vip {
    address: String,
    interface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
}

/// The addresses of services that local interfaces have.
fn vips(services: &[VirtualService], routes: &mut route::Handle) -> Result<Vec<Value>, Error> {
    let wanted: BTreeSet<IpAddr> = services
        .iter()
        .filter_map(|one| match one.service.key {
            ServiceKey::Address { address, .. } => Some(address),
            ServiceKey::Fwmark { .. } => None,
        })
        .collect();
    let interfaces: BTreeMap<u32, String> =
        routes.links()?.into_iter().map(|link| (link.index, link.name)).collect();
    let found = routes.addresses()?.into_iter().filter_map(|found| {
        let interface = interfaces.get(&found.interface)?.clone();
        // A tunnel's end has a peer, and is not for clients.
        if !wanted.contains(&found.address) || found.peer.is_some() {
            return None;
        }
        let usual = route::NewAddress::new(found.address, found.prefix).scope();
        Some(Vip {
            address: format!("{}/{}", found.address, found.prefix),
            label: found.label.filter(|label| *label != interface),
            scope: Some(found.scope).filter(|scope| *scope != usual),
            interface,
        })
    });
    let mut vips: Vec<Vip> = found.collect();
    vips.sort_by(|a, b| (&a.interface, &a.address).cmp(&(&b.interface, &b.address)));
    Ok(vips.iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
}

/// Whether any service is of that family.
fn any_of(services: &[VirtualService], family: Family) -> bool {
    services.iter().any(|one| one.service.key.family() == family)
}
