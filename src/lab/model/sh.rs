//! `sh`: the client's address decides, by a hash over 256 buckets, of which each destination has
//! as many in a row as its weight.
//!
//! With `sh-port` the client's port counts too; with `sh-fallback` another bucket is tried when
//! the destination is out.

use super::hash::{fold, multiplied};
use super::{Choice, Request, Rule, Server, View};

const BITS: u32 = 8;
const BUCKETS: usize = 1 << BITS;

#[derive(Debug)]
pub(super) struct Sh;

/// Who has which bucket.
fn buckets(view: &View) -> Vec<&Server> {
    // A weight of 0 has one bucket all the same, and takes nothing.
    let runs = view.servers.iter().map(|server| (server, server.weight.max(1) as usize));
    let round: Vec<&Server> = runs
        .flat_map(|(server, run)| std::iter::repeat_n(server, run.min(BUCKETS)))
        .take(BUCKETS)
        .collect();
    round.iter().copied().cycle().take(BUCKETS).collect()
}

/// Who is asked, in words.
pub(super) fn client(request: &Request, port: bool) -> String {
    if port { request.client.to_string() } else { request.client.ip().to_string() }
}

/// What is hashed.
pub(super) fn key(request: &Request, port: bool) -> u32 {
    let port = if port { request.client.port() } else { 0 };
    fold(request.client.ip()).wrapping_add(u32::from(port))
}

impl Rule for Sh {
    type Memory = ();

    fn fresh(_: &View) {}

    fn memories(_: &View) -> Option<Vec<()>> {
        Some(vec![()])
    }

    fn choose(view: &View, request: &Request, (): &()) -> Vec<(Choice, ())> {
        let (fallback, port) = (view.flags.first, view.flags.second);
        let client = client(request, port);
        let hash = multiplied(key(request, port), BITS);
        let buckets = buckets(view);
        let Some(first) = buckets.get(hash) else { return vec![(Choice::nobody(view), ())] };
        if first.is_available() {
            let because = format!("{client} is in bucket {hash} of 256, which is its");
            return vec![(Choice::of(first, because), ())];
        }
        let because = format!(
            "{client} is in bucket {hash} of 256, which is {}'s, and that {}",
            first.key,
            first.out()
        );
        if !fallback {
            return vec![(Choice::none(because), ())];
        }
        let tried = (0..BUCKETS).map(|step| ((step + hash) % BUCKETS + hash) % BUCKETS);
        let found = tried
            .filter_map(|bucket| Some((bucket, buckets.get(bucket)?)))
            .find(|(_, server)| server.is_available());
        let choice = match found {
            Some((bucket, server)) => {
                Choice::of(server, format!("{because}; sh-fallback takes bucket {bucket}"))
            }
            None => Choice::nobody(view),
        };
        vec![(choice, ())]
    }
}
