//! `sed`, the shortest expected delay: the fewest open connections for its weight, the new one
//! included. Those that are being closed do not count.

use super::least::{lightest, plain, the_least};
use super::{Choice, Request, Rule, Server, View};

#[derive(Debug)]
pub(super) struct Sed;

impl Rule for Sed {
    type Memory = ();

    fn fresh(_: &View) {}

    fn memories(_: &View) -> Option<Vec<()>> {
        Some(vec![()])
    }

    fn choose(view: &View, _: &Request, (): &()) -> Vec<(Choice, ())> {
        plain(view, shortest(view))
    }
}

/// What `sed` chooses, and why.
pub(super) fn shortest(view: &View) -> Option<(&Server, String)> {
    let delay = |server: &Server| u64::from(server.active) + 1;
    let server = lightest(view.available(), delay)?;
    let Server { active, weight, .. } = server;
    let least = the_least(server, view, delay);
    Some((server, format!("{active} active + 1, for a weight of {weight}: {least}")))
}
