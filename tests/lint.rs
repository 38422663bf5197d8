//! `lint` as others use it: its page, and the playbooks of this project.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use lvsmith::engine::Options;
use lvsmith::inventory::Inventory;
use lvsmith::lint::{INVENTORY, RULES, lint};
use lvsmith::playbook::Playbook;

const INTRODUCTION: &str = "\
`lvsmith lint site.yml` says what a playbook does that LVS would not like. It renders every task for
every host with what is known before a run, asks no host and changes nothing; what depends on facts or
on results of tasks is never guessed. It ends with 0 when it finds nothing, with 3 when it does, and with
4 when the playbook is wrong. `--format json` is for programs, `--rule ID` asks only that rule, `--explain
ID` shows it.

What is meant to be so gets a comment on the line of the finding, or on the one above:
`# lvsmith: allow(use-module)`. One that allows nothing is found, too.

Commands count as the tasks that they stand for: a VIP that a script binds with `ip addr add` is a VIP.
";

/// The page, from the table.
fn page() -> String {
    let mut page = format!(
        "<!-- Made by `LVSMITH_WRITE_DOCS=1 cargo test --test lint`; do not edit. -->\n\
         # Lint\n\n{INTRODUCTION}\n\
         The examples are run by tests, each with these hosts:\n\n```yaml\n{INVENTORY}```\n"
    );
    for rule in RULES {
        let _ = write!(
            page,
            "\n## {}\n\n{} {}\n\n```yaml\n{}```\n\nInstead:\n\n```yaml\n{}```\n",
            rule.id, rule.why, rule.fix, rule.bad, rule.good
        );
    }
    page
}

#[test]
fn the_page_is_made_of_the_table() {
    let page = page();
    let path = Path::new("docs/lint.md");
    if std::env::var_os("LVSMITH_WRITE_DOCS").is_some() {
        #[expect(clippy::disallowed_methods, reason = "the page is made here")]
        fs::write(path, &page).expect("written");
    }
    let have = fs::read_to_string(path).unwrap_or_default();
    assert!(have == page, "run `LVSMITH_WRITE_DOCS=1 cargo test --test lint`");
}

#[test]
fn every_playbook_of_the_project_is_clean() {
    let rules: Vec<_> = RULES.iter().collect();
    let mut seen = 0;
    for folder in fs::read_dir("playbooks").expect("readable").flatten() {
        let site = folder.path().join("site.yml");
        if !site.is_file() {
            continue;
        }
        let inventory = ["inventory.yml", "inventory.ini", "inventory"]
            .iter()
            .map(|name| folder.path().join(name))
            .find(|path| path.exists())
            .expect("an inventory beside it");
        let inventory = Inventory::read(&inventory).expect("an inventory");
        let playbook = Playbook::read(&site).expect("a playbook");
        let findings = lint(&playbook, &inventory, &Options::default(), &rules);
        assert_eq!(findings, Ok(Vec::new()), "{}", site.display());
        seen += 1;
    }
    assert!(seen > 0);
}
