//! `ovf`, overflow: everything to the highest weight, until it has more open connections than
//! its weight; then to the next. When all have, the kernel refuses.

use super::least::plain;
use super::{Choice, Request, Rule, Server, View};

#[derive(Debug)]
pub(super) struct Ovf;

impl Rule for Ovf {
    type Memory = ();

    fn fresh(_: &View) {}

    fn memories(_: &View) -> Option<Vec<()>> {
        Some(vec![()])
    }

    fn choose(view: &View, _: &Request, (): &()) -> Vec<(Choice, ())> {
        let room = |server: &&Server| server.active <= server.weight;
        let highest = view.available().filter(room).map(|server| server.weight).max();
        let chosen = view.available().find(|one| room(one) && Some(one.weight) == highest);
        if chosen.is_none() && view.available().next().is_some() {
            let because = "every destination has more open connections than its weight";
            return vec![(Choice::none(because), ())];
        }
        let because = |server: &Server| {
            let Server { weight, active, .. } = server;
            format!("{weight} is the highest weight with room: {active} open connections")
        };
        plain(view, chosen.map(|server| (server, because(server))))
    }
}
