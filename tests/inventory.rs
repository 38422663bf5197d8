//! Inventories and patterns against what ansible-core made of them (`inventory/record.py`).

#![expect(clippy::disallowed_methods, reason = "the program itself is run")]

use std::path::{Path, PathBuf};
use std::process::Command;

use lvsmith::inventory::{Inventory, select};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Recording {
    recorded: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    case: String,
    answer: Value,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventory")
}

fn recorded() -> Vec<Recorded> {
    let text = std::fs::read_to_string(folder().join("recorded.json")).expect("is there");
    serde_json::from_str::<Recording>(&text).expect("is JSON").recorded
}

#[test]
fn every_case_is_recorded() {
    let table = std::fs::read_to_string(folder().join("cases.txt")).expect("is there");
    let cases = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let recorded: Vec<String> = recorded().into_iter().map(|recorded| recorded.case).collect();
    assert_eq!(recorded, cases.collect::<Vec<_>>(), "run tests/inventory/record.py");
}

#[test]
fn lists_and_graphs_are_those_of_ansible() {
    let mut wrong = Vec::new();
    for Recorded { case, answer } in recorded().iter().filter(|one| !one.case.contains(" ~ ")) {
        let mut words = case.split_whitespace();
        let place = folder().join(words.next().expect("a folder"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_lvsmith"));
        let output = command.arg("inventory").args(words).current_dir(place).output().expect("ran");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (told, expected): (Value, Value) = if case.contains("--yaml") {
            let expected = answer.as_str().unwrap_or_default();
            (
                serde_yaml::from_str(&text).unwrap_or_default(),
                serde_yaml::from_str(expected).unwrap(),
            )
        } else if case.contains("--graph") {
            (text.trim_end().into(), answer.as_str().unwrap_or_default().trim_end().into())
        } else {
            (serde_json::from_str(&text).unwrap_or_default(), answer.clone())
        };
        if told != expected {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            wrong.push(format!("{case}\n{complaint}told {told:#}\nexpected {expected:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn patterns_choose_the_hosts_that_ansible_chooses() {
    let mut wrong = Vec::new();
    for Recorded { case, answer } in &recorded() {
        let Some((asked, pattern)) = case.split_once(" ~ ") else { continue };
        let path = folder().join(asked.replace(" -i ", "/"));
        let inventory = Inventory::read(&path).expect("reads");
        let chosen = match select(&inventory, pattern) {
            Ok(chosen) => json!(chosen),
            Err(error) => error.to_string().into(),
        };
        if chosen != *answer {
            wrong.push(format!("{pattern}\nchosen {chosen}\nexpected {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
