use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use indexmap::IndexMap;
use rstest::rstest;
use serde_json::Value;

use super::super::LabHost;
use super::super::tests::{check, check_error, lab, table};
use super::*;
use crate::lab::model::View;
use crate::lab::probe::{
    Address, Failure, Held, Link, Opened, Probe, Scheduled, Stage, State, Trouble, VirtualService,
};
use crate::netlink::ipvs::{Connection, DestinationState, Protocol, Scheduler, SchedulerFlags};
use crate::netlink::route::Scope;

const WRITTEN: &str = "from: client, service: 'tcp://192.168.0.89:80', requests: 6";

fn written(more: &str) -> Scheduling {
    check(&format!("{{ {WRITTEN}, {more} }}"))
}

/// rs1 to rs3, with as many open connections as there are names, and these weights.
fn view(open: &[&str], weights: [u32; 3]) -> View {
    let mut rows: Vec<DestinationState> = table().services[0].destinations.clone();
    for (row, (name, weight)) in rows.iter_mut().zip(["rs1", "rs2", "rs3"].iter().zip(weights)) {
        row.active_connections = open.iter().filter(|one| *one == name).count() as u32;
        row.destination.weight = weight;
    }
    View::observed(SchedulerFlags::default(), &rows)
}

fn key(name: &str) -> Option<DestinationKey> {
    let last = name.strip_prefix("rs").and_then(|number| number.parse::<u8>().ok())?;
    Some(DestinationKey { address: [192, 168, 0, 92 + last].into(), port: 80 })
}

fn client(number: u16) -> SocketAddr {
    ([192, 168, 0, 10], 40_000 + number).into()
}

/// Connections that all stay open, by who took them; `-` for one that was refused by the
/// director, `rs2!` for one that rs2 did not answer.
fn course(scheduler: &str, weights: [u32; 3], names: &str) -> Course {
    let mut service = table().services[0].state.service.clone();
    service.scheduler = Scheduler::new(scheduler).expect("a scheduler");
    let names: Vec<&str> = names.split_whitespace().collect();
    let step = |(number, name): (usize, &&str)| {
        let plain = name.trim_end_matches('!');
        let failure = (plain != *name || plain == "-").then(|| Failure {
            stage: Stage::Connect,
            trouble: Trouble::Refused,
            message: "connection refused".into(),
        });
        Step {
            client: client(number as u16),
            view: view(&names[..number], weights),
            after: view(&names[..=number], weights),
            known: Vec::new(),
            expires: false,
            chosen: key(plain),
            failure,
        }
    };
    let steps = names.iter().enumerate().map(step).collect();
    Course { director: "lb1".into(), service: Some(service), steps }
}

#[rstest]
#[case::in_turn("rr", "rs3 rs1 rs2 rs3 rs1 rs2", &[])]
#[case::out_of_turn(
    "rr",
    "rs3 rs1 rs3 rs2",
    &["connection 3, from 192.168.0.10:40002, went to `rs3`, but rr sends it to `rs2`: \
       its turn comes after rs1"]
)]
#[case::fewest("lc", "rs1 rs2 rs3 rs1", &[])]
#[case::not_fewest(
    "lc",
    "rs1 rs1 rs2",
    &["connection 2, from 192.168.0.10:40001, went to `rs1`, but lc sends it to `rs2`: \
       256 × 0 active + 3 inactive = 3: the least, and the first of 2 with as much"]
)]
#[case::a_stranger(
    "rr",
    "rs3 rs9",
    &["connection 2, from 192.168.0.10:40001, went to `192.168.0.101:80`, but rr sends it to \
       `rs1`: its turn comes after rs3"]
)]
#[case::a_dead_one("rr", "rs3 rs1 rs2! rs3", &["connection 3: connection refused, at rs2"])]
#[case::refused_for_no_reason(
    "fo",
    "-",
    &["connection 1, from 192.168.0.10:40000, went to `nobody` (connection refused), but fo \
       sends it to `rs1`: 1 is the highest weight"]
)]
fn judges_each_choice(#[case] scheduler: &str, #[case] names: &str, #[case] expected: &[&str]) {
    let seen = course(scheduler, [1, 1, 1], names);
    assert_eq!(written("hold: 6").judge(&seen, &lab()).problems, expected);
}

#[test]
fn one_of_several_may_be_all_that_can_be_foretold() {
    let seen = course("rr", [1, 0, 1], "rs2 rs1");
    let verdict = written("hold: 6").judge(&seen, &lab());
    assert_eq!(
        verdict.problems,
        [
            "connection 1, from 192.168.0.10:40000, went to `rs2`, but rr sends it to one of `rs1`, `rs3`"
        ]
    );
    let seen = course("rr", [1, 1, 1], "rs2 rs3 rs1");
    let verdict = written("hold: 6").judge(&seen, &lab());
    assert_eq!(verdict.problems, [""; 0]);
    assert_eq!(
        verdict.seen,
        ["rs2 rs3 rs1", "foretold for certain: 2 of 3; the kernel does not show whose turn it is"]
    );
}

#[test]
fn whom_every_scheduler_refuses_is_foretold_too() {
    let seen = course("wlc", [0, 0, 0], "- -");
    assert_eq!(written("hold: 6").judge(&seen, &lab()).problems, [""; 0]);
}

#[test]
fn goes_by_the_model_and_the_weights_that_it_names() {
    let seen = course("rr", [1, 1, 1], "rs1 rs2 rs3 rs1 rs2 rs3 rs1 rs2 rs3");
    let problems = |more: &str| written(more).judge(&seen, &lab()).problems;
    assert_eq!(problems("model: rr"), [""; 0]);
    assert_eq!(problems("model: wrr"), [""; 0], "with equal weights they are the same");
    assert_eq!(problems("model: wrr, weights: { rs1: 4, rs2: 3, rs3: 2 }").len(), 1);
    assert_eq!(problems("model: fo").len(), 1);
    let gone = Course { service: None, steps: Vec::new(), ..seen.clone() };
    assert_eq!(
        written("hold: 1").judge(&gone, &lab()).problems,
        ["service tcp://192.168.0.89:80 does not exist on lb1"]
    );
    let mut unknown = seen.clone();
    unknown.service.as_mut().expect("there").scheduler = Scheduler::new("new").expect("short");
    assert_eq!(
        written("hold: 1").judge(&unknown, &lab()).problems,
        ["there is no model of the scheduler `new`"]
    );
}

#[test]
fn a_client_that_persistence_holds_is_nobody_elses() {
    let mut seen = course("rr", [1, 1, 1], "rs1 rs1 rs1");
    let service = seen.service.as_mut().expect("there");
    service.persistence = Some(crate::netlink::ipvs::Persistence {
        timeout: 300.try_into().expect("not zero"),
        netmask: crate::netlink::ipvs::Netmask::single(service.key.family()),
    });
    assert_eq!(written("hold: 3").judge(&seen, &lab()).problems.len(), 1, "rr alone goes on");
    let line = "TCP C0A8000A 0000 C0A80059 0050 C0A8005D 0050 NONE 290";
    for step in seen.steps.iter_mut().skip(1) {
        step.known.push(Connection::parse(line).expect("a template"));
    }
    assert_eq!(written("hold: 3").judge(&seen, &lab()).problems, [""; 0]);
    seen.steps[2].chosen = key("rs2");
    assert_eq!(
        written("hold: 3").judge(&seen, &lab()).problems,
        ["connection 3, from 192.168.0.10:40002, went to `rs2`, but rr sends it to `rs1`: \
          persistence holds its client there for 290 s more"]
    );
}

#[test]
fn what_was_forgotten_between_look_and_choice_is_no_difference() {
    let mut seen = course("lc", [1, 1, 1], "rs2");
    let forget = |view: &mut View, count: u32| view.servers[1].inactive -= count;
    assert_eq!(written("hold: 1").judge(&seen, &lab()).problems.len(), 1);
    forget(&mut seen.steps[0].after, 1);
    assert_eq!(written("hold: 1").judge(&seen, &lab()).problems, [""; 0]);
}

fn causes(check: &Scheduling, seen: &Course) -> Vec<String> {
    let states = IndexMap::from([("lb1".to_owned(), State::default())]);
    let lab = lab();
    let scene = Scene { lab: &lab, states: &states };
    check.causes(seen, &scene).into_iter().map(|cause| cause.message).collect()
}

#[test]
fn finds_the_table_to_be_another_one() {
    let seen = course("rr", [1, 1, 1], "rs1 rs2");
    assert_eq!(
        causes(&written("model: wrr"), &seen),
        ["the scheduler of tcp://192.168.0.89:80 is rr, not wrr"]
    );
    assert_eq!(
        causes(&written("weights: { rs1: 4, rs2: 1, client: 1 }"), &seen),
        [
            "the weight of 192.168.0.93:80 (rs1) is 1, not 4",
            "client is no destination of tcp://192.168.0.89:80 on lb1",
        ]
    );
    let mut edited = seen.clone();
    edited.steps[1].view = view(&["rs1"], [1, 7, 1]);
    assert_eq!(
        causes(&written("hold: 2"), &edited),
        ["the weight of 192.168.0.94:80 (rs2) was changed from 1 to 7 before connection 2"]
    );
    let mut packets = seen;
    packets.service.as_mut().expect("there").one_packet = true;
    assert_eq!(
        causes(&written("hold: 2"), &packets),
        ["tcp://192.168.0.89:80 schedules each packet by itself, and keeps no record of it"]
    );
}

#[rstest]
#[case("service: 'tcp://192.168.0.89:80', model: wwr", "did you mean `wrr`?")]
#[case("service: 'tcp://192.168.0.89:80', model: random", "there are rr, wrr")]
#[case("service: 'tcp://192.168.0.89:80', requests: 0", "`requests` is 0, which proves nothing")]
#[case("service: 'tcp://192.168.0.89:80', clients: 10001", "10000 is the most")]
#[case("service: 'tcp://192.168.0.89:80', requests: 3, hold: 4", "only 3 connections are made")]
#[case("service: 'fwmark://7'", "`to: tcp://192.168.0.89:80` says where to connect to")]
#[case("service: 'tcp://192.168.0.89:0'", "is every port")]
#[case("service: 'fwmark://7', to: 'fwmark://8'", "`to` is no place to connect to")]
#[case("service: 'sctp://192.168.0.89:80'", "not of sctp")]
#[case("service: 'tcp://192.168.0.89:80', holds: 4", "holds")]
fn refuses_what_makes_no_sense(#[case] written: &str, #[case] expected: &str) {
    let error = check_error::<Scheduling>(&format!("{{ from: client, {written} }}"));
    assert!(error.contains(expected), "{error}");
}

/// A director that goes round, a client with two addresses, and what was asked of them.
struct Fake {
    hosts: Vec<LabHost>,
    open: BTreeMap<u64, usize>,
    known: Vec<Connection>,
    sources: BTreeSet<Option<IpAddr>>,
    most: usize,
}

impl Fake {
    fn new() -> Self {
        let (open, known, sources) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        Self { hosts: lab().0, open, known, sources, most: 0 }
    }

    fn hold(&mut self, hold: &crate::lab::probe::Hold) -> Held {
        let opened = hold.open.map(|open| {
            let turn = open.number as usize % 3;
            self.sources.insert(open.source);
            self.open.insert(open.number, turn);
            self.most = self.most.max(self.open.len());
            let local = client(open.number as u16);
            self.known.push(Connection {
                protocol: Protocol::Tcp,
                client: local,
                service: open.to,
                destination: ([192, 168, 0, 93 + turn as u8], 80).into(),
                state: "ESTABLISHED".into(),
                expires: 900,
                engine: None,
            });
            Opened { local, failure: None }
        });
        for number in &hold.close {
            self.open.remove(number).expect("it was open");
        }
        Held { opened, open: self.open.len() as u32 }
    }
}

impl Hosts for Fake {
    fn hosts(&self) -> &[LabHost] {
        &self.hosts
    }

    fn probe(&mut self, host: &str, probe: Value) -> Result<Value, CallError> {
        let own = |last: u8| Address {
            interface: "eth0".into(),
            address: [192, 168, 0, last].into(),
            prefix: 24,
            scope: Scope::Global,
            tentative: false,
            duplicate: false,
        };
        Ok(match serde_json::from_value(probe).expect("a probe") {
            Probe::Hold(hold) => serde_json::to_value(self.hold(&hold)),
            Probe::Scheduled(asked) => {
                assert_eq!(host, "lb1");
                let VirtualService { state, mut destinations } = table().services.remove(0);
                for (at, row) in destinations.iter_mut().enumerate() {
                    let open = self.open.values().filter(|turn| **turn == at).count();
                    row.active_connections = open as u32;
                }
                let fits = |one: &&Connection| Some(one.client) == asked.client;
                let known = self.known.iter().filter(fits).cloned().collect();
                let service = Some(VirtualService { state, destinations });
                serde_json::to_value(Scheduled { service, known, expires: false })
            }
            Probe::State(_) => serde_json::to_value(State {
                links: vec![Link {
                    name: "eth0".into(),
                    up: true,
                    running: true,
                    loopback: false,
                    kind: None,
                    mac: None,
                    mtu: 1500,
                }],
                addresses: vec![own(10), own(11)],
                ..State::default()
            }),
            other => panic!("{other:?}"),
        }
        .expect("plain data"))
    }
}

#[test]
fn makes_connections_and_closes_all_of_them_again() {
    let mut hosts = Fake::new();
    let check = written("hold: 3, clients: 2");
    let seen = check.look(&mut hosts).expect("it looks");
    assert_eq!(check.judge(&seen, &lab()).problems, [""; 0]);
    assert_eq!((seen.director.as_str(), seen.steps.len()), ("lb1", 6));
    assert_eq!((hosts.open.len(), hosts.most), (0, 4), "one more for a moment");
    assert_eq!(hosts.sources.len(), 2);
    let order: Vec<String> = seen.steps.iter().map(|step| name(step.chosen, &lab())).collect();
    assert_eq!(order, ["rs1", "rs2", "rs3", "rs1", "rs2", "rs3"]);
    let drawing = check.draw(&seen, &lab()).expect("a drawing");
    assert!(drawing.contains("rs2") && drawing.contains("2 of 6"), "{drawing}");
    let error = written("clients: 3").look(&mut hosts).expect_err("it has two");
    assert!(error.to_string().contains("`client` has 2 address"), "{error}");
}
