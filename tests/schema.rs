//! The schemas for editors: every file of the project is what they describe, and what users get
//! wrong is not.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test's panic is its message")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lvsmith::diagnostic::Source;
use lvsmith::{schema, yaml};
use rstest::rstest;
use serde_json::Value;

#[path = "schema/validate.rs"]
mod validate;

use validate::mistakes;

fn read(text: &str) -> Value {
    let source = Source { name: "text.yml".into(), text: text.to_owned() };
    yaml::read(&Arc::new(source)).unwrap_or_else(|error| panic!("{error}")).to_json()
}

/// Every YAML file in `playbooks` and in the labs of tests; a template is none yet.
fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("templates") {
                    walk(&path, into);
                }
            } else if path.extension().is_some_and(|extension| extension == "yml") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    walk(&root.join("playbooks"), &mut files);
    walk(&root.join("netns-tests/labs"), &mut files);
    walk(&root.join("tests/language"), &mut files);
    files.sort();
    files
}

/// What kind of file it is, by its name and place; variables have no schema.
fn schema_of(path: &Path, value: &Value) -> Option<(&'static str, Value)> {
    let name = path.file_name()?.to_str()?;
    let within = |folder: &str| path.iter().any(|part| part == folder);
    if within("group_vars") || within("host_vars") || within("vars") || within("defaults") {
        return None;
    }
    let plays = |one: &Value| ["hosts", "import_playbook"].iter().any(|key| one.get(key).is_some());
    let tasks = value.as_array().is_some_and(|all| !all.is_empty() && !all.iter().any(plays));
    if tasks {
        let mut tasks = schema::playbook();
        tasks["type"] = "array".into();
        tasks["items"] = tasks["definitions"]["tasks"]["items"].clone();
        return Some(("tasks", tasks));
    }
    match name {
        "lab.yml" => Some(("lab", schema::lab())),
        "inventory.yml" => Some(("inventory", schema::inventory())),
        _ if value.is_array() => Some(("playbook", schema::playbook())),
        _ => None,
    }
}

#[test]
fn every_file_of_the_project_is_what_they_describe() {
    let mut counts = std::collections::BTreeMap::new();
    for path in files() {
        // Some are wrong on purpose, where only running them shows it.
        let value = read(&std::fs::read_to_string(&path).unwrap());
        let Some((kind, schema)) = schema_of(&path, &value) else { continue };
        let wrong = mistakes(&schema, &value);
        assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
        *counts.entry(kind).or_insert(0) += 1;
    }
    for kind in ["playbook", "tasks", "lab"] {
        assert!(counts.get(kind).is_some_and(|count| *count > 1), "{kind}: {counts:?}");
    }
}

const PLAY: &str = "- hosts: all\n  tasks:\n    - ";

#[rstest]
#[case::template("sysctl: {name: net.ipv4.ip_forward, value: \"{{ forward }}\"}")]
#[case::number_for_text("sysctl: {name: net.ipv4.ip_forward, value: 1}")]
#[case::words_of_yaml_1_1("sysctl: {name: a, value: 1, reload: \"yes\"}")]
#[case::alias("sysctl: {key: a, val: 1}")]
#[case::block("{block: [{debug: {msg: hi}}], rescue: [{meta: clear_host_errors}], always: []}")]
#[case::full_name("ansible.posix.sysctl: {name: a, value: 1}")]
#[case::line("command: nginx -t")]
#[case::template_for_a_list("ipvs_service: {vip: 10.0.0.1, port: 80, destinations: \"{{ all }}\"}")]
#[case::address_for_a_mapping("ipvs_service: {vip: 10.0.0.1, port: 80, destinations: [10.0.0.2]}")]
#[case::any_name("set_fact: {whatever: 1}")]
#[case::conditions("{debug: {msg: hi}, when: [a is defined, b], tags: a, notify: [x]}")]
fn takes_what_reading_takes(#[case] task: &str) {
    let wrong = mistakes(&schema::playbook(), &read(&format!("{PLAY}{task}\n")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[rstest]
#[case::unknown_module("sysctll: {name: a, value: 1}")]
#[case::unknown_argument("sysctl: {name: a, valeu: 1}")]
#[case::wrong_choice("sysctl: {name: a, state: presnt}")]
#[case::wrong_type("wait_for: {port: [80]}")]
#[case::too_large("wait_for: {port: 70000}")]
#[case::no_switch("sysctl: {name: a, value: 1, reload: maybe}")]
#[case::missing("file: {state: directory, pth: /x}")]
#[case::list_for_a_mapping("copy: [a, b]")]
#[case::unknown_keyword("{debug: {msg: hi}, whne: x}")]
#[case::mapping_for_a_text("{debug: {msg: hi}, register: {a: b}}")]
#[case::in_a_block("{block: [{debgu: {msg: hi}}]}")]
#[case::rescue_of_a_task("{debug: {msg: hi}, rescue: []}")]
#[case::nothing("{}")]
fn refuses_what_reading_refuses(#[case] task: &str) {
    let wrong = mistakes(&schema::playbook(), &read(&format!("{PLAY}{task}\n")));
    assert!(!wrong.is_empty(), "{task}");
}

#[rstest]
#[case("playbook", "- tasks: []\n")]
#[case("playbook", "- hosts: all\n  task: []\n")]
#[case("playbook", "- hosts: all\n  tasks: {debug: {msg: hi}}\n")]
#[case("playbook", "- hosts: all\n  strategy: linaer\n")]
#[case("playbook", "hosts: all\n")]
#[case("inventory", "all: {host: {a: {}}}\n")]
#[case("inventory", "all: {hosts: [a, b]}\n")]
#[case("inventory", "- a\n")]
#[case("lab", "networks: {}\n")]
#[case("lab", "hosts: {a: {netwroks: {}}}\n")]
#[case("lab", "hosts: {a: {}}\nrequires: [ipvss]\n")]
#[case("lab", "hosts: {a: {}}\nchecks: [{htp: {from: a}}]\n")]
#[case("lab", "hosts: {a: {}}\nchecks: [{http: {from: a, url: x, requsts: 3}}]\n")]
#[case("lab", "hosts: {a: {}}\nchecks: [{name: nothing}]\n")]
fn refuses_files(#[case] kind: &str, #[case] text: &str) {
    let schema = match kind {
        "playbook" => schema::playbook(),
        "inventory" => schema::inventory(),
        _ => schema::lab(),
    };
    assert!(!mistakes(&schema, &read(text)).is_empty(), "{text}");
}
