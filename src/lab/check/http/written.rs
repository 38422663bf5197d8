//! The `http` check as a lab file writes it, and what must agree in it.

use std::net::IpAddr;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::super::spread::{ReplyFrom, Spread};
use super::Http;
use crate::lab::probe::{self, Seconds, Url};

/// What is expected of every answer by itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Expect {
    pub(super) status: Option<u16>,
    pub(super) body: Option<String>,
    pub(super) contains: Option<String>,
    pub(super) source_seen: Option<SourceSeen>,
}

/// Whom the back end takes for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceSeen {
    /// The client itself.
    Client,
    /// Somebody in between.
    Other(IpAddr),
}

impl<'de> Deserialize<'de> for SourceSeen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "client" => Ok(Self::Client),
            _ => text.parse().map(Self::Other).map_err(|_| {
                de::Error::custom(format!("`{text}` is neither `client` nor an address"))
            }),
        }
    }
}

/// What is expected of the answers; each expectation stands for itself.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenExpect {
    /// Every answer's status; 200 unless written.
    status: Option<u16>,
    /// Every answer's body, but for white space around it.
    body: Option<String>,
    /// A text in every answer's body.
    body_contains: Option<String>,
    /// The client's address as the back end must see it, which tells it in the header
    /// `X-Client-Address`: `client`, its own, or another one.
    #[schemars(with = "Option<String>")]
    source_seen: Option<SourceSeen>,
    /// The real servers that must answer in strict turn, each once in every round, every round
    /// in the same order; in which, is the kernel's choice.
    #[serde(default)]
    round_robin: Vec<String>,
    /// The exact order in which real servers must answer, over and over, from any start; a name
    /// may stand there more than once, as with weights.
    #[serde(default)]
    order: Vec<String>,
    /// How many requests each real server must answer, and no other any.
    #[serde(default)]
    share: IndexMap<String, u32>,
    /// Who must hand the replies to the client, by hardware address: `real_server`, or a host.
    #[schemars(with = "Option<String>")]
    reply_from: Option<ReplyFrom>,
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
    /// Several addresses to ask from, one after the other, over and over.
    #[serde(default)]
    sources: Vec<IpAddr>,
    /// The port to ask from; each request has one of its own unless it is given.
    source_port: Option<u16>,
    /// Headers of each request.
    #[serde(default)]
    headers: IndexMap<String, String>,
    /// What must be seen.
    #[serde(default)]
    expect: WrittenExpect,
}

impl TryFrom<Written> for Http {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let expect = written.expect;
        let spread = Spread {
            round_robin: expect.round_robin,
            order: expect.order,
            share: expect.share,
            reply_from: expect.reply_from,
        };
        let requests = spread.requests(written.requests)?;
        let probe = probe::Http {
            url: written.url,
            requests,
            timeout: written.timeout.unwrap_or_else(probe::Http::default_timeout),
            source: written.source,
            sources: written.sources,
            source_port: written.source_port,
            headers: written.headers,
        };
        let expect = Expect {
            status: expect.status,
            body: expect.body,
            contains: expect.body_contains,
            source_seen: expect.source_seen,
        };
        Ok(Self { from: written.from, probe, expect, spread })
    }
}
