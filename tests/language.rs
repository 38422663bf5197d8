//! The language of playbooks: each of `language/*.yml` run by lvsmith, and held against what
//! ansible-playbook did with it (`language/record.sh`): what every host noted, in its order, the
//! recap, and whether it ended well.

#![expect(clippy::disallowed_methods, reason = "tests run the program")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

/// Where the recap differs, and why.
const COUNTED_OTHERWISE: &[(&str, &str)] = &[
    ("free", "each item of an include counts there"),
    ("includes", "each item of an include counts there"),
];

/// A host that came to nothing is not in the recap there.
const NOTHING: &str = "ok=0 changed=0 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language")
}

/// What a run left, in the form in which ansible-playbook's was recorded.
fn run(playbook: &Path, more: &[&str]) -> String {
    let log = tempfile::tempdir().expect("a folder");
    let name = playbook.with_extension("args");
    let arguments = fs::read_to_string(name).unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_lvsmith"))
        .current_dir(folder())
        .args(["apply", "-i", "inventory.yml", "-e"])
        .arg(format!("log={}", log.path().display()))
        .args(arguments.split_whitespace())
        .args(more)
        .arg(playbook)
        .output()
        .expect("runs");
    let (said, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut text = String::new();
    for host in ["a", "b", "c"] {
        for line in fs::read_to_string(log.path().join(host)).unwrap_or_default().lines() {
            writeln!(text, "{host}: {line}").expect("written");
        }
    }
    let recap = said.lines().filter(|line| line.contains(" : ok="));
    let recap = recap.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    for line in recap.filter(|line| !line.ends_with(NOTHING)) {
        writeln!(text, "{line}").expect("written");
    }
    let code = output.status.code().expect("ends by itself");
    writeln!(text, "exit {code}").expect("written");
    assert!(code == 0 || code == 2, "{said}\n{errors}");
    text
}

#[rstest]
fn ends_as_under_ansible(
    #[files("tests/language/*.yml")]
    #[exclude("inventory.yml")]
    playbook: PathBuf,
) {
    let expected = fs::read_to_string(playbook.with_extension("expected")).expect("recorded");
    let expected: Vec<&str> = expected.lines().map(str::trim_end).collect();
    let found = run(&playbook, &[]);
    let name = playbook.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let differs = COUNTED_OTHERWISE.iter().find(|(other, _)| *other == name);
    let seen = |line: &&str| differs.is_none() || !line.contains(" : ok=");
    let expected: Vec<&str> = expected.into_iter().filter(seen).collect();
    let found: Vec<&str> = found.lines().filter(seen).collect();
    assert_eq!(found.join("\n"), expected.join("\n"), "{name}");
}
