use std::sync::Arc;

use super::*;
use crate::diagnostic::Source;
use crate::lab::Interface;
use crate::lab::probe::{
    self, Answer, Answers, Claim, Coverage, Failure, Outcome, Resolved, Response, Stage, State,
    Table, Trouble, VirtualService,
};
use crate::modules::Error;
use crate::netlink::MacAddress;
use crate::netlink::ipvs::{
    Destination, DestinationState, Forward, Protocol, Scheduler, Service, ServiceKey, ServiceState,
    Stats,
};

/// The hardware address of the host whose address ends so.
pub(super) fn mac(last: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, last])
}

/// The demo's lab: client .10, lb1 .90, rs1 to rs3 .93 to .95.
pub(super) fn lab() -> Roster {
    let host = |name: &str, group: &str, last: u8| LabHost {
        name: name.into(),
        groups: vec![group.into()],
        interfaces: vec![Interface {
            name: "eth0".into(),
            network: "lan".into(),
            addresses: vec![format!("192.168.0.{last}/24").parse().expect("an address")],
            cables: vec![format!("{name}.0")],
            mac: mac(last),
            mtu: None,
            inward: Default::default(),
            outward: Default::default(),
            vlan: None,
            ports: Vec::new(),
        }],
    };
    Roster(vec![
        host("client", "clients", 10),
        host("lb1", "directors", 90),
        host("rs1", "real_servers", 93),
        host("rs2", "real_servers", 94),
        host("rs3", "real_servers", 95),
    ])
}

/// The director's table as it should be.
pub(super) fn table() -> Table {
    let key = ServiceKey::address(Protocol::Tcp, [192, 168, 0, 89], 80);
    let destination = |last: u8| DestinationState {
        destination: Destination::new([192, 168, 0, last], 80, Forward::Direct),
        active_connections: 0,
        inactive_connections: 3,
        persistent_connections: 0,
        stats: Stats::default(),
        unknown: Vec::new(),
    };
    let service = Service::new(key, Scheduler::new("rr").expect("a scheduler"));
    Table {
        services: vec![VirtualService {
            state: ServiceState { service, stats: Stats::default(), unknown: Vec::new() },
            destinations: [93, 94, 95].map(destination).to_vec(),
        }],
    }
}

/// Answers to requests, by the name of who answered; `!` for a request that was refused.
pub(super) fn answers(names: &str) -> Answers {
    let answer = |(at, name): (u16, &str)| {
        let last = name.strip_prefix("rs").and_then(|n| n.parse::<u8>().ok()).map(|n| 92 + n);
        let outcome = match name {
            "!" => Outcome::Failed(Failure {
                stage: Stage::Connect,
                trouble: Trouble::Refused,
                message: "connection refused".into(),
            }),
            name => Outcome::Response(Response {
                status: Some(200),
                headers: IndexMap::from([("x-real-server".into(), name.into())]),
                body: format!("{name}\n"),
                bytes: None,
                truncated: false,
            }),
        };
        Answer {
            local: ([192, 168, 0, 10], 40_000 + at).into(),
            peer: ([192, 168, 0, 89], 80).into(),
            seconds: 0.001,
            reply_macs: last.map(mac).into_iter().collect(),
            outcome,
            certificate: None,
            later: Vec::new(),
        }
    };
    Answers {
        requests: (0..).zip(names.split_whitespace()).map(answer).collect(),
        not_sent: 0,
        capture: Coverage::Complete,
    }
}

pub(super) fn arp_answers(last: &[u8]) -> Resolved {
    Resolved {
        interface: "eth0".into(),
        asks: 3,
        answers: last.iter().map(|last| Claim { mac: mac(*last), count: 3 }).collect(),
        lost: 0,
    }
}

fn node(yaml: &str) -> Node {
    let source = Source { name: "lab.yml".into(), text: yaml.into() };
    crate::yaml::read(&Arc::new(source)).expect("it is YAML")
}

pub(super) fn check<C: Check>(yaml: &str) -> C {
    node(yaml).decode().unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn check_error<C: Check>(yaml: &str) -> String {
    node(yaml).decode::<C>().expect_err(yaml).to_string()
}

pub(super) fn read_checks(yaml: &str) -> Result<Vec<Declared>, String> {
    let node = node(yaml);
    let hosts = lab();
    read(node.sequence().expect("a list"), hosts.0.iter().map(|host| host.name.as_str()))
        .map_err(|mistakes| mistakes.to_string())
}

/// A lab that answers probes with what it is given, and every host's state with the same.
struct Fake {
    hosts: Vec<LabHost>,
    http: Answers,
    arp: Resolved,
    broken: Option<Error>,
}

impl Fake {
    fn new() -> Self {
        Self { hosts: lab().0, http: answers("rs1 rs2 rs3"), arp: arp_answers(&[90]), broken: None }
    }
}

impl Hosts for Fake {
    fn hosts(&self) -> &[LabHost] {
        &self.hosts
    }

    fn probe(&mut self, host: &str, probe: Value) -> Result<Value, CallError> {
        if let Some(error) = self.broken.clone() {
            return Err(error.into());
        }
        let probe: probe::Probe = serde_json::from_value(probe).expect("checks send probes");
        Ok(match probe {
            probe::Probe::Http(_) | probe::Probe::Talk(_) => serde_json::to_value(&self.http),
            probe::Probe::Resolve(_) => serde_json::to_value(&self.arp),
            probe::Probe::Ipvs(_) => serde_json::to_value(table()),
            probe::Probe::State(_) if host == "rs3" => {
                return Err(Error::new("rs3 is in a bad way").into());
            }
            probe::Probe::State(_) => serde_json::to_value(State::default()),
            _ => unreachable!("no check here sends another probe"),
        }
        .expect("plain data"))
    }
}

#[test]
fn reads_every_kind_of_check_and_names_those_without_a_name() {
    let checks = read_checks(
        "
- name: three in turn
  http: { from: client, url: 'http://192.168.0.89/', expect: { round_robin: [rs1, rs2, rs3] } }
- arp: { from: client, address: 192.168.0.89, answered_by: lb1 }
- ipvs: { on: lb1, equals: [] }
- command: { on: rs1, argv: [nginx, -t] }
- http: { from: client, url: 'http://192.168.0.89/' }
",
    )
    .expect("they are right");
    let names: Vec<(&str, &str)> = checks.iter().map(|one| (one.kind, one.name.as_str())).collect();
    assert_eq!(
        names,
        [
            ("http", "three in turn"),
            ("arp", "who answers ARP for 192.168.0.89, asked from client"),
            ("ipvs", "the IPVS table of lb1"),
            ("command", "`nginx -t` on rs1"),
            ("http", "1 request from client to http://192.168.0.89/"),
        ]
    );
}

#[test]
fn reads_the_example_in_its_own_documentation() {
    let text = include_str!("mod.rs");
    let yaml: String = text
        .lines()
        .skip_while(|line| !line.contains("```yaml"))
        .skip(1)
        .take_while(|line| !line.contains("```"))
        .map(|line| line.trim_start_matches("//!").to_owned() + "\n")
        .collect();
    let node = node(&yaml);
    let checks = node.get("checks").expect("it has checks").sequence().expect("a list");
    let hosts = ["client", "lb1", "rs1", "rs2", "rs3"];
    assert_eq!(read(checks, hosts).expect("it is right").len(), 5);
}

#[test]
fn shows_every_mistake_at_its_place() {
    let mistakes = read_checks(
        "
- htttp: {}
- {}
- name: x
- http: { from: cleint, url: 'http://192.168.0.89/' }
  name: who
- http: { from: client, url: 'http://192.168.0.89/', expect: { share: { rs9: 1 } } }
- arp: { from: client, adress: 192.168.0.89, answered_by: lb1 }
- arp: { from: client, address: 192.168.0.890, answered_by: lb1 }
- http: { from: client, url: 'ftp://192.168.0.89/' }
- persistence: { clients: [client], url: 'https://192.168.0.89/' }
- http: { from: client, url: 'http://a/' }
  arp: { from: client, address: 192.168.0.89, answered_by: lb1 }
- name: [x]
  ipvs: { on: lb1, equals: [] }
",
    )
    .expect_err("all are wrong");
    insta::assert_snapshot!(mistakes);
}

#[test]
fn reports_a_success_with_its_evidence_and_asks_for_no_states() {
    let checks = read_checks(
        "- http: { from: client, url: 'http://192.168.0.89/', expect: { round_robin: [rs1, rs2, rs3] } }",
    )
    .expect("it is right");
    let report = checks[0].run(&mut Fake::new());
    assert!(report.passed, "{report}");
    assert_eq!(report.evidence["seen"]["requests"].as_array().map(Vec::len), Some(3));
    assert!(report.evidence.get("states").is_none());
    assert!(report.drawing.is_some_and(|drawing| drawing.contains("order: rs1 rs2 rs3")));
}

#[test]
fn reports_a_failure_with_the_states_of_all_hosts_even_of_those_that_do_not_answer() {
    let checks = read_checks("- arp: { from: client, address: 192.168.0.89, answered_by: lb1 }")
        .expect("ok");
    let mut hosts = Fake::new();
    hosts.arp = arp_answers(&[94, 90]);
    let report = checks[0].run(&mut hosts);
    assert!(!report.passed);
    assert_eq!(report.problems, ["`rs2` answers ARP for 192.168.0.89, and must not"]);
    assert!(report.evidence["states"]["lb1"]["links"].is_array());
    assert_eq!(report.evidence["states"]["rs3"]["error"], "rs3 is in a bad way");
}

#[test]
fn fails_when_it_could_not_look() {
    let checks =
        read_checks("- arp: { from: client, address: 192.168.0.89, answered_by: [] }").expect("ok");
    let mut hosts = Fake::new();
    hosts.broken = Some(Error::new("no packets for you").hint("ask nicely"));
    let report = checks[0].run(&mut hosts);
    assert!(!report.passed);
    assert_eq!(report.problems, ["failed to look: no packets for you (ask nicely)"]);
}

/// The `yaml` blocks of a text.
fn examples(text: &str) -> impl Iterator<Item = &str> {
    text.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next())
}

#[test]
fn reads_every_example_of_the_guide_and_of_each_checks_own_documentation() {
    let comments = |text: &str| -> String {
        let lines = text.lines().filter(|line| line.starts_with("//!"));
        lines.map(|line| line.trim_start_matches("//!").to_owned() + "\n").collect()
    };
    let hosts = ["client", "other", "lb1", "lb2", "rs1", "rs2", "rs3"];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lab/check");
    let mut kinds = std::collections::BTreeSet::new();
    let mut check = |text: &str, name: &str| {
        for example in examples(text) {
            let node = node(example);
            let Some(checks) = node.get("checks") else { continue };
            let read = read(checks.sequence().expect("a list"), hosts);
            let read = read.unwrap_or_else(|mistakes| panic!("{name}: {mistakes}\n{example}"));
            kinds.extend(read.iter().map(|check| check.kind));
        }
    };
    for entry in std::fs::read_dir(folder).expect("it is there").flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(entry.path()).expect("it is a text");
            check(&comments(&text), &entry.path().display().to_string());
        }
    }
    check(include_str!("../../../docs/checks.md"), "docs/checks.md");
    let without: Vec<&str> =
        TABLE.iter().map(|kind| kind.name).filter(|name| !kinds.contains(name)).collect();
    assert!(without.iter().all(|name| *name == "scheduling"), "no example of {without:?}");
}
