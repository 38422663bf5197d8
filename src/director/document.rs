//! A setup as a YAML file holds it, which loses nothing:
//!
//! ```yaml
//! services:
//!   - vip: 192.168.0.89        # as the arguments of `ipvs_service`
//!     port: 80
//!     scheduler: wrr
//!     destinations: [192.168.0.93, {address: 192.168.0.94, weight: 2}]
//! timeouts: {tcp: 900, tcp_fin: 120, udp: 300}
//! daemons:
//!   - {role: master, interface: eth0, sync_id: 7}
//! ```
//!
//! The file is the whole table: a service in it has the destinations that it lists and no
//! others. `timeouts` and `daemons` that it does not have are left as they are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Setup;
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::modules::Presence;
use crate::modules::ipvs_service::IpvsService;
use crate::netlink::InterfaceName;
use crate::netlink::ipvs::{
    Daemon, DaemonKey, DaemonRole, Destination, ServiceKey, Table, Timeouts, VirtualService,
};
use crate::yaml::{self, Node};

/// The keys of a document.
const KEYS: [&str; 3] = ["services", "timeouts", "daemons"];

/// A file's content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    services: Vec<IpvsService>,
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

    /// The document of a setup; what no declaration can say is an error.
    pub fn describing(setup: &Setup) -> Result<Self, Diagnostic> {
        let mut sorted: Vec<&VirtualService> = setup.table.services().iter().collect();
        sorted.sort_by_key(|one| one.service.key);
        let services = sorted.into_iter().map(|one| {
            let mut destinations = one.destinations.clone();
            destinations.sort_by_key(|destination| destination.key);
            Ok(IpvsService::describing(&one.service, &destinations)?)
        });
        let daemons = setup.daemons.as_ref().map(|all| all.iter().map(Into::into).collect());
        Ok(Self {
            services: services.collect::<Result<_, Diagnostic>>()?,
            timeouts: setup.timeouts.map(Into::into),
            daemons,
        })
    }

    /// What is declared, given the table that is there: a destination without a weight keeps
    /// the one it has, or gets 1.
    #[must_use]
    pub fn setup(&self, now: &Table) -> Setup {
        let found = now.by_key();
        let services = self.services.iter().map(|declared| {
            let service = declared.service().clone();
            let there = found.get(&service.key).map(|found| found.destinations.as_slice());
            let destinations: Vec<Destination> =
                declared.wanted(there.unwrap_or_default()).unwrap_or_default();
            VirtualService { service, destinations }
        });
        Setup {
            // `read` refused repeated services, and the arguments refuse repeated destinations.
            table: Table::new(services.collect()).unwrap_or_default(),
            timeouts: self.timeouts.map(Into::into),
            daemons: self.daemons.as_ref().map(|all| all.iter().map(Into::into).collect()),
        }
    }
}

fn services(node: &Node, mistakes: &mut Diagnostics) -> Vec<IpvsService> {
    let mut seen: HashMap<ServiceKey, &Node> = HashMap::new();
    let mut services = Vec::new();
    for item in mistakes.keep(node.sequence()).unwrap_or_default() {
        let Some(service) = mistakes.keep(item.decode::<IpvsService>()) else { continue };
        let key = service.service().key;
        if let Some(first) = seen.insert(key, item) {
            let mistake = Diagnostic::new(format!("service `{key}` is there twice")).at(&item.span);
            mistakes.push(mistake.hint(format!("the other one is at {}", first.span)));
        } else if service.state() == Presence::Absent {
            let mistake = Diagnostic::new("a table has no services that are `absent`");
            mistakes.push(mistake.at(&item.span).hint(
                "leave it out: `restore`, and `apply --purge`, remove what is not in the file",
            ));
        } else {
            services.push(service);
        }
    }
    services
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
        let document = Document::describing(&setup()).unwrap();
        let text = serde_yaml::to_string(&document).unwrap();
        insta::assert_snapshot!(text);
        let back = read(&text).unwrap().setup(&Table::default());
        assert_eq!(back.steps(&setup(), true), []);
        assert_eq!(setup().steps(&back, true), []);
        assert_eq!((back.timeouts, back.daemons), (setup().timeouts, setup().daemons));
    }

    #[test]
    fn keeps_weights_that_it_does_not_say_and_no_destination() {
        let text = "services:\n- vip: 192.168.0.89\n  port: 80\n  scheduler: wrr\n  \
                    destinations: [{address: 192.168.0.94, forward: nat}]\n\
                    - {fwmark: 7, scheduler: wlc}\n";
        let wanted = read(text).unwrap().setup(&setup().table);
        let [web, mark] = wanted.table.services() else { unreachable!("two are written") };
        assert_eq!((web.destinations.len(), web.destinations[0].weight), (1, 0));
        assert!(mark.destinations.is_empty());
        assert_eq!((wanted.timeouts, wanted.daemons), (None, None));
    }

    #[test]
    fn shows_every_mistake_at_its_place() {
        let text = "\
services:
- {vip: 10.0.0.1, port: 80}
- {vip: 10.0.0.1, port: 80, scheduler: rr}
- {vip: 10.0.0.2, port: 80, scheduler: wrrr}
- {vip: 10.0.0.3, port: 80, state: absent}
- {vip: 10.0.0.4, port: 80, weight: 1}
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
        assert_eq!(read("services: []").unwrap().setup(&Table::default()), Setup::default());
    }
}
