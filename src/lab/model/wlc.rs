//! `wlc`: the fewest connections for its weight, counted as `lc` does.

use super::least::{plain, weighted};
use super::{Choice, Request, Rule, View};

#[derive(Debug)]
pub(super) struct Wlc;

impl Rule for Wlc {
    type Memory = ();

    fn fresh(_: &View) {}

    fn memories(_: &View) -> Option<Vec<()>> {
        Some(vec![()])
    }

    fn choose(view: &View, _: &Request, (): &()) -> Vec<(Choice, ())> {
        plain(view, weighted(view))
    }
}
