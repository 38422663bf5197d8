//! `dh`: the address that is asked for decides, by a hash over 256 buckets that the destinations
//! share out in turn, whatever their weights.

use super::hash::{fold, multiplied};
use super::{Choice, Request, Rule, View};

const BITS: u32 = 8;

#[derive(Debug)]
pub(super) struct Dh;

impl Rule for Dh {
    type Memory = ();

    fn fresh(_: &View) {}

    fn memories(_: &View) -> Option<Vec<()>> {
        Some(vec![()])
    }

    fn choose(view: &View, request: &Request, (): &()) -> Vec<(Choice, ())> {
        let to = request.to;
        let bucket = multiplied(fold(to), BITS);
        let count = view.servers.len().max(1);
        let choice = match view.servers.get(bucket % count) {
            Some(server) if server.is_available() => {
                Choice::of(server, format!("{to} is in bucket {bucket} of 256, which is its"))
            }
            Some(server) => Choice::none(format!(
                "{to} is in bucket {bucket} of 256, which is {}'s, and that {}",
                server.key,
                server.out()
            )),
            None => Choice::nobody(view),
        };
        vec![(choice, ())]
    }
}
