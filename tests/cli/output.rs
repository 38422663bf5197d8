//! What standard output gets: `--format`, `-v`, the lines that move on a terminal, and what none
//! of them may show.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use insta::{assert_snapshot, with_settings};
use nix::pty::{Winsize, openpty};
use serde_json::Value;

use super::{lvsmith, shown, site};

const PLAYBOOK: &str = r#"- name: Try & <see>
  hosts: localhost
  gather_facts: false
  tasks:
    - name: A file
      copy: {content: "one\n", dest: "{{ playbook_dir }}/out"}
      register: written
    - command: printf 'a\033[31mb\001c'
      register: said
    - name: Nothing "new"
      debug: {msg: "it is {{ said.rc }}"}
    - command: "false"
      when: written is failed
    - name: Never mind
      command: sh -c 'echo why; exit 3'
      ignore_errors: true
    - name: The end
      command: sh -c 'printf "no\033[31m\001<&]]>\n" >&2; exit 3'
"#;

fn stdout(folder: &Path, arguments: &[&str]) -> String {
    String::from_utf8(lvsmith(folder, arguments).stdout).expect("UTF-8")
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn filters() -> Vec<(&'static str, &'static str)> {
    vec![
        (r#""seconds":[0-9.e-]+"#, r#""seconds":0.1"#),
        (r#"time="[0-9.]+""#, r#"time="0.1""#),
        (r#""(start|end|delta)":"[^"]+""#, r#""$1":"-""#),
        (r#""lvsmith":"[^"]+""#, r#""lvsmith":"VERSION""#),
        (r"/tmp/\.tmp\w+", "FOLDER"),
        // Other tests hold the same machine.
        ("\\{\"event\":\"waiting\"[^\n]*\n", ""),
    ]
}

#[test]
fn json_is_a_document_a_line_with_the_recap_last() {
    let folder = site(PLAYBOOK);
    let text = stdout(folder.path(), &["apply", "site.yml", "--format", "json", "-D"]);
    with_settings!({filters => filters()}, { assert_snapshot!("json", text) });
    let lines = lines(&text);
    assert_eq!(lines[0]["schema"], 1);
    let last = lines.last().expect("some lines");
    assert_eq!((&last["event"], &last["schema"]), (&"recap".into(), &1.into()));
    assert_eq!(last["hosts"]["localhost"]["failed"], 1);
}

#[test]
fn json_tells_mistakes_with_their_places() {
    let folder = site("- hosts: localhost\n  tasks:\n    - sysctll: {name: a}\n");
    let output = lvsmith(folder.path(), &["apply", "site.yml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(4));
    let lines = lines(&String::from_utf8(output.stdout).expect("UTF-8"));
    let last = lines.last().expect("some lines");
    assert_eq!(last["event"], "refused");
    let mistake = &last["mistakes"][0];
    assert_eq!((&mistake["line"], &mistake["column"]), (&3.into(), &7.into()), "{mistake}");
    assert_eq!(mistake["hint"], "did you mean `sysctl`?");
}

#[test]
fn junit_has_a_case_for_every_task_and_host() {
    let folder = site(PLAYBOOK);
    let text = stdout(folder.path(), &["apply", "site.yml", "--format", "junit"]);
    with_settings!({filters => filters()}, { assert_snapshot!("junit", text) });
    let tree = roxmltree::Document::parse(&text).expect("XML");
    let count = |name: &str| tree.descendants().filter(|node| node.has_tag_name(name)).count();
    let counts = ["testsuite", "testcase", "failure", "error", "skipped"].map(count);
    assert_eq!(counts, [1, 6, 1, 0, 1], "{text}");
    let failure = tree.descendants().find(|node| node.has_tag_name("failure"));
    let why = failure.and_then(|node| node.text()).expect("a reason").trim_end();
    assert!(why.ends_with("no\u{fffd}<&]]>"), "{why}");
    assert_eq!(tree.root_element().attribute("failures"), Some("1"));
}

#[test]
fn junit_is_a_document_even_where_nothing_was_run() {
    let folder = site("- hosts: nobody\n  tasks: []\n- hsts: all\n");
    let text = stdout(folder.path(), &["apply", "site.yml", "--format", "junit"]);
    let tree = roxmltree::Document::parse(&text).expect("XML");
    let error = tree.descendants().find(|node| node.has_tag_name("error")).expect("an error");
    assert!(error.text().expect("a text").contains("site.yml:3:3"), "{text}");
}

#[test]
fn quiet_tells_what_changed_and_what_failed() {
    let folder = site(PLAYBOOK);
    let text = shown(&lvsmith(folder.path(), &["apply", "site.yml", "--format", "quiet"]));
    assert_snapshot!("quiet", text.replace(&folder.path().display().to_string(), "FOLDER"));
    let folder = site("- hosts: localhost\n  gather_facts: false\n  tasks: [debug: {msg: hi}]\n");
    let text = stdout(folder.path(), &["apply", "site.yml", "--format", "quiet"]);
    assert!(!text.contains("PLAY [") && text.contains("PLAY RECAP"), "{text}");
}

#[test]
fn each_v_tells_more() {
    let folder = site(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - command: echo hi\n      changed_when: false\n",
    );
    let tells = |more: &[&str]| stdout(folder.path(), &[&["apply", "site.yml"], more].concat());
    let [none, one, two] = [&[][..], &["-v"], &["-vv"]].map(tells);
    assert!(!none.contains("stdout: hi"), "{none}");
    assert!(one.contains("stdout: hi") && !one.contains("site.yml:4"), "{one}");
    assert!(two.contains("stdout: hi") && two.contains("command at site.yml:4:7"), "{two}");
}

/// In no format, at no level, and not in a diff.
#[test]
fn what_is_not_to_be_logged_is_in_no_output() {
    let tasks = r#"- hosts: localhost
  gather_facts: false
  vars: {key: hush-hush}
  tasks:
    - copy: {content: "{{ key }}\n", dest: "{{ playbook_dir }}/out"}
      no_log: true
    - command: "echo {{ key }} {{ item }}"
      loop: ["{{ key }}", b]
      no_log: true
    - debug: {msg: "{{ key }}"}
      no_log: true
    - command: "sh -c 'echo {{ key }} >&2; exit 1'"
      ignore_errors: true
      no_log: true
    - assert: {that: "key == '{{ key }}x'", fail_msg: "{{ key }}"}
      ignore_errors: true
      no_log: true
    - service: {name: "{{ key }}", state: started}
      no_log: true
"#;
    for format in ["text", "json", "junit", "quiet"] {
        for command in ["plan", "apply"] {
            let folder = site(tasks);
            let arguments = [command, "site.yml", "--format", format, "-vvv", "-D"];
            let text = shown(&lvsmith(folder.path(), &arguments));
            assert!(!text.contains("hush-hush"), "{command} {format}: {text}");
            assert!(text.contains("hidden because of `no_log`"), "{command} {format}: {text}");
        }
    }
}

/// What a terminal of that size would show in the end, and whether a text was ever on it.
struct Screen {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
    seen: bool,
}

impl Screen {
    /// Knows as much of a terminal as the program uses, and nothing else.
    fn show(&mut self, text: &str, watched: &str) {
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                '\u{1b}' => {
                    assert_eq!(rest.next(), Some('['));
                    let mut number = String::new();
                    let end = loop {
                        match rest.next().expect("an escape ends") {
                            digit @ ('0'..='9' | ';') => number.push(digit),
                            end => break end,
                        }
                    };
                    match end {
                        'A' => self.row -= number.parse::<usize>().expect("a number"),
                        'K' => {
                            let column = self.column;
                            self.line().truncate(column);
                        }
                        'J' => {
                            let column = self.column;
                            self.line().truncate(column);
                            self.rows.truncate(self.row + 1);
                        }
                        'm' => {}
                        other => unreachable!("unknown escape {other}"),
                    }
                }
                c => {
                    let column = self.column;
                    let line = self.line();
                    line.resize(line.len().max(column + 1), ' ');
                    line[column] = c;
                    self.column += 1;
                }
            }
            self.seen |= self.text().contains(watched);
        }
    }

    fn line(&mut self) -> &mut Vec<char> {
        self.rows.resize(self.rows.len().max(self.row + 1), Vec::new());
        &mut self.rows[self.row]
    }

    fn text(&self) -> String {
        let lines = self.rows.iter().map(|row| row.iter().collect::<String>());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Runs the program on a terminal of its own and gives back all that it wrote there.
fn on_a_terminal(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let pair = openpty(Some(&size), None).expect("a terminal");
    let mut child = Command::new(env!("CARGO_BIN_EXE_lvsmith"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("CI")
        .env("TERM", "xterm")
        .env("XDG_STATE_HOME", folder.join("state"))
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(pair.slave)
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut written = Vec::new();
    // A terminal whose other end is closed gives an error, not an end.
    let _ = File::from(pair.master).read_to_end(&mut written);
    assert!(child.wait().expect("it ends").success());
    String::from_utf8(written).expect("UTF-8")
}

const SLOW: &str = "- hosts: all\n  gather_facts: false\n  tasks:\n    - {name: Take your time, command: sleep 1}\n";

const TWO: &str = "all: {vars: {ansible_connection: local}, hosts: {lb1: {}, lb2: {}}}\n";

#[test]
fn a_terminal_shows_what_each_host_is_at_and_nothing_of_it_stays() {
    let folder = site(SLOW);
    std::fs::write(folder.path().join("inventory.yml"), TWO).expect("written");
    let text = on_a_terminal(folder.path(), &["apply", "site.yml"], &[]);
    let mut screen = Screen { rows: Vec::new(), row: 0, column: 0, seen: false };
    screen.show(&text, "lb2  Take your time");
    assert!(screen.seen, "{text:?}");
    let stays = stdout(folder.path(), &["apply", "site.yml"]);
    let told = |text: &str| {
        let waits = |line: &&str| !line.starts_with("waiting:") && !line.starts_with("    ");
        // How long a slow one took is told on a terminal alone.
        let line = |line: &str| line.split(" (").next().unwrap_or_default().trim_end().to_owned();
        text.lines().filter(waits).map(line).collect::<Vec<_>>()
    };
    assert_eq!(told(screen.text().trim_end()), told(stays.trim_end()));
}

#[test]
fn nothing_moves_on_a_dumb_terminal_or_under_ci() {
    for variable in [("TERM", "dumb"), ("CI", "true")] {
        let folder = site(SLOW);
        let text = on_a_terminal(folder.path(), &["apply", "site.yml"], &[variable]);
        assert!(text.contains("PLAY RECAP") && !text.contains("\u{1b}[J"), "{text:?}");
    }
    let folder = site(SLOW);
    let text = on_a_terminal(folder.path(), &["apply", "site.yml"], &[("NO_COLOR", "1")]);
    assert!(text.contains("\u{1b}[J"), "{text:?}");
    let colours = text.split("\u{1b}[").skip(1).filter(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
    });
    assert_eq!(colours.count(), 0, "{text:?}");
}

#[test]
fn defaults_are_found_and_the_command_line_counts_more() {
    let folder = site(PLAYBOOK);
    std::fs::write(folder.path().join("lvsmith.toml"), "format = \"quiet\"\n").expect("written");
    let quiet = stdout(folder.path(), &["apply", "site.yml"]);
    assert!(!quiet.contains("Nothing"), "{quiet}");
    let json = stdout(folder.path(), &["apply", "site.yml", "--format", "json"]);
    assert!(json.starts_with("{\"event\":\"begin\""), "{json}");
    std::fs::write(folder.path().join("lvsmith.toml"), "formt = \"quiet\"\n").expect("written");
    let output = lvsmith(folder.path(), &["apply", "site.yml"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(shown(&output).contains("did you mean `format`?"), "{}", shown(&output));
}
