//! `lc`: the fewest connections, an open one counting for 256 that are being closed. Weights
//! only say whether a destination takes anything.

use super::least::{overhead, plain};
use super::{Choice, Request, Rule, Server, View};

#[derive(Debug)]
pub(super) struct Lc;

impl Rule for Lc {
    type Memory = ();

    fn fresh(_: &View) {}

    fn memories(_: &View) -> Option<Vec<()>> {
        Some(vec![()])
    }

    fn choose(view: &View, _: &Request, (): &()) -> Vec<(Choice, ())> {
        let loads = view.available().map(Server::overhead);
        let Some(least) = loads.min() else { return plain(view, None) };
        let mut lightest = view.available().filter(|server| server.overhead() == least);
        let chosen = lightest.next().map(|server| {
            let because = match lightest.count() {
                0 => format!("{}: the least", overhead(server)),
                others => {
                    let ties = others + 1;
                    format!("{}: the least, and the first of {ties} with as much", overhead(server))
                }
            };
            (server, because)
        });
        plain(view, chosen)
    }
}
