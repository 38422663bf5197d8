//! Where hosts go in a tree of blocks, beyond what `tests/language` holds against Ansible.

use super::Site;
use super::ahead::patient;

#[test]
fn a_task_that_runs_once_takes_all_hosts_into_their_rescue() {
    let site = Site::new(
        3,
        "- hosts: all
  gather_facts: false
  tasks:
    - block:
        - {command: \"false\", run_once: true}
        - shell: echo {{ inventory_hostname }}.never >> {{ playbook_dir }}/log
      rescue:
        - shell: echo {{ inventory_hostname }}.rescued >> {{ playbook_dir }}/log
    - shell: echo {{ inventory_hostname }}.after >> {{ playbook_dir }}/log
",
    );
    let (summary, _) = site.run(&patient());
    assert_eq!(summary.unfinished, [""; 0]);
    let mut log = site.lines("log");
    log.sort();
    let expected = ["h1.after", "h1.rescued", "h2.after", "h2.rescued", "h3.after", "h3.rescued"];
    assert_eq!(log, expected);
}

#[test]
fn a_role_that_a_condition_kept_from_some_hosts_is_done_where_it_is_needed() {
    let site = Site::new(
        2,
        "- hosts: all
  gather_facts: false
  roles:
    - {role: r, when: inventory_hostname == 'h1'}
    - r
    - r
",
    );
    std::fs::create_dir_all(site.path().join("roles/r/tasks")).expect("made");
    let note = "- shell: echo {{ inventory_hostname }} >> {{ playbook_dir }}/log\n";
    site.write("roles/r/tasks/main.yml", note);
    site.run(&patient());
    let mut log = site.lines("log");
    log.sort();
    assert_eq!(log, ["h1", "h1", "h2"]);
}

#[test]
fn an_include_that_never_ends_is_told() {
    let site = Site::new(
        1,
        "- hosts: all
  gather_facts: false
  tasks:
    - {include_tasks: again.yml, when: inventory_hostname == 'h1'}
",
    );
    site.write("again.yml", "- {include_tasks: again.yml, when: inventory_hostname != 'nobody'}\n");
    let (summary, log) = site.run(&patient());
    assert_eq!(summary.unfinished, ["h1"]);
    assert!(summary.bad_input);
    let told = log.results.last().map(String::as_str).unwrap_or_default();
    assert!(told.contains("does this one bring in itself?"), "{told}");
}

#[test]
fn a_pattern_may_be_a_variable() {
    let play = "- hosts: \"{{ target | default('h2') }}\"
  gather_facts: false
  tasks:
    - shell: echo {{ inventory_hostname }} >> {{ playbook_dir }}/log
";
    let site = Site::new(3, play);
    site.run(&patient());
    let mut options = patient();
    options.extra.insert("target".into(), "all:!h2".into());
    site.run(&options);
    let mut log = site.lines("log");
    log.sort();
    assert_eq!(log, ["h1", "h2", "h3"]);
}
