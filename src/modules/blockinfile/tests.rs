//! What is around the block. What becomes of lines is in `tests/edits.rs`, beside ansible-core.

use std::fs;

use serde_json::json;

use super::*;

#[test]
fn replaces_its_own_block_and_keeps_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    fs::write(&path, "127.0.0.1 localhost\n").unwrap();
    let block = |block: &str| -> Blockinfile {
        let path = path.to_str().unwrap();
        serde_json::from_value(json!({"path": path, "block": block, "backup": true})).unwrap()
    };
    let run = |module: Blockinfile| {
        module.check().unwrap();
        module.run(&mut Host::default(), Mode { check: false, diff: true }).unwrap()
    };
    let first = run(block("10.0.0.1 a"));
    assert_eq!(first.changes, [format!("edit `{}`: insert the block", path.display())]);
    let backup = first.result["backup_file"].as_str().unwrap();
    assert_eq!(fs::read_to_string(backup).unwrap(), "127.0.0.1 localhost\n");
    assert!(!run(block("10.0.0.1 a")).changed);
    let second = run(block("10.0.0.2 b"));
    assert_eq!(second.changes, [format!("edit `{}`: replace the block", path.display())]);
    assert_eq!(run(block("")).result["msg"], "Block removed");
    assert_eq!(fs::read_to_string(&path).unwrap(), "127.0.0.1 localhost\n");
}

#[test]
fn refuses_markers_that_are_the_same() {
    for wrong in [
        json!({"path": "/x", "block": "a", "marker": "# mine"}),
        json!({"path": "/x", "block": "a", "marker": "# {mark}\n"}),
        json!({"path": "/x", "block": "a", "insertafter": "["}),
        json!({"path": "/x", "block": "a", "insertafter": "a", "insertbefore": "b"}),
    ] {
        let module: Blockinfile = serde_json::from_value(wrong.clone()).unwrap();
        assert!(module.check().is_err(), "{wrong}");
    }
}
