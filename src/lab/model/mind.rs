//! Following a scheduler: every memory that it may have, and what is left of them when a
//! choice is seen.

use std::fmt::Debug;

use indexmap::IndexSet;

use super::{Choice, FOLLOWED, Prediction, Request, Rule, View, threshold};
use crate::netlink::ipvs::DestinationKey;

/// A rule whose memories are no longer of interest.
pub(super) trait Mind: Debug {
    /// See [`super::Model::ahead`].
    fn ahead(&self, view: &View, requests: &[Request]) -> Vec<Prediction>;

    /// See [`super::Model::observe`].
    fn observe(&mut self, view: &View, request: &Request, seen: Option<DestinationKey>) -> bool;
}

/// A scheduler that is followed.
#[derive(Debug)]
pub(super) struct Followed<R: Rule> {
    /// The table that the memories are of: an edit makes the kernel begin somewhere else.
    shape: Vec<(DestinationKey, u32)>,
    /// All that the kernel may remember; `None` when that is too much.
    minds: Option<Vec<Remembered<R::Memory>>>,
}

/// What the kernel may remember, besides the counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Remembered<M> {
    /// The places of the destinations that are full.
    full: Vec<bool>,
    memory: M,
}

/// A possible future, while requests are foretold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Future<M> {
    mind: Remembered<M>,
    /// How many connections each destination got.
    taken: Vec<u32>,
}

impl<R: Rule> Followed<R> {
    pub(super) fn new(view: &View) -> Self {
        Self { shape: view.shape(), minds: minds::<R>(view) }
    }

    /// The same when nothing came yet.
    pub(super) fn fresh(view: &View) -> Self {
        let full = vec![false; view.servers.len()];
        let begun = Remembered { full, memory: R::fresh(view) };
        Self { shape: view.shape(), minds: Some(vec![begun]) }
    }

    /// What may be remembered now: what was, unless the table was edited.
    fn now(&self, view: &View) -> Option<Vec<Remembered<R::Memory>>> {
        if self.shape == view.shape() { self.minds.clone() } else { minds::<R>(view) }
    }
}

/// Every memory with every set of destinations that may be full.
fn minds<R: Rule>(view: &View) -> Option<Vec<Remembered<R::Memory>>> {
    let memories = R::memories(view)?;
    let mut all = vec![Vec::new()];
    for server in &view.servers {
        let known = threshold::full(server);
        let either: &[bool] = match known {
            Some(true) => &[true],
            Some(false) => &[false],
            None => &[false, true],
        };
        all = all
            .into_iter()
            .flat_map(|before| {
                either.iter().map(move |full| [before.as_slice(), &[*full]].concat())
            })
            .collect();
        if all.len().saturating_mul(memories.len()) > FOLLOWED {
            return None;
        }
    }
    let with = |full: Vec<bool>| {
        memories.iter().map(move |memory| Remembered { full: full.clone(), memory: memory.clone() })
    };
    Some(all.into_iter().flat_map(with).collect())
}

impl<M: Clone> Remembered<M> {
    /// The service as this mind sees it.
    fn sees(&self, view: &View) -> (View, Vec<bool>) {
        let mut view = view.clone();
        let before = self.full.iter().copied().chain(std::iter::repeat(false));
        for (server, before) in view.servers.iter_mut().zip(before) {
            server.full = threshold::full(server).unwrap_or(before);
        }
        let full = view.servers.iter().map(|server| server.full).collect();
        (view, full)
    }

    /// What may come of a request.
    fn choose<R: Rule<Memory = M>>(&self, view: &View, request: &Request) -> Vec<(Choice, Self)> {
        let (view, full) = self.sees(view);
        let next = |(choice, memory)| (choice, Self { full: full.clone(), memory });
        R::choose(&view, request, &self.memory).into_iter().map(next).collect()
    }
}

impl<R: Rule> Mind for Followed<R> {
    fn ahead(&self, view: &View, requests: &[Request]) -> Vec<Prediction> {
        let Some(minds) = self.now(view) else { return blind(view, requests.len()) };
        let taken = vec![0; view.servers.len()];
        let mut futures: Vec<_> =
            minds.into_iter().map(|mind| Future { mind, taken: taken.clone() }).collect();
        let mut predictions = Vec::new();
        for request in requests {
            let mut prediction = Prediction { choices: Vec::new() };
            let mut next = IndexSet::new();
            for future in futures {
                let view = view.with(&future.taken);
                for (choice, mind) in future.mind.choose::<R>(&view, request) {
                    let mut taken = future.taken.clone();
                    let at = view.servers.iter().position(|s| Some(s.key) == choice.destination);
                    if let Some(taken) = at.and_then(|at| taken.get_mut(at)) {
                        *taken += 1;
                    }
                    prediction.add(choice);
                    next.insert(Future { mind, taken });
                }
            }
            if next.len() > FOLLOWED {
                let rest = requests.len() - predictions.len();
                predictions.extend(blind(view, rest));
                return predictions;
            }
            predictions.push(prediction);
            futures = next.into_iter().collect();
        }
        predictions
    }

    fn observe(&mut self, view: &View, request: &Request, seen: Option<DestinationKey>) -> bool {
        let Some(minds) = self.now(view) else { return true };
        let chosen = |mind: Remembered<R::Memory>| mind.choose::<R>(view, request);
        let left: IndexSet<_> = minds
            .into_iter()
            .flat_map(chosen)
            .filter(|(choice, _)| choice.destination == seen)
            .map(|(_, mind)| mind)
            .collect();
        if left.is_empty() {
            return false;
        }
        self.shape = view.shape();
        self.minds = Some(left.into_iter().collect());
        true
    }
}

/// What may happen when nothing can be followed: whoever has a weight may take it.
fn blind(view: &View, requests: usize) -> Vec<Prediction> {
    let may = |server: &&super::Server| server.weight > 0 && threshold::full(server) != Some(true);
    let because = "it can take connections; the scheduler may be in more states than are followed";
    let mut choices: Vec<Choice> =
        view.servers.iter().filter(may).map(|server| Choice::of(server, because)).collect();
    if choices.is_empty() {
        choices.push(Choice::nobody(view));
    }
    vec![Prediction { choices }; requests]
}

impl View {
    /// The service after its destinations took so many connections more.
    fn with(&self, taken: &[u32]) -> Self {
        let mut view = self.clone();
        for (server, taken) in view.servers.iter_mut().zip(taken) {
            server.active = server.active.saturating_add(*taken);
        }
        view
    }
}
