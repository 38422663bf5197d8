//! Which parts are gathered, what a filter leaves, and that all of it takes milliseconds.

use std::time::Instant;

use super::*;

fn names(subsets: &[&str]) -> Vec<&'static str> {
    let subsets: Vec<String> = subsets.iter().map(ToString::to_string).collect();
    chosen(&subsets).expect("known").iter().map(|subset| subset.name).collect()
}

#[test]
fn subsets_are_chosen_as_ansible_has_them() {
    assert_eq!(names(&[]).len(), SUBSETS.len());
    let min = names(&["min"]);
    assert!(min.contains(&"user") && !min.contains(&"network"), "{min:?}");
    assert_eq!(names(&["!all"]), min);
    assert_eq!(names(&["!all", "!min"]), Vec::<&str>::new());
    assert_eq!(names(&["!all", "!min", "network"]), ["network"]);
    let most = names(&["all", "!hardware"]);
    assert!(most.contains(&"network") && !most.contains(&"dmi"), "{most:?}");
    assert_eq!(names(&["!hardware"]), min);
    assert_eq!(names(&["!all", "!min", "interfaces", "python"]), ["network"]);
    let some = names(&["all", "!hardware", "memory"]);
    assert!(some.contains(&"memory") && !some.contains(&"dmi"), "{some:?}");
    let error = chosen(&["netwrk".into()]).err().expect("unknown");
    assert_eq!(error.hint.as_deref(), Some("did you mean `network`?"));
}

#[test]
fn a_filter_leaves_what_it_matches() {
    let filter = ["ansible_k*".into(), "os_family".into()];
    let found = gather(&["min".into()], &filter).expect("facts");
    let names: Vec<&String> = found.as_object().expect("a mapping").keys().collect();
    assert_eq!(names, ["kernel", "kernel_version", "os_family"]);
}

#[test]
fn gathering_takes_milliseconds() {
    let begun = Instant::now();
    let found = gather(&[], &[]).expect("facts");
    let took = begun.elapsed();
    assert!(found.as_object().is_some_and(|facts| facts.len() > 70), "{found}");
    assert!(took.as_millis() < 500, "{took:?}");
}
