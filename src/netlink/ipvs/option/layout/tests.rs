//! Held against the structures of the header, field by field; on a little-endian machine.
#![cfg(target_endian = "little")]

use std::num::NonZeroU32;

use super::super::write::command;
use super::*;
use crate::netlink::ipvs::constants::*;
use crate::netlink::ipvs::{DaemonRole, Persistence, Protocol, Request, SchedulerFlags};

/// `struct ip_vs_service_user`, without its flags of 4 bytes, timeout and netmask.
fn key_bytes(protocol: u8, address: [u8; 4], port: [u8; 2], mark: u8) -> Vec<u8> {
    let [a, b, c, d] = address;
    let [high, low] = port;
    vec![
        protocol, 0, 0, 0, // protocol, padding
        a, b, c, d, // addr
        high, low, 0, 0, // port, padding
        mark, 0, 0, 0, // fwmark
    ]
}

fn web() -> ServiceKey {
    ServiceKey::address(Protocol::Tcp, [10, 1, 0, 1], 80)
}

fn persistent() -> Service {
    let netmask = Netmask::V4([255, 255, 255, 0].into());
    Service {
        scheduler_flags: SchedulerFlags { second: true, ..SchedulerFlags::default() },
        persistence: Some(Persistence { timeout: NonZeroU32::new(300).unwrap(), netmask }),
        ..Service::new(web(), Scheduler::new("sh").unwrap())
    }
}

fn rs() -> Destination {
    Destination {
        weight: 7,
        upper_threshold: NonZeroU32::new(100),
        lower_threshold: NonZeroU32::new(50),
        ..Destination::new([10, 9, 0, 3], 8080, Forward::Nat)
    }
}

/// `struct ip_vs_service_user` of [`persistent`].
fn persistent_bytes() -> Vec<u8> {
    let mut expected = key_bytes(6, [10, 1, 0, 1], [0, 80], 0);
    expected.extend(b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0"); // sched_name
    expected.extend([0x11, 0, 0, 0]); // flags: persistent, sched2
    expected.extend([0x2c, 1, 0, 0]); // timeout
    expected.extend([255, 255, 255, 0]); // netmask
    expected
}

/// `struct ip_vs_dest_user` of [`rs`].
const RS: [u8; 24] = [
    10, 9, 0, 3, // addr
    0x1f, 0x90, 0, 0, // port, padding
    0, 0, 0, 0, // conn_flags: masquerading
    7, 0, 0, 0, // weight
    100, 0, 0, 0, // u_threshold
    50, 0, 0, 0, // l_threshold
];

/// `struct ip_vs_stats_user`.
#[rustfmt::skip]
const COUNTERS: [u8; 56] = [
    1, 0, 0, 0, // conns
    2, 0, 0, 0, // inpkts
    3, 0, 0, 0, // outpkts
    0, 0, 0, 0, // padding
    4, 0, 0, 0, 1, 0, 0, 0, // inbytes
    5, 0, 0, 0, 1, 0, 0, 0, // outbytes
    6, 0, 0, 0, // cps
    7, 0, 0, 0, // inpps
    8, 0, 0, 0, // outpps
    9, 0, 0, 0, // inbps
    10, 0, 0, 0, // outbps
    0, 0, 0, 0, // padding
];

const COUNTED: Stats = Stats {
    connections: 1,
    packets_in: 2,
    packets_out: 3,
    bytes_in: (1 << 32) + 4,
    bytes_out: (1 << 32) + 5,
    connection_rate: 6,
    packet_rate_in: 7,
    packet_rate_out: 8,
    byte_rate_in: 9,
    byte_rate_out: 10,
};

#[test]
fn writes_services() {
    let service = persistent_bytes();
    assert_eq!(command(&Request::AddService(persistent())), (IP_VS_SO_SET_ADD, service.clone()));
    assert_eq!(command(&Request::EditService(persistent())), (IP_VS_SO_SET_EDIT, service));
    let plain = Service::new("fwmark://7".parse().unwrap(), Scheduler::new("rr").unwrap());
    let mut expected = key_bytes(6, [0; 4], [0; 2], 7);
    expected.extend(b"rr\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    expected.extend([0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]);
    assert_eq!(command(&Request::AddService(plain)).1, expected);

    let mut named = key_bytes(6, [10, 1, 0, 1], [0, 80], 0);
    named.resize(44, 0);
    assert_eq!(command(&Request::RemoveService(web())), (IP_VS_SO_SET_DEL, named.clone()));
    assert_eq!(command(&Request::Zero(Some(web()))), (IP_VS_SO_SET_ZERO, named));
    assert_eq!(command(&Request::Zero(None)), (IP_VS_SO_SET_ZERO, vec![0; 44]));
    assert_eq!(command(&Request::Flush), (IP_VS_SO_SET_FLUSH, Vec::new()));
}

#[test]
fn writes_destinations() {
    let mut expected = key_bytes(6, [10, 1, 0, 1], [0, 80], 0);
    expected.resize(44, 0);
    let mut named = expected.clone();
    expected.extend(RS);
    let add = command(&Request::AddDestination(web(), rs()));
    assert_eq!(add, (IP_VS_SO_SET_ADDDEST, expected.clone()));
    let edit = command(&Request::EditDestination(web(), rs()));
    assert_eq!(edit, (IP_VS_SO_SET_EDITDEST, expected));
    named.extend(&RS[..8]);
    named.resize(68, 0);
    let remove = command(&Request::RemoveDestination(web(), rs().key));
    assert_eq!(remove, (IP_VS_SO_SET_DELDEST, named));
}

#[test]
fn writes_timeouts_and_daemons() {
    let timeouts = Timeouts { tcp: Some(900), tcp_fin: None, udp: Some(300) };
    let expected = vec![0x84, 3, 0, 0, 0, 0, 0, 0, 0x2c, 1, 0, 0];
    assert_eq!(command(&Request::SetTimeouts(timeouts)), (IP_VS_SO_SET_TIMEOUT, expected));

    let backup = Daemon {
        key: DaemonKey { role: DaemonRole::Backup, sync_id: 7 },
        interface: InterfaceName::new("eth0").unwrap(),
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    };
    let mut expected = vec![2, 0, 0, 0]; // state
    expected.extend(b"eth0\0\0\0\0\0\0\0\0\0\0\0\0"); // mcast_ifn
    expected.extend([7, 0, 0, 0]); // syncid
    let start = command(&Request::StartDaemon(backup.clone()));
    assert_eq!(start, (IP_VS_SO_SET_STARTDAEMON, expected.clone()));
    // The first of the two does not run.
    let both = [vec![0; 24], expected.clone()].concat();
    assert_eq!(daemons(&both), Ok(vec![backup.clone()]));
    expected[4..20].fill(0);
    assert_eq!(command(&Request::StopDaemon(backup.key)), (IP_VS_SO_SET_STOPDAEMON, expected));
    assert_eq!(daemons(&[0; 48]), Ok(Vec::new()));
    assert!(daemons(&[3; 24]).is_err());
}

#[test]
fn reads_services_with_their_counters() {
    let entry = [persistent_bytes(), vec![2, 0, 0, 0], COUNTERS.to_vec()].concat();
    let state = ServiceState { service: persistent(), stats: COUNTED, unknown: Vec::new() };
    assert_eq!(number_of_destinations(&entry), 2);
    assert_eq!(service_state(&entry), Ok(Some(state.clone())));
    // Room for two, of which one was filled.
    let table = [vec![2, 0, 0, 0, 0, 0, 0, 0], entry, vec![0; 104]].concat();
    assert_eq!(table.len(), services_length(2));
    assert_eq!(services(&table), Ok(vec![state]));
    assert_eq!(counted(&table), HashMap::from([(web(), 2)]));
}

#[test]
fn reads_destinations_with_their_counters() {
    let mut answer = key_bytes(6, [10, 1, 0, 1], [0, 80], 0);
    answer.extend([2, 0, 0, 0, 0, 0, 0, 0]); // num_dests, padding
    answer.extend(RS);
    answer.extend([11, 0, 0, 0, 12, 0, 0, 0, 13, 0, 0, 0]); // active, inactive, persistent
    answer.extend([0; 4]);
    answer.extend(COUNTERS);
    answer.resize(destinations_length(2), 0);
    let state = DestinationState {
        destination: rs(),
        active_connections: 11,
        inactive_connections: 12,
        persistent_connections: 13,
        stats: COUNTED,
        unknown: Vec::new(),
    };
    assert_eq!(destination_states(&answer), [state]);
    assert_eq!(listed(&answer, 1), Some(vec![rs()]));
    assert_eq!(listed(&answer, 2), None, "one has gone, or is of IPv6");
    // Above the mask there are other flags.
    put(&mut answer, DESTINATIONS + 8, &0x102u32.to_ne_bytes());
    let tunnel = Destination { forward: Forward::Tunnel(Tunnel::Ipip), ..rs() };
    assert_eq!(destination_states(&answer)[0].destination, tunnel);
    assert_eq!(listed(&answer, 1), None, "it may be another tunnel");
}

#[test]
fn asks_as_it_is_answered() {
    let mut services = vec![0; services_length(0)];
    put_services_request(&mut services, 3);
    assert_eq!(services, [3, 0, 0, 0, 0, 0, 0, 0]);
    let mut destinations = vec![0; destinations_length(0)];
    put_destinations_request(&mut destinations, &web(), 3);
    let mut expected = key_bytes(6, [10, 1, 0, 1], [0, 80], 0);
    expected.extend([3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(destinations, expected);
    let version = [1, 2, 1, 0, 0, 16, 0, 0, 5, 0, 0, 0];
    assert_eq!(info(&version), Info { version: (1, 2, 1), table_size: 4096 });
    assert_eq!(number_of_services(&version), 5);
    let set = Timeouts { tcp: Some(900), tcp_fin: Some(120), udp: Some(300) };
    let (_, answer) = command(&Request::SetTimeouts(set));
    assert_eq!(timeouts(&answer), set);
}

#[test]
fn reads_the_services_that_it_writes() {
    for text in ["tcp://10.0.0.1:80", "udp://10.0.0.1:65535", "sctp://0.0.0.1:1", "fwmark://9"] {
        for flags in 0..16u8 {
            let set = |bit: u8| flags & bit != 0;
            let wanted = Service {
                scheduler_flags: SchedulerFlags { first: set(1), second: set(2), third: set(4) },
                one_packet: set(8),
                ..Service::new(text.parse().unwrap(), Scheduler::new("fifteen-letters").unwrap())
            };
            let (_, mut entry) = command(&Request::AddService(wanted.clone()));
            entry.resize(SERVICE, 0);
            let read = service_state(&entry).unwrap().unwrap();
            assert_eq!(read.service, wanted);
        }
    }
    assert_eq!(service_state(&[0; SERVICE]), Ok(None));
}

#[test]
fn reads_the_destinations_that_it_writes() {
    let ipip = Forward::Tunnel(Tunnel::Ipip);
    for forward in [Forward::Direct, Forward::Nat, ipip, Forward::Other(4)] {
        let wanted = Destination { forward, upper_threshold: None, lower_threshold: None, ..rs() };
        let (_, value) = command(&Request::AddDestination(web(), wanted));
        assert_eq!(destination(&value[SERVICE_USER..]), wanted);
    }
}
