//! Nasty input through the program itself, with little time and memory: an error at its place,
//! exit code 4, and no panic.

#![expect(clippy::disallowed_methods, reason = "tests make playbooks and run the program")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Seconds of processor time; a build without optimisation takes a few where it takes longest.
const SECONDS: u32 = 60;
/// Bytes of memory that the program may ask for.
const MEMORY: u64 = 2 << 30;

/// Plans a playbook on this machine, with these limits.
fn plan(folder: &Path) -> Output {
    Command::new("prlimit")
        .args([&format!("--cpu={SECONDS}"), &format!("--as={MEMORY}"), "--core=0"])
        .args([env!("CARGO_BIN_EXE_lvsmith"), "plan", "site.yml"])
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .expect("prlimit starts")
}

struct Case {
    name: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    /// What the program says, where.
    says: &'static str,
    at: &'static str,
}

fn site(
    name: &'static str,
    text: impl Into<Vec<u8>>,
    says: &'static str,
    at: &'static str,
) -> Case {
    Case { name, files: vec![("site.yml", text.into())], says, at }
}

impl Case {
    fn with(mut self, path: &'static str, text: impl Into<Vec<u8>>) -> Self {
        self.files.push((path, text.into()));
        self
    }
}

/// A play of this machine with these lines in it.
fn play(lines: &str) -> String {
    format!("- hosts: localhost\n  gather_facts: false\n{lines}\n")
}

/// A play of this machine with one task.
fn task(line: &str) -> String {
    play(&format!("  tasks:\n    - {line}"))
}

fn laughs() -> String {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    text
}

fn cases() -> Vec<Case> {
    let one = |text: &str| task(text);
    let msg = |text: &str| task(&format!("debug: {{msg: \"{text}\"}}"));
    let open = "(".repeat(20_000);
    let nested = format!("{}x{}", "{% if true %}".repeat(5_000), "{% endif %}".repeat(5_000));
    vec![
        site("nothing", "the playbook is empty", "site.yml:1:1", ""),
        site(
            "several documents",
            task("debug:") + "---\n" + &task("debug:"),
            "a second document in one file",
            "site.yml:5:1",
        ),
        site("a billion laughs", laughs(), "repetition limit exceeded", "site.yml:6:5"),
        site(
            "an anchor in itself",
            "- &a [*a]\n",
            "alias of an anchor that is not complete",
            "site.yml:1:7",
        ),
        site("20,000 brackets", "[".repeat(20_000), "nested deeper than 128 levels", "site.yml:1:"),
        site(
            "20,000 braces",
            "{a: ".repeat(20_000),
            "nested deeper than 128 levels",
            "site.yml:1:",
        ),
        site(
            "20,000 levels of lists",
            "- ".repeat(20_000),
            "nested deeper than 128 levels",
            "site.yml:1:",
        ),
        site("50 MB", "- {a: b}\n".repeat(50 << 20 >> 3), "has more than 32 MiB", "`site.yml`"),
        site(
            "30 MB of values",
            format!("[{}]", "1,".repeat(15 << 20)),
            "brackets in one file",
            "site.yml:1:",
        ),
        site(
            "200,000 values in brackets",
            format!("[{}]", "1,".repeat(200_000)),
            "and 199900 more",
            "site.yml:1:2",
        ),
        site("8 MB of lines", "- 1\n".repeat((2 << 20) + 10), "values in one file", "site.yml:"),
        site(
            "not UTF-8",
            b"- hosts: localhost\n  name: \xff\xfe\n".as_slice(),
            "not valid UTF-8",
            "site.yml:2:9",
        ),
        site("NUL", b"- hosts: local\0host\n".as_slice(), "unprintable character", "site.yml:1:15"),
        site(
            "a tab",
            "- hosts: localhost\n\ttasks: []\n",
            "a tab in the indentation",
            "site.yml:2:1",
        ),
        site(
            "keys twice",
            play("  vars: {a: 1}\n  vars: {a: 2}"),
            "duplicate key `vars`",
            "site.yml:4:3",
        ),
        site(
            "a merge of a number",
            play("  vars: {<<: 5}"),
            "to merge, found `5`",
            "site.yml:3:14",
        ),
        site(
            "a list for a key",
            "- ? [a, b]\n  : c\n",
            "a key must be a single word",
            "site.yml:1:5",
        ),
        site(
            "a quote that is open",
            "- hosts: \"localhost\n",
            "unexpected end of stream",
            "site.yml:1:10",
        ),
        site(
            "a variable by itself",
            play("  vars: {a: \"{{ a }}\"}\n  tasks:\n    - debug: {msg: \"{{ a }}\"}"),
            "`a` is defined by itself",
            "site.yml:",
        ),
        site(
            "variables by each other",
            play(
                "  vars: {a: \"{{ b }}\", b: \"{{ a }}\"}\n  tasks:\n    - debug: {msg: \"{{ a }}\"}",
            ),
            "is defined by itself",
            "site.yml:",
        ),
        site(
            "a template that includes itself",
            one("template: {src: t.j2, dest: /tmp/lvsmith-bad}"),
            "includes itself",
            "t.j2:",
        )
        .with("templates/t.j2", "{% include 't.j2' %}"),
        site(
            "20,000 parentheses",
            msg(&format!("{{{{ {open}1{} }}}}", ")".repeat(20_000))),
            "deep",
            "site.yml:4:",
        ),
        site("5,000 conditions", msg(&nested), "deep", "site.yml:4:"),
        site(
            "a range without end",
            msg("{{ range(10 ** 12) | list | length }}"),
            "range",
            "site.yml:4:",
        ),
        site(
            "a text that doubles",
            msg(&format!("{{% set x = 'x' * 1000000 %}}{{{{ {} }}}}", vec!["x"; 400].join(" ~ "))),
            "",
            "site.yml:4:",
        ),
        site(
            "a role on itself",
            play("  roles: [r]"),
            "the role `r` brings in itself",
            "roles/r/meta/main.yml:1:16",
        )
        .with("roles/r/meta/main.yml", "dependencies: [r]\n"),
        site(
            "a role that includes itself",
            play("  roles: [r]"),
            "the role `r` brings in itself",
            "roles/r/tasks/main.yml:1:3",
        )
        .with("roles/r/tasks/main.yml", "- include_role: {name: r}\n"),
        site(
            "a role that imports itself",
            play("  roles: [r]"),
            "the role `r` brings in itself",
            "roles/r/tasks/main.yml:1:23",
        )
        .with("roles/r/tasks/main.yml", "- import_role: {name: r}\n"),
        site(
            "tasks that include themselves",
            one("include_tasks: more.yml"),
            "`more.yml` brings in itself",
            "more.yml:1:3",
        )
        .with("more.yml", "- include_tasks: more.yml\n"),
        site(
            "tasks that import themselves",
            one("import_tasks: more.yml"),
            "`more.yml` brings in itself",
            "more.yml:1:17",
        )
        .with("more.yml", "- import_tasks: more.yml\n"),
        site(
            "a playbook that imports itself",
            "- import_playbook: site.yml\n",
            "`site.yml` imports itself",
            "site.yml:1:20",
        ),
        site(
            "variables without end",
            play("  vars_files: [/dev/zero]"),
            "`/dev/zero` has more than 32 MiB",
            "site.yml:3:16",
        ),
        site(
            "no such handler",
            one("command: echo\n      notify: nobody"),
            "no handler is called `nobody`",
            "site.yml:5:15",
        ),
        site(
            "a sequence without end",
            one("debug: {msg: \"{{ item }}\"}\n      with_sequence: count=9999999999"),
            "9999999999 items are too many",
            "site.yml:5:22",
        ),
        site("hosts without end", task("debug:"), "is not a range of hosts", "inventory.yml:1:15")
            .with("inventory.yml", "all: {hosts: {'web[1:9999999999]': }}\n"),
        site(
            "hosts by hosts",
            task("debug:"),
            "stands for more than 65536 hosts",
            "inventory.yml:1:15",
        )
        .with("inventory.yml", "all: {hosts: {'web[1:65536][1:65536]': }}\n"),
        site(
            "a group in itself",
            task("debug:"),
            "the group `a` is inside itself",
            "inventory.yml:1:1",
        )
        .with("inventory.yml", "a: {children: {b: {children: {a: }}}}\n"),
        site(
            "a pattern of stars",
            "- hosts: \"********************************************x\"\n",
            "has no hosts",
            "site.yml:1:10",
        ),
        site(
            "a pattern that is none",
            "- hosts: \"~(((\"\n",
            "`~(((` is not a regular expression",
            "site.yml:1:10",
        ),
        site(
            "a number that is none",
            task("wait_for: {port: 1e999}"),
            "expected a whole number",
            "site.yml:4:24",
        ),
    ]
}

impl Case {
    /// What is wrong with what the program makes of it.
    fn complaint(&self) -> Option<String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in &self.files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        let output = plan(folder.path());
        let said = [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .concat();
        let well = output.status.code() == Some(4)
            && said.contains(self.says)
            && said.contains(self.at)
            && !said.contains("panicked")
            && said.len() < 100_000;
        let shown: String = said.chars().take(2000).collect();
        (!well).then(|| format!("### {}: {}\n{shown}", self.name, output.status))
    }
}

#[test]
fn nasty_input_is_an_error_at_its_place() {
    let complaints: Vec<String> = cases().iter().filter_map(Case::complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// What looks odd and is sound must not be refused.
#[test]
fn odd_input_that_means_something_is_taken() {
    let anchors = play(
        "  vars: {base: &base {a: 1, b: 2}, more: {<<: *base, b: 3}}\n  tasks:\n    - assert: \
         {that: [more.a == 1, more.b == 3]}",
    );
    let bom = format!("\u{feff}{}", task("assert: {that: true}"));
    let lines = task("assert: {that: true}").replace('\n', "\r\n");
    let long = task(&format!("debug: {{msg: {}}}", "x".repeat(1 << 20)));
    for text in [anchors, bom, lines, long] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("site.yml"), &text).expect("written");
        let output = plan(folder.path());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
}
