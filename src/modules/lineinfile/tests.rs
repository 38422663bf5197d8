//! What is around the line: the file's attributes, its backup, its checker. What becomes of lines is
//! in `tests/edits.rs`, beside ansible-core.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn lineinfile(path: &Path, more: Value) -> Lineinfile {
    let mut arguments = json!({"path": path.to_str().unwrap()});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let module: Lineinfile = serde_json::from_value(arguments).unwrap();
    module.check().unwrap();
    module
}

fn run(module: &Lineinfile) -> Result<Outcome, Error> {
    module.run(&mut Host::default(), Mode { check: false, diff: true })
}

fn permissions(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn makes_a_file_with_its_folder_and_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/file");
    let module = lineinfile(&path, json!({"line": "a", "create": true, "mode": "0600"}));
    let outcome = run(&module).unwrap();
    assert_eq!(
        outcome.result["msg"],
        "line added and ownership, perms or SE linux context changed"
    );
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), permissions(&path)), ("a\n", 0o600));
    assert_eq!(outcome.diff.unwrap().after, "a\n");
    assert!(!run(&module).unwrap().changed);
    let wider = run(&lineinfile(&path, json!({"line": "a", "mode": "0644"}))).unwrap();
    assert_eq!(wider.result["msg"], "ownership, perms or SE linux context changed");
    assert!(wider.changed && wider.diff.is_none() && permissions(&path) == 0o644);
}

#[test]
fn keeps_the_mode_the_link_and_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "old\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("file", &link).unwrap();
    let module = lineinfile(&link, json!({"regexp": "^old$", "line": "new", "backup": true}));
    let outcome = run(&module).unwrap();
    assert_eq!(outcome.changes, [format!("edit `{}`: replace line 1", link.display())]);
    assert!(link.is_symlink() && permissions(&file) == 0o640);
    assert_eq!(fs::read_to_string(&file).unwrap(), "new\n");
    let backup = outcome.result["backup"].as_str().unwrap();
    assert_eq!(fs::read_to_string(backup).unwrap(), "old\n");
    assert_eq!(run(&module).unwrap().result["backup"], "");
}

#[test]
fn leaves_the_file_alone_when_its_checker_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "good\n").unwrap();
    let checker = "sh -c '! grep bad $0' %s";
    let module = lineinfile(&path, json!({"line": "bad", "validate": checker}));
    assert!(run(&module).unwrap_err().message.contains("refused the new"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "good\n");
}

#[test]
fn plans_for_a_file_that_an_earlier_task_would_bring() {
    let path = Path::new("/no/such/file");
    let module = lineinfile(path, json!({"line": "a"}));
    let error = run(&module).unwrap_err();
    assert_eq!(error.result["rc"], 257);
    assert!(error.hint.unwrap().contains("create: true"));
    let planned = module.run(&mut Host::default(), Mode { check: true, diff: false }).unwrap();
    assert_eq!(planned.changes, ["edit `/no/such/file`, which is not there yet"]);
    let absent = lineinfile(path, json!({"line": "a", "state": "absent", "create": true}));
    assert_eq!(run(&absent).unwrap().result["msg"], "file not present");
}

/// ansible-core glues the new line to one that has no end; nobody can want that.
#[test]
fn ends_the_last_line_before_it_adds_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "a=1").unwrap();
    let module = lineinfile(&path, json!({"line": "b=2", "insertafter": "^a="}));
    run(&module).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "a=1\nb=2\n");
    assert!(!run(&module).unwrap().changed);
}

#[test]
fn refuses_what_it_cannot_edit() {
    let folder = tempfile::tempdir().unwrap();
    let error = run(&lineinfile(folder.path(), json!({"line": "a"}))).unwrap_err();
    assert_eq!(error.result["rc"], 256);
    let path = folder.path().join("latin");
    fs::write(&path, [0xe9, b'\n']).unwrap();
    let error = run(&lineinfile(&path, json!({"line": "a"}))).unwrap_err();
    assert!(error.message.contains("not text in UTF-8"), "{error}");
    for (wrong, says) in [
        (json!({"path": "/x"}), "needs a `line`"),
        (json!({"path": "/x", "state": "absent"}), "needs `line`"),
        (json!({"path": "/x", "line": "a", "backrefs": true}), "needs a `regexp`"),
        (json!({"path": "/x", "line": "a", "regexp": "("}), "no regular expression"),
        (json!({"path": "/x", "line": "a", "regexp": "a", "search_string": "b"}), "exclude"),
        (json!({"path": "/x", "line": "a", "insertafter": "a", "insertbefore": "b"}), "exclude"),
    ] {
        let module: Lineinfile = serde_json::from_value(wrong).unwrap();
        let error = module.check().unwrap_err();
        assert!(error.message.contains(says), "{error}");
    }
}
