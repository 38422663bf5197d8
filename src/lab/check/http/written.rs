//! The `http` check as a lab file writes it, and what must agree in it.

use std::net::IpAddr;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::spread::{ReplyFrom, Spread};
use super::Http;
use crate::lab::probe::{self, Seconds, Url};

/// What is expected of every answer by itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Expect {
    pub(super) status: Option<u16>,
    pub(super) body: Option<String>,
    pub(super) contains: Option<String>,
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
            source_port: written.source_port,
            headers: written.headers,
        };
        let expect =
            Expect { status: expect.status, body: expect.body, contains: expect.body_contains };
        Ok(Self { from: written.from, probe, expect, spread })
    }
}
