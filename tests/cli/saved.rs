//! Saved plans: applied when nothing has changed since, and refused otherwise.

use std::fs;
use std::path::Path;

use super::{lvsmith, shown, site};

const PLAYBOOK: &str = r#"- hosts: localhost
  gather_facts: false
  tasks:
    - name: A file
      copy: {src: text, dest: "{{ playbook_dir }}/out"}
    - name: A secret
      copy: {content: "{{ secret | default('hush-hush') }}\n", dest: "{{ playbook_dir }}/key"}
      no_log: true
    - name: A command
      command: "touch {{ playbook_dir }}/ran"
"#;

fn planned(more: &[&str]) -> tempfile::TempDir {
    let folder = site(PLAYBOOK);
    fs::write(folder.path().join("text"), "one\n").expect("written");
    let arguments = [&["plan", "site.yml", "--out", "site.plan"], more].concat();
    let output = lvsmith(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    folder
}

fn apply(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output = lvsmith(folder, &[&["apply", "site.plan"], more].concat());
    (output.status.code(), shown(&output))
}

/// Nothing was done.
fn untouched(folder: &Path) -> bool {
    !folder.join("ran").exists()
}

#[test]
fn a_plan_is_applied_once_and_holds_no_more_after_that() {
    let folder = planned(&[]);
    let (code, text) = apply(folder.path(), &[]);
    assert!(code == Some(0) && text.contains("changed=3"), "{text}");
    assert_eq!(fs::read_to_string(folder.path().join("out")).expect("read"), "one\n");
    let (code, text) = apply(folder.path(), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("localhost: `A file` has nothing to do any more"), "{text}");
    assert!(text.contains("(the plan: would change: create"), "{text}");
}

#[test]
fn a_host_that_has_moved_is_left_alone() {
    let folder = planned(&[]);
    fs::write(folder.path().join("out"), "somebody was here\n").expect("written");
    let (code, text) = apply(folder.path(), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the plan holds no more, and nothing was done"), "{text}");
    assert!(text.contains("localhost: `A file` would change: rewrite"), "{text}");
    assert!(untouched(folder.path()), "{text}");
}

#[test]
fn files_that_were_edited_are_named() {
    for (file, text) in
        [("site.yml", PLAYBOOK.replace("touch", "true; touch")), ("text", "two\n".into())]
    {
        let folder = planned(&[]);
        fs::write(folder.path().join(file), text).expect("written");
        let (code, text) = apply(folder.path(), &[]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(&format!("`{file}` has changed")), "{text}");
        assert!(untouched(folder.path()), "{text}");
    }
}

#[test]
fn what_is_no_plan_is_refused() {
    let folder = planned(&[]);
    let file = folder.path().join("site.plan");
    let whole = fs::read_to_string(&file).expect("read");
    for (text, why) in [
        (whole.replace("\"lvsmith_plan\": 1", "\"lvsmith_plan\": 99"), "it has version 99"),
        (whole.replace("\"lvsmith_plan\": 1", "\"lvsmith\": 1"), "it does not say its version"),
        (whole[..whole.len() / 2].to_owned(), "EOF"),
        (whole.replace("A file", "A fool"), "changed after it was made, or is damaged"),
        (whole.replace("\"tags\"", "\"tugs\""), "unknown field `tugs`"),
        ("{".into(), "EOF"),
    ] {
        fs::write(&file, text).expect("written");
        let (code, text) = apply(folder.path(), &[]);
        assert_eq!(code, Some(4), "{why}: {text}");
        assert!(
            text.contains(why) && text.contains("no plan that can be applied"),
            "{why}: {text}"
        );
        assert!(untouched(folder.path()), "{text}");
    }
}

#[test]
fn variables_of_the_command_line_must_be_the_same_again() {
    let folder = planned(&["-e", "secret=whisper", "-e", "{a: {b: 1, c: 2}}"]);
    for more in [&[][..], &["-e", "secret=other"]] {
        let (code, text) = apply(folder.path(), more);
        assert!(code == Some(4) && text.contains("other variables of `-e`"), "{text}");
    }
    let same = ["-e", "{a: {c: 2, b: 1}, secret: whisper}"];
    let (code, text) = apply(folder.path(), &same);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(fs::read_to_string(folder.path().join("key")).expect("read"), "whisper\n");
}

#[test]
fn what_a_plan_says_is_not_said_again() {
    let folder = planned(&["-t", "all"]);
    for more in [&["--limit", "localhost"][..], &["-t", "x"], &["--check"]] {
        let (code, text) = apply(folder.path(), more);
        assert!(code == Some(4) && text.contains("does not go with a saved plan"), "{text}");
    }
}

#[test]
fn secrets_are_in_no_plan_and_the_file_is_the_owners() {
    use std::os::unix::fs::PermissionsExt;
    let folder = planned(&["-e", "secret=whisper"]);
    let file = folder.path().join("site.plan");
    let text = fs::read_to_string(&file).expect("read");
    assert!(!text.contains("whisper") && text.contains("A secret"), "{text}");
    let mode = fs::metadata(&file).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_plan_that_fails_is_not_saved() {
    let play =
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - assert: {that: 1 == 2}\n";
    let folder = site(play);
    let output = lvsmith(folder.path(), &["plan", "site.yml", "--out", "site.plan"]);
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    assert!(shown(&output).contains("the plan is not saved"), "{}", shown(&output));
    assert!(!folder.path().join("site.plan").exists());
}
