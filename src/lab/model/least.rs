//! The least loaded: what `lc`, `wlc`, `sed`, `nq`, `lblc` and `lblcr` have in common.

use super::{Choice, Server, View};

/// The first of those with the least load for their weight.
pub(super) fn lightest<'a>(
    servers: impl IntoIterator<Item = &'a Server>,
    load: fn(&Server) -> u64,
) -> Option<&'a Server> {
    let lighter = |a: &Server, b: &Server| product(a, b, load) < product(b, a, load);
    servers.into_iter().reduce(|least, one| if lighter(one, least) { one } else { least })
}

/// Of two loads for their weights, the first: fractions are compared without dividing.
fn product(a: &Server, b: &Server, load: fn(&Server) -> u64) -> u128 {
    u128::from(load(a)) * u128::from(b.weight)
}

/// Whether two are equally loaded.
fn equal(a: &Server, b: &Server, load: fn(&Server) -> u64) -> bool {
    product(a, b, load) == product(b, a, load)
}

/// How many of the available ones are as light as this, in words.
pub(super) fn the_least(server: &Server, view: &View, load: fn(&Server) -> u64) -> String {
    match view.available().filter(|one| equal(one, server, load)).count() {
        0 | 1 => "the least".into(),
        ties => format!("the least, and the first of {ties} with as much"),
    }
}

/// The load of `lc` in words.
pub(super) fn overhead(server: &Server) -> String {
    let Server { active, inactive, .. } = server;
    format!("256 × {active} active + {inactive} inactive = {}", server.overhead())
}

/// What `wlc` chooses.
pub(super) fn weighted(view: &View) -> Option<(&Server, String)> {
    let server = lightest(view.available(), Server::overhead)?;
    let (load, weight) = (overhead(server), server.weight);
    let least = the_least(server, view, Server::overhead);
    Some((server, format!("{load}, for a weight of {weight}: {least}")))
}

/// A choice that needs no memory.
pub(super) fn plain(view: &View, chosen: Option<(&Server, String)>) -> Vec<(Choice, ())> {
    let choice = match chosen {
        Some((server, because)) => Choice::of(server, because),
        None => Choice::nobody(view),
    };
    vec![(choice, ())]
}
