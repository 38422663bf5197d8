//! Programs that run, that fail, and that need not run.

use serde_json::{Value, json};

use super::*;
use crate::modules::shell::Shell;

fn command(arguments: Value) -> Command {
    serde_json::from_value(arguments).unwrap()
}

fn run(action: &impl Action) -> Result<Outcome, Error> {
    action.run(&mut Host::default(), Mode::default())
}

#[test]
fn keeps_what_register_wants() {
    let outcome = run(&command(json!("printf 'a\\nb\\n'"))).unwrap();
    assert!(outcome.changed);
    assert_eq!(outcome.result["rc"], 0);
    assert_eq!(outcome.result["stdout"], "a\nb");
    assert_eq!(outcome.result["stdout_lines"], json!(["a", "b"]));
    assert_eq!(outcome.result["stderr_lines"], json!([]));
    for name in ["cmd", "start", "end", "delta"] {
        assert!(outcome.result[name].is_string(), "{name}");
    }
}

#[test]
fn fails_with_the_programs_last_words() {
    let error = run(&command(json!({"argv": ["ls", "/no/such/path"]}))).unwrap_err();
    assert!(error.message.starts_with("non-zero return code: 2: "), "{error}");
    assert!(error.message.contains("/no/such/path"), "{error}");
    assert_eq!(error.result["rc"], 2);
}

#[test]
fn knows_no_shell_but_shell_does() {
    let script = "echo $((1 + 1)) | cat";
    assert_eq!(run(&command(json!(script))).unwrap().result["stdout"], "$((1 + 1)) | cat");
    let shell: Shell = serde_json::from_value(json!({"cmd": script, "chdir": "/"})).unwrap();
    assert_eq!(run(&shell).unwrap().result["stdout"], "2");
}

#[test]
fn does_not_run_when_it_is_not_needed() {
    let folder = tempfile::tempdir().unwrap();
    let creates = command(json!({
        "cmd": "touch made", "chdir": folder.path(), "creates": "made"
    }));
    let check = Mode { check: true, diff: false };
    assert!(creates.run(&mut Host::default(), check).unwrap().changed);
    assert!(!folder.path().join("made").exists());
    assert!(run(&creates).unwrap().changed);
    let unneeded = run(&creates).unwrap();
    assert!(!unneeded.changed && unneeded.result["stdout"] == "skipped, since `made` exists");
    let removes = command(json!({"cmd": "rm made", "chdir": folder.path(), "removes": "made"}));
    assert!(run(&removes).unwrap().changed);
    assert!(!run(&removes).unwrap().changed);
}

#[test]
fn does_not_run_in_check_mode() {
    let check = Mode { check: true, diff: false };
    let outcome = command(json!("false")).run(&mut Host::default(), check).unwrap();
    assert!(outcome.skipped.is_some() && !outcome.changed);
}

#[test]
fn feeds_standard_input() {
    let cat = command(json!({"cmd": "cat", "stdin": "fed"}));
    assert_eq!(run(&cat).unwrap().result["stdout"], "fed");
}

#[test]
fn hints_at_shell_when_words_were_not_split() {
    let error = run(&command(json!({"argv": ["echo hi | cat"]}))).unwrap_err();
    assert!(error.hint.unwrap().contains("`shell`"));
}

#[test]
fn refuses_contradictions() {
    for wrong in [json!({"cmd": "a", "argv": ["b"]}), json!({}), json!(""), json!("echo 'a")] {
        assert!(command(wrong.clone()).check().is_err(), "{wrong}");
    }
}
