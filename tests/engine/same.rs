//! Random playbooks, run as they are and with nothing sent ahead: both must tell the same, in
//! the same order, and leave the same on the host.

use std::collections::BTreeMap;
use std::fs;

use lvsmith::engine::{Options, Summary};
use proptest::prelude::*;
use proptest::sample::select;

use super::ahead::patient;
use super::link::Link;
use super::{Log, Site};

/// What a task does; `R` is a name that some task registers or sets.
const MODULES: &[&str] = &[
    "shell: echo ran; echo NUMBER >> log",
    "shell: echo ran; echo NUMBER >> log",
    "shell: echo {{ R.stdout | default('none') }} | tee -a log",
    "shell: echo NUMBER >> log; exit 3",
    "shell: echo {{ item }} >> log; test {{ item }} != b\n      loop: LOOP",
    "debug: {msg: \"R is {{ R.stdout | default('none') }}\"}",
    "debug: {msg: \"{{ hostvars['h1'].R | default('none') | to_json | length }}\"}",
    "debug: {msg: \"{{ (R.rc | default(1)) / 0 }}\"}",
    "assert: {that: R.rc | default(0) == 0, quiet: true}",
    "set_fact: {R: {stdout: \"set NUMBER\", rc: 0}}",
    "set_fact: {R: {stdout: \"{{ R.stdout | default('') }}+{{ item }}\", rc: 0}}\n      loop: LOOP",
    "copy: {content: \"{{ R.stdout | default('none') }}\\n\", dest: \"{{ playbook_dir }}/file\"}",
    "copy: {content: \"{{ large }}NUMBER\", dest: \"{{ playbook_dir }}/large\"}",
    "template: {src: plain.j2, dest: \"{{ playbook_dir }}/plain\"}",
    "command: {cmd: touch made, creates: made}",
];

const KEYWORDS: &[&str] = &[
    "",
    "",
    "",
    "when: R is defined",
    "when: R.changed | default(true)",
    "when: R is failed",
    "ignore_errors: true",
    "ignore_errors: true",
    "changed_when: false",
    "changed_when: R is defined",
    "failed_when: false",
    "failed_when: R.rc | default(0) == 3",
    "notify: [first]",
    "notify: [second]",
    "no_log: true",
    "check_mode: true",
    "until: true",
    "vars: {R: {stdout: own}}",
];

const NAMES: &[&str] = &["one", "two", "three"];

fn task() -> impl Strategy<Value = String> {
    let register = prop::option::of(select(NAMES));
    let keywords = prop::collection::btree_set(select(KEYWORDS), 0..3);
    let names = prop::collection::vec(select(NAMES), 4);
    (select(MODULES), keywords, register, names).prop_map(|(module, keywords, register, names)| {
        let mut names = names.into_iter();
        let mut named = |text: &str| text.replace('R', names.next().unwrap_or("one"));
        let mut lines = vec![format!("- {}", named(module))];
        let mut keys: Vec<&str> = Vec::new();
        for keyword in keywords.iter().filter(|keyword| !keyword.is_empty()) {
            let key = keyword.split(':').next().unwrap_or_default();
            if !keys.contains(&key) {
                keys.push(key);
                lines.push(format!("  {}", named(keyword)));
            }
        }
        lines.extend(register.map(|name| format!("  register: {name}")));
        if module.starts_with("shell") || module.starts_with("command: {") {
            lines.push("  args: {chdir: \"{{ playbook_dir }}\"}".into());
        }
        lines.iter().map(|line| format!("    {line}\n")).collect()
    })
}

fn playbook() -> impl Strategy<Value = String> {
    (prop::collection::vec(task(), 1..12), select(&["[a, c]", "[a, b, c]", "[]"][..])).prop_map(
        |(tasks, items)| {
            let tasks: Vec<String> = (1..)
                .zip(tasks)
                .map(|(number, task)| {
                    task.replace("NUMBER", &number.to_string()).replace("LOOP", items)
                })
                .collect();
            let (middle, end) = tasks.split_at(tasks.len() * 2 / 3);
            format!(
                "- hosts: h1
  gather_facts: false
  vars: {{large: \"{large}\"}}
  tasks:
{}  post_tasks:
{}  handlers:
    - name: first
      shell: echo first >> {{{{ playbook_dir }}}}/log
      notify: [second]
    - name: second
      shell: echo second {{{{ one.stdout | default('none') }}}} >> {{{{ playbook_dir }}}}/log
",
                middle.concat(),
                end.concat(),
                large = "large ".repeat(2000),
            )
        },
    )
}

/// Runs it in a folder that has nothing but the playbook, and tells what is there afterwards.
fn run(site: &Site, options: &Options) -> (Summary, Log, BTreeMap<String, String>) {
    for name in ["log", "file", "large", "plain", "made"] {
        let _ = fs::remove_file(site.path().join(name));
    }
    let (summary, mut log) = site.run_over(&Link::of(2), options).expect("the playbook is right");
    for result in &mut log.results {
        // When it was and how long it took is another thing each time.
        let timed = |line: &&str| {
            ["\"start\"", "\"end\"", "\"delta\""].iter().any(|key| line.contains(key))
        };
        *result = result.lines().filter(|line| !timed(line)).collect::<Vec<_>>().join("\n");
    }
    log.task.clear();
    let files = fs::read_dir(site.path()).expect("it is there").map(|entry| {
        let path = entry.expect("it is there").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).expect("it can be read"))
    });
    (summary, log, files.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_ahead_ends_as_what_is_not(playbook in playbook()) {
        let site = Site::new(1, &playbook);
        site.write("plain.j2", "{{ one.stdout | default('none') }}\n");
        let ahead = run(&site, &patient());
        let one_by_one = run(&site, &Options { one_by_one: true, ..patient() });
        let short = playbook.replace("large large", "");
        prop_assert!(ahead == one_by_one, "{}\n{:#?}\n{:#?}", short, ahead.1, one_by_one.1);
    }
}
