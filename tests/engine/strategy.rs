//! `serial`, `strategy`, `max_fail_percentage`, `any_errors_fatal`.

use lvsmith::engine::Options;
use rstest::rstest;

use super::ahead::patient;
use super::{LVSMITH, Site};

/// A play in which each host notes what it does in `log`; `FAIL` fails where `fails` says so.
fn noting(keys: &str) -> String {
    format!(
        "- name: one
  hosts: all
  gather_facts: false
{keys}
  tasks:
    - {{name: a, shell: \"echo {{{{ inventory_hostname }}}}.a >> {{{{ playbook_dir }}}}/log\", notify: h}}
    - {{name: b, shell: \"false\", when: \"inventory_hostname in fails | default(value=[])\"}}
    - {{name: c, shell: \"echo {{{{ inventory_hostname }}}}.c >> {{{{ playbook_dir }}}}/log\"}}
  handlers:
    - {{name: h, shell: \"echo {{{{ inventory_hostname }}}}.h >> {{{{ playbook_dir }}}}/log\"}}
- name: two
  hosts: all
  gather_facts: false
  tasks:
    - {{name: z, shell: \"echo {{{{ inventory_hostname }}}}.z >> {{{{ playbook_dir }}}}/log\"}}
"
    )
}

fn failing(hosts: &[&str]) -> Options {
    let extra = serde_json::json!({"fails": hosts});
    Options { extra: extra.as_object().expect("a mapping").clone(), ..patient() }
}

fn of<'a>(lines: &'a [String], hosts: &str) -> Vec<&'a str> {
    let of = |line: &&str| line.starts_with(hosts) && !line.ends_with('z');
    lines.iter().map(String::as_str).filter(of).collect()
}

#[test]
fn a_batch_is_done_with_its_handlers_before_the_next_begins() {
    let site = Site::new(4, &noting("  serial: [1, \"50%\"]"));
    let (summary, _) = site.run(&patient());
    assert_eq!(summary.unfinished, [""; 0]);
    let log = site.lines("log");
    assert_eq!(log[..3], ["h1.a", "h1.c", "h1.h"]);
    let (mut middle, mut end) = (log[3..9].to_vec(), log[9..12].to_vec());
    middle.sort();
    end.sort();
    assert_eq!(middle, ["h2.a", "h2.c", "h2.h", "h3.a", "h3.c", "h3.h"]);
    assert_eq!(end, ["h4.a", "h4.c", "h4.h"]);
    assert_eq!(log.len(), 16, "{log:?}");
}

#[test]
fn a_size_may_be_a_variable_of_the_play_or_of_the_command_line() {
    let site = Site::new(3, &noting("  vars: {size: 3}\n  serial: \"{{ size }}\""));
    let extra = serde_json::json!({"size": "1"}).as_object().expect("a mapping").clone();
    site.run(&Options { extra, ..patient() });
    assert_eq!(site.lines("log")[..6], ["h1.a", "h1.c", "h1.h", "h2.a", "h2.c", "h2.h"]);
}

#[test]
fn a_batch_that_fails_wholly_ends_the_play() {
    let site = Site::new(3, &noting("  serial: 1"));
    let (summary, log) = site.run(&failing(&["h2"]));
    let lines = site.lines("log");
    assert_eq!(lines[..4], ["h1.a", "h1.c", "h1.h", "h2.a"]);
    assert_eq!(of(&lines, "h3"), [""; 0], "{lines:?}");
    assert!(log.lines.iter().any(|line| line.contains("all hosts of a batch")), "{log:?}");
    // The next play is for whoever has not failed; what was not done is known.
    assert!(lines.contains(&"h3.z".to_owned()) && !lines.contains(&"h2.z".to_owned()));
    assert_eq!(summary.unfinished, ["h2", "h3"]);
}

#[test]
fn a_batch_of_which_some_fail_lets_the_next_begin() {
    let site = Site::new(4, &noting("  serial: 2"));
    let (summary, _) = site.run(&failing(&["h2"]));
    let lines = site.lines("log");
    assert_eq!(of(&lines, "h2"), ["h2.a"]);
    assert_eq!(of(&lines, "h4"), ["h4.a", "h4.c", "h4.h"]);
    assert_eq!(summary.unfinished, ["h2"]);
}

#[rstest]
#[case::as_many_as_it_stands("25", &["h2"], true)]
#[case::one_more("24", &["h2"], false)]
#[case::none_at_all("0", &["h4"], false)]
#[case::with_its_sign("\"25%\"", &["h1", "h2"], false)]
fn more_failures_than_the_play_stands_end_the_run(
    #[case] percentage: &str,
    #[case] fails: &[&str],
    #[case] goes_on: bool,
    #[values("linear", "free", "host_pinned")] strategy: &str,
) {
    let keys = format!("  max_fail_percentage: {percentage}\n  strategy: {strategy}");
    let site = Site::new(4, &noting(&keys));
    let (summary, log) = site.run(&failing(fails));
    let lines = site.lines("log");
    assert_eq!(lines.contains(&"h3.z".to_owned()), goes_on, "{lines:?}");
    assert_eq!(summary.unfinished.len(), if goes_on { fails.len() } else { 4 });
    let told = log.lines.iter().any(|line| line.contains("max_fail_percentage"));
    assert_eq!(told, !goes_on, "{log:?}");
    if strategy == "linear" {
        // The task that failed is done on all hosts, and no other after it.
        assert_eq!(of(&lines, "h3").contains(&"h3.c"), goes_on, "{lines:?}");
    }
}

#[test]
fn the_percentage_is_that_of_a_batch() {
    let site = Site::new(4, &noting("  serial: 2\n  max_fail_percentage: 49"));
    let (summary, _) = site.run(&failing(&["h2"]));
    assert_eq!(of(&site.lines("log"), "h3"), [""; 0]);
    assert_eq!(summary.unfinished, ["h1", "h2", "h3", "h4"]);
}

#[test]
fn any_error_ends_the_run_once_all_hosts_have_done_the_task() {
    let site = Site::new(3, &noting("  any_errors_fatal: true"));
    let (summary, log) = site.run(&failing(&["h1"]));
    let mut lines = site.lines("log");
    lines.sort();
    assert_eq!(lines, ["h1.a", "h2.a", "h3.a"]);
    let b: Vec<&String> = log.lines.iter().filter(|line| line.contains(" b: ")).collect();
    assert_eq!(b, ["h1 b: Failed", "h2 b: Skipped", "h3 b: Skipped"]);
    assert_eq!(summary.unfinished, ["h1", "h2", "h3"]);
}

/// The slow host waits for a file that the quick one writes only in its last task.
#[rstest]
#[case("free")]
#[case("host_pinned")]
fn a_host_goes_on_without_waiting(#[case] strategy: &str) {
    let site = Site::new(
        2,
        &format!(
            "- hosts: all
  gather_facts: false
  strategy: {strategy}
  tasks:
    - {{name: slow, wait_for: {{path: \"{{{{ playbook_dir }}}}/end\", timeout: 20}}, when: inventory_hostname == 'h1'}}
    - {{name: more, command: \"true\"}}
    - {{name: end, shell: \"echo {{{{ inventory_hostname }}}} >> {{{{ playbook_dir }}}}/end\"}}
"
        ),
    );
    let (summary, log) = site.run(&patient());
    assert_eq!(summary.unfinished, [""; 0], "{log:?}");
    assert_eq!(site.lines("end"), ["h2", "h1"]);
    let of_h1: Vec<&String> = log.lines.iter().filter(|line| line.starts_with("h1")).collect();
    assert_eq!(of_h1, ["h1 slow: Ok", "h1 more: Changed", "h1 end: Changed"]);
}

#[rstest]
#[case("free", &["h1 a", "h2 a", "h1 b", "h2 b", "h1 c", "h2 c", "h1 h", "h2 h"])]
#[case("host_pinned", &["h1 a", "h1 b", "h1 c", "h1 h", "h2 a", "h2 b", "h2 c", "h2 h"])]
fn one_worker_gives_turns_or_stays(#[case] strategy: &str, #[case] expected: &[&str]) {
    let site = Site::new(2, &noting(&format!("  strategy: {strategy}")));
    let (_, log) = site.run(&Options { forks: 1, ..patient() });
    let told = log.lines[1..9].iter().filter_map(|line| line.split(':').next());
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn plays_know_who_is_left_in_the_play_and_in_the_batch() {
    let site = Site::new(
        4,
        "- hosts: all
  gather_facts: false
  serial: 2
  tasks:
    - {shell: \"false\", when: inventory_hostname == 'h2'}
    - shell: echo {{ ansible_play_hosts | join(sep=' ') }} of {{ ansible_play_batch | join(sep=' ') }} >> {{ playbook_dir }}/log
      when: inventory_hostname in ['h1', 'h4']
",
    );
    site.run(&patient());
    assert_eq!(site.lines("log"), ["h1 h3 h4 of h1", "h1 h3 h4 of h3 h4"]);
}

#[rstest]
#[case("  serial: some", "a number of hosts")]
#[case("  serial: \"{{ nobody }}\"", "undefined variable")]
#[case("  strategy: freee", "did you mean `free`")]
#[case("  max_fail_percentage: 101", "a percentage")]
#[case("  any_errors_fatal: perhaps", "yes or no")]
fn mistakes_are_found_before_a_host_is_touched(#[case] keys: &str, #[case] words: &str) {
    let site = Site::new(1, &noting(keys));
    let mistakes = site.run_over(&super::Here, &patient()).expect_err("must fail");
    assert!(mistakes.to_string().contains(words), "{mistakes}");
    assert_eq!(site.lines("log"), [""; 0]);
}

#[test]
fn run_once_needs_hosts_that_keep_step() {
    let once = "- {hosts: all, strategy: free, tasks: [{command: id, run_once: true}]}\n";
    let mistakes = Site::new(1, once).run_over(&super::Here, &patient()).expect_err("must fail");
    assert!(mistakes.to_string().contains("`run_once`"), "{mistakes}");
}

#[test]
fn many_hosts_fit_where_few_files_may_be_open() {
    let site = Site::new(60, "- hosts: all\n  gather_facts: false\n  tasks: [{command: 'true'}]\n");
    let script = format!("ulimit -Sn 100 && exec {LVSMITH} apply site.yml");
    let mut shell = std::process::Command::new("sh");
    let output = shell.current_dir(site.path()).args(["-c", &script]).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("unreachable=0").count(), 60, "{said}");
}
