//! The program from the outside, without privilege: exit codes, output, mistakes.

#![expect(clippy::disallowed_methods, reason = "tests make playbooks and run the program")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use insta::{assert_snapshot, with_settings};
use tempfile::TempDir;

#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/ipvs.rs"]
mod ipvs;
#[path = "cli/ipvsadm.rs"]
mod ipvsadm;
#[path = "cli/lab_files.rs"]
mod lab_files;
#[path = "cli/lint.rs"]
mod lint;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/roles.rs"]
mod roles;
#[path = "cli/saved.rs"]
mod saved;
#[path = "cli/without_hosts.rs"]
mod without_hosts;

/// A folder with a playbook in it.
fn site(playbook: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("site.yml"), playbook).expect("written");
    folder
}

fn lvsmith(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lvsmith"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("XDG_STATE_HOME", folder.join("state"))
        .output()
        .expect("the program starts")
}

/// Snapshots hold no name of a temporary folder.
fn snapshot(name: &str, text: &str, folder: &Path) {
    let text = text.replace(&folder.display().to_string(), "FOLDER");
    assert_snapshot!(name, text);
}

/// Exit code, standard output and standard error in one text.
fn shown(output: &Output) -> String {
    format!(
        "exit: {}\n----- stdout -----\n{}----- stderr -----\n{}",
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}

const PLAYBOOK: &str = r#"- name: Try
  hosts: localhost
  gather_facts: false
  vars:
    greeting: "hello {{ who }}"
    who: world
  tasks:
    - name: A folder
      file: {path: "{{ playbook_dir }}/out", state: directory}
    - name: Two files
      copy: {content: "{{ greeting }}\n", dest: "{{ playbook_dir }}/out/{{ item }}"}
      loop: [a, b]
      notify: say so
    - name: A command
      command: echo hi
      register: said
      changed_when: false
    - name: Not today
      command: "false"
      when: said.stdout != 'hi'
    - name: Never mind
      command: "false"
      ignore_errors: true
    - debug: {msg: "it said {{ said.stdout }}"}
      tags: [talk]
  handlers:
    - name: say so
      debug: {msg: something changed}
"#;

#[test]
fn apply_looks_as_ansible_does_and_a_second_run_changes_nothing() {
    let folder = site(PLAYBOOK);
    snapshot("apply_first", &shown(&lvsmith(folder.path(), &["apply", "site.yml"])), folder.path());
    let text = fs::read_to_string(folder.path().join("out/a")).expect("written");
    assert_eq!(text, "hello world\n");
    let second = shown(&lvsmith(folder.path(), &["apply", "site.yml"]));
    // As in Ansible, a command that failed may have changed something, ignored or not.
    assert!(second.contains("ok=5    changed=1"), "{second}");
    assert!(!second.contains("\nchanged:"), "{second}");
    assert!(!second.contains("say so"), "{second}");
}

#[test]
fn plan_shows_a_diff_and_changes_nothing() {
    let folder = site(PLAYBOOK);
    lvsmith(folder.path(), &["apply", "site.yml"]);
    let plan = lvsmith(folder.path(), &["plan", "site.yml", "-e", "who=moon"]);
    snapshot("plan_diff", &shown(&plan), folder.path());
    let text = fs::read_to_string(folder.path().join("out/a")).expect("written");
    assert_eq!(text, "hello world\n");
}

/// A plan does not fail because of what only an apply can tell, and hides no mistake behind it.
#[test]
fn a_plan_says_what_it_cannot_know() {
    let tasks = "    - command: echo hi\n      register: said\n    \
                 - set_fact: {heard: \"{{ said.stdout }}\"}\n    \
                 - debug: {msg: \"{{ heard }}\"}\n    \
                 - debug: {msg: item}\n      loop: \"{{ said.stdout_lines }}\"\n    \
                 - debug: {msg: it was left out}\n      when: said is skipped\n";
    let play = format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}");
    let folder = site(&play);
    let plan = shown(&lvsmith(folder.path(), &["plan", "site.yml"]));
    assert!(plan.starts_with("exit: 0"), "{plan}");
    for name in ["said", "heard"] {
        assert!(plan.contains(&format!("unknown until apply: it asks for `{name}`")), "{plan}");
    }
    assert!(plan.contains("it was left out") && plan.contains("skipped=4"), "{plan}");
    let folder = site(&format!("{play}    - debug: {{msg: \"{{{{ sayd.stdout }}}}\"}}\n"));
    let plan = shown(&lvsmith(folder.path(), &["plan", "site.yml"]));
    assert!(plan.starts_with("exit: 4") && plan.contains("undefined variable `sayd`"), "{plan}");
}

/// Facts that a task gathers are those of a play; a pause is one for all hosts; an end has words.
#[test]
fn modules_of_the_controller_and_facts_of_a_task() {
    let folder = site(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - pause: {seconds: 1, prompt: in a moment}\n      register: paused\n    - setup: {gather_subset: min}\n    - debug: {msg: \"{{ ansible_kernel == ansible_facts.kernel }} {{ paused.delta }}\"}\n    - fail: {msg: enough}\n      when: inventory_hostname == 'b'\n",
    );
    let local = "{ansible_connection: local}";
    let inventory = format!("all:\n  hosts:\n    a: {local}\n    b: {local}\n");
    fs::write(folder.path().join("inventory.yml"), inventory).expect("written");
    let apply = shown(&lvsmith(folder.path(), &["apply", "site.yml"]));
    assert!(apply.starts_with("exit: 2"), "{apply}");
    for (text, times) in [("in a moment", 1), ("True 1", 2), ("enough", 1)] {
        assert_eq!(apply.matches(text).count(), times, "{text}: {apply}");
    }
    let plan = shown(&lvsmith(folder.path(), &["plan", "site.yml"]));
    assert!(plan.contains("TASK [pause]") && !plan.contains("in a moment"), "{plan}");
}

#[test]
fn templates_find_the_files_of_their_role_and_of_the_playbook() {
    let folder = site("- hosts: localhost\n  gather_facts: false\n  roles: [greeter]\n");
    for (file, text) in [
        (
            "roles/greeter/tasks/main.yml",
            "- debug: {msg: \"{{ lookup('file', 'ours') }} and {{ lookup('file', 'theirs') }}\"}\n",
        ),
        ("roles/greeter/files/ours", "the role\n"),
        ("files/ours", "nobody\n"),
        ("files/theirs", "the playbook\n"),
    ] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    let output = shown(&lvsmith(folder.path(), &["apply", "site.yml"]));
    assert!(output.contains("the role and the playbook"), "{output}");
}

/// A key that a declaration lacks is missing in every run; what a task or another host may still
/// bring is not.
#[test]
fn a_missing_key_is_found_before_a_host_is_touched() {
    let before = "- hosts: localhost\n  gather_facts: false\n  vars: {service: {prot: 80}}\n  \
                  tasks:\n    - copy: {content: x, dest: \"{{ playbook_dir }}/touched\"}\n";
    let folder = site(&format!("{before}    - debug: {{msg: \"{{{{ service.port }}}}\"}}\n"));
    let output = shown(&lvsmith(folder.path(), &["apply", "site.yml"]));
    assert!(output.starts_with("exit: 4"), "{output}");
    assert!(output.contains("did you mean `prot`?"), "{output}");
    assert!(!folder.path().join("touched").exists());
    for later in [
        "    - set_fact: {service: {port: 81}}\n    - debug: {msg: \"{{ service.port }}\"}\n",
        "    - debug: {msg: \"{{ hostvars['localhost'].said.rc }}\"}\n",
        "    - debug: {msg: \"{{ service.port | default(82) }}\"}\n",
        "    - debug: {msg: \"{{ service.port }}\"}\n      when: service.port is defined\n",
    ] {
        let folder = site(&format!("{before}{later}"));
        lvsmith(folder.path(), &["apply", "site.yml"]);
        assert!(folder.path().join("touched").exists(), "{later}");
    }
}

#[test]
fn tags_choose_tasks() {
    let folder = site(PLAYBOOK);
    let output = shown(&lvsmith(
        folder.path(),
        &["apply", "site.yml", "-t", "talk", "-e", "{said: {stdout: x}}"],
    ));
    assert!(output.contains("it said x"), "{output}");
    assert!(!output.contains("A folder"), "{output}");
}

#[test]
fn a_host_that_failed_ends_with_2_and_runs_nothing_more() {
    let folder = site(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - command: sh -c 'echo no >&2; exit 3'\n    - copy: {content: x, dest: \"{{ playbook_dir }}/out\"}\n",
    );
    let output = lvsmith(folder.path(), &["apply", "site.yml"]);
    assert_snapshot!("host_failed", shown(&output));
    assert!(!folder.path().join("out").exists());
}

/// What can be known before is found before: nothing was done on any host.
#[test]
fn bad_values_are_found_before_a_host_is_touched() {
    let before = "- hosts: localhost\n  gather_facts: false\n  vars: {vip: VIP, port: 80, scheduler: rr, group: []}\n  tasks:\n    - copy: {content: x, dest: \"{{ playbook_dir }}/touched\"}\n";
    let service = "    - ipvs_service: {vip: \"{{ vip }}\", port: \"{{ port }}\", scheduler: \"{{ scheduler }}\", destinations: [10.0.0.2]}\n";
    let address = "    - address: {address: \"{{ vip }}\", interface: lo}\n";
    let cases = [
        ("a VIP that is no address", service, "vip=10.0.0.300"),
        ("a prefix that is none", address, "vip=10.0.0.1/33"),
        ("a port that is none", service, "vip=10.0.0.1 port=70000"),
        ("a scheduler nobody knows", service, "vip=10.0.0.1 scheduler=wrrr"),
        (
            "a real server group that is empty",
            "    - ipvs_service: {vip: \"{{ vip }}\", port: 80, destinations: \"{{ group }}\"}\n",
            "vip=10.0.0.1",
        ),
    ];
    let mut text = String::new();
    for (name, task, vars) in cases {
        let folder = site(&format!("{before}{task}"));
        let output = lvsmith(folder.path(), &["apply", "site.yml", "-e", vars]);
        assert_eq!(output.status.code(), Some(4), "{name}: {}", shown(&output));
        assert!(!folder.path().join("touched").exists(), "{name}: {}", shown(&output));
        text.push_str(&format!("# {name}\n{}\n", shown(&output)));
    }
    assert_snapshot!("bad_values", text);
}

/// What only shows on the host must not be guessed at before.
#[test]
fn values_from_earlier_tasks_are_waited_for() {
    let folder = site(
        "- hosts: localhost\n  gather_facts: false\n  vars: {port: none yet}\n  tasks:\n    - set_fact: {port: 1}\n    - command: echo 2\n      register: said\n    - wait_for: {port: \"{{ port }}\", state: stopped, timeout: 5}\n    - wait_for: {timeout: \"{{ said.stdout | default(value='x') }}\", path: /etc/passwd}\n",
    );
    let output = lvsmith(folder.path(), &["apply", "site.yml"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
}

#[test]
fn become_is_not_passed_over() {
    let folder = site(
        "- hosts: localhost\n  gather_facts: false\n  become: true\n  become_user: no-such-user\n  tasks:\n    - command: id\n",
    );
    let output = lvsmith(folder.path(), &["apply", "site.yml"]);
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    assert!(shown(&output).contains("cannot become `no-such-user`"), "{}", shown(&output));
}

#[test]
fn a_host_that_is_not_reached_ends_with_5() {
    let folder = site("- hosts: all\n  tasks:\n    - command: echo\n");
    fs::write(folder.path().join("inventory.yml"), "all:\n  hosts:\n    far:\n").expect("written");
    let output = lvsmith(folder.path(), &["apply", "site.yml"]);
    assert_eq!(output.status.code(), Some(5), "{}", shown(&output));
}

#[test]
fn what_failed_is_run_again_until_it_goes_well() {
    let folder = site(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - shell: echo {{ inventory_hostname }} >> log\n      args: {chdir: \"{{ playbook_dir }}\"}\n    - command: test -e ok\n      args: {chdir: \"{{ playbook_dir }}\"}\n      when: inventory_hostname == 'b'\n",
    );
    let local = "{ansible_connection: local}";
    let inventory = format!("all: {{hosts: {{a: {local}, b: {local}, c: {local}}}}}\n");
    fs::write(folder.path().join("inventory.yml"), inventory).expect("written");
    let run = |arguments: &[&str]| {
        fs::write(folder.path().join("log"), "").expect("written");
        let output = lvsmith(folder.path(), &[&["apply", "site.yml"], arguments].concat());
        let log = fs::read_to_string(folder.path().join("log")).expect("read");
        let mut hosts: Vec<String> = log.lines().map(str::to_owned).collect();
        hosts.sort();
        (output.status.code(), hosts.concat(), shown(&output))
    };
    let (code, _, text) = run(&["--retry-failed"]);
    assert!(code == Some(4) && text.contains("nothing to retry"), "{text}");
    assert_eq!(run(&[]).1, "abc");
    // A plan is no run, and forgets nothing.
    lvsmith(folder.path(), &["plan", "site.yml"]);
    let (code, hosts, text) = run(&["--retry-failed"]);
    assert_eq!((code, hosts.as_str()), (Some(2), "b"), "{text}");
    fs::write(folder.path().join("ok"), "").expect("written");
    let (code, hosts, text) = run(&["--retry-failed"]);
    assert_eq!((code, hosts.as_str()), (Some(0), "b"), "{text}");
    assert_eq!(run(&["--retry-failed"]).0, Some(4));
}

/// Tasks are sent before earlier ones have ended; those that have not begun are not done.
#[test]
fn ctrl_c_finishes_what_has_begun_and_nothing_else() {
    let tasks: String = (1..9)
        .map(|n| format!("    - {{shell: \"touch {n}; sleep 1; touch {n}.done\", args: {{chdir: \"{{{{ playbook_dir }}}}\"}}}}\n"))
        .collect();
    let folder = site(&format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}"));
    let there = |name: &str| folder.path().join(name).exists();
    let mut run = Command::new(env!("CARGO_BIN_EXE_lvsmith"))
        .args(["apply", "site.yml"])
        .current_dir(folder.path())
        .env("XDG_STATE_HOME", folder.path().join("state"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !there("2") {
        assert!(Instant::now() < deadline, "the second task never begins");
        std::thread::sleep(Duration::from_millis(10));
    }
    let interrupted = Command::new("kill").args(["-INT", &run.id().to_string()]).status();
    assert!(interrupted.expect("kill runs").success());
    assert_eq!(run.wait().expect("it ends").code(), Some(130));
    assert!(there("2.done") && !there("8"));
    // What is sent ahead is told to stop within moments, which may be a task later.
    assert!(!there("4"), "it went on");
}

/// Every mistake is shown at its place, with exit code 4 and nothing done.
#[test]
fn mistakes_are_shown_where_they_are() {
    let cases = [
        ("unknown_module", "- hosts: localhost\n  tasks:\n    - sysctll: {name: a}\n"),
        ("unknown_key", "- hosts: localhost\n  takss: []\n"),
        (
            "unknown_argument",
            "- hosts: localhost\n  tasks:\n    - copy: {destt: /tmp/x, content: \"{{ a }}\"}\n",
        ),
        ("wrong_type", "- hosts: localhost\n  tasks:\n    - wait_for: {port: 70000}\n"),
        ("duplicate_key", "- hosts: localhost\n  vars: {a: 1}\n  vars: {a: 2}\n"),
        ("tab", "- hosts: localhost\n\ttasks: []\n"),
        ("empty", "\n"),
        (
            "undefined",
            "- hosts: localhost\n  gather_facts: false\n  vars: {port: 1}\n  tasks:\n    - debug: {msg: \"{{ prot }}\"}\n",
        ),
        (
            "no_handler",
            "- hosts: localhost\n  tasks:\n    - command: \"true\"\n      notify: restart\n",
        ),
        ("no_role", "- hosts: localhost\n  roles: [lvs_directr]\n"),
        ("no_group", "- hosts: real_servers\n  tasks: []\n"),
        (
            "several",
            "- hosts: localhost\n  tasks:\n    - coppy: {}\n    - file: {pth: x}\n    - {}\n",
        ),
        (
            "itself",
            "- hosts: localhost\n  gather_facts: false\n  vars: {a: \"{{ a }}\"}\n  tasks:\n    - debug: {msg: \"{{ a }}\"}\n",
        ),
        (
            "beside_the_module",
            "- hosts: localhost\n  tasks:\n    - copy:\n      dest: /tmp/x\n      content: x\n    - git: {}\n",
        ),
        (
            "blocks",
            "- hosts: localhost\n  tasks:\n    - block:\n        debug: {msg: x}\n      loop: [1]\n    - ping:\n      rescue: []\n    - ping:\n      delegate_facts: yes\n",
        ),
        ("indented", "- hosts: localhost\n  tasks:\n    - name: x\n       ping:\n"),
        (
            "no_list",
            "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug: {msg: x}\n      loop: abc\n",
        ),
        (
            "delegated",
            "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ping:\n      delegate_to: localhots\n",
        ),
        (
            "before_variables",
            "- hosts: \"{{ a }}\"\n- hosts: localhost\n  vars_files: [\"{{ a }}.yml\"]\n  vars: {my-var: 1}\n",
        ),
    ];
    let mut text = String::new();
    for (name, playbook) in cases {
        let folder = site(playbook);
        let output = lvsmith(folder.path(), &["apply", "site.yml"]);
        assert_eq!(output.status.code(), Some(4), "{name}: {}", shown(&output));
        text.push_str(&format!("# {name}\n{}\n", shown(&output)));
    }
    assert_snapshot!("mistakes", text);
}

#[test]
fn deep_and_odd_texts_end_in_an_error() {
    for playbook in
        ["[".repeat(20_000), "{".repeat(20_000), "- ".repeat(20_000), "\u{0}".into(), "%".into()]
    {
        let folder = site(&playbook);
        let output = lvsmith(folder.path(), &["apply", "site.yml"]);
        assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
    }
    let folder = site("");
    fs::write(folder.path().join("site.yml"), b"- hosts: \xff\xfe\n").expect("written");
    let output = lvsmith(folder.path(), &["apply", "site.yml"]);
    assert!(shown(&output).contains("not valid UTF-8"), "{}", shown(&output));
}

#[test]
fn help_names_the_exit_codes() {
    let folder = site("");
    with_settings!({filters => vec![(r"lvsmith-[0-9a-f]+", "lvsmith")]}, {
        assert_snapshot!("help", shown(&lvsmith(folder.path(), &["--help"])));
    });
}
