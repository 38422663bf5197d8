//! `fo`, failover: everything to the highest weight.

use super::least::plain;
use super::{Choice, Request, Rule, View};

#[derive(Debug)]
pub(super) struct Fo;

impl Rule for Fo {
    type Memory = ();

    fn fresh(_: &View) {}

    fn memories(_: &View) -> Option<Vec<()>> {
        Some(vec![()])
    }

    fn choose(view: &View, _: &Request, (): &()) -> Vec<(Choice, ())> {
        let highest = view.available().map(|server| server.weight).max();
        let server = view.available().find(|server| Some(server.weight) == highest);
        plain(
            view,
            server.map(|server| (server, format!("{} is the highest weight", server.weight))),
        )
    }
}
