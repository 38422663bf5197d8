//! What needs no host: lists, `validate`, `modules`, `schema`; and where a run begins.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use super::{lvsmith, shown, site, snapshot};

const PLAYBOOK: &str = r#"- name: First
  hosts: web:!b
  gather_facts: false
  tags: [p]
  tasks:
    - name: One
      debug: {msg: one}
      tags: [x, a]
    - debug: {msg: there}
    - block:
        - name: In a block
          debug: {msg: inner}
      rescue:
        - name: Not listed
          debug: {msg: rescued}
      tags: blk
  handlers:
    - name: Nor this
      debug: {msg: handler}
- hosts: [a, b]
  gather_facts: false
  tasks:
    - {name: Only when asked for, debug: {msg: never}, tags: never}
    - {name: Last but one, debug: {msg: last but one}}
    - {name: Last, debug: {msg: last}}
- hosts: c
  gather_facts: false
  tasks:
    - {name: After that, debug: {msg: after}}
"#;

fn web() -> tempfile::TempDir {
    let folder = site(PLAYBOOK);
    let local = "all: {vars: {ansible_connection: local}}\nweb: {hosts: {a: {}, b: {}, c: {}}}\n";
    fs::write(folder.path().join("inventory.yml"), local).expect("written");
    folder
}

#[test]
fn lists_look_as_ansibles_do() {
    let folder = web();
    let all = ["apply", "site.yml", "--list-hosts", "--list-tasks", "--list-tags"];
    assert_snapshot!("lists", shown(&lvsmith(folder.path(), &all)));
    let some = ["apply", "site.yml", "--list-tasks", "-t", "never", "-l", "a"];
    let text = shown(&lvsmith(folder.path(), &some));
    assert!(text.contains("Only when asked for") && !text.contains("One\t"), "{text}");
}

#[test]
fn a_run_begins_where_it_is_told_to() {
    let folder = web();
    let run = |name: &str| {
        let output = lvsmith(folder.path(), &["apply", "site.yml", "--start-at-task", name]);
        (output.status.code(), shown(&output))
    };
    for name in ["Last", "Last*", "First*", "*fter*"] {
        let (code, text) = run(name);
        let begins_last = name.starts_with('L');
        if name == "First*" {
            assert!(code == Some(4) && text.contains("no task is called `First*`"), "{text}");
            continue;
        }
        assert_eq!(code, Some(0), "{text}");
        assert!(!text.contains("TASK [One]") && !text.contains("Only when"), "{text}");
        assert_eq!(text.contains("TASK [Last]"), begins_last, "{text}");
        assert_eq!(text.contains("TASK [Last but one]"), name == "Last*", "{text}");
        assert!(text.contains("TASK [After that]"), "{text}");
    }
    let (code, text) = run("Last but on");
    assert!(code == Some(4) && text.contains("did you mean `Last but one`?"), "{text}");
}

/// A group that is not there, a value that no module takes, a filter that nobody knows where no
/// host comes by, a template that does not end, and a condition that is none.
const WRONG: &str = r#"- hosts: webb
  tasks: []
- hosts: all
  gather_facts: false
  vars: {port: 70000}
  tasks:
    - wait_for: {port: "{{ port }}"}
    - debug: {msg: "{{ port | nosuch }}"}
      when: port == 1
    - debug: {msg: "{{ port"}
    - debug: {msg: hi}
      when: [port ===, true]
"#;

#[test]
fn validate_finds_every_mistake_in_one_run() {
    let folder = site(WRONG);
    let output = lvsmith(folder.path(), &["validate", "site.yml"]);
    assert_eq!(output.status.code(), Some(4));
    snapshot("validate", &shown(&output), folder.path());
    let output = lvsmith(folder.path(), &["validate", "site.yml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(4));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mistakes = found["mistakes"].as_array().expect("a list");
    assert_eq!(mistakes.len(), 5, "{found:#}");
    assert!(
        mistakes.iter().all(|one| one["line"].is_u64() && one["file"] == "site.yml"),
        "{found:#}"
    );
}

#[test]
fn validate_finds_mistakes_of_playbook_and_inventory_together() {
    let folder = site("- hosts: all\n  tasks:\n    - sysctll: {name: a}\n    - copyy: {}\n");
    fs::write(folder.path().join("inventory.yml"), "all: {host: {a: {}}}\n").expect("written");
    let text = shown(&lvsmith(folder.path(), &["validate", "site.yml"]));
    for part in ["`sysctll`", "`copyy`", "unknown key `host` in the group `all`", "3 mistakes"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn validate_is_content_with_what_is_well() {
    let folder = web();
    let output = lvsmith(folder.path(), &["validate", "site.yml"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert!(
        shown(&output).contains("nothing is wrong with 3 plays and 9 tasks"),
        "{}",
        shown(&output)
    );
    let output = lvsmith(folder.path(), &["validate", "site.yml", "--format", "json"]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["valid"], true);
}

#[test]
fn modules_are_listed_and_explained() {
    let folder = site("");
    let list = shown(&lvsmith(folder.path(), &["modules"]));
    assert!(list.contains("ipvs_service") && list.contains("Declares a virtual service"), "{list}");
    let typo = lvsmith(folder.path(), &["modules", "ipvs_servce"]);
    assert_eq!(typo.status.code(), Some(4));
    assert!(shown(&typo).contains("did you mean `ipvs_service`?"), "{}", shown(&typo));
    let json = lvsmith(folder.path(), &["modules", "sysctl", "--format", "json"]);
    let doc: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(doc["arguments"][0]["aliases"][0], "key", "{doc:#}");
}

#[test]
fn schemas_are_json_of_the_dialect_that_editors_read() {
    let folder = site("");
    for kind in ["playbook", "inventory", "lab", "defaults"] {
        let output = lvsmith(folder.path(), &["schema", kind]);
        let schema: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "{kind}");
    }
}
