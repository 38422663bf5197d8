//! What is decoded, what is refused and where, and what is done about a difference.

use std::num::NonZeroU32;

use super::super::network::tests::{mistake, travelled};
use super::*;
use crate::netlink::ipvs::{Forward, Protocol, Scheduler, Stats, Tunnel};

const WEB: &str = "
vip: 192.168.0.89
port: 80
scheduler: rr
destinations:
  - address: 192.168.0.93
  - {address: 192.168.0.94, weight: 2}
";

fn key() -> ServiceKey {
    ServiceKey::address(Protocol::Tcp, [192, 168, 0, 89], 80)
}

fn real_server(last: u8, weight: u32) -> Destination {
    Destination { weight, ..Destination::new([192, 168, 0, last], 80, Forward::Direct) }
}

fn observed(service: Option<Service>, destinations: &[Destination]) -> Observed {
    // Counters that differ from nothing: they must not matter.
    let stats = Stats { connections: 7, ..Stats::default() };
    let state = |destination: &Destination| DestinationState {
        destination: *destination,
        active_connections: 3,
        inactive_connections: 4,
        persistent_connections: 5,
        stats,
        unknown: vec![],
    };
    Observed {
        service: service.map(|service| ServiceState { service, stats, unknown: vec![] }),
        destinations: destinations.iter().map(state).collect(),
    }
}

fn rr() -> Service {
    Service::new(key(), Scheduler::new("rr").unwrap())
}

fn shown(yaml: &str, observed: &Observed) -> Vec<String> {
    travelled::<IpvsService>(yaml).diff(observed).iter().map(ToString::to_string).collect()
}

#[test]
fn finds_nothing_to_do_when_all_is_equal() {
    let equal = observed(Some(rr()), &[real_server(94, 2), real_server(93, 1)]);
    assert!(shown(WEB, &equal).is_empty());
}

#[test]
fn adds_a_service_before_its_destinations() {
    assert_eq!(
        shown(WEB, &Observed::default()),
        [
            "add service tcp://192.168.0.89:80 rr",
            "add destination 192.168.0.93:80 direct weight 1 to tcp://192.168.0.89:80",
            "add destination 192.168.0.94:80 direct weight 2 to tcp://192.168.0.89:80",
        ]
    );
}

#[test]
fn adds_then_edits_then_removes() {
    let now = observed(Some(rr()), &[real_server(99, 1), real_server(94, 5)]);
    assert_eq!(
        shown(WEB, &now),
        [
            "add destination 192.168.0.93:80 direct weight 1 to tcp://192.168.0.89:80",
            "change destination 192.168.0.94:80 direct weight 2 of tcp://192.168.0.89:80 \
             (was 192.168.0.94:80 direct weight 5)",
            "remove destination 192.168.0.99:80 from tcp://192.168.0.89:80",
        ]
    );
}

#[test]
fn edits_a_service_in_place() {
    let wlc = Service::new(key(), Scheduler::new("wlc").unwrap());
    let now = observed(Some(wlc), &[real_server(93, 1), real_server(94, 2)]);
    assert_eq!(
        shown(WEB, &now),
        ["change service tcp://192.168.0.89:80 rr (was tcp://192.168.0.89:80 wlc)"]
    );
}

#[test]
fn keeps_weight_when_unset_and_sets_it_when_zero() {
    let drained = observed(Some(rr()), &[real_server(93, 0), real_server(94, 2)]);
    assert!(shown(WEB, &drained).is_empty());
    let zero = WEB.replace("weight: 2", "weight: 0");
    let changes = shown(&zero, &drained);
    assert_eq!(changes.len(), 1);
    assert!(changes[0].starts_with("change destination 192.168.0.94:80 direct weight 0"));
}

#[test]
fn leaves_destinations_alone_that_are_not_declared() {
    let only = "{vip: 192.168.0.89, port: 80, scheduler: rr}";
    assert!(shown(only, &observed(Some(rr()), &[real_server(93, 1)])).is_empty());
}

#[test]
fn removes_a_service_with_one_request() {
    let gone = "{vip: 192.168.0.89, port: 80, state: absent}";
    let now = observed(Some(rr()), &[real_server(93, 1)]);
    assert_eq!(shown(gone, &now), ["remove service tcp://192.168.0.89:80"]);
    assert!(shown(gone, &Observed::default()).is_empty());
}

#[test]
fn previews_the_table_before_and_after() {
    let web: IpvsService = travelled(WEB);
    let now = observed(Some(rr()), &[real_server(94, 2), real_server(9, 1)]);
    let preview = web.preview(&now).unwrap();
    assert_eq!(
        preview.before,
        "tcp://192.168.0.89:80 rr\n  -> 192.168.0.9:80 direct weight 1\n  \
         -> 192.168.0.94:80 direct weight 2\n"
    );
    assert_eq!(
        preview.after,
        "tcp://192.168.0.89:80 rr\n  -> 192.168.0.93:80 direct weight 1\n  \
         -> 192.168.0.94:80 direct weight 2\n"
    );
}

#[test]
fn understands_everything_a_service_can_have() {
    let all: IpvsService = travelled(
        "
name: voice
vip: fd00::89
port: 5060
protocol: udp
scheduler: mh
scheduler_flags: [mh-fallback, mh-port]
persistent: 300
netmask: 64
one_packet: true
persistence_engine: sip
forward: tunnel
tunnel: {type: gue, port: 6080, checksum: remote}
destinations:
  - {address: fd00::93, weight: 0, upper_threshold: 100, lower_threshold: 50}
  - {address: 10.0.0.2, tunnel: {type: gre, checksum: outer}}
  - {address: fd00::95, forward: masquerading, port: 5061}
",
    );
    assert_eq!(
        all.service.to_string(),
        "udp://[fd00::89]:5060 mh (mh-fallback,mh-port) persistent 300 mask /64 pe sip ops"
    );
    let destinations = all.destinations.unwrap();
    let lines: Vec<String> =
        destinations.iter().map(|declared| declared.destination.to_string()).collect();
    assert_eq!(
        lines,
        [
            "[fd00::93]:5060 tunnel gue:6080 remote checksum weight 0 upper threshold 100 \
             lower threshold 50",
            "10.0.0.2:5060 tunnel gre checksum weight 1",
            "[fd00::95]:5061 nat weight 1",
        ]
    );
}

#[test]
fn understands_both_words_for_a_method() {
    let ipip = Forward::Tunnel(Tunnel::Ipip);
    let words = [
        ("direct", Forward::Direct),
        ("gatewaying", Forward::Direct),
        ("nat", Forward::Nat),
        ("masquerading", Forward::Nat),
        ("tunnel", ipip),
        ("ipip", ipip),
    ];
    for (word, forward) in words {
        let yaml = format!(
            "{{vip: 10.0.0.1, port: 80, forward: {word}, destinations: [{{address: 10.0.0.2}}]}}"
        );
        let service: IpvsService = travelled(&yaml);
        assert_eq!(service.destinations.unwrap()[0].destination.forward, forward, "{word}");
    }
}

#[test]
fn understands_marked_packets() {
    let marked: IpvsService =
        travelled("{fwmark: 7, family: ipv6, destinations: [{address: 'fd00::2'}]}");
    let mark = NonZeroU32::new(7).unwrap();
    assert_eq!(marked.key().to_string(), "fwmark6://7");
    assert!(matches!(marked.key(), ServiceKey::Fwmark { mark: found, .. } if found == mark));
    assert_eq!(marked.destinations.unwrap()[0].key.port, 0);
}

#[test]
fn understands_a_service_in_one_word() {
    for (word, long) in [
        ("'10.0.0.1:80'", "vip: 10.0.0.1, port: 80"),
        ("'udp://[fd00::89]:53'", "vip: 'fd00::89', port: 53, protocol: udp"),
        ("fwmark6://7", "fwmark: 7, family: ipv6"),
    ] {
        let short: IpvsService = travelled(&format!("{{service: {word}}}"));
        assert_eq!(short.service, travelled::<IpvsService>(&format!("{{{long}}}")).service);
    }
}

#[test]
fn says_where_a_mistake_is_and_what_to_do() {
    let web = "vip: 10.0.0.1\nport: 80\n";
    let rs = "destinations:\n  - address: 10.0.0.2\n";
    let cases = [
        ("vip: 0.0.0.0\nport: 80".into(), "t.yml:1:6: address `0.0.0.0` is the unspecified"),
        ("vip: 224.0.0.9\nport: 80".into(), "t.yml:1:6: address `224.0.0.9` is a multicast"),
        ("vip: 10.0.0.300\nport: 80".into(), "t.yml:1:6: `10.0.0.300` is not an IP address"),
        ("vip: 10.0.0.1/24\nport: 80".into(), "leave the prefix length out"),
        ("vip: 10.0.0.1\nport: 70000".into(), "t.yml:2:7: expected a port: a whole number from 0"),
        ("vip: 10.0.0.1\nport: htttp".into(), "`htttp` is not a port of tcp (it is a number"),
        ("vip: 10.0.0.1\nport: -1".into(), "t.yml:2:7: expected a port"),
        ("vip: 10.0.0.1\nport: 0".into(), "needs persistence (give a port, or set"),
        ("vip: 10.0.0.1".into(), "`port` is missing"),
        ("port: 80".into(), "needs a `service`, a `vip` and a `port`, or"),
        ("fwmark: 7\nport: 80".into(), "`fwmark` excludes"),
        ("service: 10.0.0.1".into(), "t.yml:1:10: `10.0.0.1` is not a virtual service (its port"),
        ("service: '10.0.0.1:80'\nport: 80".into(), "`service` excludes"),
        ("fwmark: 0".into(), "t.yml:1:9: "),
        ("fwmark: 7\nprotocol: tcp".into(), "marked packets have no `protocol`"),
        (format!("{web}family: ipv4"), "`family` goes only with `fwmark`"),
        (format!("{web}protocol: icmp"), "t.yml:3:11: `icmp` is not known here"),
        (
            format!("{web}scheduler: wrrr"),
            "t.yml:3:12: unknown scheduler `wrrr` (did you mean `wrr`?",
        ),
        (format!("{web}scheduler: round-robin"), "did you mean `rr`?"),
        (format!("{web}scheduler: fastest"), "known here: rr, wrr"),
        (format!("{web}scheduler_flags: [sh-port]"), "does nothing with scheduler `wlc`"),
        (format!("{web}one_packet: yes"), "not for tcp"),
        (format!("{web}persistent: 0"), "t.yml:3:13: "),
        (format!("{web}persistent: 4000000000"), "longer than 31 days"),
        (format!("{web}netmask: 24"), "`netmask` goes only with `persistent`"),
        (format!("{web}persistent: 9\nnetmask: 255.0.255.0"), "t.yml:4:10: `255.0.255.0` is not"),
        (format!("{web}persistent: 9\nnetmask: 64"), "does not fit ipv4"),
        (format!("{web}persistence_engine: sip"), "needs persistence"),
        (format!("{web}persistence_engine: ftp"), "t.yml:3:21: `ftp` is not known here"),
        (format!("{web}destinations: []"), "t.yml:3:15: the list of destinations is empty"),
        (format!("{web}{rs}    port: 8080"), "has another port than `tcp://10.0.0.1:80`"),
        (format!("{web}{rs}    weight: -1"), "t.yml:5:13: "),
        (format!("{web}{rs}    weight: 3000000000"), "weight 3000000000 is above"),
        (format!("{web}{rs}    forward: magic"), "t.yml:5:14: `magic` is not known here"),
        (format!("{web}{rs}    tunnel: {{type: gre}}"), "is not forwarded by one"),
        (format!("{web}{rs}    lower_threshold: 5"), "no upper one above it"),
        (format!("{web}{rs}  - address: 10.0.0.2"), "`10.0.0.2:80` is there twice"),
        (format!("{web}destinations:\n  - address: fd00::2"), "another family"),
        (format!("{web}tunnel: {{type: gre}}"), "nothing is forwarded by one"),
        (format!("{web}forward: tunnel\ntunnel: {{type: gue}}\n{rs}"), "needs a `port`"),
        (format!("{web}forward: tunnel\ntunnel: {{port: 1}}\n{rs}"), "neither a port nor"),
        (
            format!("{web}schedular: rr"),
            "t.yml:3:1: unknown key `schedular` (did you mean `scheduler`?",
        ),
    ];
    for (yaml, part) in cases {
        let error = mistake::<IpvsService>(&yaml);
        assert!(error.contains(part), "{yaml}\ngives: {error}\nwhich does not say `{part}`");
    }
}

#[test]
fn an_address_alone_is_a_destination() {
    let web = "{vip: 10.0.0.1, port: 80, forward: nat, ";
    let short: IpvsService =
        travelled(&format!("{web}destinations: [10.0.0.2, '10.0.0.3:8080']}}"));
    let long: IpvsService = travelled(&format!(
        "{web}destinations: [{{address: 10.0.0.2}}, {{address: 10.0.0.3, port: 8080}}]}}"
    ));
    assert_eq!(short.destinations, long.destinations);
}

#[test]
fn takes_ports_by_their_names_and_sends_numbers_on() {
    let named: IpvsService = travelled(
        "{vip: 10.0.0.1, port: domain, protocol: udp, forward: nat, destinations: \
         [{address: 10.0.0.2, port: ntp}, '10.0.0.3:ntp', '10.0.0.4:5353', 10.0.0.5]}",
    );
    assert_eq!(named.key().to_string(), "udp://10.0.0.1:53");
    let destinations = named.destinations.as_deref().unwrap_or_default();
    let ports: Vec<u16> = destinations.iter().map(|one| one.key.port).collect();
    assert_eq!(ports, [123, 123, 5353, 53]);
    let sent = serde_json::to_value(&named).unwrap();
    assert_eq!((&sent["port"], &sent["destinations"][0]["port"]), (&53.into(), &123.into()));
}
