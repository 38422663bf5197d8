//! Which real server must answer how often, and in which order: what checks of any protocol
//! expect of answers that name who gave them.

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, de};

use super::report::Grouped;
use super::{Roster, Verdict, draw, order};
use crate::lab::probe::{Answer, Answers, Coverage, Response};

/// Who hands a reply to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyFrom {
    /// The real server that answered, past the director: direct routing and tunnels.
    RealServer,
    /// One host: the director with masquerading, or a router.
    Host(String),
}

/// The expectations; each stands for itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Spread {
    /// Who must answer in strict turn.
    pub(super) round_robin: Vec<String>,
    /// The exact order, over and over, from any start.
    pub(super) order: Vec<String>,
    /// How many requests each must answer, and no other any.
    pub(super) share: IndexMap<String, u32>,
    /// Who must hand the replies over.
    pub(super) reply_from: Option<ReplyFrom>,
    /// Whether each answer stands for a connection with several requests.
    pub(super) of_connections: bool,
}

impl Spread {
    /// What is counted.
    fn unit(&self) -> &'static str {
        if self.of_connections { "connection" } else { "request" }
    }

    /// How many requests to make: as many as is written, or as the expectations need.
    pub(super) fn requests(&self, written: Option<u32>) -> Result<u32, String> {
        for (at, name) in self.round_robin.iter().enumerate() {
            if self.round_robin.iter().take(at).any(|before| before == name) {
                return Err(format!(
                    "`round_robin` has `{name}` twice\n\
                     hint: for weights write `order`, in which a name may stand more than once"
                ));
            }
        }
        let unit = self.unit();
        let cycle = self.round_robin.len().max(self.order.len());
        let cycle = u32::try_from(cycle).unwrap_or(u32::MAX);
        let sum = self.share.values().try_fold(0_u32, |sum, count| sum.checked_add(*count));
        let sum = sum.ok_or("`share` adds up to more than can be counted")?;
        let by_expectation = match (sum, cycle) {
            (0, 0) => 1,
            (0, cycle) => cycle.saturating_mul(3),
            (sum, _) => sum,
        };
        let requests = written.unwrap_or(by_expectation);
        if requests == 0 {
            return Err("`requests` is 0, which proves nothing".into());
        }
        if !self.share.is_empty() && sum != requests {
            return Err(format!(
                "`share` adds up to {sum}, but {requests} {unit}s are made\n\
                 hint: leave `requests` out, or make them agree"
            ));
        }
        if requests < cycle {
            return Err(format!(
                "{requests} {unit}s cannot show a round of {cycle}\n\
                 hint: three rounds are {} {unit}s",
                cycle.saturating_mul(3)
            ));
        }
        Ok(requests)
    }

    /// The real servers that are named, each once.
    pub(super) fn servers(&self) -> Vec<&str> {
        let mut servers: Vec<&str> = Vec::new();
        for name in self.round_robin.iter().chain(&self.order).chain(self.share.keys()) {
            if !servers.contains(&name.as_str()) {
                servers.push(name);
            }
        }
        servers
    }

    /// Every host that is named.
    pub(super) fn hosts(&self) -> Vec<&str> {
        let mut hosts = self.servers();
        if let Some(ReplyFrom::Host(host)) = &self.reply_from {
            hosts.push(host);
        }
        hosts
    }

    /// Judges all of it; `unnamed` says what an answer lacks that names no real server.
    pub(super) fn judge(&self, seen: &Answers, lab: &Roster, unnamed: &str, into: &mut Verdict) {
        let named = self.judge_names(seen, unnamed, into);
        // An order or a share of fewer answers than requests is wrong for that reason alone.
        self.expect_order_and_share(into);
        if named.len() == seen.requests.len() && seen.not_sent == 0 {
            self.judge_order(&named, into);
            self.judge_share(&named, into);
        }
        self.judge_path(seen, lab, into);
    }

    /// Who answered each request; shorter than the requests when that is not known of all.
    fn judge_names<'a>(
        &self,
        seen: &'a Answers,
        unnamed: &str,
        verdict: &mut Verdict,
    ) -> Vec<&'a str> {
        let mut named = Vec::new();
        let mut wrong = Grouped::default();
        let must_name =
            !self.servers().is_empty() || self.reply_from == Some(ReplyFrom::RealServer);
        for (number, answer) in (1..).zip(&seen.requests) {
            match answer.response().map(Response::real_server) {
                Some(Some(name)) => named.push(name),
                Some(None) if must_name => {
                    wrong.add(number, format!("the answer names no real server: {unnamed}"));
                }
                Some(None) | None => {}
            }
        }
        wrong.tell_as(self.unit(), verdict);
        if !named.is_empty() {
            verdict.see(draw::order(&named));
        }
        let failed = seen.requests.iter().filter(|answer| answer.response().is_none()).count();
        if failed > 0 {
            verdict.see(format!(
                "{failed} of {} {}s without an answer",
                seen.requests.len(),
                self.unit()
            ));
        }
        named
    }

    fn expect_order_and_share(&self, verdict: &mut Verdict) {
        if !self.round_robin.is_empty() {
            verdict.expect(format!("in turn: {}", self.round_robin.join(", ")));
        }
        if !self.order.is_empty() {
            verdict.expect(format!("in this order: {}", self.order.join(", ")));
        }
        if !self.share.is_empty() {
            let share = self.share.iter().map(|(name, count)| format!("{name} {count}"));
            verdict.expect(format!("share: {}", share.collect::<Vec<_>>().join(", ")));
        }
    }

    fn judge_order(&self, named: &[&str], verdict: &mut Verdict) {
        let Self { round_robin, order, .. } = self;
        let unit = self.unit();
        for deviation in [order::in_turn(named, round_robin), order::in_cycle(named, order)]
            .into_iter()
            .flatten()
        {
            let order::Deviation { request, expected, seen } = deviation;
            verdict.problem(match expected {
                Some(expected) => format!(
                    "not in turn: {unit} {request} was answered by `{seen}`, and it was \
                     `{expected}`'s"
                ),
                None if round_robin.contains(&seen) => format!(
                    "not in turn: {unit} {request} was answered by `{seen}` again, before all \
                     others were"
                ),
                None => {
                    format!("`{seen}` answered {unit} {request}, and is not one of those in turn")
                }
            });
        }
        for name in self.servers().iter().filter(|name| !named.contains(name)) {
            if !self.share.contains_key(*name) {
                verdict.problem(format!("`{name}` answered no {unit}"));
            }
        }
    }

    fn judge_share(&self, named: &[&str], verdict: &mut Verdict) {
        if self.share.is_empty() {
            return;
        }
        let unit = self.unit();
        let count = |name: &str| named.iter().filter(|one| **one == name).count();
        for (name, wanted) in &self.share {
            let got = count(name);
            if got != *wanted as usize {
                verdict.problem(format!("`{name}` answered {got} {unit}s, not {wanted}"));
            }
        }
        let mut others: Vec<&str> = named.to_vec();
        others.retain(|name| !self.share.contains_key(*name));
        others.sort_unstable();
        others.dedup();
        for name in others {
            verdict.problem(format!("`{name}` answered {} {unit}s, not 0", count(name)));
        }
    }

    /// Who handed the replies over.
    fn judge_path(&self, seen: &Answers, lab: &Roster, verdict: &mut Verdict) {
        let Some(from) = &self.reply_from else { return };
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
            match from.judge(answer, &seen.capture, lab) {
                Some(Ok(())) => right += 1,
                Some(Err(problem)) => wrong.add(number, problem),
                None => {}
            }
        }
        verdict.see(match from {
            ReplyFrom::RealServer => format!("{right} replies straight from the real server"),
            ReplyFrom::Host(host) => format!("{right} replies by way of {host}"),
        });
        wrong.tell_as(self.unit(), verdict);
    }
}

impl<'de> Deserialize<'de> for ReplyFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "" => Err(de::Error::custom("expected `real_server` or a host, found nothing")),
            "real_server" => Ok(Self::RealServer),
            _ => Ok(Self::Host(text)),
        }
    }
}

impl ReplyFrom {
    /// Whether one reply came from whom it must; nothing to say where there is none.
    fn judge(
        &self,
        answer: &Answer,
        capture: &Coverage,
        lab: &Roster,
    ) -> Option<Result<(), String>> {
        let wanted = match self {
            Self::RealServer => answer.response()?.real_server()?,
            Self::Host(host) => answer.response().map(|_| host.as_str())?,
        };
        let senders = &answer.reply_macs;
        if senders.is_empty() {
            let lost = match capture {
                Coverage::Lossy(lost) => format!(": {lost} frames were lost"),
                _ => String::new(),
            };
            return Some(Err(format!("who sent the reply is unknown{lost}")));
        }
        if senders.iter().all(|mac| lab.by_mac(*mac) == Some(wanted)) {
            return Some(Ok(()));
        }
        let senders: Vec<String> = senders.iter().map(|mac| lab.mac(*mac)).collect();
        Some(Err(format!("`{wanted}`'s reply came from {}", senders.join(", "))))
    }
}
