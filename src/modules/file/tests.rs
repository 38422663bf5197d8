//! Each state from each kind of start, and the second run that finds nothing to do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::modules::Place;

fn run(mut arguments: Value, folder: &Path, check: bool) -> Result<Outcome, Error> {
    let name = arguments["path"].as_str().unwrap().to_owned();
    arguments["path"] = folder.join(name).to_str().unwrap().into();
    let module = crate::modules::find("file").unwrap();
    let Place::Agent(run) = module.place else { panic!("file runs in the agent") };
    run(&mut Host::default(), arguments, Mode { check, diff: true })
}

/// Applies twice: the first changes (a plan before it says so and does nothing), the
/// second does not.
fn converges(arguments: &Value, folder: &Path) {
    let plan = run(arguments.clone(), folder, true).unwrap();
    let before = listing(folder);
    let first = run(arguments.clone(), folder, false).unwrap();
    assert!(first.changed && plan.changed, "{arguments}: {first:?}");
    assert_ne!(listing(folder), before, "{arguments} changed nothing");
    let second = run(arguments.clone(), folder, false).unwrap();
    assert!(!second.changed, "{arguments}: {:?}", second.changes);
}

fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let link = fs::read_link(&path).unwrap_or_default();
            found.push(format!("{path:?} {:o} {link:?}", metadata.permissions().mode()));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn brings_about_each_state_and_then_rests() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for arguments in [
        json!({"path": "a/b/c", "state": "directory", "mode": "0750"}),
        json!({"path": "t", "state": "touch", "mode": "600",
               "modification_time": "preserve", "access_time": "preserve"}),
        json!({"path": "t", "mode": "u+x"}),
        json!({"path": "l", "state": "link", "src": "t"}),
        json!({"path": "l", "state": "link", "src": "a"}),
        json!({"path": "dangling", "state": "link", "src": "nowhere", "force": true}),
        json!({"path": "h", "state": "hard", "src": "t"}),
        json!({"path": "a", "state": "directory", "recurse": true, "mode": "u=rwX,g=,o="}),
        json!({"path": "l", "state": "absent"}),
        json!({"path": "a", "state": "absent"}),
    ] {
        converges(&arguments, at);
    }
    assert!(at.join("t").exists(), "removing a link leaves what it leads to");
}

#[test]
fn changes_nothing_in_check_mode() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f"), "x").unwrap();
    let before = listing(folder.path());
    for arguments in [
        json!({"path": "d", "state": "directory"}),
        json!({"path": "n", "state": "touch"}),
        json!({"path": "f", "state": "touch"}),
        json!({"path": "f", "mode": "0600"}),
        json!({"path": "f", "state": "absent"}),
        json!({"path": "l", "state": "link", "src": "f"}),
    ] {
        assert!(run(arguments.clone(), folder.path(), true).unwrap().changed, "{arguments}");
        assert_eq!(listing(folder.path()), before, "{arguments}");
    }
}

#[test]
fn touches_anew_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = json!({"path": "t", "state": "touch"});
    for _ in 0..2 {
        assert!(run(arguments.clone(), folder.path(), false).unwrap().changed);
    }
}

#[test]
fn refuses_to_put_one_kind_in_the_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f"), "x").unwrap();
    fs::create_dir_all(folder.path().join("full/x")).unwrap();
    for (arguments, word) in [
        (json!({"path": "f", "state": "directory"}), "not a folder"),
        (json!({"path": "full", "state": "file"}), "not a file"),
        (json!({"path": "missing"}), "does not exist"),
        (json!({"path": "f", "state": "link", "src": "full"}), "already"),
        (json!({"path": "x", "state": "link", "src": "nowhere"}), "lead nowhere"),
        (json!({"path": "full", "state": "link", "src": "f", "force": true}), "failed to link"),
    ] {
        let error = run(arguments.clone(), folder.path(), false).unwrap_err();
        assert!(error.message.contains(word), "{arguments}: {error}");
    }
    assert!(folder.path().join("full/x").is_dir());
}

#[test]
fn follows_a_link_to_the_folder_that_is_declared() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    symlink("d", folder.path().join("l")).unwrap();
    let outcome = run(json!({"path": "l", "state": "directory"}), folder.path(), false).unwrap();
    assert!(!outcome.changed);
}

#[test]
fn refuses_contradictions_before_anything_runs() {
    for arguments in [
        json!({"path": "relative"}),
        json!({"path": "/x", "state": "link"}),
        json!({"path": "/x", "src": "/y"}),
        json!({"path": "/x", "state": "touch", "recurse": true}),
        json!({"path": "//", "state": "absent"}),
    ] {
        let file: File = serde_json::from_value(arguments.clone()).unwrap();
        assert!(Resource::check(&file).is_err(), "{arguments}");
    }
}
