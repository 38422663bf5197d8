use std::num::{NonZeroU16, NonZeroU32};

use super::*;
use crate::netlink::InterfaceName;
use crate::netlink::ipvs::{Checksum, DaemonKey, DaemonRole, Engine, Persistence, Scheduler};
use crate::netlink::ipvs::{Error, Timeouts};

use super::super::Options;

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn service(text: &str) -> Service {
    Service::new(key(text), Scheduler::new("wlc").unwrap())
}

fn rs(forward: Forward) -> Destination {
    Destination::new([10, 9, 0, 3], 80, forward)
}

fn daemon() -> Daemon {
    Daemon {
        key: DaemonKey { role: DaemonRole::Master, sync_id: 7 },
        interface: InterfaceName::new("eth0").unwrap(),
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    }
}

fn persistence(netmask: Netmask) -> Option<Persistence> {
    Some(Persistence { timeout: NonZeroU32::new(300).unwrap(), netmask })
}

#[test]
fn says_what_there_is_no_option_for() {
    let v4 = key("tcp://10.1.0.1:80");
    let v6 = Destination::new([0xfd09, 0, 0, 0, 0, 0, 0, 3], 80, Forward::Tunnel(Tunnel::Ipip));
    let gue = Tunnel::Gue { port: NonZeroU16::new(6080).unwrap(), checksum: Checksum::None };
    let ipip_only = "takes no tunnels but those of IP in IP";
    let no_options = "takes no group, port, ttl or length of a sync daemon";
    let sip = Service {
        persistence: persistence(Netmask::single(Family::Ipv4)),
        engine: Engine::new("sip").ok(),
        ..service("udp://10.1.0.1:5060")
    };
    let mask = Service { persistence: persistence(Netmask::V6(64)), ..service("10.1.0.1:80") };
    let cases = [
        (Request::AddService(service("tcp://[fd01::1]:80")), "takes no IPv6 services"),
        (Request::EditService(service("fwmark6://7")), "takes no IPv6 services"),
        (Request::RemoveService(key("fwmark6://7")), "takes no IPv6 services"),
        (Request::Zero(Some(key("tcp://[fd01::1]:80"))), "takes no IPv6 services"),
        (Request::AddDestination(key("fwmark6://7"), rs(Forward::Nat)), "takes no IPv6 services"),
        (Request::AddService(sip), "takes no persistence engines"),
        (Request::AddService(mask), "takes no netmasks of IPv6"),
        (
            Request::RemoveService(ServiceKey::address(Protocol::Other(1), [10, 1, 0, 1], 1)),
            "takes no services but those of tcp, udp and sctp",
        ),
        (Request::AddDestination(v4, v6), "takes no IPv6 destinations"),
        (Request::EditDestination(v4, v6), "takes no IPv6 destinations"),
        (Request::RemoveDestination(v4, v6.key), "takes no IPv6 destinations"),
        (Request::AddDestination(v4, rs(Forward::Tunnel(gue))), ipip_only),
        (
            Request::EditDestination(v4, rs(Forward::Tunnel(Tunnel::Gre { checksum: true }))),
            ipip_only,
        ),
        (Request::AddDestination(v4, rs(Forward::Tunnel(Tunnel::Other(9)))), ipip_only),
        (
            Request::Zero(Some(key("tcp://0.0.0.0:0"))),
            "zeroes the counters of that service only with all others",
        ),
        (Request::StartDaemon(Daemon { max_length: Some(1400), ..daemon() }), no_options),
        (
            Request::StartDaemon(Daemon { group: Some([239, 1, 1, 1].into()), ..daemon() }),
            no_options,
        ),
        (Request::StartDaemon(Daemon { port: Some(9999), ..daemon() }), no_options),
        (Request::StartDaemon(Daemon { ttl: Some(2), ..daemon() }), no_options),
    ];
    for (request, lacks) in cases {
        let error = Options::check(&request).expect_err(lacks);
        let expected = format!("failed to {request}: IPVS of a user namespace {lacks}");
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, Error::UserNamespace { .. }), "{error:?}");
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains("run as root outside of the user namespace"), "{hint}");
    }
}

#[test]
fn takes_all_else() {
    let v4 = key("tcp://10.1.0.1:80");
    for request in [
        Request::AddService(service("sctp://10.1.0.1:80")),
        Request::EditService(service("fwmark://7")),
        Request::AddDestination(v4, rs(Forward::Tunnel(Tunnel::Ipip))),
        Request::EditDestination(key("fwmark://7"), rs(Forward::Direct)),
        Request::RemoveService(v4),
        Request::Zero(Some(key("fwmark://7"))),
        Request::Zero(None),
        Request::Flush,
        Request::SetTimeouts(Timeouts::default()),
        Request::StartDaemon(daemon()),
        Request::StopDaemon(daemon().key),
    ] {
        assert_eq!(of_request(&request), None, "{request}");
    }
}

#[test]
fn has_no_scheduler_loaded_that_must_not_be_loaded_then() {
    for name in ["lblc", "lblcr"] {
        let new = Service::new(key("tcp://10.1.0.1:80"), Scheduler::new(name).unwrap());
        let lack = of_request(&Request::AddService(new));
        let expected = format!("takes no scheduler {name}, unless root had it loaded");
        let loaded = Path::new("/sys/module").join(format!("ip_vs_{name}")).exists();
        assert_eq!(lack, (!loaded).then_some(expected.as_str()));
    }
}
