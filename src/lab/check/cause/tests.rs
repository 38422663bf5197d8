use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::num::{NonZeroU16, NonZeroU32};

use super::super::tests::{answers, arp_answers, lab, mac, table};
use super::*;
use crate::lab::probe::{
    Address, Answer, Failure, Link, Listener, Neighbour, Outcome, Response, Route, Stage, Table,
    Trouble, conf_name,
};
use crate::netlink::ipvs::{Checksum, Family, Forward, Netmask, Persistence, Scheduler, Tunnel};
use crate::netlink::route::Scope;

const VIP: [u8; 4] = [192, 168, 0, 89];

fn address(interface: &str, address: impl Into<IpAddr>, prefix: u8) -> Address {
    Address {
        interface: interface.into(),
        address: address.into(),
        prefix,
        scope: Scope::Global,
        tentative: false,
        duplicate: false,
    }
}

fn link(name: &str, last: u8) -> Link {
    Link {
        name: name.into(),
        up: true,
        running: true,
        loopback: name == "lo",
        kind: None,
        mac: Some(mac(last)),
        mtu: 1500,
    }
}

fn host(last: u8) -> State {
    let mut state = State {
        links: vec![link("lo", 0), link("eth0", last)],
        addresses: vec![address("lo", [127, 0, 0, 1], 8), address("eth0", [192, 168, 0, last], 24)],
        ..State::default()
    };
    state.routes.push(Route {
        destination: "192.168.0.0/24".parse().expect("literal"),
        gateway: None,
        interface: Some("eth0".into()),
        drops: None,
    });
    for interface in ["all", "default", "lo", "eth0"] {
        for key in ["arp_ignore", "arp_announce", "rp_filter", "proxy_arp"] {
            state.sysctls.insert(conf_name(interface, key), "0".into());
        }
    }
    state.sysctls.insert("net.ipv4.ip_forward".into(), "0".into());
    state
}

/// The demo's cluster as it should be, with direct routing.
fn cluster() -> States {
    let mut client = host(10);
    client.neighbours.push(Neighbour {
        address: VIP.into(),
        mac: mac(90),
        interface: "eth0".into(),
    });
    let mut director = host(90);
    director.addresses.push(address("eth0", VIP, 32));
    director.ipvs = Some(table());
    let mut states = IndexMap::from([("client".to_owned(), client), ("lb1".to_owned(), director)]);
    for (name, last) in [("rs1", 93), ("rs2", 94), ("rs3", 95)] {
        let mut server = host(last);
        server.addresses.push(address("lo", VIP, 32));
        server.sysctls.insert(conf_name("all", "arp_ignore"), "1".into());
        server.listening.push(Listener { address: [0, 0, 0, 0].into(), port: 80 });
        server.processes = BTreeMap::from([("nginx".into(), 3)]);
        server.ipvs = Some(Table::default());
        states.insert(name.into(), server);
    }
    states
}

type States = IndexMap<String, State>;
type Break = fn(&mut States);

fn set(states: &mut States, host: &str, key: &str, value: &str) {
    states[host].sysctls.insert(key.into(), value.into());
}

fn ipvs(states: &mut States) -> &mut VirtualService {
    &mut states["lb1"].ipvs.as_mut().expect("it is a director").services[0]
}

fn forward(states: &mut States, forward: Forward) {
    for row in &mut ipvs(states).destinations {
        row.destination.forward = forward;
    }
}

/// Balances by the mark 7 instead of the address.
fn by_mark(states: &mut States) {
    let mark = NonZeroU32::new(7).expect("a mark");
    ipvs(states).state.service.key = ServiceKey::Fwmark { family: Family::Ipv4, mark };
}

fn found(states: &States, seen: &Answers) -> Vec<Cause> {
    let lab = lab();
    let traffic = Traffic {
        client: "client",
        service: (VIP, 80).into(),
        servers: vec!["rs1", "rs2", "rs3"],
        in_turn: true,
        protocol: Protocol::Tcp,
        seen,
    };
    of_traffic(&traffic, &Scene { lab: &lab, states })
}

/// What an SCTP service has for causes when these endpoints are on `rs1`.
fn of_sctp(endpoints: Option<Vec<Listener>>) -> Vec<String> {
    let mut states = cluster();
    ipvs(&mut states).state.service.key =
        ServiceKey::address(Protocol::Sctp, IpAddr::from(VIP), 80);
    let listener = Listener { address: [0, 0, 0, 0].into(), port: 80 };
    for name in ["rs2", "rs3"] {
        states[name].endpoints = Some(vec![listener]);
    }
    states["rs1"].endpoints = endpoints;
    let seen = answers("! !");
    let traffic = Traffic {
        client: "client",
        service: (VIP, 80).into(),
        servers: Vec::new(),
        in_turn: false,
        protocol: Protocol::Sctp,
        seen: &seen,
    };
    let found = of_traffic(&traffic, &Scene { lab: &lab(), states: &states });
    found.into_iter().map(|cause| cause.message).collect()
}

#[test]
fn knows_who_listens_for_associations() {
    let at = |port: u16| Some(vec![Listener { address: [0, 0, 0, 0].into(), port }]);
    assert_eq!(of_sctp(at(80)), [""; 0]);
    assert_eq!(of_sctp(at(81)), ["nothing listens on port 80 on rs1"]);
    assert_eq!(of_sctp(Some(Vec::new())), ["nothing listens on port 80 on rs1"]);
    assert_eq!(of_sctp(None), [""; 0], "the kernel does not say");
}

#[test]
fn knows_which_servers_are_none_any_more() {
    let mut states = cluster();
    let leaving = |states: &States| -> Vec<String> {
        let scene = Scene { lab: &lab(), states };
        let found = of_leaving((VIP, 80).into(), &["rs1", "rs2"], &scene);
        found.into_iter().map(|cause| cause.message).collect()
    };
    assert_eq!(leaving(&states), [""; 0]);
    ipvs(&mut states).destinations.remove(1);
    assert_eq!(leaving(&states), ["rs2 is in lb1's table no more, so what was open is lost"]);
}

/// Each breaks a cluster that is right in one way; exactly that must be found.
#[test]
fn finds_exactly_what_is_wrong() {
    let cases: &[(&str, Break, &[&str])] = &[
        ("nothing_is_wrong", |_| (), &[]),
        (
            "destination_missing",
            |states| drop(ipvs(states).destinations.remove(1)),
            &["destination 192.168.0.94 (rs2) is missing from lb1's table"],
        ),
        (
            "service_missing",
            |states| states["lb1"].ipvs = Some(Table::default()),
            &["service 192.168.0.89:80 does not exist on lb1"],
        ),
        (
            "weight_zero",
            |states| ipvs(states).destinations[1].destination.weight = 0,
            &["the weight of 192.168.0.94:80 (rs2) is 0: it takes nothing new"],
        ),
        (
            "another_scheduler",
            |states| {
                ipvs(states).state.service.scheduler = Scheduler::new("wlc").expect("a scheduler")
            },
            &["the scheduler of tcp://192.168.0.89:80 is wlc, not rr"],
        ),
        (
            "unequal_weights",
            |states| {
                ipvs(states).state.service.scheduler = Scheduler::new("wrr").expect("a scheduler");
                ipvs(states).destinations[1].destination.weight = 3;
            },
            &["the scheduler is wrr, and the weights differ"],
        ),
        (
            "persistent",
            |states| {
                ipvs(states).state.service.persistence = Some(Persistence {
                    timeout: 300.try_into().expect("not zero"),
                    netmask: Netmask::V4([255; 4].into()),
                })
            },
            &["tcp://192.168.0.89:80 keeps a client on its real server: it is persistent"],
        ),
        (
            "foreign_destination",
            |states| {
                let mut more = ipvs(states).destinations[0].clone();
                more.destination.key.address = [192, 168, 0, 96].into();
                ipvs(states).destinations.push(more);
            },
            &[
                "destination 192.168.0.96:80 is in lb1's table, and not among the expected real servers",
            ],
        ),
        (
            "vip_not_on_the_director",
            |states| states["lb1"].addresses.retain(|one| one.address != IpAddr::from(VIP)),
            &["the VIP 192.168.0.89 is on no interface of lb1"],
        ),
        (
            "vip_not_on_a_real_server",
            |states| states["rs1"].addresses.retain(|one| one.address != IpAddr::from(VIP)),
            &[
                "the VIP 192.168.0.89 is not bound on rs1's lo, so rs1 drops what lb1 forwards to it",
            ],
        ),
        (
            "nginx_down",
            |states| {
                states["rs3"].listening.clear();
                states["rs3"].processes.clear();
            },
            &["nothing listens on port 80 on rs3 (nginx is not running)"],
        ),
        (
            "nginx_elsewhere",
            |states| states["rs3"].listening[0].port = 8080,
            &["nothing listens on port 80 on rs3"],
        ),
        (
            "nginx_deaf_for_the_vip",
            |states| states["rs3"].listening[0].address = [192, 168, 0, 95].into(),
            &["rs3 listens on port 80, but not for 192.168.0.89"],
        ),
        ("link_down", |states| states["rs2"].links[1].up = false, &["eth0 of rs2 is down"]),
        (
            "director_without_carrier",
            |states| states["lb1"].links[1].running = false,
            &["eth0 of lb1 has no carrier"],
        ),
        (
            "no_ipvs",
            |states| {
                states["lb1"].ipvs = None;
                states["lb1"].unread.push("this kernel has no IPVS".into());
            },
            &["the IPVS table of lb1 cannot be read"],
        ),
        (
            "past_the_director",
            |states| {
                states["client"].neighbours[0].mac = mac(94);
                set(states, "rs2", "net.ipv4.conf.all.arp_ignore", "0");
            },
            &[
                "rs2 answers ARP for the VIP 192.168.0.89: net.ipv4.conf.all.arp_ignore is 0 on rs2, \
         needs 1",
                "client sends what is for the VIP 192.168.0.89 to rs2, past the director lb1",
            ],
        ),
        (
            "arp_ignore_is_no_cause_while_the_client_goes_to_the_director",
            |states| set(states, "rs2", "net.ipv4.conf.all.arp_ignore", "0"),
            &[],
        ),
        (
            "nat_without_forwarding",
            |states| {
                forward(states, Forward::Nat);
                through_the_director(states);
            },
            &["the forwarding method is nat, but net.ipv4.ip_forward is 0 on lb1"],
        ),
        (
            "nat_past_the_director",
            |states| {
                forward(states, Forward::Nat);
                through_the_director(states);
                set(states, "lb1", "net.ipv4.ip_forward", "1");
                states["rs1"].routes.truncate(1);
            },
            &["rs1 answers 192.168.0.10 past lb1, so its replies are not translated"],
        ),
        (
            "a_host_is_two_destinations",
            |states| {
                forward(states, Forward::Nat);
                through_the_director(states);
                set(states, "lb1", "net.ipv4.ip_forward", "1");
                states["rs1"].routes.truncate(1);
                let again = ipvs(states).destinations[0].clone();
                ipvs(states).destinations.push(again);
            },
            &["rs1 answers 192.168.0.10 past lb1, so its replies are not translated"],
        ),
        (
            "the_source_may_be_the_director",
            |states| {
                forward(states, Forward::Nat);
                through_the_director(states);
                set(states, "lb1", "net.ipv4.ip_forward", "1");
                set(states, "lb1", "net.ipv4.vs.conntrack", "1");
                states["lb1"].sources.push("meta mark 1 masquerade".into());
                states["rs1"].routes.truncate(1);
            },
            &[],
        ),
        (
            "no_tunnel",
            |states| {
                forward(states, Forward::Tunnel(Tunnel::Ipip));
                for name in ["rs1", "rs2"] {
                    let mut tunnel = link("tunl0", 0);
                    tunnel.kind = Some("ipip".into());
                    states[name].links.push(tunnel);
                    set(states, name, "net.ipv4.conf.tunl0.rp_filter", "0");
                }
                set(states, "rs2", "net.ipv4.conf.tunl0.rp_filter", "1");
            },
            &["rp_filter drops what comes out of tunl0 on rs2", "no ipip interface is up on rs3"],
        ),
        (
            "a_tunnel_without_an_address",
            |states| {
                forward(states, Forward::Tunnel(Tunnel::Gre { checksum: false }));
                for name in ["rs1", "rs2", "rs3"] {
                    let mut tunnel = link("gre0", 0);
                    tunnel.kind = Some("gre".into());
                    states[name].links.push(tunnel);
                    states[name].addresses.push(address("gre0", VIP, 32));
                    set(states, name, "net.ipv4.conf.gre0.rp_filter", "2");
                }
                states["rs2"].addresses.pop();
            },
            &["rp_filter drops what comes out of gre0 on rs2"],
        ),
        (
            "nothing_unpacks_gue",
            |states| {
                let port = NonZeroU16::new(6080).expect("a port");
                forward(states, Forward::Tunnel(Tunnel::Gue { port, checksum: Checksum::None }));
                for name in ["rs1", "rs2", "rs3"] {
                    let mut tunnel = link("tunl0", 0);
                    tunnel.kind = Some("ipip".into());
                    states[name].links.push(tunnel);
                    let bound = Listener { address: [0, 0, 0, 0].into(), port: 6080 };
                    states[name].bound.push(bound);
                    set(states, name, "net.ipv4.conf.tunl0.rp_filter", "0");
                }
                states["rs3"].bound.clear();
            },
            &["nothing unpacks GUE at UDP port 6080 on rs3"],
        ),
        (
            "the_mark_is_another",
            |states| {
                by_mark(states);
                states["lb1"].marks = Some(vec!["tcp dport 80 meta mark set 0x00000008".into()]);
            },
            &["nothing on lb1 gives packets the mark of fwmark://7, so lb1 takes them itself"],
        ),
        (
            "the_mark_is_set",
            |states| {
                by_mark(states);
                states["lb1"].marks = Some(vec!["tcp dport 80 meta mark set 0x00000007".into()]);
            },
            &[],
        ),
        ("states_unknown", |states| states.clear(), &[]),
    ];
    for (case, change, expected) in cases {
        let mut states = cluster();
        change(&mut states);
        let causes = found(&states, &answers("rs1 rs2 rs3"));
        let messages: Vec<&str> = causes.iter().map(|cause| cause.message.as_str()).collect();
        assert_eq!(messages, *expected, "{case}");
        assert!(causes.iter().all(|cause| !cause.evidence.is_empty() && cause.host.is_some()));
    }
}

/// More specific than the network's own route, as where clients are elsewhere.
fn through_the_director(states: &mut States) {
    for name in ["rs1", "rs2", "rs3"] {
        states[name].routes.push(Route {
            destination: "192.168.0.10/32".parse().expect("literal"),
            gateway: Some([192, 168, 0, 90].into()),
            interface: Some("eth0".into()),
            drops: None,
        });
    }
}

#[test]
fn looks_at_no_director_when_a_real_server_was_asked_itself() {
    let mut states = cluster();
    states["rs1"].listening.clear();
    states["lb1"].ipvs = Some(Table::default());
    let lab = lab();
    let seen = answers("!");
    let service = ([192, 168, 0, 93], 80).into();
    let traffic = Traffic {
        client: "client",
        service,
        servers: Vec::new(),
        in_turn: false,
        protocol: Protocol::Tcp,
        seen: &seen,
    };
    let causes = of_traffic(&traffic, &Scene { lab: &lab, states: &states });
    let messages: Vec<&str> = causes.iter().map(|cause| cause.message.as_str()).collect();
    assert_eq!(messages, ["nothing listens on port 80 on rs1"]);
}

#[test]
fn claims_no_missing_service_where_a_mark_may_balance() {
    let mut states = cluster();
    ipvs(&mut states).state.service.key =
        ServiceKey::Fwmark { family: Family::Ipv4, mark: 7.try_into().expect("not zero") };
    assert_eq!(found(&states, &answers("rs1")), []);
}

#[test]
fn finds_a_client_without_a_route_and_what_nginx_says() {
    let mut states = cluster();
    states["client"].routes.clear();
    let mut seen = answers("! rs2");
    let Answer { outcome: Outcome::Failed(Failure { stage, trouble, .. }), .. } =
        &mut seen.requests[0]
    else {
        panic!("it failed")
    };
    (*stage, *trouble) = (Stage::Connect, Trouble::Unreachable);
    if let Outcome::Response(Response { status, .. }) = &mut seen.requests[1].outcome {
        *status = Some(403);
    }
    states["rs2"].nginx_errors.push("directory index of \"/srv/\" is forbidden".into());
    let causes = found(&states, &seen);
    assert_eq!(causes[0].message, "client has no route to 192.168.0.89");
    assert_eq!(causes[1].message, "rs2 answers with status 403");
    assert!(causes[1].evidence[0].contains("is forbidden"), "{causes:?}");
}

fn arp(change: Break, answering: &[u8]) -> Vec<Cause> {
    let mut states = cluster();
    change(&mut states);
    let lab = lab();
    let scene = Scene { lab: &lab, states: &states };
    of_resolution(VIP.into(), &["lb1"], &arp_answers(answering), &scene)
}

#[test]
fn finds_why_arp_is_wrong() {
    let cases: &[(&str, Break, &[u8], &[&str])] = &[
        (
            "arp_ignore",
            |states| set(states, "rs2", "net.ipv4.conf.all.arp_ignore", "0"),
            &[90, 94],
            &[
                "rs2 answers ARP for the VIP 192.168.0.89: net.ipv4.conf.all.arp_ignore is 0 on rs2, \
       needs 1",
            ],
        ),
        (
            "vip_on_the_wrong_interface",
            |states| states["rs2"].addresses.push(address("eth0", VIP, 32)),
            &[90, 94],
            &["rs2 answers ARP for the VIP 192.168.0.89: it has that address on eth0 itself"],
        ),
        (
            "proxy",
            |states| {
                states["rs2"].addresses.retain(|one| one.address != IpAddr::from(VIP));
                set(states, "rs2", "net.ipv4.conf.all.proxy_arp", "1");
            },
            &[90, 94],
            &[
                "rs2 answers ARP for the VIP 192.168.0.89: proxy_arp is on, and rs2 has a route to it",
            ],
        ),
        (
            "interface_setting_suffices",
            |states| {
                set(states, "rs2", "net.ipv4.conf.all.arp_ignore", "0");
                set(states, "rs2", "net.ipv4.conf.eth0.arp_ignore", "2");
            },
            &[90, 94],
            &[],
        ),
        (
            "vip_missing",
            |states| states["lb1"].addresses.retain(|one| one.address != IpAddr::from(VIP)),
            &[],
            &["the VIP 192.168.0.89 is on no interface of lb1"],
        ),
        ("down", |states| states["lb1"].links[1].up = false, &[], &["eth0 of lb1 is down"]),
        (
            "on_lo_and_ignored",
            |states| {
                states["lb1"].addresses[2].interface = "lo".into();
                set(states, "lb1", "net.ipv4.conf.all.arp_ignore", "1");
            },
            &[],
            &[
                "lb1 does not answer ARP for the VIP 192.168.0.89: it has it on lo alone, and arp_ignore \
       is 1",
            ],
        ),
        (
            "answers_nobody",
            |states| set(states, "lb1", "net.ipv4.conf.eth0.arp_ignore", "8"),
            &[],
            &[
                "lb1 does not answer ARP for the VIP 192.168.0.89: arp_ignore is 8, which answers for no \
       address",
            ],
        ),
        ("no_reason_known", |_| (), &[77], &[]),
    ];
    for (case, change, answering, expected) in cases {
        let causes = arp(*change, answering);
        let messages: Vec<&str> = causes.iter().map(|cause| cause.message.as_str()).collect();
        assert_eq!(messages, *expected, "{case}");
    }
}

#[test]
fn says_that_a_setting_of_lo_does_not_count() {
    let causes = arp(
        |states| {
            set(states, "rs2", "net.ipv4.conf.all.arp_ignore", "0");
            set(states, "rs2", "net.ipv4.conf.lo.arp_ignore", "1");
        },
        &[90, 94],
    );
    assert_eq!(
        causes[0].evidence,
        [
            "192.168.0.89/32 is on lo of rs2",
            "net.ipv4.conf.all.arp_ignore = 0",
            "net.ipv4.conf.eth0.arp_ignore = 0",
            "net.ipv4.conf.lo.arp_ignore = 1, which does not count: requests come in on eth0",
        ]
    );
}

const VIP_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x89);

/// The same cluster in IPv6, where real servers need no setting to be quiet.
fn ndp(change: Break, answering: &[u8]) -> Vec<Cause> {
    let mut states = cluster();
    for (name, last) in [("lb1", 90), ("rs1", 93), ("rs2", 94), ("rs3", 95)] {
        let own = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last);
        let interface = if name == "lb1" { "eth0" } else { "lo" };
        states[name].addresses.extend([address("eth0", own, 64), address(interface, VIP_V6, 128)]);
    }
    change(&mut states);
    let lab = lab();
    let scene = Scene { lab: &lab, states: &states };
    of_resolution(VIP_V6.into(), &["lb1"], &arp_answers(answering), &scene)
}

fn vip_of<'a>(states: &'a mut States, host: &str) -> &'a mut Address {
    let mut all = states[host].addresses.iter_mut();
    all.find(|one| one.address == IpAddr::from(VIP_V6)).expect("it has the VIP")
}

#[test]
fn finds_why_neighbour_discovery_is_wrong() {
    let cases: &[(&str, Break, &[u8], &[&str])] = &[
        (
            "vip_on_the_wrong_interface",
            |states| vip_of(states, "rs2").interface = "eth0".into(),
            &[90, 94],
            &["rs2 answers NDP for the VIP fd00::89: it has that address on eth0 itself"],
        ),
        (
            "proxy",
            |states| set(states, "rs2", "net.ipv6.conf.eth0.proxy_ndp", "1"),
            &[90, 94],
            &[
                "rs2 answers NDP for the VIP fd00::89: proxy_ndp is on, and it was told to stand in for it",
            ],
        ),
        ("settings_of_arp_do_not_count", |_| (), &[90, 94], &[]),
        (
            "vip_missing",
            |states| states["lb1"].addresses.retain(|one| one.address != IpAddr::from(VIP_V6)),
            &[],
            &["the VIP fd00::89 is on no interface of lb1"],
        ),
        ("down", |states| states["lb1"].links[1].up = false, &[], &["eth0 of lb1 is down"]),
        (
            "on_lo",
            |states| vip_of(states, "lb1").interface = "lo".into(),
            &[],
            &[
                "lb1 does not answer NDP for the VIP fd00::89: it has it on lo alone, and requests come \
       in on eth0",
            ],
        ),
        (
            "a_duplicate",
            |states| {
                let vip = vip_of(states, "lb1");
                (vip.tentative, vip.duplicate) = (true, true);
            },
            &[],
            &[
                "lb1 does not answer NDP for the VIP fd00::89: another host had it already when lb1 took \
       it",
            ],
        ),
        (
            "tentative",
            |states| vip_of(states, "lb1").tentative = true,
            &[],
            &[
                "lb1 does not answer NDP for the VIP fd00::89: lb1 is looking for duplicates of it still",
            ],
        ),
        ("no_reason_known", |_| (), &[77], &[]),
    ];
    for (case, change, answering, expected) in cases {
        let causes = ndp(*change, answering);
        let messages: Vec<&str> = causes.iter().map(|cause| cause.message.as_str()).collect();
        assert_eq!(messages, *expected, "{case}");
    }
}
