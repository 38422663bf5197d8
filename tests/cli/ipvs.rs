//! `lvsmith ipvs`, as far as it goes without a kernel that has IPVS; completions, man pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;

use super::{lvsmith, shown};

const COMMANDS: [&str; 13] = [
    "list",
    "stats",
    "zero",
    "flush",
    "timeouts",
    "daemon",
    "save",
    "restore",
    "diff",
    "apply",
    "drain",
    "adopt",
    "daemon start",
];

#[test]
fn help_of_every_subcommand() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut text = shown(&lvsmith(folder.path(), &["ipvs", "--help"]));
    for command in COMMANDS {
        let mut arguments = vec!["ipvs"];
        arguments.extend(command.split(' '));
        arguments.push("--help");
        let output = lvsmith(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        text += &format!("\n# {command}\n{}", String::from_utf8_lossy(&output.stdout));
    }
    assert_snapshot!("ipvs_help", text);
}

/// Before the kernel is asked anything.
#[test]
fn refuses_what_makes_no_sense() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("table.yml"), "services:\n- service: 10.0.0.1\n  scheduler: rr\n")
        .expect("written");
    fs::write(folder.path().join("table.rules"), "-A -t 10.0.0.1:80 -s rr\r\n-a -t 10.0.0.1:80")
        .expect("written");
    let mut text = String::new();
    for arguments in [
        &["flush"][..],
        &["list", "--service", "web"],
        &["list", "--json", "--yaml"],
        &["list", "--watch", "0"],
        &["list", "--times", "2"],
        &["timeouts", "--tcp", "0"],
        &["daemon", "start", "leader", "--interface", "eth0"],
        &["daemon", "start", "master", "--interface", "eth0", "--group", "10.0.0.1"],
        &["drain", "10.0.0.1:80", "rs1"],
        &["connections", "--client", "rs1"],
        &["restore", "no-such-file.yml"],
        &["restore", "--atomic", "table.yml"],
        &["diff", "table.rules"],
        &["apply", "--format", "rules", "table.yml"],
    ] {
        let output = lvsmith(folder.path(), &[&["ipvs"], arguments].concat());
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {}", shown(&output));
        text +=
            &format!("# {}\n{}\n", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    assert_snapshot!("ipvs_refused", text);
}

#[test]
fn a_kernel_without_ipvs_ends_with_6() {
    if Path::new("/proc/net/ip_vs").exists() {
        // Here it has one; what is said of no permission is a case of the privileged tests.
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for command in ["list", "stats", "save", "timeouts", "adopt"] {
        let output = lvsmith(folder.path(), &["ipvs", command]);
        assert_eq!(output.status.code(), Some(6), "{command}: {}", shown(&output));
        assert!(shown(&output).contains("lvsmith vm run -- "), "{}", shown(&output));
    }
}

#[test]
fn completes_in_every_shell() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for shell in ["bash", "zsh", "fish"] {
        let output = lvsmith(folder.path(), &["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        let script = String::from_utf8_lossy(&output.stdout);
        for word in ["ipvs", "drain", "--atomic"] {
            let word = if shell == "fish" { word.trim_start_matches("--") } else { word };
            assert!(script.contains(word), "{shell} does not know `{word}`");
        }
        assert!(!script.contains("lvsmith__agent"), "{shell} completes what is hidden");
    }
    let script = lvsmith(folder.path(), &["completions", "bash"]).stdout;
    fs::write(folder.path().join("lvsmith.bash"), script).expect("written");
    let try_it = "source lvsmith.bash && COMP_WORDS=(lvsmith ipvs dr) COMP_CWORD=2 && \
                  _lvsmith lvsmith dr ipvs && echo ${COMPREPLY[@]}";
    let bash = Command::new("bash").args(["-c", try_it]).current_dir(folder.path()).output();
    let bash = bash.expect("bash starts");
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "drain", "{}", shown(&bash));
}

#[test]
fn writes_a_man_page_for_every_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = lvsmith(folder.path(), &["man", "man1"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    for command in COMMANDS {
        let page = format!("man1/lvsmith-ipvs-{}.1", command.replace(' ', "-"));
        let text = fs::read_to_string(folder.path().join(&page)).expect("written");
        assert!(text.contains(".SH OPTIONS") && text.contains(".TH"), "{page}: {text}");
    }
    assert!(!folder.path().join("man1/lvsmith-agent.1").exists(), "it is hidden");
    let again = lvsmith(folder.path(), &["man", "/proc/no/such"]);
    assert_eq!(again.status.code(), Some(6), "{}", shown(&again));
}
