//! `http`: requests from a host, and who must answer them in which order.

use std::net::SocketAddr;

use indexmap::IndexMap;
use serde::Deserialize;

use super::cause::{self, Traffic};
use super::order;
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, draw, look};
use crate::connection::CallError;
use crate::lab::probe::{self, Answer, Coverage, HttpAnswers};

mod written;

use written::Expect;
pub use written::ReplyFrom;
pub(super) use written::Written;

/// Requests over fresh connections, one after the other.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Http {
    from: String,
    probe: probe::Http,
    expect: Expect,
}

impl Check for Http {
    type Seen = HttpAnswers;

    fn title(&self) -> String {
        format!("{} from {} to {}", self.requests(), self.from, self.probe.url)
    }

    fn hosts(&self) -> Vec<&str> {
        let mut hosts = vec![self.from.as_str()];
        hosts.extend(self.servers());
        if let Some(ReplyFrom::Host(host)) = &self.expect.reply_from {
            hosts.push(host);
        }
        hosts
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<HttpAnswers, CallError> {
        look(hosts, &self.from, self.probe.clone())
    }

    fn judge(&self, seen: &HttpAnswers, lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        self.judge_each(seen, &mut verdict);
        let named = self.judge_names(seen, &mut verdict);
        // An order or a share of fewer answers than requests is wrong for that reason alone.
        if named.len() == seen.requests.len() && seen.not_sent == 0 {
            self.judge_order(&named, &mut verdict);
            self.judge_share(&named, &mut verdict);
        } else {
            self.expect_order_and_share(&mut verdict);
        }
        self.judge_path(seen, lab, &mut verdict);
        verdict
    }

    fn causes(&self, seen: &HttpAnswers, scene: &Scene) -> Vec<Cause> {
        let asked = |answer: &Answer| answer.peer;
        let peer = seen.requests.first().map(asked).or_else(|| {
            self.probe.url.address().map(|address| SocketAddr::new(address, self.probe.url.port))
        });
        let Some(service) = peer else { return Vec::new() };
        cause::of_traffic(
            &Traffic {
                client: &self.from,
                service,
                servers: self.servers(),
                in_turn: !self.expect.round_robin.is_empty(),
                seen,
            },
            scene,
        )
    }

    fn draw(&self, seen: &HttpAnswers, lab: &Roster) -> Option<String> {
        Some(draw::http(seen, &self.servers(), lab))
    }
}

impl Http {
    fn requests(&self) -> String {
        match self.probe.requests {
            1 => "1 request".into(),
            requests => format!("{requests} requests"),
        }
    }

    /// The real servers that the expectations name, each once.
    fn servers(&self) -> Vec<&str> {
        let mut servers: Vec<&str> = Vec::new();
        let expect = &self.expect;
        for name in expect.round_robin.iter().chain(&expect.order).chain(expect.share.keys()) {
            if !servers.contains(&name.as_str()) {
                servers.push(name);
            }
        }
        servers
    }

    /// Status and body of each answer, and that there is one.
    fn judge_each(&self, seen: &HttpAnswers, verdict: &mut Verdict) {
        let status = self.expect.status.unwrap_or(200);
        verdict.expect(format!("{} answered with status {status}", self.requests()));
        for (name, text) in [("body", &self.expect.body), ("body with", &self.expect.body_contains)]
        {
            if let Some(text) = text {
                verdict.expect(format!("{name} `{}`", short(text)));
            }
        }
        let mut wrong = Grouped::default();
        for (number, answer) in (1..).zip(&seen.requests) {
            let response = match &answer.outcome {
                probe::Outcome::Response(response) => response,
                probe::Outcome::Failed(failure) => {
                    wrong.add(number, failure.to_string());
                    continue;
                }
            };
            if response.status != status {
                wrong.add(number, format!("status {}, not {status}", response.status));
            }
            let body = response.body.trim();
            if self.expect.body.as_ref().is_some_and(|wanted| wanted.trim() != body) {
                wrong.add(number, format!("the body is `{}`", short(body)));
            }
            if self.expect.body_contains.as_ref().is_some_and(|part| !body.contains(part.as_str()))
            {
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

    /// Who answered each request; shorter than the requests when that is not known of all.
    fn judge_names<'a>(&self, seen: &'a HttpAnswers, verdict: &mut Verdict) -> Vec<&'a str> {
        let mut named = Vec::new();
        let mut wrong = Grouped::default();
        let must_name =
            !self.servers().is_empty() || self.expect.reply_from == Some(ReplyFrom::RealServer);
        for (number, answer) in (1..).zip(&seen.requests) {
            match answer.response().map(probe::Response::real_server) {
                Some(Some(name)) => named.push(name),
                Some(None) if must_name => wrong.add(
                    number,
                    "the answer names no real server: it has no X-Real-Server header, and its \
                     body is not a name"
                        .into(),
                ),
                Some(None) | None => {}
            }
        }
        wrong.tell(verdict);
        if !named.is_empty() {
            verdict.see(draw::order(&named));
        }
        let failed = seen.requests.iter().filter(|answer| answer.response().is_none()).count();
        if failed > 0 {
            verdict.see(format!("{failed} of {} requests without an answer", seen.requests.len()));
        }
        named
    }

    fn expect_order_and_share(&self, verdict: &mut Verdict) {
        if !self.expect.round_robin.is_empty() {
            verdict.expect(format!("in turn: {}", self.expect.round_robin.join(", ")));
        }
        if !self.expect.order.is_empty() {
            verdict.expect(format!("in this order: {}", self.expect.order.join(", ")));
        }
        if !self.expect.share.is_empty() {
            let share = self.expect.share.iter().map(|(name, count)| format!("{name} {count}"));
            verdict.expect(format!("share: {}", share.collect::<Vec<_>>().join(", ")));
        }
    }

    fn judge_order(&self, named: &[&str], verdict: &mut Verdict) {
        self.expect_order_and_share(verdict);
        let Expect { round_robin, order, .. } = &self.expect;
        for deviation in [order::in_turn(named, round_robin), order::in_cycle(named, order)]
            .into_iter()
            .flatten()
        {
            let order::Deviation { request, expected, seen } = deviation;
            verdict.problem(match expected {
                Some(expected) => format!(
                    "not in turn: request {request} was answered by `{seen}`, and it was \
                     `{expected}`'s"
                ),
                None if round_robin.contains(&seen) => format!(
                    "not in turn: request {request} was answered by `{seen}` again, before all \
                     others were"
                ),
                None => {
                    format!("`{seen}` answered request {request}, and is not one of those in turn")
                }
            });
        }
        for name in self.servers().iter().filter(|name| !named.contains(name)) {
            if !self.expect.share.contains_key(*name) {
                verdict.problem(format!("`{name}` answered no request"));
            }
        }
    }

    fn judge_share(&self, named: &[&str], verdict: &mut Verdict) {
        if self.expect.share.is_empty() {
            return;
        }
        let count = |name: &str| named.iter().filter(|one| **one == name).count();
        for (name, wanted) in &self.expect.share {
            let got = count(name);
            if got != *wanted as usize {
                verdict.problem(format!("`{name}` answered {got} requests, not {wanted}"));
            }
        }
        let mut others: Vec<&str> = named.to_vec();
        others.retain(|name| !self.expect.share.contains_key(*name));
        others.sort_unstable();
        others.dedup();
        for name in others {
            verdict.problem(format!("`{name}` answered {} requests, not 0", count(name)));
        }
    }

    /// Who handed the replies over.
    fn judge_path(&self, seen: &HttpAnswers, lab: &Roster, verdict: &mut Verdict) {
        let Some(from) = &self.expect.reply_from else { return };
        verdict.expect(match from {
            ReplyFrom::RealServer => "each reply straight from the real server".into(),
            ReplyFrom::Host(host) => format!("each reply by way of {host}"),
        });
        if let Coverage::Unavailable(reason) = &seen.capture {
            verdict.problem(format!("who sent the replies is unknown: {reason}"));
            return;
        }
        let mut wrong = Grouped::default();
        let mut right = 0;
        for (number, answer) in (1..).zip(&seen.requests) {
            let Some(response) = answer.response() else { continue };
            let wanted = match from {
                ReplyFrom::RealServer => response.real_server(),
                ReplyFrom::Host(host) => Some(host.as_str()),
            };
            let Some(wanted) = wanted else { continue };
            let senders = &answer.reply_macs;
            if senders.is_empty() {
                let lost = match seen.capture {
                    Coverage::Lossy(lost) => format!(": {lost} frames were lost"),
                    _ => String::new(),
                };
                wrong.add(number, format!("who sent the reply is unknown{lost}"));
            } else if senders.iter().all(|mac| lab.by_mac(*mac) == Some(wanted)) {
                right += 1;
            } else {
                let senders: Vec<String> = senders.iter().map(|mac| lab.mac(*mac)).collect();
                let senders = senders.join(", ");
                wrong.add(number, format!("`{wanted}`'s reply came from {senders}"));
            }
        }
        verdict.see(match from {
            ReplyFrom::RealServer => format!("{right} replies straight from the real server"),
            ReplyFrom::Host(host) => format!("{right} replies by way of {host}"),
        });
        wrong.tell(verdict);
    }
}

/// The same thing said of several requests, said once.
#[derive(Default)]
pub(super) struct Grouped(IndexMap<String, Vec<usize>>);

impl Grouped {
    pub(super) fn add(&mut self, number: usize, what: String) {
        self.0.entry(what).or_default().push(number);
    }

    fn tell(self, verdict: &mut Verdict) {
        self.tell_as("request", verdict);
    }

    /// Tells it of what is called so.
    pub(super) fn tell_as(self, called: &str, verdict: &mut Verdict) {
        for (what, numbers) in self.0 {
            let plural = if numbers.len() == 1 { "" } else { "s" };
            let listed: Vec<String> = numbers.iter().take(12).map(usize::to_string).collect();
            let more = if numbers.len() > 12 { ", …" } else { "" };
            verdict.problem(format!("{called}{plural} {}{more}: {what}", listed.join(", ")));
        }
    }
}

/// A text, cut to what fits into a line.
fn short(text: &str) -> String {
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().count() > 60 { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests;
