//! `lineinfile` and `blockinfile` beside ansible-core's: every text of `edits/cases.yml` with
//! every arguments, against what its modules made of them (`edits/record.py`).

#![expect(clippy::disallowed_methods, reason = "the files that are edited are made here")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lvsmith::modules::{Host, Mode, Place, find};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Recorded {
    results: Vec<Row>,
}

/// What became of a text.
#[derive(Debug, PartialEq, Deserialize)]
struct Row {
    module: String,
    text: usize,
    arguments: usize,
    /// The exit code of a failure.
    rc: Option<i64>,
    after: Option<String>,
    changed: Option<bool>,
    msg: Option<String>,
    /// Whether it changes what it left.
    again: Option<bool>,
}

/// What lvsmith makes of it, told as the recording tells it.
fn run(row: &Row, text: Option<&str>, arguments: &Value, path: &Path) -> Row {
    if let Some(text) = text {
        fs::write(path, text).expect("a file");
    }
    let Some(Place::Agent(run)) = find(&row.module).map(|module| module.place) else {
        unreachable!("the agent does it")
    };
    let mut arguments = arguments.clone();
    arguments["path"] = path.to_str().into();
    let once = || run(&mut Host::default(), arguments.clone(), Mode::default());
    let planned = run(&mut Host::default(), arguments.clone(), Mode { check: true, diff: true });
    assert_eq!(fs::read_to_string(path).ok().as_deref(), text, "a plan changes nothing: {row:?}");
    let Row { text, arguments: number, ref module, .. } = *row;
    let empty = Row {
        module: module.clone(),
        text,
        arguments: number,
        rc: None,
        after: None,
        changed: None,
        msg: None,
        again: None,
    };
    match once() {
        Err(error) => Row { rc: error.result["rc"].as_i64(), ..empty },
        Ok(outcome) => {
            let planned = planned.expect("what can be done can be planned");
            assert_eq!(planned.changed, outcome.changed, "{row:?}");
            let text = planned.diff.map(|diff| diff.after);
            let after = fs::read_to_string(path).ok();
            assert!(text.is_none() || text == after, "{row:?}");
            let said = outcome.result["msg"]
                .as_str()
                .map(|said| said.replace(path.to_str().expect("a plain path"), "PATH"));
            let again = once().map(|outcome| outcome.changed).ok();
            Row { after, changed: Some(outcome.changed), msg: said, again, ..empty }
        }
    }
}

#[test]
fn edits_as_ansible_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edits");
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect(name);
    let cases: Value = serde_yaml::from_str(&read("cases.yml")).expect("YAML");
    let recorded: Recorded = serde_json::from_str(&read("results.json")).expect("JSON");
    let mut unlike = BTreeSet::new();
    for row in &recorded.results {
        let folder = tempfile::tempdir().expect("a folder");
        let text = cases["texts"][row.text].as_str();
        let arguments = &cases[&row.module][row.arguments];
        let ours = run(row, text, arguments, &folder.path().join("file"));
        if ours != *row {
            eprintln!("{}", json!({"text": text, "arguments": arguments}));
            eprintln!("ansible-core {row:?}\n     lvsmith {ours:?}\n");
            unlike.insert((row.module.as_str(), row.text, row.arguments));
        }
    }
    assert_eq!(recorded.results.len(), 17 * (42 + 24));
    assert_eq!(unlike, BTreeSet::new());
}
