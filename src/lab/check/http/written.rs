//! The `http` check as a lab file writes it, and what must agree in it.

use std::net::IpAddr;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::Http;
use crate::lab::probe::{self, Seconds, Url};

/// What is expected of the answers; each expectation stands for itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// Every answer's status; 200 unless written.
    pub(super) status: Option<u16>,
    /// Every answer's body, but for white space around it.
    pub(super) body: Option<String>,
    /// A text in every answer's body.
    pub(super) body_contains: Option<String>,
    /// The real servers that must answer in strict turn, each once in every round, every round
    /// in the same order; in which, is the kernel's choice.
    #[serde(default)]
    pub(super) round_robin: Vec<String>,
    /// The exact order in which real servers must answer, over and over, from any start; a name
    /// may stand there more than once, as with weights.
    #[serde(default)]
    pub(super) order: Vec<String>,
    /// How many requests each real server must answer, and no other any.
    #[serde(default)]
    pub(super) share: IndexMap<String, u32>,
    /// Who must hand the replies to the client, by hardware address: `real_server`, or a host.
    #[schemars(with = "Option<String>")]
    pub(super) reply_from: Option<ReplyFrom>,
}

/// Who hands a reply to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyFrom {
    /// The real server that answered, past the director: direct routing and tunnels.
    RealServer,
    /// One host: the director with masquerading, or a router.
    Host(String),
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

/// The check as written, before its parts are held against each other.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// The host that asks.
    from: String,
    /// What it asks for, such as `http://192.168.0.89/`.
    url: Url,
    /// How often; by default as often as what is expected needs.
    requests: Option<u32>,
    /// For how many seconds to wait for an answer.
    timeout: Option<Seconds>,
    /// The address to ask from.
    source: Option<IpAddr>,
    /// The port to ask from; each request has one of its own unless it is given.
    source_port: Option<u16>,
    /// Headers of each request.
    #[serde(default)]
    headers: IndexMap<String, String>,
    /// What must be seen.
    #[serde(default)]
    expect: Expect,
}

impl TryFrom<Written> for Http {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let expect = written.expect;
        for (at, name) in expect.round_robin.iter().enumerate() {
            if expect.round_robin.iter().take(at).any(|before| before == name) {
                return Err(format!(
                    "`round_robin` has `{name}` twice\n\
                     hint: for weights write `order`, in which a name may stand more than once"
                ));
            }
        }
        let cycle = expect.round_robin.len().max(expect.order.len());
        let cycle = u32::try_from(cycle).unwrap_or(u32::MAX);
        let sum = expect.share.values().try_fold(0_u32, |sum, count| sum.checked_add(*count));
        let sum = sum.ok_or("`share` adds up to more requests than can be counted")?;
        let by_expectation = match (sum, cycle) {
            (0, 0) => 1,
            (0, cycle) => cycle.saturating_mul(3),
            (sum, _) => sum,
        };
        let requests = written.requests.unwrap_or(by_expectation);
        if requests == 0 {
            return Err("`requests` is 0, which proves nothing".into());
        }
        if !expect.share.is_empty() && sum != requests {
            return Err(format!(
                "`share` adds up to {sum}, but {requests} requests are made\n\
                 hint: leave `requests` out, or make them agree"
            ));
        }
        if requests < cycle {
            return Err(format!(
                "{requests} requests cannot show a round of {cycle}\n\
                 hint: three rounds are {} requests",
                cycle.saturating_mul(3)
            ));
        }
        let probe = probe::Http {
            url: written.url,
            requests,
            timeout: written.timeout.unwrap_or_else(probe::Http::default_timeout),
            source: written.source,
            source_port: written.source_port,
            headers: written.headers,
        };
        Ok(Self { from: written.from, probe, expect })
    }
}
