//! `rr`: one after the other, in the kernel's order.

use super::{Choice, Request, Rule, View};

#[derive(Debug)]
pub(super) struct Rr;

impl Rule for Rr {
    /// Who had the last turn; nobody when the list begins.
    type Memory = Option<usize>;

    fn fresh(_: &View) -> Option<usize> {
        None
    }

    fn memories(view: &View) -> Option<Vec<Self::Memory>> {
        Some(std::iter::once(None).chain((0..view.servers.len()).map(Some)).collect())
    }

    fn choose(view: &View, _: &Request, last: &Option<usize>) -> Vec<(Choice, Option<usize>)> {
        let count = view.servers.len();
        let start = last.map_or(0, |last| last + 1);
        let turns = (0..count).map(|step| (start + step) % count);
        let taken = turns
            .filter_map(|at| Some((at, view.servers.get(at)?)))
            .find(|(_, server)| server.is_available());
        let Some((at, server)) = taken else { return vec![(Choice::nobody(view), *last)] };
        let because = match last.and_then(|last| view.servers.get(last)) {
            Some(before) => format!("its turn comes after {}", before.key),
            None => "it is the first in the list, and nobody had a turn yet".into(),
        };
        vec![(Choice::of(server, because), Some(at))]
    }
}
