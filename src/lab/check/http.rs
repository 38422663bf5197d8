//! `http`: requests from a host, one or several over a connection, one connection after the other
//! or several at a time; and who must answer them, how often and in which order.

use std::net::SocketAddr;

use indexmap::IndexMap;
use serde::Deserialize;

use super::cause::{self, Traffic};
use super::report::Grouped;
use super::spread::Spread;
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, draw, look};
use crate::connection::CallError;
use crate::lab::probe::{self, Answer, Answers};
use crate::netlink::ipvs::Protocol;

mod written;

pub(super) use written::Written;
use written::{Expect, SourceSeen};

/// Requests over fresh connections.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Http {
    from: String,
    probe: probe::Http,
    expect: Expect,
    spread: Spread,
}

/// What an answer lacks that names no real server.
const UNNAMED: &str = "it has no X-Real-Server header, and its body is not a name";

impl Check for Http {
    type Seen = Answers;

    fn title(&self) -> String {
        format!("{} from {} to {}", self.requests(), self.from, self.probe.url)
    }

    fn hosts(&self) -> Vec<&str> {
        let mut hosts = vec![self.from.as_str()];
        hosts.extend(self.spread.hosts());
        hosts
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Answers, CallError> {
        look(hosts, &self.from, self.probe.clone())
    }

    fn judge(&self, seen: &Answers, lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        self.judge_each(seen, &mut verdict);
        self.judge_connections(seen, &mut verdict);
        see_certificates(seen, &mut verdict);
        self.spread.judge(seen, lab, UNNAMED, &mut verdict);
        verdict
    }

    fn causes(&self, seen: &Answers, scene: &Scene) -> Vec<Cause> {
        let asked = |answer: &Answer| answer.peer;
        let peer = seen.requests.first().map(asked).or_else(|| {
            self.probe.url.address().map(|address| SocketAddr::new(address, self.probe.url.port))
        });
        let Some(service) = peer else { return Vec::new() };
        cause::of_traffic(
            &Traffic {
                client: &self.from,
                service,
                servers: self.spread.servers(),
                in_turn: !self.spread.round_robin.is_empty(),
                protocol: Protocol::Tcp,
                seen,
            },
            scene,
        )
    }

    fn draw(&self, seen: &Answers, lab: &Roster) -> Option<String> {
        Some(draw::answers(seen, &self.spread.servers(), lab))
    }
}

impl Http {
    fn requests(&self) -> String {
        let probe::Http { connections, keep_alive, concurrency, .. } = self.probe;
        let count = |number: u32, unit: &str| match number {
            1 => format!("1 {unit}"),
            number => format!("{number} {unit}s"),
        };
        let mut text = count(connections.saturating_mul(keep_alive), "request");
        if keep_alive > 1 {
            text += &format!(" over {}", count(connections, "connection"));
        }
        if concurrency > 1 {
            text += &format!(", {concurrency} connections at a time,");
        }
        text
    }

    /// That all requests over a connection are answered by one server: IPVS balances connections.
    fn judge_connections<'a>(&self, seen: &'a Answers, verdict: &mut Verdict) {
        if self.probe.keep_alive == 1 {
            return;
        }
        verdict.expect("each connection stays with one server");
        let mut wrong = Grouped::default();
        for (number, answer) in (1..).zip(&seen.requests) {
            let name = |one: &'a probe::Outcome| one.response()?.real_server();
            let names: Vec<&str> = answer.outcomes().filter_map(name).collect();
            if names.windows(2).any(|pair| pair.first() != pair.last()) {
                wrong.add(number, format!("it was answered by {}", draw::order(&names)));
            }
        }
        wrong.tell_as("connection", verdict);
    }

    /// Status and body of each answer, and that there is one.
    fn judge_each(&self, seen: &Answers, verdict: &mut Verdict) {
        let status = self.expect.status.unwrap_or(200);
        verdict.expect(format!("{} answered with status {status}", self.requests()));
        for (name, text) in [("body", &self.expect.body), ("body with", &self.expect.contains)] {
            if let Some(text) = text {
                verdict.expect(format!("{name} `{}`", short(text)));
            }
        }
        let mut wrong = Grouped::default();
        let each = seen.requests.iter().enumerate().flat_map(|(connection, answer)| {
            let first = connection * self.probe.keep_alive as usize + 1;
            (first..).zip(answer.outcomes()).map(move |(number, outcome)| (number, answer, outcome))
        });
        for (number, answer, outcome) in each {
            let response = match outcome {
                probe::Outcome::Response(response) => response,
                probe::Outcome::Failed(failure) => {
                    wrong.add(number, failure.to_string());
                    continue;
                }
            };
            if let Some(other) = response.status.filter(|other| *other != status) {
                wrong.add(number, format!("status {other}, not {status}"));
            }
            if let Some(problem) = self.expect.mistaken(answer, response) {
                wrong.add(number, problem);
            }
            let body = response.body.trim();
            if self.expect.body.as_ref().is_some_and(|wanted| wanted.trim() != body) {
                wrong.add(number, format!("the body is `{}`", short(body)));
            }
            if self.expect.contains.as_ref().is_some_and(|part| !body.contains(part.as_str())) {
                wrong.add(number, format!("the body lacks the text: `{}`", short(body)));
            }
        }
        wrong.tell(verdict);
        if seen.not_sent > 0 {
            verdict.problem(format!(
                "{} more requests were not made: those before timed out in a row",
                seen.not_sent
            ));
        }
    }
}

impl Expect {
    /// Whether the back end takes somebody else for the client.
    fn mistaken(&self, answer: &Answer, response: &probe::Response) -> Option<String> {
        let wanted = match self.source_seen? {
            SourceSeen::Client => answer.local.ip(),
            SourceSeen::Other(address) => address,
        };
        let Some(told) = response.headers.get("x-client-address") else {
            return Some("the answer does not tell whom it is for: no X-Client-Address".into());
        };
        (told.parse() != Ok(wanted)).then(|| format!("the back end sees {told}, not {wanted}"))
    }
}

/// Who showed which certificate, where they are not all the same.
fn see_certificates(seen: &Answers, verdict: &mut Verdict) {
    let mut shown: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for answer in &seen.requests {
        let Some(certificate) = &answer.certificate else { continue };
        let names = shown.entry(certificate).or_default();
        let name = answer.response().and_then(probe::Response::real_server).unwrap_or("nobody");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if shown.len() > 1 {
        let each = shown.iter().map(|(certificate, names)| {
            format!("{}… from {}", certificate.get(..16).unwrap_or(certificate), names.join(", "))
        });
        verdict.see(format!("different certificates: {}", each.collect::<Vec<_>>().join("; ")));
    }
}

/// A text, cut to what fits into a line.
pub(super) fn short(text: &str) -> String {
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().count() > 60 { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests;
