//! The `http` check as a lab file writes it, and what must agree in it.

use std::net::IpAddr;
use std::num::NonZeroU32;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::super::spread::{ReplyFrom, Spread};
use super::Http;
use crate::lab::probe::{self, Scheme, Seconds, Tls, Url};

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
    /// What it asks for, such as `http://192.168.0.89/`, or `https://…`.
    #[serde(deserialize_with = "Url::with_tls")]
    url: Url,
    /// With `https://`: whose certificates are taken, and which name is asked for. Without it any
    /// certificate is taken.
    tls: Option<Tls>,
    /// How often; by default as often as what is expected needs.
    requests: Option<u32>,
    /// How many requests are made over each connection, one after the other; 1 unless written.
    /// All of them must be answered by one real server, and `round_robin`, `order` and `share`
    /// count connections.
    keep_alive: Option<NonZeroU32>,
    /// How many connections are open at a time; 1 unless written. They have no order then, only
    /// a `share`.
    concurrency: Option<NonZeroU32>,
    /// For how many seconds to wait for an answer, and with `concurrency` for a connection.
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
        if written.tls.is_some() && written.url.scheme == Scheme::Http {
            return Err(format!(
                "`tls` is for `https://`, and `{}` is asked for without it\n\
                 hint: let the URL begin with `https://`, or leave `tls` out",
                written.url
            ));
        }
        let keep_alive = written.keep_alive.map_or(1, NonZeroU32::get);
        let spread = Spread {
            round_robin: expect.round_robin,
            order: expect.order,
            share: expect.share,
            reply_from: expect.reply_from,
            of_connections: keep_alive > 1,
        };
        let connections = spread.requests(connections(written.requests, keep_alive)?)?;
        let concurrency = written.concurrency.map_or(1, NonZeroU32::get);
        if concurrency > 1 {
            at_a_time(&spread, concurrency, connections, written.source_port)?;
        }
        let probe = probe::Http {
            url: written.url,
            tls: written.tls.unwrap_or_default(),
            connections,
            keep_alive,
            concurrency,
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

/// How many connections so many requests need.
fn connections(requests: Option<u32>, keep_alive: u32) -> Result<Option<u32>, String> {
    match requests {
        Some(requests) if requests % keep_alive > 0 => Err(format!(
            "{requests} requests cannot be made by {keep_alive} over each connection\n\
             hint: `requests` is all of them, `keep_alive` how many share a connection"
        )),
        requests => Ok(requests.map(|requests| requests / keep_alive)),
    }
}

/// What agrees with several connections at a time. IPVS chooses when a SYN comes by, and in which
/// order those of several connections do nobody can tell who only knows when they were sent.
fn at_a_time(
    spread: &Spread,
    concurrency: u32,
    connections: u32,
    source_port: Option<u16>,
) -> Result<(), String> {
    for (key, names) in [("round_robin", &spread.round_robin), ("order", &spread.order)] {
        if !names.is_empty() {
            return Err(format!(
                "`{key}` asks for an order, which connections have not that are begun at the same \
                 time\n\
                 hint: `share` counts them, and is exact all the same; or leave `concurrency` out"
            ));
        }
    }
    if source_port.is_some() {
        return Err("`concurrency` needs a port for each connection\n\
                    hint: leave `source_port` out"
            .into());
    }
    if connections < concurrency {
        return Err(format!(
            "{connections} connections are never {concurrency} at a time\n\
             hint: make more `requests`, or let `concurrency` be {connections}"
        ));
    }
    Ok(())
}
