//! `twos`, the power of two choices: two destinations are drawn by weight, and the less loaded
//! of them takes it. Which two is chance, so the model says who may win.

use super::{Choice, Request, Rule, Server, View};

#[derive(Debug)]
pub(super) struct Twos;

impl Rule for Twos {
    type Memory = ();

    fn fresh(_: &View) {}

    fn memories(_: &View) -> Option<Vec<()>> {
        Some(vec![()])
    }

    fn choose(view: &View, _: &Request, (): &()) -> Vec<(Choice, ())> {
        let load = |one: &Server, weight: u32| u128::from(one.overhead()) * u128::from(weight);
        let mut chosen: Vec<(Choice, ())> = Vec::new();
        for server in view.available() {
            // Drawn twice it wins against itself; drawn first it wins a draw, too.
            let beaten = view
                .available()
                .filter(|other| other.key != server.key)
                .filter(|other| load(server, other.weight) <= load(other, server.weight))
                .count();
            let because =
                format!("if both draws are its, or the other one of {beaten} that are not lighter");
            chosen.push((Choice::of(server, because), ()));
        }
        if chosen.is_empty() {
            chosen.push((Choice::nobody(view), ()));
        }
        chosen
    }
}
