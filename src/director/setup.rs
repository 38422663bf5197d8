//! All that can be declared of a director's IPVS, and the steps from one such setup to another.

use std::fmt;

use crate::netlink::ipvs::{
    Change, Daemon, DaemonKey, Error, Handle, Policy, Request, Table, Timeouts,
};

/// A director's table, timeouts and sync daemons. What is not said is not touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// Its services.
    pub table: Table,
    /// How long idle connections are kept.
    pub timeouts: Option<Timeouts>,
    /// All of its sync daemons.
    pub daemons: Option<Vec<Daemon>>,
}

/// One step, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is asked of the kernel.
    pub request: Request,
    text: String,
}

impl Step {
    /// Whether it takes something away.
    #[must_use]
    pub(super) fn removes(&self) -> bool {
        matches!(
            self.request,
            Request::RemoveService(_) | Request::RemoveDestination(..) | Request::Flush
        )
    }
}

impl AsRef<Request> for Step {
    fn as_ref(&self) -> &Request {
        &self.request
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Change> for Step {
    fn from(change: Change) -> Self {
        Self { text: change.to_string(), request: change.request }
    }
}

impl Setup {
    /// Reads all of it from the kernel.
    pub fn read(ipvs: &mut Handle) -> Result<Self, Error> {
        Ok(Self {
            table: Table::read(ipvs)?,
            timeouts: Some(ipvs.timeouts()?),
            daemons: Some(ipvs.daemons()?),
        })
    }

    /// Lists what it takes to get here from what is; with `purge` services go that are not
    /// declared.
    #[must_use]
    pub fn steps(&self, now: &Self, purge: bool) -> Vec<Step> {
        let policy = Policy { purge, drain: false };
        let table = self.table.reconcile(&now.table, policy).now;
        self.around(now, table)
    }

    /// Lists what it takes to undo these steps, some of which may have failed: `self` is how
    /// it was before them, `now` how it is after them.
    #[must_use]
    pub fn undo(&self, now: &Self, steps: &[Step]) -> Vec<Step> {
        let any = |kind: fn(&Request) -> bool| steps.iter().any(|step| kind(&step.request));
        let timeouts = any(|request| matches!(request, Request::SetTimeouts(_)));
        let daemons =
            any(|request| matches!(request, Request::StartDaemon(_) | Request::StopDaemon(_)));
        let touched = Self {
            table: Table::default(),
            timeouts: self.timeouts.filter(|_| timeouts),
            daemons: self.daemons.clone().filter(|_| daemons),
        };
        touched.around(now, self.table.undo(&now.table, steps))
    }

    /// The steps of a table, with those before and after them. While a daemon runs the kernel
    /// takes no destination of another family: daemons stop first and start last.
    fn around(&self, now: &Self, table: Vec<Change>) -> Vec<Step> {
        let running = now.daemons.as_deref().unwrap_or_default();
        let wanted = self.daemons.as_deref();
        let stays = |daemon: &&Daemon| wanted.is_none_or(|all| all.iter().any(|w| fits(w, daemon)));
        let stopped = running.iter().filter(|one| !stays(one)).map(|one| stop(one.key));
        let new = |daemon: &&Daemon| !running.iter().any(|one| fits(daemon, one));
        let started = wanted.unwrap_or_default().iter().filter(new).map(start);
        let timeouts = self.timeouts.and_then(|wanted| set(wanted, now.timeouts?));
        stopped.chain(table.into_iter().map(Step::from)).chain(timeouts).chain(started).collect()
    }
}

fn stop(key: DaemonKey) -> Step {
    let request = Request::StopDaemon(key);
    Step { text: request.to_string(), request }
}

fn start(daemon: &Daemon) -> Step {
    let text = format!("start sync daemon {}", daemon_in_words(daemon));
    Step { request: Request::StartDaemon(daemon.clone()), text }
}

/// Sets those of the timeouts that differ.
fn set(wanted: Timeouts, now: Timeouts) -> Option<Step> {
    let mut words = Vec::new();
    let mut differing = |name: &str, wanted: Option<u32>, now: Option<u32>| {
        let wanted = wanted.filter(|wanted| Some(*wanted) != now)?;
        let was = now.map(|now| format!(" (was {now})")).unwrap_or_default();
        words.push(format!("set timeout {name} to {wanted} s{was}"));
        Some(wanted)
    };
    let timeouts = Timeouts {
        tcp: differing("tcp", wanted.tcp, now.tcp),
        tcp_fin: differing("tcp-fin", wanted.tcp_fin, now.tcp_fin),
        udp: differing("udp", wanted.udp, now.udp),
    };
    let any = timeouts != Timeouts::default();
    any.then(|| Step { request: Request::SetTimeouts(timeouts), text: words.join(", ") })
}

/// Whether a daemon that runs is the one that is wanted; what is not said fits.
pub(super) fn fits(wanted: &Daemon, running: &Daemon) -> bool {
    fn same<T: PartialEq>(wanted: &Option<T>, running: &Option<T>) -> bool {
        wanted.is_none() || wanted == running
    }
    wanted.key == running.key
        && wanted.interface == running.interface
        && same(&wanted.max_length, &running.max_length)
        && same(&wanted.group, &running.group)
        && same(&wanted.port, &running.port)
        && same(&wanted.ttl, &running.ttl)
}

/// `master on eth0, sync id 7, group 224.0.0.81, port 8848, ttl 1, at most 1472 bytes`.
#[must_use]
pub fn daemon_in_words(daemon: &Daemon) -> String {
    let mut words = vec![
        format!("{} on {}", daemon.key.role, daemon.interface),
        format!("sync id {}", daemon.key.sync_id),
    ];
    words.extend(daemon.group.map(|group| format!("group {group}")));
    words.extend(daemon.port.map(|port| format!("port {port}")));
    words.extend(daemon.ttl.map(|ttl| format!("ttl {ttl}")));
    words.extend(daemon.max_length.map(|bytes| format!("at most {bytes} bytes")));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{daemon, setup};
    use super::*;
    use crate::netlink::ipvs::DaemonRole;

    fn shown(steps: &[Step]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn needs_no_step_to_where_it_is() {
        assert_eq!(setup().steps(&setup(), true), []);
        assert_eq!(Setup::default().steps(&setup(), false), [], "nothing said, nothing touched");
    }

    #[test]
    fn stops_daemons_first_and_starts_them_last() {
        let now = setup();
        let mut wanted = setup();
        wanted.table = Table::default();
        wanted.timeouts = Some(Timeouts { tcp: Some(60), ..Timeouts::default() });
        let backup = Daemon { ttl: None, ..daemon(DaemonRole::Backup) };
        wanted.daemons = Some(vec![backup]);
        let steps = wanted.steps(&now, true);
        assert_eq!(
            shown(&steps),
            [
                "stop master sync daemon",
                "remove service tcp://192.168.0.89:80",
                "remove service fwmark://7",
                "remove service udp://[fd00::1]:5060",
                "set timeout tcp to 60 s (was 900)",
                "start sync daemon backup on eth0, sync id 7, group 224.0.0.81, port 8848, \
                 at most 1472 bytes",
            ]
        );
    }

    #[test]
    fn takes_what_the_kernel_chose_for_what_was_not_said() {
        let now = setup();
        let wanted = Setup {
            daemons: Some(vec![Daemon {
                max_length: None,
                group: None,
                port: None,
                ttl: None,
                ..daemon(DaemonRole::Master)
            }]),
            ..setup()
        };
        assert_eq!(wanted.steps(&now, true), []);
    }

    #[test]
    fn undoes_what_was_done_and_nothing_else() {
        let before = setup();
        let mut after = setup();
        after.timeouts = Some(Timeouts { tcp: Some(60), tcp_fin: Some(7), udp: Some(300) });
        after.daemons = Some(Vec::new());
        // Somebody else has stopped the daemon meanwhile.
        let own = Timeouts { tcp: Some(60), ..Timeouts::default() };
        let steps = [Step { request: Request::SetTimeouts(own), text: String::new() }];
        assert_eq!(
            shown(&before.undo(&after, &steps)),
            ["set timeout tcp to 900 s (was 60), set timeout tcp-fin to 120 s (was 7)"]
        );
        let steps = [stop(daemon(DaemonRole::Master).key)];
        assert_eq!(before.undo(&after, &steps).len(), 1);
    }
}
