//! `lblcr`, `lblc` with replication: an address goes to the least loaded of several, and gets one
//! more when that has too much to do.
//!
//! For one address. After a day without a change (`lblcr_expiration`) the most loaded one is
//! taken away again, which the model leaves out.

use super::lblc::overloaded;
use super::least::{lightest, weighted};
use super::{Choice, Request, Rule, Server, View};

/// Of so many destinations every set, in every order, is followed.
const MOST: usize = 5;

#[derive(Debug)]
pub(super) struct Lblcr;

impl Rule for Lblcr {
    /// The address's destinations, the last one first: of two with the same load the first is
    /// taken.
    type Memory = Vec<usize>;

    fn fresh(_: &View) -> Vec<usize> {
        Vec::new()
    }

    fn memories(view: &View) -> Option<Vec<Vec<usize>>> {
        let count = view.servers.len();
        if count > MOST {
            return None;
        }
        let mut all = vec![Vec::new()];
        let mut grown = 0;
        while let Some(set) = all.get(grown).cloned() {
            grown += 1;
            let others = (0..count).filter(|at| !set.contains(at));
            all.extend(others.map(|at| [&[at], set.as_slice()].concat()));
        }
        Some(all)
    }

    fn choose(view: &View, request: &Request, set: &Vec<usize>) -> Vec<(Choice, Vec<usize>)> {
        let to = request.to;
        let members = set.iter().filter_map(|at| view.servers.get(*at));
        let least = lightest(members.filter(|one| one.is_available()), Server::overhead);
        if let Some(server) = least.filter(|server| !overloaded(server, view)) {
            let because = match set.len() {
                1 => format!("{to} was given it before"),
                count => {
                    format!("it is the least loaded of the {count} that {to} was given before")
                }
            };
            return vec![(Choice::of(server, because), set.clone())];
        }
        let Some((server, because)) = weighted(view) else {
            return vec![(Choice::nobody(view), set.clone())];
        };
        let why = match least {
            Some(least) => format!(
                "{} has more open connections than its weight, and another one less than half",
                least.key
            ),
            None if set.is_empty() => format!("{to} is new"),
            None => format!("none that {to} was given before can take it"),
        };
        let at = view.servers.iter().position(|one| one.key == server.key);
        let added = at.filter(|at| !set.contains(at));
        let set = added.iter().chain(set).copied().collect();
        vec![(Choice::of(server, format!("{why}; {because}")), set)]
    }
}
