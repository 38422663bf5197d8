//! Held against bytes: replies that kernel 6.1 sent, and requests that ipvsadm 1.31 sent.
//!
//! The captures are of a little-endian machine, and so are these tests.
#![cfg(target_endian = "little")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU16, NonZeroU32};

use super::super::message::{self, Request};
use super::super::*;
use crate::netlink::wire::Writer;
use crate::netlink::{InterfaceName, generic};

/// Reads bytes written as hexadecimal digits; from `#` to the end of a line is a comment.
fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or("").chars())
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The counters of an idle service, as 32 and as 64 bits.
const IDLE: &str = "
    5c00 0a00                          # STATS: 92 bytes
      0800 0100 00000000  0800 0200 00000000  0800 0300 00000000
      0c00 0400 0000000000000000  0c00 0500 0000000000000000
      0800 0600 00000000  0800 0700 00000000  0800 0800 00000000
      0800 0900 00000000  0800 0a00 00000000
    7c00 0c00                          # STATS64: 124 bytes
      0c00 0100 0000000000000000  0c00 0200 0000000000000000
      0c00 0300 0000000000000000  0c00 0400 0000000000000000
      0c00 0500 0000000000000000  0c00 0600 0000000000000000
      0c00 0700 0000000000000000  0c00 0800 0000000000000000
      0c00 0900 0000000000000000  0c00 0a00 0000000000000000
";

/// After one connection: `-A -t 10.0.0.1:80 -s rr -p 50`.
const PERSISTENT_SERVICE: &str = "
  01 01 0000                           # genlmsghdr: IPVS_CMD_NEW_SERVICE, version 1
  2c01 0100                            # IPVS_CMD_ATTR_SERVICE: 300 bytes
    0600 0100 0200 0000                # AF: AF_INET, padding
    0600 0200 0600 0000                # PROTOCOL: TCP
    1400 0300 0a000001 000000000000000000000000  # ADDR: 10.0.0.1 in 16 bytes
    0600 0400 0050 0000                # PORT: 80, big-endian
    0700 0600 727200 00                # SCHED_NAME: rr
    0c00 0700 03000000 ffffffff        # FLAGS: persistent, hashed; mask
    0800 0800 32000000                 # TIMEOUT: 50
    0800 0900 ffffffff                 # NETMASK
    5c00 0a00                          # STATS: 92 bytes
      0800 0100 01000000               # CONNS
      0800 0200 01000000               # INPKTS
      0800 0300 01000000               # OUTPKTS
      0c00 0400 3c00000000000000       # INBYTES, 64 bits even here
      0c00 0500 2800000000000000       # OUTBYTES
      0800 0600 00000000               # CPS
      0800 0700 00000000               # INPPS
      0800 0800 00000000               # OUTPPS
      0800 0900 07000000               # INBPS
      0800 0a00 05000000               # OUTBPS
    7c00 0c00                          # STATS64: 124 bytes
      0c00 0100 0100000000000000  0c00 0200 0100000000000000
      0c00 0300 0100000000000000  0c00 0400 3c00000000000000
      0c00 0500 2800000000000000  0c00 0600 0000000000000000
      0c00 0700 0000000000000000  0c00 0800 0000000000000000
      0c00 0900 0700000000000000  0c00 0a00 0500000000000000
";

/// `-A -t [fd00::1]:443 -s sh -p 300 -M 64 -b sh-fallback,sh-port`.
const V6_SERVICE: &str = "
  01 01 0000
  2c01 0100
    0600 0100 0a00 0000                # AF: AF_INET6
    0600 0200 0600 0000
    1400 0300 fd000000000000000000000000000001
    0600 0400 01bb 0000                # PORT: 443
    0700 0600 736800 00                # SCHED_NAME: sh
    0c00 0700 1b000000 ffffffff        # FLAGS: persistent, hashed, sched1, sched2
    0800 0800 2c010000                 # TIMEOUT: 300
    0800 0900 40000000                 # NETMASK: a prefix length in the host's order
";

/// `-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip -o`.
const SIP_SERVICE: &str = "
  01 01 0000
  3401 0100
    0600 0100 0200 0000
    0600 0200 1100 0000                # PROTOCOL: UDP
    1400 0300 0a000001 000000000000000000000000
    0600 0400 13c4 0000                # PORT: 5060
    0700 0600 727200 00
    0800 0b00 73697000                 # PE_NAME: sip
    0c00 0700 07000000 ffffffff        # FLAGS: persistent, hashed, one packet
    0800 0800 3c000000
    0800 0900 ffffffff
";

/// `-A -f 5 -6 -s mh`.
const FWMARK_SERVICE: &str = "
  01 01 0000
  1001 0100
    0600 0100 0a00 0000                # AF: AF_INET6
    0800 0500 05000000                 # FWMARK: 5, and neither protocol, address nor port
    0700 0600 6d6800 00                # SCHED_NAME: mh
    0c00 0700 02000000 ffffffff        # FLAGS: hashed
    0800 0800 00000000                 # TIMEOUT: 0
    0800 0900 80000000                 # NETMASK: 128
";

fn key(protocol: Protocol, address: &str, port: u16) -> ServiceKey {
    ServiceKey::Address { protocol, address: address.parse().unwrap(), port }
}

fn named(key: ServiceKey, scheduler: &str) -> Service {
    Service::new(key, Scheduler::new(scheduler).unwrap())
}

fn persistent(timeout: u32, netmask: Netmask) -> Option<Persistence> {
    Some(Persistence { timeout: NonZeroU32::new(timeout).unwrap(), netmask })
}

fn services() -> Vec<(String, Service)> {
    let single = Netmask::V4(Ipv4Addr::BROADCAST);
    let v6 = key(Protocol::Tcp, "fd00::1", 443);
    let sip = key(Protocol::Udp, "10.0.0.1", 5060);
    let mark = ServiceKey::Fwmark { family: Family::Ipv6, mark: NonZeroU32::new(5).unwrap() };
    vec![
        (
            PERSISTENT_SERVICE.into(),
            Service {
                persistence: persistent(50, single),
                ..named(key(Protocol::Tcp, "10.0.0.1", 80), "rr")
            },
        ),
        (
            format!("{V6_SERVICE}{IDLE}"),
            Service {
                persistence: persistent(300, Netmask::V6(64)),
                scheduler_flags: SchedulerFlags { first: true, second: true, third: false },
                ..named(v6, "sh")
            },
        ),
        (
            format!("{SIP_SERVICE}{IDLE}"),
            Service {
                persistence: persistent(60, single),
                one_packet: true,
                engine: Engine::new("sip").ok(),
                ..named(sip, "rr")
            },
        ),
        (format!("{FWMARK_SERVICE}{IDLE}"), named(mark, "mh")),
    ]
}

#[test]
fn reads_services_as_the_kernel_sends_them() {
    for (capture, service) in services() {
        let state = message::service(&bytes(&capture)).unwrap();
        assert_eq!(state.service, service);
        assert_eq!(state.unknown, []);
    }
}

#[test]
fn reads_counters_apart_from_what_is_declared() {
    let expected = Stats {
        connections: 1,
        packets_in: 1,
        packets_out: 1,
        bytes_in: 60,
        bytes_out: 40,
        byte_rate_in: 7,
        byte_rate_out: 5,
        ..Stats::default()
    };
    let whole = bytes(PERSISTENT_SERVICE);
    assert_eq!(message::service(&whole).unwrap().stats, expected);
    // A kernel older than 4.1 sends no STATS64: the same without its last 124 bytes.
    let mut old = whole[..whole.len() - 124].to_vec();
    old[4..6].copy_from_slice(&(300u16 - 124).to_le_bytes());
    assert_eq!(message::service(&old).unwrap().stats, expected);
}

/// What comes before and after the fields that differ between the destinations below.
fn destination_capture(fields: &str) -> Vec<u8> {
    bytes(&format!("05 01 0000  5001 0200  {fields} {IDLE}"))
}

const IPIP_WITH_THRESHOLDS: &str = "
    1400 0100 0a000004 000000000000000000000000  # ADDR: 10.0.0.4 in 16 bytes
    0600 0200 0050 0000                # PORT: 80, big-endian
    0800 0300 02000000                 # FWD_METHOD: tunnel
    0800 0400 00000100                 # WEIGHT: 65536
    0500 0d00 00 000000                # TUN_TYPE: ipip
    0600 0e00 0000 0000                # TUN_PORT
    0600 0f00 0000 0000                # TUN_FLAGS
    0800 0500 64000000                 # U_THRESH: 100
    0800 0600 32000000                 # L_THRESH: 50
    0800 0700 00000000                 # ACTIVE_CONNS
    0800 0800 00000000                 # INACT_CONNS
    0800 0900 00000000                 # PERSIST_CONNS
    0600 0b00 0200 0000                # ADDR_FAMILY: AF_INET, after the address
";

const GUE_WITH_REMOTE_CHECKSUM: &str = "
    1400 0100 0a000007 000000000000000000000000
    0600 0200 0050 0000
    0800 0300 02000000
    0800 0400 01000000
    0500 0d00 01 000000                # TUN_TYPE: gue
    0600 0e00 17c0 0000                # TUN_PORT: 6080, big-endian
    0600 0f00 0200 0000                # TUN_FLAGS: remcsum, host order
    0800 0500 00000000  0800 0600 00000000
    0800 0700 00000000  0800 0800 00000000  0800 0900 00000000
    0600 0b00 0200 0000
";

const V6_OF_A_V4_SERVICE: &str = "
    1400 0100 fd000000000000000000000000000009
    0600 0200 0050 0000
    0800 0300 02000000
    0800 0400 01000000
    0500 0d00 00 000000  0600 0e00 0000 0000  0600 0f00 0000 0000
    0800 0500 00000000  0800 0600 00000000
    0800 0700 00000000  0800 0800 00000000  0800 0900 00000000
    0600 0b00 0a00 0000                # ADDR_FAMILY: AF_INET6
";

const NAT_OF_WEIGHT_0: &str = "
    1400 0100 0a000003 000000000000000000000000
    0600 0200 1f90 0000                # PORT: 8080
    0800 0300 00000000                 # FWD_METHOD: masquerading
    0800 0400 00000000                 # WEIGHT: 0
    0500 0d00 00 000000  0600 0e00 0000 0000  0600 0f00 0000 0000
    0800 0500 00000000  0800 0600 00000000
    0800 0700 02000000                 # ACTIVE_CONNS
    0800 0800 03000000                 # INACT_CONNS
    0800 0900 04000000                 # PERSIST_CONNS
    0600 0b00 0200 0000
";

fn destinations() -> Vec<(&'static str, Destination)> {
    let port = NonZeroU16::new(6080).unwrap();
    let gue = Forward::Tunnel(Tunnel::Gue { port, checksum: Checksum::Remote });
    let ipip = Forward::Tunnel(Tunnel::Ipip);
    vec![
        (
            IPIP_WITH_THRESHOLDS,
            Destination {
                weight: 65536,
                upper_threshold: NonZeroU32::new(100),
                lower_threshold: NonZeroU32::new(50),
                ..Destination::new([10, 0, 0, 4], 80, ipip)
            },
        ),
        (GUE_WITH_REMOTE_CHECKSUM, Destination::new([10, 0, 0, 7], 80, gue)),
        (V6_OF_A_V4_SERVICE, Destination::new([0xfd00, 0, 0, 0, 0, 0, 0, 9], 80, ipip)),
        (
            NAT_OF_WEIGHT_0,
            Destination { weight: 0, ..Destination::new([10, 0, 0, 3], 8080, Forward::Nat) },
        ),
    ]
}

#[test]
fn reads_destinations_as_the_kernel_sends_them() {
    for (capture, destination) in destinations() {
        let state = message::destination(&destination_capture(capture), Family::Ipv4).unwrap();
        assert_eq!(state.destination, destination);
        assert_eq!(state.unknown, []);
    }
    let busy = message::destination(&destination_capture(NAT_OF_WEIGHT_0), Family::Ipv4).unwrap();
    let connections =
        (busy.active_connections, busy.inactive_connections, busy.persistent_connections);
    assert_eq!(connections, (2, 3, 4));
}

#[test]
fn reads_daemons_timeouts_and_info_as_the_kernel_sends_them() {
    let daemon = message::daemon(&bytes(
        "09 01 0000                    # IPVS_CMD_NEW_DAEMON
         3c00 0300                     # IPVS_CMD_ATTR_DAEMON
           0800 0100 01000000          # STATE: master
           0700 0200 643000 00         # MCAST_IFN: d0
           0800 0300 09000000          # SYNC_ID: 9
           0600 0400 7805 0000         # SYNC_MAXLEN: 1400
           0600 0700 2723 0000         # MCAST_PORT: 8999, host order
           0500 0800 03 000000         # MCAST_TTL: 3
           0800 0500 ef010203          # MCAST_GROUP: 239.1.2.3",
    ));
    assert_eq!(daemon, Ok(master()));
    let timeouts = message::timeouts(&bytes(
        "0c 01 0000                    # IPVS_CMD_SET_CONFIG
         0800 0400 84030000            # TIMEOUT_TCP: 900
         0800 0500 78000000            # TIMEOUT_TCP_FIN: 120
         0800 0600 2c010000            # TIMEOUT_UDP: 300",
    ));
    assert_eq!(timeouts, Ok(Timeouts { tcp: Some(900), tcp_fin: Some(120), udp: Some(300) }));
    let info = message::info(&bytes(
        "0e 01 0000                    # IPVS_CMD_SET_INFO
         0800 0100 01020100            # VERSION: 0x010201
         0800 0200 00100000            # CONN_TAB_SIZE: 4096",
    ));
    assert_eq!(info, Ok(Info { version: (1, 2, 1), table_size: 4096 }));
}

fn master() -> Daemon {
    Daemon {
        key: DaemonKey { role: DaemonRole::Master, sync_id: 9 },
        interface: InterfaceName::new("d0").unwrap(),
        max_length: Some(1400),
        group: Some(Ipv4Addr::new(239, 1, 2, 3).into()),
        port: Some(8999),
        ttl: Some(3),
    }
}

#[test]
fn reads_the_number_of_the_family() {
    let capture = bytes(
        "01 02 0000                    # CTRL_CMD_NEWFAMILY
         0900 0200 4950565300 000000   # FAMILY_NAME: IPVS
         0600 0100 2000 0000           # FAMILY_ID: 32
         0800 0300 01000000            # VERSION",
    );
    assert_eq!(generic::family(&capture), Ok(32));
    assert_eq!(generic::named_family(&capture), Ok(("IPVS".into(), 32)));
}

#[test]
fn writes_services_as_ipvsadm_does() {
    // -A -u 10.0.0.7:5060 -p 60 -M 255.255.255.0 --pe sip -o
    let mask = Netmask::V4(Ipv4Addr::new(255, 255, 255, 0));
    let sip = Service {
        persistence: persistent(60, mask),
        one_packet: true,
        engine: Engine::new("sip").ok(),
        ..named(key(Protocol::Udp, "10.0.0.7", 5060), "wlc")
    };
    // -A -f 5 -6 -s sh -b sh-port -p 60 -M 64
    let mark = ServiceKey::Fwmark { family: Family::Ipv6, mark: NonZeroU32::new(5).unwrap() };
    let marked = Service {
        persistence: persistent(60, Netmask::V6(64)),
        scheduler_flags: SchedulerFlags { second: true, ..SchedulerFlags::default() },
        ..named(mark, "sh")
    };
    // Only the mask differs: ipvsadm claims every flag, we only those that are declared.
    let cases = [
        (
            sip,
            "01 01 0000                # IPVS_CMD_NEW_SERVICE
             5c00 0180                 # IPVS_CMD_ATTR_SERVICE, nested
               0600 0100 0200 0000     # AF
               0600 0200 1100 0000     # PROTOCOL
               1400 0300 0a000007 000000000000000000000000
               0600 0400 13c4 0000     # PORT
               0800 0600 776c6300      # SCHED_NAME: wlc
               0800 0b00 73697000      # PE_NAME: sip
               0c00 0700 05000000 3d000000  # FLAGS: persistent, one packet; mask
               0800 0800 3c000000      # TIMEOUT
               0800 0900 ffffff00      # NETMASK, big-endian",
        ),
        (
            marked,
            "01 01 0000
             3800 0180
               0600 0100 0a00 0000     # AF
               0800 0500 05000000      # FWMARK
               0700 0600 736800 00     # SCHED_NAME: sh
               0c00 0700 11000000 3d000000  # FLAGS: persistent, sched2; mask
               0800 0800 3c000000
               0800 0900 40000000      # NETMASK: 64, host order",
        ),
    ];
    for (service, capture) in cases {
        assert_eq!(Request::AddService(service).encode(), bytes(capture));
    }
}

#[test]
fn writes_destinations_and_daemons_as_ipvsadm_does() {
    // -a -t 10.0.0.7:80 -r 10.0.0.9 -i --tun-type gue --tun-port 6080 --tun-csum -w 5 -x 100 -y 50
    let port = NonZeroU16::new(6080).unwrap();
    let gue = Forward::Tunnel(Tunnel::Gue { port, checksum: Checksum::Outer });
    let destination = Destination {
        weight: 5,
        upper_threshold: NonZeroU32::new(100),
        lower_threshold: NonZeroU32::new(50),
        ..Destination::new([10, 0, 0, 9], 80, gue)
    };
    let add = Request::AddDestination(key(Protocol::Tcp, "10.0.0.7", 80), destination);
    // ipvsadm describes the whole service here; its key is enough.
    let expected = "
      05 01 0000                       # IPVS_CMD_NEW_DEST
      3000 0180                        # IPVS_CMD_ATTR_SERVICE, nested
        0600 0100 0200 0000  0600 0200 0600 0000
        1400 0300 0a000007 000000000000000000000000
        0600 0400 0050 0000
      6000 0280                        # IPVS_CMD_ATTR_DEST, nested
        0600 0b00 0200 0000            # ADDR_FAMILY
        1400 0100 0a000009 000000000000000000000000
        0600 0200 0050 0000            # PORT
        0800 0300 02000000             # FWD_METHOD: tunnel
        0800 0400 05000000             # WEIGHT
        0500 0d00 01 000000            # TUN_TYPE: gue
        0600 0e00 17c0 0000            # TUN_PORT: 6080, big-endian
        0600 0f00 0100 0000            # TUN_FLAGS: csum
        0800 0500 64000000             # U_THRESH
        0800 0600 32000000             # L_THRESH";
    assert_eq!(add.encode(), bytes(expected));
    // --start-daemon backup --mcast-interface lo --syncid 4
    let start = Request::StartDaemon(Daemon {
        key: DaemonKey { role: DaemonRole::Backup, sync_id: 4 },
        interface: InterfaceName::loopback(),
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    });
    let expected = "
      09 01 0000  1c00 0380            # IPVS_CMD_NEW_DAEMON, IPVS_CMD_ATTR_DAEMON, nested
        0800 0100 02000000             # STATE: backup
        0800 0300 04000000             # SYNC_ID, which ipvsadm sends last
        0700 0200 6c6f00 00            # MCAST_IFN: lo";
    assert_eq!(start.encode(), bytes(expected));
}

#[test]
fn names_nothing_but_the_key_where_that_is_enough() {
    let web = key(Protocol::Tcp, "10.0.0.1", 80);
    let cases = [
        (Request::RemoveService(web), 3, 1),
        (Request::Zero(Some(web)), 16, 1),
        (Request::Zero(None), 16, 0),
        (Request::Flush, 17, 0),
    ];
    for (request, command, attributes) in cases {
        let encoded = request.encode();
        assert_eq!(encoded[0], command, "{request}");
        let found = crate::netlink::wire::Attributes(&encoded[4..]).count();
        assert_eq!(found, attributes, "{request}");
    }
    let old = DestinationKey { address: Ipv6Addr::LOCALHOST.into(), port: 80 };
    let removal = Request::RemoveDestination(web, old).encode();
    let expected = "
      07 01 0000
      3000 0180 0600 0100 0200 0000  0600 0200 0600 0000
        1400 0300 0a000001 000000000000000000000000  0600 0400 0050 0000
      2800 0280                        # a destination without anything but its key
        0600 0b00 0a00 0000  1400 0100 00000000000000000000000000000001  0600 0200 0050 0000";
    assert_eq!(removal, bytes(expected));
}

#[test]
fn brings_back_every_destination_it_writes() {
    let tunnels = [Checksum::None, Checksum::Outer, Checksum::Remote]
        .map(|checksum| Tunnel::Gue { port: NonZeroU16::MAX, checksum })
        .into_iter()
        .chain([true, false].map(|checksum| Tunnel::Gre { checksum }))
        .chain([Tunnel::Ipip, Tunnel::Other(9)])
        .map(Forward::Tunnel);
    let forwards = tunnels.chain([Forward::Direct, Forward::Nat, Forward::Other(4)]);
    let addresses = [IpAddr::from([10, 0, 0, 2]), IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 2])];
    for forward in forwards {
        for address in addresses {
            let destination = Destination {
                weight: i32::MAX as u32,
                upper_threshold: NonZeroU32::new(7),
                ..Destination::new(address, 65535, forward)
            };
            let mut out = Writer::default();
            super::write_destination(&mut out, &destination);
            let read =
                super::read_destination(crate::netlink::wire::Attributes(&out.0), Family::Ipv4);
            assert_eq!(read.unwrap().destination, destination);
        }
    }
}

#[test]
fn brings_back_every_service_and_daemon_it_writes() {
    let mut all: Vec<Service> = services().into_iter().map(|(_, service)| service).collect();
    all.push(named(key(Protocol::Sctp, "10.0.0.1", 0), "wlc"));
    all.push(named(key(Protocol::Other(47), "0.0.0.0", 1), "a-new-scheduler"));
    for service in all {
        let mut out = Writer::default();
        super::write_service(&mut out, &service);
        let read = super::read_service(crate::netlink::wire::Attributes(&out.0)).unwrap();
        assert_eq!(read.service, service);
    }
    let v6 = Daemon { group: Some("ff02::81".parse().unwrap()), ..master() };
    for daemon in [master(), v6] {
        let mut out = Writer::default();
        super::write_daemon(&mut out, &daemon);
        assert_eq!(super::read_daemon(crate::netlink::wire::Attributes(&out.0)), Ok(daemon));
    }
}

#[test]
fn keeps_what_it_does_not_know() {
    let mut capture = bytes(PERSISTENT_SERVICE);
    capture.extend(bytes("0800 6300 2a000000"));
    capture[4..6].copy_from_slice(&(300u16 + 8).to_le_bytes());
    let state = message::service(&capture).unwrap();
    assert_eq!(state.unknown, [Unknown { kind: 99, value: vec![42, 0, 0, 0] }]);
}

#[test]
fn survives_replies_that_are_cut_short_or_corrupt() {
    let mut captures: Vec<Vec<u8>> = services().iter().map(|(capture, _)| bytes(capture)).collect();
    captures.extend(destinations().iter().map(|(capture, _)| destination_capture(capture)));
    let decode = |body: &[u8]| {
        // None of them may panic or go on for ever; what they answer does not matter here.
        let _ = (message::service(body), message::destination(body, Family::Ipv6));
        let _ = (message::daemon(body), message::timeouts(body), message::info(body));
        let _ = generic::named_family(body);
    };
    for capture in captures {
        for end in 0..capture.len() {
            decode(&capture[..end]);
            let cut_inside = message::service(&capture[..end]).is_ok();
            assert!(!cut_inside, "a service cut at {end} was taken for a whole one");
        }
        for at in 0..capture.len() {
            for value in [0, 1, 3, 4, 0x7f, 0x80, 0xff] {
                let mut corrupt = capture.clone();
                corrupt[at] = value;
                decode(&corrupt);
            }
        }
    }
}
