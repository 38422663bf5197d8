//! A setup as a YAML file holds it, which loses nothing:
//!
//! ```yaml
//! services:
//!   - service: tcp://192.168.0.89:80
//!     scheduler: wrr
//!     destinations:
//!       - {address: 192.168.0.93, forward: direct, weight: 2}
//! timeouts: {tcp: 900, tcp_fin: 120, udp: 300}
//! daemons:
//!   - {role: master, interface: eth0, sync_id: 7}
//! ```
//!
//! A service in it has the destinations that it lists and no others. `timeouts` and `daemons` that it does not have are left as they are.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{MISTAKES, Setup};
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::netlink::InterfaceName;
use crate::netlink::ipvs::{
    Daemon, DaemonKey, DaemonRole, DestinationKey, ServiceKey, Table, Timeouts, VirtualService,
};
use crate::yaml::{self, Node};

/// The keys of a document.
const KEYS: [&str; 3] = ["services", "timeouts", "daemons"];

/// A file's content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    services: Vec<VirtualService>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeouts: Option<WrittenTimeouts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    daemons: Option<Vec<WrittenDaemon>>,
}

/// Seconds; what is not given is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTimeouts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tcp: Option<NonZeroU32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tcp_fin: Option<NonZeroU32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    udp: Option<NonZeroU32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDaemon {
    role: DaemonRole,
    interface: InterfaceName,
    #[serde(default)]
    sync_id: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_length: Option<NonZeroU16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<NonZeroU16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<NonZeroU8>,
}

impl Document {
    /// Reads a document; every mistake in it is shown at its place.
    pub fn read(source: &Arc<Source>) -> Result<Self, Diagnostics> {
        let root = yaml::read(source).map_err(Diagnostics::from)?;
        let entries = root.mapping().map_err(|mistake| {
            Diagnostics::from(mistake.hint("a table begins with `services:`"))
        })?;
        let mut mistakes = Diagnostics::default();
        for (key, _) in entries {
            if !KEYS.contains(&key.text.as_str()) {
                let mistake = Diagnostic::new(format!("unknown key `{}`", key.text));
                mistakes.push(mistake.at(&key.span).did_you_mean(&key.text, KEYS));
            }
        }
        let services = match root.get("services") {
            Some(node) => services(node, &mut mistakes),
            None => {
                let mistake = Diagnostic::new("there are no `services`").at(&root.span);
                mistakes.push(mistake.hint("a table without any is written `services: []`"));
                Vec::new()
            }
        };
        let timeouts = root.get("timeouts").and_then(|node| mistakes.keep(node.decode()));
        let daemons = root.get("daemons").and_then(|node| daemons(node, &mut mistakes));
        mistakes.finish(Self { services, timeouts, daemons })
    }

    /// The setup that it declares.
    #[must_use]
    pub fn into_setup(self) -> Setup {
        Setup {
            // `read` refused what is there twice.
            table: Table::new(self.services).unwrap_or_default(),
            timeouts: self.timeouts.map(Into::into),
            daemons: self.daemons.map(|all| all.iter().map(Into::into).collect()),
        }
    }
}

/// The document of a setup, in an order that is always the same.
impl From<&Setup> for Document {
    fn from(setup: &Setup) -> Self {
        let mut services = setup.table.services().to_vec();
        services.sort_by_key(|one| one.service.key);
        for service in &mut services {
            service.destinations.sort_by_key(|destination| destination.key);
        }
        Self {
            services,
            timeouts: setup.timeouts.map(Into::into),
            daemons: setup.daemons.as_ref().map(|all| all.iter().map(Into::into).collect()),
        }
    }
}

fn services(node: &Node, mistakes: &mut Diagnostics) -> Vec<VirtualService> {
    let mut seen: HashMap<ServiceKey, &Node> = HashMap::new();
    let mut services = Vec::new();
    for item in mistakes.keep(node.sequence()).unwrap_or_default() {
        if mistakes.0.len() >= MISTAKES {
            mistakes.push(Diagnostic::new("there may be more; the rest was not looked at"));
            break;
        }
        let Some(service) = mistakes.keep(item.decode::<VirtualService>()) else { continue };
        let key = service.service.key;
        if let Some(first) = seen.insert(key, item) {
            let mistake = Diagnostic::new(format!("service `{key}` is there twice")).at(&item.span);
            mistakes.push(mistake.hint(format!("the other one is at {}", first.span)));
        }
        if let Some(twice) = repeated(&service) {
            let mistake = Diagnostic::new(format!("destination `{twice}` is there twice"));
            mistakes.push(mistake.at(&item.get("destinations").unwrap_or(item).span));
        }
        services.push(service);
    }
    services
}

fn repeated(service: &VirtualService) -> Option<DestinationKey> {
    let mut seen = HashSet::with_capacity(service.destinations.len());
    service.destinations.iter().map(|one| one.key).find(|key| !seen.insert(*key))
}

fn daemons(node: &Node, mistakes: &mut Diagnostics) -> Option<Vec<WrittenDaemon>> {
    let mut daemons: Vec<WrittenDaemon> = Vec::new();
    for item in mistakes.keep(node.sequence())? {
        let Some(daemon) = mistakes.keep(item.decode::<WrittenDaemon>()) else { continue };
        if daemons.iter().any(|other| other.role == daemon.role) {
            let mistake = Diagnostic::new(format!("there are two {} sync daemons", daemon.role));
            mistakes.push(mistake.at(&item.span).hint("the kernel runs one of each role"));
        }
        if daemon.group.is_some_and(|group| !group.is_multicast()) {
            let mistake = Diagnostic::new("`group` is not a multicast address").at(&item.span);
            mistakes.push(mistake.hint("such as 224.0.0.81 or ff02::51"));
        }
        daemons.push(daemon);
    }
    Some(daemons)
}

impl From<Timeouts> for WrittenTimeouts {
    fn from(timeouts: Timeouts) -> Self {
        let positive = |seconds: Option<u32>| seconds.and_then(NonZeroU32::new);
        Self {
            tcp: positive(timeouts.tcp),
            tcp_fin: positive(timeouts.tcp_fin),
            udp: positive(timeouts.udp),
        }
    }
}

impl From<WrittenTimeouts> for Timeouts {
    fn from(written: WrittenTimeouts) -> Self {
        let seconds = |written: Option<NonZeroU32>| written.map(NonZeroU32::get);
        Self {
            tcp: seconds(written.tcp),
            tcp_fin: seconds(written.tcp_fin),
            udp: seconds(written.udp),
        }
    }
}

impl From<&Daemon> for WrittenDaemon {
    fn from(daemon: &Daemon) -> Self {
        Self {
            role: daemon.key.role,
            interface: daemon.interface.clone(),
            sync_id: daemon.key.sync_id,
            max_length: daemon.max_length.and_then(NonZeroU16::new),
            group: daemon.group,
            port: daemon.port.and_then(NonZeroU16::new),
            ttl: daemon.ttl.and_then(NonZeroU8::new),
        }
    }
}

impl From<&WrittenDaemon> for Daemon {
    fn from(written: &WrittenDaemon) -> Self {
        Self {
            key: DaemonKey { role: written.role, sync_id: written.sync_id },
            interface: written.interface.clone(),
            max_length: written.max_length.map(NonZeroU16::get),
            group: written.group,
            port: written.port.map(NonZeroU16::get),
            ttl: written.ttl.map(NonZeroU8::get),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::setup;
    use super::*;

    fn read(text: &str) -> Result<Document, Diagnostics> {
        Document::read(&Arc::new(Source { name: "table.yml".into(), text: text.into() }))
    }

    #[test]
    fn comes_back_from_its_text_whole() {
        let text = serde_yaml::to_string(&Document::from(&setup())).unwrap();
        insta::assert_snapshot!(text);
        let back = read(&text).unwrap().into_setup();
        assert_eq!(back.steps(&setup(), true), []);
        assert_eq!(setup().steps(&back, true), []);
        assert_eq!((back.timeouts, back.daemons), (setup().timeouts, setup().daemons));
    }

    #[test]
    fn shows_every_mistake_at_its_place() {
        let text = "\
services:
- {service: 10.0.0.1:80, scheduler: wrr}
- {service: tcp://10.0.0.1:80, scheduler: rr}
- {service: 10.0.0.2:80, scheduler: a very long name}
- {service: 10.0.0.3, scheduler: rr}
- {service: 10.0.0.4:80, scheduler: rr, weight: 1}
- {service: 10.0.0.5:80, scheduler: rr, destinations: [{address: 10.0.0.6, forward: nat}, {address: 10.0.0.6, forward: nat}]}
- {service: 10.0.0.6:0, scheduler: rr}
timeouts: {tcp: 0}
daemons:
- {role: mastr, interface: eth0}
- {role: backup, interface: eth0, group: 10.0.0.1}
- {role: backup, interface: eth0}
demons: []
";
        let mistakes = read(text).expect_err("it is full of them");
        insta::assert_snapshot!(mistakes.to_string());
        for text in ["", "[]", "services", "services: {}", "- -A"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read("services: []").unwrap().into_setup(), Setup::default());
    }
}
