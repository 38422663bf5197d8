//! Every example finds what it is for, and nothing else.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::diagnostic::Source;
use crate::yaml;

/// What a boot leaves is no matter of the other examples.
fn others() -> Vec<&'static Rule> {
    RULES.iter().filter(|rule| rule.id != "not-persistent").collect()
}

fn found(text: &str, rules: &[&'static Rule]) -> Vec<(&'static str, usize)> {
    all(text, rules).iter().map(|one| (one.rule, one.line().line)).collect()
}

fn all(text: &str, rules: &[&'static Rule]) -> Vec<Finding> {
    let read = |name: &str, text: &str| {
        yaml::read(&Arc::new(Source { name: name.into(), text: text.into() })).expect("reads")
    };
    let path = Path::new("/nowhere/site.yml");
    let playbook = Playbook::decode(&read("site.yml", text), path).expect("a playbook");
    let inventory = Inventory::decode(&read("inventory.yml", INVENTORY)).expect("an inventory");
    lint(&playbook, &inventory, &Options::default(), rules).expect("no mistake")
}

#[test]
fn bad_examples_have_that_finding_and_good_ones_none() {
    for rule in RULES {
        let rules = if rule.id == "not-persistent" { RULES.iter().collect() } else { others() };
        let place = rule.bad.lines().position(|line| line.contains("found here"));
        let line = place.expect("a line that says so") + 1;
        assert_eq!(found(rule.bad, &rules), [(rule.id, line)], "{}", rule.id);
        assert_eq!(found(rule.good, &rules), [], "{}", rule.id);
    }
}

#[test]
fn ids_are_kebab_case_and_texts_are_sentences() {
    let mut seen = std::collections::HashSet::new();
    for rule in RULES {
        assert!(rule.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.id);
        assert!(seen.insert(rule.id), "{} is there twice", rule.id);
        assert!(rule.why.ends_with('.') && rule.fix.ends_with('.'), "{}", rule.id);
    }
}
