//! The last checks of a command line, and the typed command that comes of it.

use std::num::{NonZeroU16, NonZeroU32};

use super::command::{Columns, Command, Format, List, check};
use super::draft::{Draft, TunnelType};
use super::error::{Mistake, Of};
use super::options::{Method, Rule, Subject, Verb};
use crate::netlink::InterfaceName;
use crate::netlink::ipvs::{
    Checksum, Daemon, DaemonKey, Destination, DestinationKey, Engine, Family, Forward, Persistence,
    Protocol, Request, Scheduler, SchedulerFlags, Service, ServiceKey, Tunnel,
};

const USUAL_SCHEDULER: &str = "wlc";
const USUAL_INTERFACE: &str = "eth0";

/// Makes a command of what was read.
pub(super) fn command(draft: Draft, verb: Verb, flags: SchedulerFlags) -> Result<Command, Mistake> {
    let change = |request| Ok(Command::Change(request));
    match verb {
        Verb::Add => change(Request::AddService(service(&draft, flags)?)),
        Verb::Edit => change(Request::EditService(service(&draft, flags)?)),
        Verb::Delete => change(Request::RemoveService(key(&draft))),
        Verb::AddServer => change(Request::AddDestination(key(&draft), destination(&draft)?)),
        Verb::EditServer => change(Request::EditDestination(key(&draft), destination(&draft)?)),
        Verb::DeleteServer => change(Request::RemoveDestination(key(&draft), server(&draft))),
        Verb::Flush => change(Request::Flush),
        Verb::Zero => change(Request::Zero(draft.has(Subject::Service).then(|| key(&draft)))),
        Verb::Set => change(Request::SetTimeouts(draft.timeouts)),
        Verb::StartDaemon => change(Request::StartDaemon(daemon(draft)?)),
        Verb::StopDaemon => {
            change(Request::StopDaemon(DaemonKey { role: draft.role, sync_id: draft.sync_id }))
        }
        Verb::List => list(&draft).map(Command::List),
        Verb::Save => Ok(Command::List(List::Rules { numeric: draft.has(Subject::Numeric) })),
        Verb::Restore => Ok(Command::Restore),
        Verb::Help => Ok(Command::Help),
        Verb::Version => Ok(Command::Version),
    }
}

fn key(draft: &Draft) -> ServiceKey {
    match draft.mark {
        Some(mark) => ServiceKey::Fwmark { family: family(draft), mark },
        None => {
            let protocol = draft.protocol.unwrap_or(Protocol::Tcp);
            ServiceKey::address(protocol, draft.address, draft.port)
        }
    }
}

fn family(draft: &Draft) -> Family {
    draft.family.unwrap_or(Family::Ipv4)
}

fn service(draft: &Draft, flags: SchedulerFlags) -> Result<Service, Mistake> {
    if draft.mark.is_none() && draft.port == 0 && draft.persistence.is_none() {
        return Err(Mistake::ZeroPort);
    }
    let one_packet = draft.has(Subject::OnePacket);
    if one_packet && draft.mark.is_none() && draft.protocol != Some(Protocol::Udp) {
        return Err(Mistake::OnePacket);
    }
    let key = key(draft);
    key.check().map_err(Mistake::Refused)?;
    let none = |_| Mistake::NoSuchName("Scheduler or persistence engine not found".into());
    let scheduler = match draft.scheduler.as_str() {
        "" => USUAL_SCHEDULER,
        name => name,
    };
    let engine = Some(&draft.engine).filter(|name| !name.is_empty());
    let netmask = draft.netmask;
    Ok(Service {
        key,
        scheduler: Scheduler::new(scheduler).map_err(none)?,
        scheduler_flags: flags,
        persistence: draft.persistence.map(|timeout| Persistence { timeout, netmask }),
        one_packet,
        engine: engine.map(Engine::new).transpose().map_err(none)?,
    })
}

fn server(draft: &Draft) -> DestinationKey {
    let (address, port) = draft.server;
    DestinationKey { address, port }
}

fn destination(draft: &Draft) -> Result<Destination, Mistake> {
    let mut key = server(draft);
    let translates = draft.method == Method::Nat;
    if draft.mark.is_none() && !translates {
        key.port = draft.port;
    }
    let tunnelled = draft.method == Method::Tunnel;
    if Family::of(key.address) != family(draft) && !tunnelled {
        return Err(Mistake::OtherFamily);
    }
    let of_tunnels = [
        Subject::TunType,
        Subject::TunPort,
        Subject::TunNoChecksum,
        Subject::TunChecksum,
        Subject::TunRemoteChecksum,
    ];
    if !tunnelled && of_tunnels.into_iter().any(|subject| draft.has(subject)) {
        return Err(Mistake::NoTunnel);
    }
    let tunnel = tunnel(draft)?;
    Ok(Destination {
        key,
        forward: match draft.method {
            Method::Direct => Forward::Direct,
            Method::Nat => Forward::Nat,
            Method::Tunnel => Forward::Tunnel(tunnel),
        },
        weight: draft.weight,
        upper_threshold: NonZeroU32::new(draft.upper_threshold),
        lower_threshold: NonZeroU32::new(draft.lower_threshold),
    })
}

fn tunnel(draft: &Draft) -> Result<Tunnel, Mistake> {
    use Rule::{Exclusive, Illegal, Required};
    let (name, rules) = match draft.tunnel {
        TunnelType::Ipip => ("ipip", [Illegal; 4]),
        TunnelType::Gue => ("gue", [Required, Exclusive, Exclusive, Exclusive]),
        TunnelType::Gre => ("gre", [Illegal, Exclusive, Exclusive, Illegal]),
    };
    let subjects = [
        Subject::TunPort,
        Subject::TunNoChecksum,
        Subject::TunChecksum,
        Subject::TunRemoteChecksum,
    ];
    let rules = subjects.into_iter().zip(rules);
    check(rules, |subject| draft.has(subject), Of::Tunnel(name))?;
    let summed = draft.has(Subject::TunChecksum);
    Ok(match (draft.tunnel, NonZeroU16::new(draft.tunnel_port)) {
        (TunnelType::Gue, Some(port)) => {
            let checksum = match (summed, draft.has(Subject::TunRemoteChecksum)) {
                (true, _) => Checksum::Outer,
                (false, true) => Checksum::Remote,
                (false, false) => Checksum::None,
            };
            Tunnel::Gue { port, checksum }
        }
        (TunnelType::Gre, _) => Tunnel::Gre { checksum: summed },
        (TunnelType::Ipip | TunnelType::Gue, _) => Tunnel::Ipip,
    })
}

fn daemon(draft: Draft) -> Result<Daemon, Mistake> {
    let interface = match draft.interface.as_str() {
        "" => USUAL_INTERFACE,
        name => name,
    };
    Ok(Daemon {
        key: DaemonKey { role: draft.role, sync_id: draft.sync_id },
        interface: InterfaceName::new(interface)
            .map_err(|_| Mistake::NoSuchName("No such device".into()))?,
        max_length: draft.max_length,
        group: draft.group,
        port: draft.mcast_port,
        ttl: draft.ttl,
    })
}

fn list(draft: &Draft) -> Result<List, Mistake> {
    let has = |subject| draft.has(subject);
    let others = [Subject::Connection, Subject::Timeout, Subject::Daemon];
    let counters = [Subject::Stats, Subject::Rate, Subject::Thresholds];
    let settings = has(Subject::Timeout) || has(Subject::Daemon);
    if others.into_iter().any(has) && counters.into_iter().any(has)
        || settings && has(Subject::PersistentConn)
    {
        return Err(Mistake::ListConflict);
    }
    let columns = [
        (Subject::Stats, Columns::Stats),
        (Subject::Rate, Columns::Rate),
        (Subject::Thresholds, Columns::Thresholds),
        (Subject::PersistentConn, Columns::Persistent),
        (Subject::TunInfo, Columns::Tunnel),
    ];
    let columns = columns.into_iter().find(|(subject, _)| has(*subject));
    let format = Format {
        columns: columns.map_or(Columns::Usual, |(_, columns)| columns),
        numeric: has(Subject::Numeric),
        sorted: !has(Subject::NoSort),
        exact: has(Subject::Exact),
    };
    Ok(if has(Subject::Connection) {
        List::Connections(format)
    } else if has(Subject::Service) {
        List::Service(key(draft), format)
    } else if has(Subject::Timeout) {
        List::Timeouts
    } else if has(Subject::Daemon) {
        List::Daemons
    } else {
        List::Table(format)
    })
}
