//! What is sent before it is known how the last task ended: faster, and otherwise the same.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lvsmith::engine::Options;
use rstest::rstest;

use super::link::Link;
use super::{Log, Site};

pub(super) fn patient() -> Options {
    Options { lock_timeout: Duration::from_secs(60), ..Options::default() }
}

fn run(site: &Site, link: &Link, options: &Options) -> (lvsmith::engine::Summary, Log) {
    site.run_over(link, options).expect("the playbook is right")
}

/// The round trips and the time of a run over a link of 100 ms. It waits for no other test,
/// since a run in check mode holds no host; the tasks themselves are done.
fn cost(site: &Site, what: &str) -> (u64, Duration) {
    let (link, begun) = (Link::of(100), Instant::now());
    let (summary, log) = run(site, &link, &Options { check: true, ..Options::default() });
    let (turns, time) = (link.turns.load(Ordering::SeqCst), begun.elapsed());
    assert_eq!(summary.tallies["h1"].ok, 50, "{log:#?}");
    println!("{what} over a link of 100 ms: {turns} round trips, {time:?}");
    (turns, time)
}

fn tasks(count: usize, task: impl Fn(usize) -> String) -> String {
    let tasks: String = (1..=count).map(|number| format!("    - {}\n", task(number))).collect();
    format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
}

#[test]
fn fifty_tasks_cost_few_round_trips() {
    let site = Site::new(1, &tasks(50, |_| "{command: \"true\", check_mode: false}".into()));
    // The greeting and all tasks; a busy machine may send them in a few parts.
    assert!(cost(&site, "50 tasks").0 <= 8);
}

#[test]
fn fifty_tasks_that_need_one_another_cost_one_each() {
    let task = |number: usize| {
        format!(
            "{{shell: \"echo {{{{ said.stdout | default(0) | int + 1 }}}}\", register: said, check_mode: false, name: t{number}}}"
        )
    };
    let site = Site::new(1, &tasks(50, task));
    let (turns, time) = cost(&site, "50 tasks that need one another");
    assert_eq!(turns, 51);
    assert!(time > Duration::from_secs(5), "{time:?}");
}

#[rstest]
#[case::a_batch_of_one(1, "linear")]
#[case::free(2, "free")]
#[case::host_pinned(2, "host_pinned")]
fn a_failure_leaves_what_comes_after_it_undone(#[case] hosts: usize, #[case] strategy: &str) {
    let task = |number: usize| {
        match number {
        3 => "{shell: \"exit 1\", ignore_errors: true}".into(),
        6 => "{shell: \"touch {{ playbook_dir }}/{{ inventory_hostname }}-{{ item }}; test {{ item }} != b\", loop: [a, b, c]}".into(),
        _ => format!("shell: touch {{{{ playbook_dir }}}}/{{{{ inventory_hostname }}}}-{number}"),
    }
    };
    let playbook =
        tasks(10, task).replace("  tasks:", &format!("  strategy: {strategy}\n  tasks:"));
    let site = Site::new(hosts, &playbook);
    let (summary, log) = run(&site, &Link::of(40), &patient());
    assert_eq!(summary.tallies["h1"].failed, 1, "{log:#?}");
    let mut names: Vec<String> = fs::read_dir(site.path())
        .expect("it is there")
        .map(|entry| entry.expect("it is there").file_name().into_string().expect("a text"))
        .filter(|name| name.starts_with('h'))
        .collect();
    names.sort();
    let expected = ["1", "2", "4", "5", "a", "b", "c"];
    let expected: Vec<String> = (1..=hosts)
        .flat_map(|host| expected.iter().map(move |name| format!("h{host}-{name}")))
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn a_file_goes_there_once_and_small() {
    // Digits that do not repeat: half of each byte is of use.
    let digit = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let text: String = (1..100_000).map(|number| format!("{:08x}", digit(number))).collect();
    let site = Site::new(
        1,
        &tasks(1, |_| "copy: {src: large, dest: \"{{ playbook_dir }}/there\"}".into()),
    );
    site.write("large", &text);
    let link = Link::of(0);
    let sent = || link.sent.swap(0, Ordering::SeqCst);
    run(&site, &link, &patient());
    assert_eq!(fs::read_to_string(site.path().join("there")).expect("it is there"), text);
    let first = sent();
    assert!(first < text.len() as u64 * 7 / 10, "{first} bytes of {}", text.len());
    let (summary, _) = run(&site, &link, &patient());
    assert_eq!(summary.tallies["h1"].changed, 0);
    let second = sent();
    // Whoever waits for the host asks for it again and again.
    assert!(second < 50_000, "{second} bytes");
}

#[test]
fn a_link_that_is_cut_loses_one_host_and_no_other() {
    let site = Site::new(
        2,
        "- hosts: all
  gather_facts: false
  strategy: free
  tasks:
    - {name: before, command: id}
    - {name: long, shell: \"touch {{ playbook_dir }}/{{ inventory_hostname }}; sleep 3\"}
    - {name: after, command: id}
",
    );
    let link = Link { fragile: Some("h1"), ..Link::of(10) };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(60);
            while !site.path().join("h1").exists() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            link.cut.store(true, Ordering::SeqCst);
        });
        let (summary, log) = run(&site, &link, &patient());
        assert_eq!(summary.tallies["h1"].unreachable, 1, "{log:#?}");
        assert_eq!(summary.unfinished, ["h1"], "{log:#?}");
        assert!(log.results.iter().any(|result| result.contains("silent for 4 s")), "{log:#?}");
        assert!(log.lines.contains(&"h2 after: Changed".to_owned()), "{log:#?}");
    });
}
