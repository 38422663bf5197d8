//! Patterns, in the order of their parts as Ansible has it.

use super::*;
use crate::inventory::Vars;

fn inventory() -> Inventory {
    let mut inventory = Inventory::default();
    for (name, group) in [("lb1", "lb"), ("rs1", "web"), ("rs2", "web"), ("db1", "db")] {
        inventory.place(name, &[group.to_owned()], Vars::new());
    }
    inventory.complete();
    inventory
}

fn chosen(pattern: &str) -> String {
    select(&inventory(), pattern).expect(pattern).join(" ")
}

#[test]
fn adds_keeps_and_takes_away() {
    assert_eq!(chosen("all"), "lb1 rs1 rs2 db1");
    assert_eq!(chosen("web:lb"), "rs1 rs2 lb1");
    assert_eq!(chosen("!rs1:web"), "rs2");
    assert_eq!(chosen("all:&web"), "rs1 rs2");
    assert_eq!(chosen("!web"), "lb1 db1");
    assert_eq!(chosen("rs*,db1"), "rs1 rs2 db1");
}

#[test]
fn takes_some_of_a_group() {
    assert_eq!(chosen("web[0]"), "rs1");
    assert_eq!(chosen("web[-1]"), "rs2");
    assert_eq!(chosen("web[0:1]"), "rs1 rs2");
    assert_eq!(chosen("all[1:]:!db"), "rs1 rs2");
    assert_eq!(chosen("all[2-3]"), "rs2 db1");
    assert_eq!(chosen("all[7:9]"), "");
    let error = select(&inventory(), "web[2]").expect_err("two").to_string();
    assert!(error.starts_with("`web[2]` names no host: `web` has 2"), "{error}");
}

#[test]
fn finds_names_by_their_letters() {
    assert_eq!(chosen("[rl]?1"), "lb1 rs1");
    assert_eq!(chosen("?b1"), "lb1 db1");
    assert_eq!(chosen("~(lb|db)\\d"), "lb1 db1");
    assert_eq!(chosen("~we"), "rs1 rs2");
    assert!(select(&inventory(), "~(").is_err());
}

#[test]
fn an_unknown_name_is_a_mistake() {
    let error = select(&inventory(), "wbe").expect_err("must fail").to_string();
    assert_eq!(error, "no host or group is called `wbe` (did you mean `web`?)");
}

#[test]
fn the_controller_is_there_but_in_a_lab() {
    let error = select(&inventory(), "localhost").expect_err("a lab").to_string();
    assert!(error.contains("must not touch the machine"), "{error}");
    let mut read = inventory();
    read.add_implicit_localhost();
    for name in ["localhost", "127.0.0.1", "::1"] {
        assert_eq!(select(&read, name).expect(name), ["localhost"]);
    }
    assert_eq!(select(&read, "*").expect("hosts").len(), 4);
    let mut named = inventory();
    named.place("127.0.0.1", &[], Vars::new());
    named.complete();
    named.add_implicit_localhost();
    assert_eq!(select(&named, "localhost").expect("by another name"), ["127.0.0.1"]);
}

#[test]
fn a_limit_may_stand_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("some");
    #[expect(clippy::disallowed_methods, reason = "a limit to read")]
    std::fs::write(&file, "rs2\n\ndb1\n").expect("written");
    let pattern = format!("lb1,@{}", file.display());
    assert_eq!(limit(&inventory(), &pattern).expect("read"), ["lb1", "rs2", "db1"]);
    assert!(limit(&inventory(), "@/no/such").is_err());
}
