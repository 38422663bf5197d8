//! `mh`, Maglev hashing: the client's address decides, over a table that destinations fill in
//! turn, each in an order of its own, as often in a round as its weight. Adding or removing one
//! leaves most of the table as it was (section 3.4 of the paper on Maglev).
//!
//! The keys of the kernel's two hashes are constants. Its table has 4,093 places unless it was
//! configured otherwise (`CONFIG_IP_VS_MH_TAB_INDEX`). A destination whose weight is set to 0 keeps
//! its places, with the weight it had.

use super::hash::{fold, sip};
use super::sh::{client, key};
use super::wrr::divisor;
use super::{Choice, Request, Rule, Server, View};

/// The size of the table: a prime.
const PLACES: u32 = 4_093;
/// A weight counts for at most so many bits' worth of turns.
const BITS: u32 = 6;
const FIRST_KEY: u64 = 2_654_435_761;
const SECOND_KEY: u64 = 2_654_446_892;
/// So many possible tables are followed.
const MOST: usize = 64;

#[derive(Debug)]
pub(super) struct Mh;

/// Where a destination goes in the table, and how often in a round.
struct Filler {
    server: usize,
    next: u32,
    skip: u32,
    turns: u32,
}

/// How often in a round each destination has a turn.
fn turns(weights: &[u32]) -> Vec<u32> {
    let step = weights.iter().copied().filter(|weight| *weight > 0).reduce(divisor).unwrap_or(1);
    let highest = weights.iter().max().unwrap_or(&0) / step;
    let shift = (u32::BITS - highest.leading_zeros()).saturating_sub(BITS);
    let turn = |weight: u32| if weight == 0 { 0 } else { ((weight / step) >> shift).max(1) };
    weights.iter().map(|weight| turn(*weight)).collect()
}

/// Who has which place; empty when nobody has any.
fn places(view: &View, weights: &[u32]) -> Vec<usize> {
    let filler = |(at, (server, turns)): (usize, (&Server, u32))| {
        let key = fold(server.key.address).wrapping_add(u32::from(server.key.port));
        let next = sip(key, FIRST_KEY) % PLACES;
        let skip = sip(key, SECOND_KEY) % (PLACES - 1) + 1;
        Filler { server: at, next, skip, turns }
    };
    let servers = view.servers.iter().zip(turns(weights)).enumerate();
    let mut fillers: Vec<Filler> = servers.map(filler).filter(|filler| filler.turns > 0).collect();
    let mut places: Vec<Option<usize>> = vec![None; PLACES as usize];
    let mut left = PLACES;
    while left > 0 && !fillers.is_empty() {
        for filler in &mut fillers {
            for _ in 0..filler.turns.min(left) {
                // A step that shares no divisor with the size comes to every place.
                while places.get(filler.next as usize).is_some_and(Option::is_some) {
                    filler.next = (filler.next + filler.skip) % PLACES;
                }
                if let Some(place) = places.get_mut(filler.next as usize) {
                    *place = Some(filler.server);
                }
                left -= 1;
            }
        }
    }
    places.into_iter().flatten().collect()
}

impl Rule for Mh {
    /// The weights that the table was filled by: of a destination that has 0 now, that before.
    type Memory = Vec<u32>;

    fn fresh(view: &View) -> Vec<u32> {
        view.servers.iter().map(|server| server.weight).collect()
    }

    fn memories(view: &View) -> Option<Vec<Vec<u32>>> {
        let mut before: Vec<u32> = view.servers.iter().map(|server| server.weight).collect();
        before.extend([0, 1]);
        before.sort_unstable();
        before.dedup();
        let mut all: Vec<Vec<u32>> = vec![Vec::new()];
        for server in &view.servers {
            let weighed = if server.weight > 0 { vec![server.weight] } else { before.clone() };
            all = all
                .into_iter()
                .flat_map(|known| {
                    weighed.iter().map(move |one| [known.as_slice(), &[*one]].concat())
                })
                .collect();
            if all.len() > MOST {
                return None;
            }
        }
        Some(all)
    }

    fn choose(view: &View, request: &Request, weights: &Vec<u32>) -> Vec<(Choice, Vec<u32>)> {
        let (fallback, port) = (view.flags.first, view.flags.second);
        let client = client(request, port);
        let hash = |offset: u32| sip(key(request, port).wrapping_add(offset), FIRST_KEY) % PLACES;
        let places = places(view, weights);
        let at = |place: u32| places.get(place as usize).and_then(|at| view.servers.get(*at));
        let place = hash(0);
        let choice = match at(place) {
            None => Choice::nobody(view),
            Some(server) if server.is_available() => Choice::of(
                server,
                format!("{client} is at place {place} of {PLACES}, which is its"),
            ),
            Some(server) => {
                let because = format!(
                    "{client} is at place {place} of {PLACES}, which is {}'s, and that {}",
                    server.key,
                    server.out()
                );
                let steps = if fallback { PLACES } else { 0 };
                let tried = (0..steps).map(|step| hash((step + place) % PLACES));
                let mut found = tried.filter_map(|place| Some((place, at(place)?)));
                match found.find(|(_, server)| server.is_available()) {
                    Some((place, server)) => {
                        Choice::of(server, format!("{because}; mh-fallback takes place {place}"))
                    }
                    None => Choice::none(because),
                }
            }
        };
        vec![(choice, weights.clone())]
    }
}
