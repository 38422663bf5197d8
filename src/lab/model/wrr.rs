//! `wrr`: rounds, each for weights from a bound on, which falls from the highest weight in
//! steps of the greatest common divisor.
//!
//! So weights 4, 3 and 2 give AABABCABC, over and over. It begins with the last three: while
//! destinations are added the bound is 1, as it is for the first of them alone.

use super::{Choice, FOLLOWED, Request, Rule, View};

#[derive(Debug)]
pub(super) struct Wrr;

/// Where the rounds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Turn {
    /// Who had the last turn; nobody when the list begins.
    last: Option<usize>,
    /// The bound: who weighs less has no turn in this round.
    bound: u32,
}

/// The step between two bounds, and the highest one. The kernel's bounds end with 1, not with the
/// divisor, so that a weight that is just being changed is served all the same.
fn bounds(view: &View) -> (u32, u32) {
    let weights = || view.servers.iter().map(|server| server.weight).filter(|weight| *weight > 0);
    let step = weights().reduce(divisor).unwrap_or(1);
    (step, (weights().max().unwrap_or(0) + 1).saturating_sub(step))
}

/// The greatest common divisor.
pub(super) fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { divisor(b, a % b) }
}

impl Rule for Wrr {
    type Memory = Turn;

    /// Of the first destination that is added 1 is the only bound, and those that are added then
    /// leave it.
    fn fresh(view: &View) -> Turn {
        let (_, highest) = bounds(view);
        Turn { last: None, bound: highest.min(1) }
    }

    fn memories(view: &View) -> Option<Vec<Turn>> {
        let (step, highest) = bounds(view);
        if highest == 0 {
            return Some(vec![Turn { last: None, bound: 0 }]);
        }
        let rounds = (highest / step) as usize + 1;
        if rounds.saturating_mul(view.servers.len() + 1) > FOLLOWED {
            return None;
        }
        let turns = (1..=highest).step_by(step as usize).flat_map(|bound| {
            let served = view.servers.iter().enumerate().filter(move |(_, s)| s.weight >= bound);
            let last = std::iter::once(None).chain(served.map(|(at, _)| Some(at)));
            last.map(move |last| Turn { last, bound })
        });
        Some(turns.collect())
    }

    fn choose(view: &View, _: &Request, turn: &Turn) -> Vec<(Choice, Turn)> {
        let (step, highest) = bounds(view);
        let Turn { last, mut bound } = *turn;
        let mut from = last.map_or(0, |last| last + 1);
        // From any place, two rounds through all bounds meet whoever can take it.
        let rounds = if highest == 0 { 0 } else { 2 * (highest / step + 1) };
        for _ in 0..rounds {
            let rest = view.servers.iter().enumerate().skip(from);
            let served = rest.into_iter().find(|(_, s)| s.is_available() && s.weight >= bound);
            if let Some((at, server)) = served {
                let because = format!(
                    "it is the next in the round of weights from {bound} on, and its weight is {}",
                    server.weight
                );
                return vec![(Choice::of(server, because), Turn { last: Some(at), bound })];
            }
            from = 0;
            bound = if bound > step { bound - step } else { highest };
        }
        vec![(Choice::nobody(view), Turn { last: None, bound })]
    }
}
