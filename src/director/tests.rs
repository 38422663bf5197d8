//! A table that the tests of this room share.

use std::num::NonZeroU32;

use super::{Observed, Setup};
use crate::netlink::ipvs::{
    Daemon, DaemonKey, DaemonRole, Destination, DestinationState, Family, Forward, Netmask,
    Persistence, Protocol, Scheduler, SchedulerFlags, Service, ServiceKey, ServiceState, Stats,
    Table, Timeouts, Tunnel, VirtualService,
};

fn stats(factor: u64) -> Stats {
    Stats {
        connections: 100 * factor,
        packets_in: 1_234 * factor,
        packets_out: 0,
        bytes_in: 567_890 * factor,
        bytes_out: 0,
        connection_rate: 12 * factor,
        packet_rate_in: 345 * factor,
        packet_rate_out: 0,
        byte_rate_in: 67_890 * factor,
        byte_rate_out: 0,
    }
}

fn service(service: Service, factor: u64) -> ServiceState {
    ServiceState { service, stats: stats(factor), unknown: Vec::new() }
}

fn destination(destination: Destination, active: u32, inactive: u32) -> DestinationState {
    DestinationState {
        destination,
        active_connections: active,
        inactive_connections: inactive,
        persistent_connections: 0,
        stats: stats(u64::from(active > 0)),
        unknown: Vec::new(),
    }
}

/// Three services, in no order: one whose three destinations are in three states, one that is
/// drained, one that has none.
pub(super) fn table() -> Observed {
    let web = ServiceKey::address(Protocol::Tcp, [192, 168, 0, 89], 80);
    let name = |name| Scheduler::new(name).unwrap();
    let rs = |last, forward| Destination::new([192, 168, 0, last], 80, forward);
    let sip = Service {
        scheduler_flags: SchedulerFlags { second: true, ..SchedulerFlags::default() },
        persistence: Some(Persistence {
            timeout: NonZeroU32::new(300).unwrap(),
            netmask: Netmask::V6(64),
        }),
        ..Service::new(
            ServiceKey::address(Protocol::Udp, [0xfd00, 0, 0, 0, 0, 0, 0, 1], 5060),
            name("sh"),
        )
    };
    let mark = ServiceKey::Fwmark { family: Family::Ipv4, mark: NonZeroU32::new(7).unwrap() };
    vec![
        (
            service(Service::new(web, name("wrr")), 2),
            vec![
                destination(
                    Destination {
                        upper_threshold: NonZeroU32::new(10),
                        ..rs(95, Forward::Tunnel(Tunnel::Ipip))
                    },
                    8,
                    2,
                ),
                destination(Destination { weight: 0, ..rs(94, Forward::Nat) }, 0, 1),
                destination(rs(93, Forward::Direct), 12_345, 678),
            ],
        ),
        (service(Service::new(mark, name("wlc")), 0), Vec::new()),
        (
            service(sip, 0),
            vec![destination(
                Destination {
                    weight: 0,
                    ..Destination::new([0xfd00, 0, 0, 0, 0, 0, 0, 2], 5060, Forward::Direct)
                },
                0,
                0,
            )],
        ),
    ]
}

/// A sync daemon with all that the kernel tells of one.
pub(super) fn daemon(role: DaemonRole) -> Daemon {
    Daemon {
        key: DaemonKey { role, sync_id: 7 },
        interface: "eth0".parse().unwrap(),
        max_length: Some(1472),
        group: Some([224, 0, 0, 81].into()),
        port: Some(8848),
        ttl: Some(1),
    }
}

/// The same table as a setup, with the kernel's timeouts and a daemon.
pub(super) fn setup() -> Setup {
    let services = table().into_iter().map(|(service, destinations)| VirtualService {
        service: service.service,
        destinations: destinations.into_iter().map(|state| state.destination).collect(),
    });
    Setup {
        table: Table::new(services.collect()).unwrap(),
        timeouts: Some(Timeouts { tcp: Some(900), tcp_fin: Some(120), udp: Some(300) }),
        daemons: Some(vec![daemon(DaemonRole::Master)]),
    }
}
