//! Textbook facts, and what must hold of any table.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::netlink::ipvs::{SCHEDULERS, SchedulerFlags};

/// `A`, `B`, `C`, … in the kernel's order, with these weights.
fn view(weights: &[u32]) -> View {
    let servers = (0..).zip(weights).map(|(at, weight)| Server {
        key: key(at),
        weight: *weight,
        active: 0,
        inactive: 0,
        upper: None,
        lower: None,
        full: false,
    });
    View { flags: SchedulerFlags::default(), servers: servers.collect() }
}

fn key(at: u8) -> DestinationKey {
    DestinationKey { address: [10, 0, 0, 11 + at].into(), port: 80 }
}

/// The same with `active+inactive` connections.
fn loaded(weights: &[u32], connections: &str) -> View {
    let mut view = view(weights);
    for (server, counts) in view.servers.iter_mut().zip(connections.split_whitespace()) {
        let (active, inactive) = counts.split_once('+').expect("active+inactive");
        server.active = active.parse().expect("a number");
        server.inactive = inactive.parse().expect("a number");
    }
    view
}

fn letter(destination: Option<DestinationKey>) -> char {
    let last = |key: DestinationKey| match key.address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => panic!("no such destination here"),
    };
    destination.map_or('-', |key| char::from(b'A' + (last(key) - 11)))
}

fn from(client: &str) -> Request {
    let client: SocketAddr = client.parse().expect("literal");
    Request { client, to: [10, 0, 0, 1].into() }
}

fn client(number: u16) -> Request {
    let [a, b] = number.to_be_bytes();
    from(&format!("172.16.{a}.{b}:40000"))
}

/// Everybody who may take the next connection, in alphabetical order.
fn may(scheduler: &str, view: &View, request: &Request) -> String {
    let model = Model::new(scheduler, view).expect("a model");
    let mut all: Vec<char> =
        model.predict(view, request).choices.iter().map(|one| letter(one.destination)).collect();
    all.sort_unstable();
    all.into_iter().collect()
}

/// Plays so many connections, each of which stays open: what is foretold for certain once a
/// first choice was seen. `#` where it is not certain.
fn played(scheduler: &str, view: &View, first: Option<usize>, count: usize) -> String {
    let mut model = Model::new(scheduler, view).expect("a model");
    let mut view = view.clone();
    let mut line = String::new();
    for number in 0..count {
        let request = from("172.16.0.1:40000");
        let prediction = model.predict(&view, &request);
        let certain = prediction.certain().map(|choice| choice.destination);
        let begun = first.filter(|_| number == 0).map(|at| Some(view.servers[at].key));
        let Some(destination) = begun.or(certain) else {
            line.push('#');
            continue;
        };
        assert!(model.observe(&view, &request, destination), "{number}: {prediction:?}");
        line.push(letter(destination));
        let taken = view.servers.iter_mut().find(|server| Some(server.key) == destination);
        taken.into_iter().for_each(|server| server.active += 1);
    }
    line
}

#[test]
fn there_is_a_model_of_every_scheduler() {
    assert_eq!(names().collect::<Vec<_>>(), SCHEDULERS);
    for name in names() {
        let file = format!("{}/src/lab/model/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        assert!(std::path::Path::new(&file).exists(), "{file}");
    }
    assert!(Model::new("none", &view(&[1])).is_none());
}

#[test]
fn nobody_takes_anything_where_every_weight_is_0() {
    for name in names() {
        for weights in [&[0, 0][..], &[]] {
            let view = view(weights);
            let model = Model::new(name, &view).expect("a model");
            let prediction = model.predict(&view, &client(1));
            assert!(prediction.choices.iter().all(|one| one.destination.is_none()), "{name}");
        }
    }
}

#[test]
fn round_robin_is_known_from_the_first_choice_on() {
    assert_eq!(may("rr", &view(&[1, 1, 1]), &client(1)), "ABC");
    assert_eq!(played("rr", &view(&[1, 9, 1]), Some(1), 7), "BCABCAB");
    assert_eq!(played("rr", &view(&[1, 0, 1]), Some(2), 5), "CACAC");
}

#[test]
fn weights_4_3_2_give_aababcabc() {
    let weighted = view(&[4, 3, 2]);
    assert_eq!(may("wrr", &weighted, &client(1)), "ABC");
    // One A may be any of four; after the second in a row the place is known.
    let mut model = Model::new("wrr", &weighted).expect("a model");
    for _ in 0..2 {
        assert!(model.observe(&weighted, &client(1), Some(key(0))));
    }
    let ahead = model.ahead(&weighted, &vec![client(1); 16]);
    let line: String = ahead
        .iter()
        .map(|one| letter(one.certain().expect("certain by now").destination))
        .collect();
    assert_eq!(line, "BABCABCAABABCABC");
}

#[test]
fn a_fresh_scheduler_is_known_from_the_start() {
    let line = |scheduler: &str, view: &View| -> String {
        let model = Model::fresh(scheduler, view).expect("a model");
        let ahead = model.ahead(view, &vec![client(1); 9]);
        let only = |one: &Prediction| one.certain().map(|choice| letter(choice.destination));
        ahead.iter().map(|one| only(one).unwrap_or('#')).collect()
    };
    assert_eq!(line("rr", &view(&[1, 1, 1])), "ABCABCABC");
    // It begins with the round for all of them.
    assert_eq!(line("wrr", &view(&[4, 3, 2])), "ABCAABABC");
    assert_eq!(line("wrr", &view(&[2, 3, 4])), "ABCCBCABC");
    assert_eq!(line("lblc", &view(&[2, 4])), "AAABBBBBB");
    assert_eq!(line("mh", &view(&[0, 1])), "BBBBBBBBB");
    assert_eq!(line("twos", &view(&[1, 1])), "#########");
}

#[test]
fn weighted_round_robin_refuses_what_it_never_does() {
    let weighted = view(&[4, 3, 2]);
    let mut model = Model::new("wrr", &weighted).expect("a model");
    let mut see = |at: u8| model.observe(&weighted, &client(1), Some(key(at)));
    assert!(see(0) && see(0));
    assert!(!see(0), "AAA is in no cycle of 4, 3, 2");
    assert!(see(1), "nothing was learned from what cannot be");
}

#[rstest]
#[case::fewest("lc", &[1, 1, 1], "2+0 1+0 1+1", "B")]
#[case::whatever_the_weights("lc", &[1, 1, 9], "2+0 1+0 1+1", "B")]
#[case::open_ones_count_256_times("lc", &[1, 1], "0+256 1+0", "A")]
#[case::open_ones_count_no_more("lc", &[1, 1], "0+257 1+0", "B")]
#[case::the_first_of_equals("lc", &[1, 1, 1], "1+0 0+0 0+0", "B")]
#[case::not_weight_0("lc", &[0, 1], "0+0 5+0", "B")]
#[case::for_its_weight("wlc", &[1, 3], "1+0 2+0", "B")]
#[case::the_first_of_equals("wlc", &[1, 3], "1+0 3+0", "A")]
#[case::idle("wlc", &[1, 100], "0+0 0+0", "A")]
#[case::not_weight_0("wlc", &[0, 1], "0+0 9+0", "B")]
#[case::the_new_one_counts("sed", &[1, 3], "0+0 1+0", "B")]
#[case::closed_ones_do_not("sed", &[1, 1], "1+0 0+999", "B")]
#[case::fast_and_busy("sed", &[1, 3], "0+0 2+0", "A")]
#[case::idle_first("nq", &[1, 99], "0+0 1+0", "A")]
#[case::idle_though_slow("nq", &[9, 1, 1], "1+0 0+5 0+0", "B")]
#[case::nobody_idle("nq", &[1, 3], "1+0 1+0", "B")]
#[case::highest("fo", &[1, 3, 2], "0+0 999+0 0+0", "B")]
#[case::the_first_of_equals("fo", &[1, 3, 3], "0+0 0+0 0+0", "B")]
#[case::spills("ovf", &[2, 3], "0+0 4+0", "A")]
#[case::not_yet("ovf", &[2, 3], "0+0 3+0", "B")]
#[case::all_full("ovf", &[2, 3], "3+0 4+0", "-")]
#[case::two_choices("twos", &[1, 1, 1], "0+0 1+0 2+0", "ABC")]
#[case::not_weight_0("twos", &[1, 0, 1], "0+0 1+0 2+0", "AC")]
fn chooses_by_load(
    #[case] scheduler: &str,
    #[case] weights: &[u32],
    #[case] connections: &str,
    #[case] expected: &str,
) {
    assert_eq!(may(scheduler, &loaded(weights, connections), &client(1)), expected);
}

#[test]
fn overflow_takes_one_connection_more_than_the_weight() {
    assert_eq!(played("ovf", &view(&[1, 2]), None, 6), "BBBAA-");
}

#[test]
fn source_hashing_keeps_a_client_and_shares_by_weight() {
    let weighted = view(&[3, 1]);
    let counts = counted("sh", &weighted);
    assert!((2..=4).contains(&(counts[&'A'] / counts[&'B'])), "{counts:?}");
    let one = from("172.16.0.1:40000");
    let other_port = from("172.16.0.1:40001");
    assert_eq!(may("sh", &weighted, &one), may("sh", &weighted, &other_port));
    let mut by_port = weighted.clone();
    by_port.flags.second = true;
    let ports: HashSet<String> = (40_000..40_032)
        .map(|port| may("sh", &by_port, &from(&format!("172.16.0.1:{port}"))))
        .collect();
    assert_eq!(ports.len(), 2, "sh-port spreads one client");
}

#[rstest]
#[case("sh")]
#[case("mh")]
fn only_with_fallback_somebody_else_takes_a_dead_ones_clients(#[case] scheduler: &str) {
    let whole = view(&[1, 1, 1]);
    let drained = view(&[1, 0, 1]);
    let mut fallback = drained.clone();
    fallback.flags.first = true;
    let mut dead = 0;
    for request in (0..200).map(client) {
        let before = may(scheduler, &whole, &request);
        if before == "B" && scheduler == "sh" {
            dead += 1;
            assert_eq!(may(scheduler, &drained, &request), "-");
            assert_ne!(may(scheduler, &fallback, &request), "-");
        } else if scheduler == "mh" {
            // What it weighed before may be 1, so that it still has places.
            dead += usize::from(may(scheduler, &drained, &request).contains('-'));
            assert!(!may(scheduler, &fallback, &request).contains('-'));
        } else {
            assert_eq!(may(scheduler, &drained, &request), before);
        }
    }
    assert!(dead > 20, "{dead}");
}

/// How many of many clients each gets.
fn counted(scheduler: &str, view: &View) -> BTreeMap<char, usize> {
    let mut counts = BTreeMap::new();
    for request in (0..1000).map(client) {
        let taken = may(scheduler, view, &request);
        *counts.entry(taken.chars().next().expect("somebody")).or_default() += 1;
    }
    counts
}

#[test]
fn destination_hashing_asks_nothing_but_the_address_asked_for() {
    let three = view(&[1, 5, 1]);
    let whoever: HashSet<String> = (0..50).map(|n| may("dh", &three, &client(n))).collect();
    assert_eq!(whoever.len(), 1);
    let mut shares = BTreeMap::new();
    for last in 0..=255 {
        let request = Request { to: [10, 9, 0, last].into(), ..client(1) };
        *shares.entry(may("dh", &three, &request)).or_insert(0) += 1;
    }
    assert_eq!(shares.len(), 3);
    assert!(shares.values().all(|share| (60..=110).contains(share)), "{shares:?}");
}

#[test]
fn maglev_shares_by_weight_and_moves_few_when_one_goes() {
    let five = view(&[1, 1, 1, 1, 2]);
    let counts = counted("mh", &five);
    assert!(counts[&'E'] > 250 && counts[&'A'] < 250, "{counts:?}");
    let mut four = five.clone();
    four.servers.remove(2);
    let moved = (0..1000)
        .map(client)
        .filter(|request| {
            let before = may("mh", &five, request);
            before != "C" && before != may("mh", &four, request)
        })
        .count();
    // Somebody has to take the places, and a few others change hands with them.
    assert!(moved < 60, "{moved} of 1000 clients of others moved");
}

#[test]
fn locality_keeps_an_address_until_its_server_has_too_much() {
    let pair = view(&[2, 4]);
    assert_eq!(may("lblc", &pair, &client(1)), "AB");
    // A keeps it up to a third connection; by then B, which has none, is below half its weight.
    assert_eq!(played("lblc", &pair, Some(0), 9), "AAABBBBBB");
}

#[test]
fn replication_gives_a_busy_address_another_server() {
    let (mut view, mut set) = (view(&[2, 4]), Vec::new());
    let mut line = String::new();
    for _ in 0..11 {
        let (choice, next) = lblcr::Lblcr::choose(&view, &client(1), &set).remove(0);
        let at = view.servers.iter().position(|one| Some(one.key) == choice.destination);
        view.servers[at.expect("somebody")].active += 1;
        line.push(letter(choice.destination));
        set = next;
    }
    // A has more than its weight after three while B is idle. From then on the address has both,
    // and the less loaded one for its weight takes it.
    assert_eq!((line.as_str(), set), ("AAABBBBBBBA", vec![1, 0]));
}

#[test]
fn a_full_destination_is_left_out_until_it_is_below_its_lower_threshold() {
    let with = |active: u32| {
        let mut view = loaded(&[1, 1], &format!("{active}+0 0+0"));
        view.servers[0].upper = NonZeroU32::new(4);
        view.servers[0].lower = NonZeroU32::new(2);
        view
    };
    let model = |view: &View| Model::new("rr", view).expect("a model");
    assert_eq!(may("rr", &with(1), &client(1)), "AB");
    assert_eq!(may("rr", &with(4), &client(1)), "B");
    // Between the thresholds it depends on where it came from, which a model that saw it knows.
    let mut followed = model(&with(4));
    assert!(followed.observe(&with(4), &client(1), Some(key(1))));
    let now = followed.predict(&with(3), &client(1));
    assert_eq!(now.certain().map(|one| letter(one.destination)), Some('B'), "{now:?}");
    assert!(followed.predict(&with(1), &client(1)).allows(Some(key(0))));
}

#[test]
fn three_quarters_are_the_lower_threshold_of_a_destination_without_one() {
    let mut view = loaded(&[1], "2+1");
    view.servers[0].upper = NonZeroU32::new(4);
    let full = |view: &View| threshold::full(&view.servers[0]);
    assert_eq!(full(&view), None);
    view.servers[0].inactive = 0;
    assert_eq!(full(&view), Some(false));
    view.servers[0].active = 4;
    assert_eq!(full(&view), Some(true));
}

#[test]
fn an_edit_of_the_table_makes_a_turn_unknown_again() {
    let three = view(&[1, 1, 1]);
    let mut model = Model::new("rr", &three).expect("a model");
    assert!(model.observe(&three, &client(1), Some(key(0))));
    assert!(model.predict(&three, &client(1)).certain().is_some());
    let edited = view(&[1, 1, 2]);
    assert_eq!(model.predict(&edited, &client(1)).choices.len(), 3);
}

#[test]
fn a_table_with_too_many_states_is_foretold_by_what_can_take_a_connection() {
    let wide = view(&[60_000, 1, 0]);
    assert_eq!(may("wrr", &wide, &client(1)), "AB");
    let mut model = Model::new("wrr", &wide).expect("a model");
    assert!(model.observe(&wide, &client(1), Some(key(1))));
    assert_eq!(model.ahead(&wide, &[client(1), client(2)]).len(), 2);
}

proptest! {
    #[test]
    fn nothing_new_goes_to_weight_0_or_to_a_full_one(
        weights in prop::collection::vec(0_u32..5, 1..5),
        active in prop::collection::vec(0_u32..6, 5),
        fallback: bool,
        number: u16,
    ) {
        let mut view = view(&weights);
        view.flags.first = fallback;
        for (server, active) in view.servers.iter_mut().zip(&active) {
            server.active = *active;
            server.upper = NonZeroU32::new(5);
        }
        for name in names() {
            let prediction = Model::new(name, &view).expect(name).predict(&view, &client(number));
            prop_assert!(!prediction.choices.is_empty(), "{name}");
            for choice in &prediction.choices {
                let Some(key) = choice.destination else { continue };
                let server = view.server(key).expect("one of the table");
                prop_assert!(server.weight > 0, "{name}: {choice:?}");
                // `lblc` stays with a full one: the kernel does not ask there.
                prop_assert!(server.active < 5 || name == "lblc", "{name}: {choice:?}");
            }
        }
    }

    #[test]
    fn a_cycle_of_weighted_round_robin_serves_each_as_often_as_it_weighs(
        weights in prop::collection::vec(1_u32..7, 1..5),
    ) {
        let view = view(&weights);
        let step = weights.iter().copied().reduce(wrr::divisor).expect("not empty");
        let cycle = (weights.iter().sum::<u32>() / step) as usize;
        let mut memory = wrr::Wrr::memories(&view).expect("few").remove(0);
        let mut counts = vec![0; weights.len()];
        for _ in 0..cycle {
            let (choice, next) = wrr::Wrr::choose(&view, &client(1), &memory).remove(0);
            let at = view.servers.iter().position(|one| Some(one.key) == choice.destination);
            counts[at.expect("somebody")] += 1;
            memory = next;
        }
        let fair: Vec<u32> = weights.iter().map(|weight| weight / step).collect();
        // It may begin in the middle of a cycle, which is still one whole turn.
        prop_assert_eq!(counts, fair);
    }
}
