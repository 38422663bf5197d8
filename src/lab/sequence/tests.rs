use std::sync::Arc;
use std::time::{Duration, SystemTime};

use etherparse::{PacketBuilder, PacketBuilderStep};

use super::*;
use crate::lab::Interface;
use crate::lab::monitor::Cable;

const CLIENT: [u8; 4] = [192, 168, 0, 10];
const VIP: [u8; 4] = [192, 168, 0, 89];
const SERVER: [u8; 4] = [10, 0, 0, 93];

fn mac(last: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, last]
}

/// What is seen of a run: each frame leaves a host, and enters others.
#[derive(Default)]
struct Run {
    frames: Vec<Frame>,
}

impl Run {
    fn sends(&mut self, from: &str, to: &[&str], bytes: &[u8]) -> &mut Self {
        let mut seen = |host: &str, direction| {
            let after = Duration::from_micros(250 * self.frames.len() as u64);
            self.frames.push(Frame {
                at: SystemTime::UNIX_EPOCH + after,
                cable: Arc::new(Cable {
                    host: host.into(),
                    interface: "eth0".into(),
                    network: "lan".into(),
                }),
                direction,
                length: bytes.len() as u32,
                bytes: bytes.into(),
            });
        };
        seen(from, Direction::Left);
        to.iter().for_each(|host| seen(host, Direction::Entered));
        self
    }

    fn sequence(&self) -> Option<Sequence> {
        self.asked_by(None)
    }

    fn asked_by(&self, asker: Option<&str>) -> Option<Sequence> {
        let host = |last: u8| HostState {
            pid: None,
            interfaces: vec![Interface {
                mac: crate::netlink::MacAddress(mac(last)),
                ..interface()
            }],
        };
        let hosts = [("client", 10), ("lb1", 90), ("rs1", 93), ("rs2", 94)];
        Sequence::first(
            &self.frames,
            asker,
            &hosts.map(|(name, last)| (name.to_owned(), host(last))).into_iter().collect(),
        )
    }

    fn told(&self) -> String {
        let Some(sequence) = self.sequence() else { return "nothing".into() };
        let name = |host: usize| sequence.hosts[host].as_str();
        let line = |hop: &Hop| {
            let marked = |(line, changed): &(String, bool)| {
                if *changed { format!("*{line}*") } else { line.clone() }
            };
            let addresses: Vec<String> = hop.addresses.iter().map(marked).collect();
            format!(
                "{} {} > {}: {} {} | {}",
                hop.after.as_micros(),
                name(hop.from),
                hop.to.map_or("nowhere", name),
                hop.what,
                hop.place,
                addresses.join(" | ")
            )
        };
        sequence.hops.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn interface() -> Interface {
    serde_json::from_value(serde_json::json!({
        "name": "eth0", "network": "lan", "addresses": ["192.168.0.1/24"], "cables": ["rs1.0"], "mac": "02:00:00:00:00:00",
    }))
    .unwrap()
}

fn frame(
    (from, to): (u8, u8),
    (source, destination): ([u8; 4], [u8; 4]),
    ports: (u16, u16),
    flags: &str,
    numbers: (u32, u32),
    data: &[u8],
) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(mac(from), mac(to)).ipv4(source, destination, 64);
    let mut tcp = builder.tcp(ports.0, ports.1, numbers.0, 1024);
    if flags.contains("SYN") {
        tcp = tcp.syn();
    }
    if flags.contains("ACK") {
        tcp = tcp.ack(numbers.1);
    }
    written(tcp, data)
}

fn written(tcp: PacketBuilderStep<etherparse::TcpHeader>, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    tcp.write(&mut bytes, data).unwrap();
    bytes
}

fn direct() -> Run {
    let mut run = Run::default();
    let (there, back) = ((40_001, 80), (80, 40_001));
    run.sends(
        "client",
        &["lb1", "rs2"],
        &frame((10, 90), (CLIENT, VIP), there, "SYN", (7_000, 0), b""),
    );
    run.sends("lb1", &["rs1"], &frame((90, 93), (CLIENT, VIP), there, "SYN", (7_000, 0), b""));
    run.sends(
        "rs1",
        &["client"],
        &frame((93, 10), (VIP, CLIENT), back, "SYN ACK", (u32::MAX, 7_001), b""),
    );
    run.sends(
        "client",
        &["lb1"],
        &frame((10, 90), (CLIENT, VIP), there, "ACK", (7_001, 0), b"GET / HTTP/1.1\r\nHost: x\r\n"),
    );
    run
}

#[test]
fn shows_direct_routing_by_its_hardware_addresses() {
    insta::assert_snapshot!("direct", direct().told());
}

#[test]
fn shows_masquerading_by_its_addresses_and_both_ways_through_the_director() {
    let mut run = Run::default();
    run.sends(
        "client",
        &["lb1"],
        &frame((10, 90), (CLIENT, VIP), (40_001, 80), "SYN", (1, 0), b""),
    );
    run.sends(
        "lb1",
        &["rs1"],
        &frame((90, 93), (CLIENT, SERVER), (40_001, 8080), "SYN", (1, 0), b""),
    );
    run.sends(
        "rs1",
        &["lb1"],
        &frame((93, 90), (SERVER, CLIENT), (8080, 40_001), "SYN ACK", (5, 2), b""),
    );
    run.sends(
        "lb1",
        &["client"],
        &frame((90, 10), (VIP, CLIENT), (80, 40_001), "SYN ACK", (5, 2), b""),
    );
    insta::assert_snapshot!("masquerading", run.told());
}

/// With the director's address as its source a packet is known by its number in the stream.
#[test]
fn follows_a_request_whose_source_is_changed_too() {
    let (there, back, director) = ((40_001, 80), (50_001, 8080), [10, 0, 0, 90]);
    let mut run = Run::default();
    run.sends("client", &["lb1"], &frame((10, 90), (CLIENT, VIP), there, "SYN", (77, 0), b""))
        .sends("lb1", &["rs1"], &frame((90, 93), (director, SERVER), back, "SYN", (77, 0), b""))
        .sends(
            "rs1",
            &["lb1"],
            &frame((93, 90), (SERVER, director), (8080, 50_001), "SYN ACK", (5, 78), b""),
        )
        .sends(
            "lb1",
            &["rs2"],
            &frame((90, 94), (director, SERVER), (50_002, 80), "SYN", (9, 0), b""),
        );
    insta::assert_snapshot!("source", run.told());
}

#[test]
fn shows_a_tunnel_as_a_packet_around_the_packet() {
    let plain = frame((10, 90), (CLIENT, VIP), (40_001, 80), "SYN", (1, 0), b"");
    let mut outer = Vec::new();
    PacketBuilder::ethernet2(mac(90), mac(93))
        .ipv4([192, 168, 0, 90], SERVER, 64)
        .write(&mut outer, etherparse::IpNumber::IPV4, &plain[14..])
        .unwrap();
    let mut run = Run::default();
    run.sends("client", &["lb1"], &plain).sends("lb1", &["rs1"], &outer);
    insta::assert_snapshot!("tunnel", run.told());
}

#[test]
fn a_packet_that_arrives_nowhere_is_drawn_so() {
    let mut run = Run::default();
    run.sends("client", &[], &frame((10, 90), (CLIENT, VIP), (40_001, 80), "SYN", (1, 0), b""));
    assert!(run.told().contains("client > nowhere: SYN"), "{}", run.told());
    let svg = run.sequence().unwrap().svg("lost", None);
    assert!(svg.contains("arrived nowhere"), "{svg}");
}

#[test]
fn passes_over_ssh_and_the_end_of_an_older_connection() {
    let mut run = Run::default();
    assert_eq!(run.told(), "nothing");
    run.sends("lb1", &["rs1"], &frame((90, 93), (VIP, SERVER), (50_000, 22), "SYN", (1, 0), b""));
    assert_eq!(run.told(), "nothing");
    run.sends(
        "client",
        &["lb1"],
        &frame((10, 90), (CLIENT, VIP), (40_001, 80), "ACK", (9, 9), b""),
    );
    run.frames.extend(direct().frames);
    assert_eq!(run.told().lines().count(), 4, "{}", run.told());
    assert!(run.told().starts_with("0 client > lb1: SYN seq 0"), "{}", run.told());
}

/// keepalived on a director asks the real servers, whoever else does.
#[test]
fn passes_over_what_others_ask() {
    let mut run = Run::default();
    let own = frame((90, 93), ([10, 0, 0, 90], SERVER), (50_000, 80), "SYN", (1, 0), b"");
    run.sends("lb1", &["rs1"], &own);
    assert!(run.asked_by(Some("client")).is_none());
    run.frames.extend(direct().frames);
    assert_eq!(run.asked_by(Some("client")).unwrap().hosts, ["client", "lb1", "rs1"]);
    assert_eq!(run.sequence().unwrap().hosts, ["lb1", "rs1"]);
}

#[test]
fn draws_it_as_a_picture() {
    let svg = direct().sequence().unwrap().svg("<One> \"request\"", None);
    insta::assert_snapshot!("direct_svg", svg);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let names = document.descendants().filter(|node| node.attribute("class") == Some("name"));
    assert_eq!(names.filter_map(|node| node.text()).collect::<Vec<_>>(), ["client", "lb1", "rs1"]);
}

#[test]
fn draws_no_more_than_one_can_look_at() {
    let mut run = direct();
    for number in 0..70_u8 {
        run.sends(
            "client",
            &["lb1"],
            &frame((10, 90), (CLIENT, VIP), (40_001, 80), "ACK", (7_001, 0), &[number; 9]),
        );
    }
    let sequence = run.sequence().unwrap();
    assert_eq!((sequence.hops.len(), sequence.more), (MOST, 14));
    assert!(sequence.svg("many", None).contains("14 more packets followed"));
}
