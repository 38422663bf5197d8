//! `path`: which hosts the packets of one connection pass, there and back, as the monitor saw
//! them on the cables.
//!
//! ```yaml
//! checks:
//!   - name: direct routing leaves the director out of the way back
//!     path:
//!       from: client
//!       to: tcp://192.168.0.89:80
//!       request: [client, lb1, "rs*"]
//!       reply: ["rs*", client]
//!   - path: {from: client, to: "udp://192.168.0.89:53", send: "?", reply_not_via: [lb1]}
//! ```

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::cause::{self, Traffic};
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, look};
use crate::connection::CallError;
use crate::inventory::glob;
use crate::lab::monitor::{Direction, Frame, Ip, Transport};
use crate::lab::probe::{self, Answers, Carrier, Endpoint, Seconds};
use crate::modules::Bytes;
use crate::netlink::ipvs::Protocol;

/// One connection, and the way of its packets.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// The host that connects.
    from: String,
    /// Where to: `tcp://192.168.0.89:80`, `udp://…`, `sctp://…`.
    #[schemars(with = "String")]
    to: Target,
    /// A text to send; it takes one to be answered by UDP.
    send: Option<String>,
    /// For how many seconds to wait.
    timeout: Option<Seconds>,
    /// The hosts that the first packet passes, from the client to who answers; `*` stands for
    /// any letters of a name.
    #[serde(default)]
    request: Vec<String>,
    /// The hosts that the first packet back passes, from who answers to the client.
    #[serde(default)]
    reply: Vec<String>,
    /// Hosts that no packet there may pass.
    #[serde(default)]
    request_not_via: Vec<String>,
    /// Hosts that no packet back may pass.
    #[serde(default)]
    reply_not_via: Vec<String>,
}

/// `tcp://192.168.0.89:80`.
#[derive(Debug, Clone, PartialEq)]
struct Target(Carrier, Endpoint);

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = || {
            let (carrier, endpoint) = text.split_once("://")?;
            let carrier = match carrier {
                "tcp" => Carrier::Tcp,
                "udp" => Carrier::Udp,
                "sctp" => Carrier::Sctp,
                _ => return None,
            };
            Some(Self(carrier, endpoint.trim_end_matches('/').parse().ok()?))
        };
        read().ok_or_else(|| {
            de::Error::custom(format!("`{text}` is not such as `tcp://192.168.0.89:80`"))
        })
    }
}

/// What was seen of the connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Passed {
    /// What became of it.
    answers: Answers,
    /// The hosts that its first packet passed, and the first one back.
    request: Vec<String>,
    reply: Vec<String>,
    /// The hosts that any of its packets passed.
    request_any: Vec<String>,
    reply_any: Vec<String>,
    /// Frames that were lost, so that a host may be missing.
    lost: u64,
}

impl Check for Path {
    type Seen = Passed;

    fn title(&self) -> String {
        format!("the path of a connection from {} to {}", self.from, self.to.1)
    }

    fn hosts(&self) -> Vec<&str> {
        let named = self.request.iter().chain(&self.reply);
        let named = named.chain(&self.request_not_via).chain(&self.reply_not_via);
        let plain = named.map(String::as_str).filter(|name| !name.contains(['*', '?', '[']));
        std::iter::once(self.from.as_str()).chain(plain).collect()
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Passed, CallError> {
        let mark = hosts.monitor()?.mark();
        let Target(carrier, to) = &self.to;
        let seen = look(
            hosts,
            &self.from,
            probe::Talk {
                carrier: *carrier,
                to: to.clone(),
                requests: 1,
                timeout: self.timeout.unwrap_or_else(probe::Http::default_timeout),
                source: None,
                source_port: None,
                listens: self.send.is_some() || *carrier == Carrier::Udp,
                send: self.send.as_ref().map(|text| Bytes(text.clone().into())),
            },
        )?;
        let lab = Roster(hosts.hosts().to_vec());
        let monitor = hosts.monitor()?;
        let lost = monitor.lost();
        let client = seen.requests.first().map(|answer| answer.local);
        let frames = monitor.since(mark);
        Ok(client.map_or_else(Passed::default, |client| Passed {
            lost,
            ..passed(&frames, &self.from, client, seen, &lab)
        }))
    }

    fn judge(&self, seen: &Passed, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        if let Some(failure) = seen.answers.requests.iter().find_map(|answer| answer.failure()) {
            verdict.problem(format!("the connection failed: {failure}"));
        }
        for (name, wanted, way) in
            [("request", &self.request, &seen.request), ("reply", &self.reply, &seen.reply)]
        {
            verdict.see(format!("{name}: {}", shown(way)));
            if wanted.is_empty() {
                continue;
            }
            verdict.expect(format!("{name}: {}", wanted.join(" → ")));
            let fits = wanted.len() == way.len()
                && wanted.iter().zip(way).all(|(pattern, host)| glob(pattern, host));
            if !fits {
                verdict.problem(format!("the {name} passed {}", shown(way)));
            }
        }
        for (name, forbidden, passed) in [
            ("request", &self.request_not_via, &seen.request_any),
            ("reply", &self.reply_not_via, &seen.reply_any),
        ] {
            if forbidden.is_empty() {
                continue;
            }
            verdict.expect(format!("{name} not by way of {}", forbidden.join(", ")));
            for host in passed.iter().filter(|host| forbidden.iter().any(|one| glob(one, host))) {
                verdict.problem(format!("the {name} passed {host}"));
            }
            if passed.is_empty() {
                verdict.problem(format!("no packet of the {name} was seen"));
            }
        }
        if seen.lost > 0 && !verdict.problems.is_empty() {
            verdict.see(format!("{} frames were lost, so a host may be missing", seen.lost));
        }
        verdict
    }

    fn causes(&self, seen: &Passed, scene: &Scene) -> Vec<Cause> {
        let Some(answer) = seen.answers.requests.first() else { return Vec::new() };
        let protocol = match self.to.0 {
            Carrier::Tcp => Protocol::Tcp,
            Carrier::Udp => Protocol::Udp,
            Carrier::Sctp => Protocol::Sctp,
        };
        let mut causes = cause::of_way(&seen.reply, answer.peer, protocol, scene);
        if answer.failure().is_some() {
            let traffic = Traffic::to_any(&self.from, answer.peer, protocol, &seen.answers);
            causes.extend(cause::of_traffic(&traffic, scene));
        }
        causes
    }

    fn draw(&self, seen: &Passed, _lab: &Roster) -> Option<String> {
        let (request, reply) = (shown(&seen.request), shown(&seen.reply));
        Some(format!("request: {request}\nreply:   {reply}"))
    }
}

fn shown(way: &[String]) -> String {
    if way.is_empty() { "nobody".into() } else { way.join(" → ") }
}

/// Reads the ways of a connection from what came by. The client's end is the same on all of
/// its way: neither a director nor a tunnel changes it.
fn passed(
    frames: &[Frame],
    from: &str,
    client: SocketAddr,
    answers: Answers,
    lab: &Roster,
) -> Passed {
    let mut seen = Passed { answers, ..Passed::default() };
    // What was the first packet is known by where it began, and ends with the next that does.
    let (mut sent, mut arrived) = (0, false);
    for frame in frames {
        let Some(packet) = frame.packet() else { continue };
        let Some(ip) = packet.ip().map(Ip::innermost) else { continue };
        let host = &frame.cable.host;
        // A bridge that has not learned an address yet gives a frame to everybody.
        if frame.direction == Direction::Entered && lab.by_mac(packet.destination) != Some(host) {
            continue;
        }
        let opens = |back: bool| match &ip.transport {
            Transport::Tcp { flags, .. } => flags.syn() && flags.ack() == back,
            _ => true,
        };
        if ip.from() == Some(client) {
            add(&mut seen.request_any, host, true);
            sent += usize::from(frame.direction == Direction::Left && host == from && opens(false));
            if opens(false) && sent == 1 {
                add(&mut seen.request, host, false);
            }
        } else if ip.to() == Some(client) {
            add(&mut seen.reply_any, host, true);
            if opens(true) && !arrived {
                add(&mut seen.reply, host, false);
                arrived = frame.direction == Direction::Entered && host == from;
            }
        }
    }
    seen
}

/// Notes that a packet was at a host: once for coming and going, or once in all.
fn add(way: &mut Vec<String>, host: &str, once: bool) {
    let known = if once {
        way.iter().any(|one| one == host)
    } else {
        way.last().is_some_and(|last| last == host)
    };
    if !known {
        way.push(host.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use etherparse::PacketBuilder;

    use super::super::tests::{answers, check, check_error, lab, mac};
    use super::*;
    use crate::lab::monitor::Cable;

    const CLIENT: ([u8; 4], u16) = ([192, 168, 0, 10], 40_000);
    const VIP: ([u8; 4], u16) = ([192, 168, 0, 89], 80);

    /// A hop between two hosts, by the last bytes of their addresses, there or back.
    fn hop(from: u8, to: u8, back: bool) -> [Frame; 2] {
        let (source, destination) = if back { (VIP, CLIENT) } else { (CLIENT, VIP) };
        let tcp = PacketBuilder::ethernet2(mac(from).0, mac(to).0)
            .ipv4(source.0, destination.0, 64)
            .tcp(source.1, destination.1, 1, 1024)
            .syn();
        let tcp = if back { tcp.ack(2) } else { tcp };
        let mut bytes = Vec::new();
        tcp.write(&mut bytes, b"").expect("a vector takes any frame");
        let frame = |last: u8, direction| Frame {
            at: SystemTime::UNIX_EPOCH,
            cable: Arc::new(Cable {
                host: lab().by_mac(mac(last)).expect("a host of the lab").to_owned(),
                interface: "eth0".into(),
                network: "lan".into(),
            }),
            direction,
            length: 54,
            bytes: bytes.as_slice().into(),
        };
        [frame(from, Direction::Left), frame(to, Direction::Entered)]
    }

    fn seen(hops: &[[Frame; 2]]) -> Passed {
        passed(&hops.concat(), "client", CLIENT.into(), answers("rs1"), &lab())
    }

    fn direct() -> Passed {
        let mut hops = vec![hop(10, 90, false), hop(90, 93, false), hop(93, 10, true)];
        // The bridge did not know yet where lb1 is, and gave the frame to rs2, too.
        let mut flooded = hop(10, 90, false)[1].clone();
        flooded.cable = hop(94, 10, false)[0].cable.clone();
        hops[0][1] = flooded;
        hops.insert(1, [hop(10, 90, false)[1].clone(), hop(90, 93, false)[0].clone()]);
        seen(&hops)
    }

    fn problems(more: &str, seen: &Passed) -> Vec<String> {
        let yaml = format!("{{ from: client, to: 'tcp://192.168.0.89:80', {more} }}");
        check::<Path>(&yaml).judge(seen, &lab()).problems
    }

    #[test]
    fn follows_the_first_packet_there_and_back() {
        let seen = direct();
        assert_eq!(seen.request, ["client", "lb1", "rs1"]);
        assert_eq!(seen.reply, ["rs1", "client"]);
        let right = "request: [client, lb1, 'rs*'], reply: ['rs*', client], reply_not_via: [lb1]";
        assert_eq!(problems(right, &seen), [""; 0]);
    }

    #[test]
    fn says_what_was_passed_instead() {
        let nat =
            seen(&[hop(10, 90, false), hop(90, 93, false), hop(93, 90, true), hop(90, 10, true)]);
        assert_eq!(
            problems("reply: ['rs*', client], reply_not_via: [lb1]", &nat),
            ["the reply passed rs1 → lb1 → client", "the reply passed lb1"]
        );
        assert_eq!(
            problems("request: [client, rs1]", &nat),
            ["the request passed client → lb1 → rs1"]
        );
        assert_eq!(
            problems("reply: [rs1, client], reply_not_via: [lb1]", &seen(&[])),
            ["the reply passed nobody", "no packet of the reply was seen"]
        );
    }

    #[test]
    fn a_second_try_is_no_part_of_the_way() {
        let again = seen(&[hop(10, 90, false), hop(10, 90, false), hop(90, 93, false)]);
        assert_eq!(again.request, ["client", "lb1"]);
        assert_eq!(again.request_any, ["client", "lb1", "rs1"]);
    }

    #[test]
    fn knows_its_protocols() {
        let error = check_error::<Path>("{ from: client, to: 'http://192.168.0.89/' }");
        assert!(error.contains("tcp://192.168.0.89:80"), "{error}");
    }
}
