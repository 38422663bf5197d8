//! `tcp` and `udp`: connections and datagrams below HTTP, and who must answer them.
//!
//! ```yaml
//! checks:
//!   - tcp: {from: client, to: "192.168.0.89:25", expect: {reply_contains: ESMTP}}
//!   - tcp: {from: client, to: "192.168.0.89:8080", expect: {refused: true}}
//!   - tcp: {from: client, to: "192.168.0.89:7000", protocol: sctp, requests: 4}
//!   - udp:
//!       from: client
//!       to: "192.168.0.89:53"
//!       dns: {name: who.example, type: TXT}
//!       requests: 6
//!       expect: {round_robin: [rs1, rs2, rs3]}
//!   - udp: {from: client, to: "192.168.0.89:7", send: hello, expect: {share: {rs1: 2, rs2: 2}}}
//! ```

use std::marker::PhantomData;
use std::net::IpAddr;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::cause::{self, Traffic};
use super::dns::Question;
use super::http::short;
use super::report::Grouped;
use super::spread::{ReplyFrom, Spread};
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, draw, look};
use crate::connection::CallError;
use crate::lab::probe::{self, Answers, Carrier, Endpoint, Outcome, Seconds, Trouble};
use crate::modules::Bytes;
use crate::netlink::ipvs::Protocol;

/// What an answer lacks that names no real server.
const UNNAMED: &str = "it is not a name";

/// Exchanges by TCP, SCTP or UDP, one after the other; `W` is what they are written as.
#[derive(Debug, Clone, PartialEq)]
pub struct Talk<W> {
    from: String,
    probe: probe::Talk,
    dns: Option<Question>,
    expect: Expect,
    spread: Spread,
    written_as: PhantomData<W>,
}

/// What is expected of every exchange.
#[derive(Debug, Clone, Default, PartialEq)]
struct Expect {
    refused: bool,
    silence: bool,
    reply: Option<String>,
    contains: Option<String>,
}

/// Connections from a host.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// The host that connects.
    from: String,
    /// Where to: an address or a name, and a port.
    to: Endpoint,
    /// `tcp`, or `sctp` where the kernel has it.
    #[serde(default)]
    protocol: Stream,
    /// How often; by default as often as what is expected needs.
    requests: Option<u32>,
    /// For how many seconds to wait.
    timeout: Option<Seconds>,
    /// The address to connect from.
    source: Option<IpAddr>,
    /// The port to connect from; each connection has one of its own unless it is given.
    source_port: Option<u16>,
    /// A text to say.
    send: Option<String>,
    /// What must be seen; a connection that stands is enough when nothing is expected.
    #[serde(default)]
    expect: TcpExpect,
}

/// What carries a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Stream {
    #[default]
    Tcp,
    Sctp,
}

/// What is expected of connections.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TcpExpect {
    /// Whether every connection must be refused.
    #[serde(default)]
    refused: bool,
    /// What each must hear, but for white space around it.
    reply: Option<String>,
    /// A text in what each hears.
    reply_contains: Option<String>,
    /// The real servers that must answer in strict turn; an answer that is nothing but a name
    /// says who answered.
    #[serde(default)]
    round_robin: Vec<String>,
    /// The exact order in which real servers must answer, over and over, from any start.
    #[serde(default)]
    order: Vec<String>,
    /// How many connections each real server must answer, and no other any.
    #[serde(default)]
    share: IndexMap<String, u32>,
    /// Who must hand the replies to the client, by hardware address: `real_server`, or a host.
    #[schemars(with = "Option<String>")]
    reply_from: Option<ReplyFrom>,
}

/// Datagrams from a host, each of which must be answered.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Udp {
    /// The host that asks.
    from: String,
    /// Where to: an address or a name, and a port.
    to: Endpoint,
    /// How often; by default as often as what is expected needs.
    requests: Option<u32>,
    /// For how many seconds to wait.
    timeout: Option<Seconds>,
    /// The address to ask from.
    source: Option<IpAddr>,
    /// The port to ask from; each datagram has one of its own unless it is given.
    source_port: Option<u16>,
    /// A text to send.
    send: Option<String>,
    /// Bytes to send, as hexadecimal digits.
    send_hex: Option<String>,
    /// A question of DNS to send; what the answer says is then what is looked at.
    dns: Option<Question>,
    /// What must be seen; any answer is enough when nothing is expected.
    #[serde(default)]
    expect: UdpExpect,
}

/// What is expected of datagrams.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UdpExpect {
    /// Whether every datagram must be refused, by an ICMP error.
    #[serde(default)]
    refused: bool,
    /// Whether nothing may come back.
    #[serde(default)]
    silence: bool,
    /// Every answer, but for white space around it.
    reply: Option<String>,
    /// A text in every answer.
    reply_contains: Option<String>,
    /// The real servers that must answer in strict turn; an answer that is nothing but a name
    /// says who answered.
    #[serde(default)]
    round_robin: Vec<String>,
    /// The exact order in which real servers must answer, over and over, from any start.
    #[serde(default)]
    order: Vec<String>,
    /// How many datagrams each real server must answer, and no other any.
    #[serde(default)]
    share: IndexMap<String, u32>,
    /// Who must hand the replies to the client, by hardware address: `real_server`, or a host.
    #[schemars(with = "Option<String>")]
    reply_from: Option<ReplyFrom>,
}

impl<'de> Deserialize<'de> for Talk<Tcp> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Tcp::deserialize(deserializer)?.into_talk().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Talk<Udp> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Udp::deserialize(deserializer)?.into_talk().map_err(de::Error::custom)
    }
}

impl Tcp {
    fn into_talk(self) -> Result<Talk<Self>, String> {
        let TcpExpect { refused, reply, reply_contains, round_robin, order, share, reply_from } =
            self.expect;
        let spread = Spread { round_robin, order, share, reply_from, ..Spread::default() };
        let expect = Expect { refused, silence: false, reply, contains: reply_contains };
        let named = !spread.servers().is_empty();
        let listens = named || expect.reply.is_some() || expect.contains.is_some();
        if refused && (listens || spread.reply_from.is_some()) {
            return Err("a connection that is refused says nothing\n\
                 hint: give either `refused` or what must be heard"
                .into());
        }
        let probe = probe::Talk {
            carrier: match self.protocol {
                Stream::Tcp => Carrier::Tcp,
                Stream::Sctp => Carrier::Sctp,
            },
            to: self.to,
            requests: spread.requests(self.requests)?,
            timeout: self.timeout.unwrap_or_else(probe::Http::default_timeout),
            source: self.source,
            source_port: self.source_port,
            send: self.send.map(|text| Bytes(text.into())),
            listens,
        };
        Ok(Talk { from: self.from, probe, dns: None, expect, spread, written_as: PhantomData })
    }
}

impl Udp {
    fn into_talk(self) -> Result<Talk<Self>, String> {
        let UdpExpect {
            refused,
            silence,
            reply,
            reply_contains,
            round_robin,
            order,
            share,
            reply_from,
        } = self.expect;
        let send = match (self.send, self.send_hex, &self.dns) {
            (Some(text), None, None) => text.into_bytes(),
            (None, Some(digits), None) => bytes_of(&digits)?,
            (None, None, Some(question)) => question.message()?,
            (None, None, None) => Vec::new(),
            _ => return Err("give one of `send`, `send_hex` and `dns`".into()),
        };
        let spread = Spread { round_robin, order, share, reply_from, ..Spread::default() };
        let expect = Expect { refused, silence, reply, contains: reply_contains };
        let heard = !spread.servers().is_empty() || expect.reply.is_some();
        if (refused || silence) && (heard || expect.contains.is_some() || refused == silence) {
            return Err("a datagram is answered, refused or lost\n\
                 hint: give `refused`, `silence` or what must be heard"
                .into());
        }
        let probe = probe::Talk {
            carrier: Carrier::Udp,
            to: self.to,
            requests: spread.requests(self.requests)?,
            timeout: self.timeout.unwrap_or_else(|| Seconds::from_millis(2_000)),
            source: self.source,
            source_port: self.source_port,
            send: Some(Bytes(send)),
            listens: true,
        };
        let dns = self.dns;
        Ok(Talk { from: self.from, probe, dns, expect, spread, written_as: PhantomData })
    }
}

/// `0a0b 0c` as bytes.
fn bytes_of(digits: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("`{digits}` is not bytes as pairs of hexadecimal digits");
    let digits: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let pair = |pair: &[char]| match pair {
        [high, low] => {
            let (high, low) = (high.to_digit(16)?, low.to_digit(16)?);
            u8::try_from(high * 16 + low).ok()
        }
        _ => None,
    };
    digits.chunks(2).map(|one| pair(one).ok_or_else(wrong)).collect()
}

impl<W: std::fmt::Debug + Send + Sync + 'static> Check for Talk<W>
where
    Self: de::DeserializeOwned,
{
    type Seen = Answers;

    fn title(&self) -> String {
        let (name, plural) = match self.probe.carrier {
            Carrier::Tcp => ("TCP connection", "s"),
            Carrier::Sctp => ("SCTP association", "s"),
            Carrier::Udp => ("datagram", "s"),
        };
        let plural = if self.probe.requests == 1 { "" } else { plural };
        format!("{} {name}{plural} from {} to {}", self.probe.requests, self.from, self.probe.to)
    }

    fn hosts(&self) -> Vec<&str> {
        let mut hosts = vec![self.from.as_str()];
        hosts.extend(self.spread.hosts());
        hosts
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Answers, CallError> {
        let mut seen = look(hosts, &self.from, self.probe.clone())?;
        if let Some(question) = &self.dns {
            // From here on an answer is what it says.
            for response in
                seen.requests.iter_mut().filter_map(|answer| match &mut answer.outcome {
                    Outcome::Response(response) => Some(response),
                    Outcome::Failed(_) => None,
                })
            {
                let message = response.bytes.as_ref().map_or(&[][..], |bytes| &bytes.0);
                response.body = match question.answers(message) {
                    Ok(records) => records.join(" "),
                    Err(why) => why,
                };
            }
        }
        Ok(seen)
    }

    fn judge(&self, seen: &Answers, lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        self.judge_each(seen, &mut verdict);
        if !self.expect.refused && !self.expect.silence {
            self.spread.judge(seen, lab, UNNAMED, &mut verdict);
        }
        verdict
    }

    fn causes(&self, seen: &Answers, scene: &Scene) -> Vec<Cause> {
        let asked = seen.requests.first().map(|answer| answer.peer);
        let Some(service) = asked.or_else(|| self.probe.to.address()) else { return Vec::new() };
        let protocol = match self.probe.carrier {
            Carrier::Tcp => Protocol::Tcp,
            Carrier::Sctp => Protocol::Sctp,
            Carrier::Udp => Protocol::Udp,
        };
        cause::of_traffic(
            &Traffic {
                client: &self.from,
                service,
                servers: self.spread.servers(),
                in_turn: !self.spread.round_robin.is_empty(),
                protocol,
                seen,
            },
            scene,
        )
    }

    fn draw(&self, seen: &Answers, lab: &Roster) -> Option<String> {
        let servers = self.spread.servers();
        (!servers.is_empty()).then(|| draw::answers(seen, &servers, lab))
    }
}

impl<W> Talk<W> {
    fn judge_each(&self, seen: &Answers, verdict: &mut Verdict) {
        let Expect { refused, silence, reply, contains } = &self.expect;
        let count = self.probe.requests;
        verdict.expect(match (refused, silence, self.probe.listens) {
            (true, ..) => format!("{count} refused"),
            (_, true, _) => format!("{count} without an answer"),
            (.., true) => format!("{count} answered"),
            (.., false) => format!("{count} accepted"),
        });
        for (name, text) in [("answer", reply), ("answer with", contains)] {
            if let Some(text) = text {
                verdict.expect(format!("{name} `{}`", short(text)));
            }
        }
        if let Some(question) = &self.dns {
            verdict.expect(format!("the {question}"));
        }
        let mut wrong = Grouped::default();
        let mut as_wanted = 0;
        for (number, answer) in (1..).zip(&seen.requests) {
            match &answer.outcome {
                Outcome::Failed(failure) => match failure.trouble {
                    Trouble::Refused if *refused => as_wanted += 1,
                    Trouble::Timeout if *silence => as_wanted += 1,
                    _ => wrong.add(number, failure.to_string()),
                },
                Outcome::Response(_) if *refused => wrong.add(number, "it is not refused".into()),
                Outcome::Response(response) => {
                    let body = response.body.trim();
                    let differs = reply.as_ref().is_some_and(|wanted| wanted.trim() != body);
                    let lacks = contains.as_ref().is_some_and(|part| !body.contains(part.as_str()));
                    if differs || lacks || *silence {
                        wrong.add(number, format!("the answer is `{}`", short(body)));
                    } else {
                        as_wanted += 1;
                    }
                }
            }
        }
        verdict.see(format!("{as_wanted} of {} as expected", seen.requests.len()));
        wrong.tell(verdict);
        // Of what must not be answered the first ones say enough.
        if seen.not_sent > 0 && !silence {
            verdict.problem(format!(
                "{} more were not tried: those before timed out in a row",
                seen.not_sent
            ));
        }
    }
}

#[cfg(test)]
mod tests;
