//! `ipvs_daemon`: the daemons that keep two directors' connections in step.

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Error, Host, Resource};
use crate::netlink::InterfaceName;
use crate::netlink::ipvs::{Daemon, DaemonKey, DaemonRole, Request};

/// Declares a sync daemon of IPVS: the master sends its connections, the backup takes them.
///
/// A director can run one of each, so two tasks may declare both. What differs means that
/// the daemon is stopped and started again, since none can be changed while it runs.
///
/// ```yaml
/// ipvs_daemon:
///   state: master
///   interface: eth0
///   sync_id: 7
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IpvsDaemon {
    /// `master` or `backup` runs; `absent`: neither does, or not the one that `role` names.
    pub state: State,
    /// With `absent`: the one that is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<DaemonRole>,
    /// Where it sends or listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<InterfaceName>,
    /// Tells pairs of directors apart; a backup with 0 listens to every master.
    #[serde(default)]
    pub sync_id: u8,
    /// The most bytes in a datagram, 1 to 65507; by default as many as the interface takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<NonZeroU16>,
    /// The multicast group; 224.0.0.81 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<IpAddr>,
    /// The UDP port; 8848 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// How many routers a datagram passes; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<NonZeroU8>,
}

/// Which daemon is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The one that sends.
    Master,
    /// The one that receives.
    Backup,
    /// None.
    Absent,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change(pub Request);

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The least that the kernel lets a backup receive at once.
const SHORTEST: u16 = 1024;

/// The longest datagram of UDP over IPv4.
const LONGEST: u16 = 65507;

impl IpvsDaemon {
    /// The daemon that is to run, if one is.
    fn declared(&self) -> Option<Daemon> {
        let role = match self.state {
            State::Master => DaemonRole::Master,
            State::Backup => DaemonRole::Backup,
            State::Absent => return None,
        };
        Some(Daemon {
            key: DaemonKey { role, sync_id: self.sync_id },
            interface: self.interface.clone()?,
            max_length: self.max_length.map(NonZeroU16::get),
            group: self.group,
            port: self.port.map(NonZeroU16::get),
            ttl: self.ttl.map(NonZeroU8::get),
        })
    }
}

impl Resource for IpvsDaemon {
    type Observed = Vec<Daemon>;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        if self.state != State::Absent && self.role.is_some() {
            return Err(Error::new("`role` goes only with `state: absent`")
                .hint("`state` says which daemon runs"));
        }
        if self.state != State::Absent && self.interface.is_none() {
            return Err(Error::new("`interface` is missing")
                .hint("name the one that leads to the other director"));
        }
        if self.max_length.is_some_and(|length| length.get() > LONGEST) {
            return Err(Error::new(format!("`max_length` is above {LONGEST}")));
        }
        let short = self.max_length.is_some_and(|length| length.get() < SHORTEST);
        if self.state == State::Backup && short {
            return Err(Error::new(format!("`max_length` of a backup is below {SHORTEST}"))
                .hint("the kernel would take that instead"));
        }
        match self.group {
            Some(group) if !group.is_multicast() => {
                Err(Error::new(format!("`{group}` is not a multicast address"))
                    .hint("such as 224.0.0.81 or ff02::81"))
            }
            _ => Ok(()),
        }
    }

    fn observe(&self, host: &mut Host) -> Result<Vec<Daemon>, Error> {
        // Without IPVS there are none; an earlier task may be going to load it.
        match host.loaded_ipvs()? {
            Some(ipvs) => Ok(ipvs.daemons()?),
            None => Ok(Vec::new()),
        }
    }

    fn diff(&self, observed: &Vec<Daemon>) -> Vec<Change> {
        let stop = |daemon: &Daemon| Change(Request::StopDaemon(daemon.key));
        let Some(declared) = self.declared() else {
            let meant = |daemon: &&Daemon| self.role.is_none_or(|role| role == daemon.key.role);
            return observed.iter().filter(meant).map(stop).collect();
        };
        let running = observed.iter().find(|daemon| daemon.key.role == declared.key.role);
        match running {
            Some(running) if running.is(&declared) => Vec::new(),
            running => {
                let start = Change(Request::StartDaemon(declared));
                running.map(stop).into_iter().chain([start]).collect()
            }
        }
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        let ipvs = host.ipvs()?;
        // One that cannot be started as declared is not stopped first.
        if let (Request::StopDaemon(_), Some(declared)) = (&change.0, self.declared()) {
            ipvs.check(&Request::StartDaemon(declared))?;
        }
        Ok(ipvs.apply(&change.0)?)
    }

    fn report(&self, observed: &Vec<Daemon>) -> Map<String, Value> {
        let daemons = observed.iter().map(|daemon| {
            json!({
                "state": daemon.key.role,
                "interface": daemon.interface.as_str(),
                "sync_id": daemon.key.sync_id,
                "max_length": daemon.max_length,
                "group": daemon.group,
                "port": daemon.port,
                "ttl": daemon.ttl,
            })
        });
        let mut map = Map::new();
        map.insert("daemons".into(), daemons.collect());
        map
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::travelled;
    use super::*;

    const MASTER: &str = "{state: master, interface: eth1, sync_id: 7}";

    fn running(yaml: &str) -> Daemon {
        let declared = travelled::<IpvsDaemon>(yaml).declared().unwrap();
        Daemon {
            max_length: declared.max_length.or(Some(1472)),
            group: declared.group.or(Some([224, 0, 0, 81].into())),
            port: declared.port.or(Some(8848)),
            ttl: declared.ttl.or(Some(1)),
            ..declared
        }
    }

    fn shown(yaml: &str, observed: &[Daemon]) -> Vec<String> {
        let task: IpvsDaemon = travelled(yaml);
        task.check().unwrap();
        task.diff(&observed.to_vec()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn starts_what_does_not_run_and_leaves_the_other_role_alone() {
        let backup = running("{state: backup, interface: eth1}");
        let start = ["start master sync daemon on eth1 with sync id 7"];
        assert_eq!(shown(MASTER, &[]), start);
        assert_eq!(shown(MASTER, std::slice::from_ref(&backup)), start);
        assert!(shown(MASTER, &[backup, running(MASTER)]).is_empty());
    }

    #[test]
    fn restarts_what_runs_otherwise() {
        let now = [running(MASTER)];
        for other in [
            "{state: master, interface: eth1}",
            "{state: master, interface: eth2, sync_id: 7}",
            "{state: master, interface: eth1, sync_id: 7, ttl: 2}",
            "{state: master, interface: eth1, sync_id: 7, port: 9000}",
            "{state: master, interface: eth1, sync_id: 7, group: 'ff02::81'}",
            "{state: master, interface: eth1, sync_id: 7, max_length: 1400}",
        ] {
            let steps = shown(other, &now);
            assert_eq!(steps.len(), 2, "{other}");
            assert_eq!(steps[0], "stop master sync daemon");
            assert!(shown(other, &[running(other)]).is_empty());
        }
    }

    #[test]
    fn stops_both_or_one() {
        let both = [running(MASTER), running("{state: backup, interface: eth1}")];
        assert_eq!(
            shown("{state: absent}", &both),
            ["stop master sync daemon", "stop backup sync daemon"]
        );
        assert_eq!(shown("{state: absent, role: backup}", &both), ["stop backup sync daemon"]);
        assert!(shown("{state: absent, role: backup}", &both[..1]).is_empty());
    }

    #[test]
    fn refuses_what_cannot_run() {
        for (yaml, part) in [
            ("{state: master}", "`interface` is missing"),
            ("{state: master, interface: eth1, role: backup}", "only with `state: absent`"),
            ("{state: master, interface: eth1, group: 10.0.0.1}", "not a multicast address"),
            ("{state: master, interface: eth1, max_length: 65508}", "above 65507"),
            ("{state: backup, interface: eth1, max_length: 1000}", "below 1024"),
        ] {
            let task: IpvsDaemon = travelled(yaml);
            assert!(task.check().unwrap_err().message.contains(part), "{yaml}");
        }
    }
}
