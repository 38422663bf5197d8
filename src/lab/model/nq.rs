//! `nq`, never queue: the first that has no open connection, however slow; or else as `sed`.

use super::least::plain;
use super::sed::shortest;
use super::{Choice, Request, Rule, View};

#[derive(Debug)]
pub(super) struct Nq;

impl Rule for Nq {
    type Memory = ();

    fn fresh(_: &View) {}

    fn memories(_: &View) -> Option<Vec<()>> {
        Some(vec![()])
    }

    fn choose(view: &View, _: &Request, (): &()) -> Vec<(Choice, ())> {
        let idle = view.available().find(|server| server.active == 0);
        let chosen = match idle {
            Some(server) => Some((server, "it is the first that is idle".to_owned())),
            None => shortest(view)
                .map(|(server, because)| (server, format!("nobody is idle; {because}"))),
        };
        plain(view, chosen)
    }
}
