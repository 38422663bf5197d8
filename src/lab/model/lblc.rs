//! `lblc`, locality-based least connections: an address goes where it went before, so that a
//! cache is asked again for what it has; a new one goes where `wlc` sends it.
//!
//! For one address, since a request is for one. What was not asked for for a day is forgotten
//! (`lblc_expiration`), which the model leaves out.

use super::least::weighted;
use super::{Choice, Request, Rule, Server, View};

#[derive(Debug)]
pub(super) struct Lblc;

/// Whether it has more connections than its weight while another one has less than half.
pub(super) fn overloaded(server: &Server, view: &View) -> bool {
    let idle = |one: &Server| u64::from(one.active) * 2 < u64::from(one.weight);
    server.active > server.weight && view.servers.iter().any(idle)
}

impl Rule for Lblc {
    /// Where the address went.
    type Memory = Option<usize>;

    fn fresh(_: &View) -> Option<usize> {
        None
    }

    fn memories(view: &View) -> Option<Vec<Self::Memory>> {
        Some(std::iter::once(None).chain((0..view.servers.len()).map(Some)).collect())
    }

    fn choose(
        view: &View,
        request: &Request,
        before: &Option<usize>,
    ) -> Vec<(Choice, Option<usize>)> {
        let to = request.to;
        let known = before.and_then(|before| view.servers.get(before));
        // A destination that is full is used all the same: thresholds are not asked here.
        let stays = known.filter(|server| server.weight > 0 && !overloaded(server, view));
        if let Some(server) = stays {
            return vec![(Choice::of(server, format!("{to} was given it before")), *before)];
        }
        let Some((server, because)) = weighted(view) else {
            return vec![(Choice::nobody(view), *before)];
        };
        let why = match known {
            Some(known) if known.weight == 0 => format!("{} has weight 0", known.key),
            Some(known) => format!(
                "{} has more open connections than its weight, and another one less than half",
                known.key
            ),
            None => format!("{to} is new"),
        };
        let at = view.servers.iter().position(|one| one.key == server.key);
        vec![(Choice::of(server, format!("{why}; {because}")), at)]
    }
}
