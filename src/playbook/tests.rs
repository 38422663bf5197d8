//! `docs/playbooks.md` has every keyword, and for each that is refused what to do instead.

use super::*;
use crate::modules::meta;

const PAGE: &str = include_str!("../../docs/playbooks.md");

#[test]
fn the_page_has_every_keyword() {
    for keyword in keywords().into_iter().flatten() {
        assert!(PAGE.contains(&format!("`{keyword}`")), "docs/playbooks.md lacks `{keyword}`");
    }
    for action in meta::ACTIONS {
        assert!(PAGE.contains(&format!("`{action}`")), "docs/playbooks.md lacks `meta: {action}`");
    }
}

#[test]
fn the_page_says_what_to_do_instead_of_what_is_refused() {
    let tables = [
        ("", play::REFUSED),
        ("", task::REFUSED),
        ("block: ", steps::REFUSED),
        ("meta: ", meta::REFUSED),
    ];
    for (before, table) in tables {
        for (word, instead) in table {
            let row = format!("| `{before}{word}` | {} |", instead.replace('|', "\\|"));
            assert!(PAGE.lines().any(|line| line == row), "docs/playbooks.md has no row {row}");
        }
    }
}
