//! The loop, over buffers in memory.

use serde_json::{Value, json};

use super::*;
use crate::modules::{HostKind, Mode};

fn hello() -> Request {
    Request::Hello { version: protocol::VERSION, build: BUILD.into(), kind: HostKind::Machine }
}

/// Sends requests and hands back the replies, whose numbers must be the same.
fn talk(requests: Vec<Request>) -> Vec<Reply> {
    let mut input = Vec::new();
    let count = requests.len() as u64;
    for (id, body) in (1..).zip(requests) {
        protocol::write(&mut input, &Frame { id, body }).unwrap();
    }
    let mut output = Vec::new();
    serve(input.as_slice(), &mut output).unwrap();
    let mut rest = output.as_slice();
    let replies = (1..=count).map(|id| {
        let frame: Frame<Reply> = protocol::read(&mut rest).unwrap().unwrap();
        assert_eq!(frame.id, id);
        frame.body
    });
    replies.collect()
}

fn run(module: &str, arguments: Value) -> Request {
    Request::Run { module: module.into(), arguments, mode: Mode::default() }
}

#[test]
fn runs_a_module_after_the_greeting() {
    let replies = talk(vec![hello(), run("command", json!({"argv": ["echo", "hi"]}))]);
    assert!(matches!(&replies[0], Reply::Hello { user } if !user.is_empty()));
    let Reply::Outcome(outcome) = &replies[1] else { panic!("{:?}", replies[1]) };
    assert_eq!(outcome.result["stdout"], "hi");
}

#[test]
fn answers_a_failure_and_goes_on() {
    let replies = talk(vec![
        hello(),
        run("no_such_module", json!({})),
        run("command", json!({"bogus": 1})),
        run("command", json!({"argv": ["true"]})),
    ]);
    assert!(matches!(&replies[1], Reply::Failed(error) if error.message.contains("no_such")));
    assert!(matches!(&replies[2], Reply::Failed(error) if error.message.contains("bogus")));
    assert!(matches!(&replies[3], Reply::Outcome(_)));
}

#[test]
fn refuses_another_build_and_another_protocol() {
    let other = |version, build: &str| Request::Hello {
        version,
        build: build.into(),
        kind: HostKind::Machine,
    };
    let replies = talk(vec![
        other(protocol::VERSION, "0.0.0-other"),
        other(protocol::VERSION + 1, BUILD),
        Request::Facts,
    ]);
    for (reply, word) in replies.iter().zip(["0.0.0-other", "protocol", "did not greet"]) {
        assert!(matches!(reply, Reply::Failed(error) if error.message.contains(word)), "{reply:?}");
    }
}

#[test]
fn makes_a_failed_reply_of_a_panic_and_keeps_the_kind_of_host() {
    let mut host = Host::new(HostKind::Lab);
    let reply = guard(&mut host, |_| panic!("index {} of 3", 7));
    assert!(matches!(reply, Reply::Failed(error) if error.message.ends_with("index 7 of 3")));
    assert_eq!(host.kind, HostKind::Lab);
}

#[test]
fn ends_when_the_controller_closes_even_in_the_middle_of_a_frame() {
    assert!(serve([0, 0, 0, 9, b'{'].as_slice(), Vec::new()).is_ok());
    assert!(serve([].as_slice(), Vec::new()).is_ok());
}

#[test]
fn tells_facts_under_ansibles_names() {
    let replies = talk(vec![hello(), Request::Facts]);
    let Reply::Value(facts) = &replies[1] else { panic!("{:?}", replies[1]) };
    for name in [
        "hostname",
        "nodename",
        "kernel",
        "architecture",
        "processor_vcpus",
        "memtotal_mb",
        "interfaces",
        "all_ipv4_addresses",
        "default_ipv4",
        "default_ipv6",
        "service_mgr",
        "pkg_mgr",
        "distribution",
        "os_family",
        "lvs",
    ] {
        assert!(facts.get(name).is_some(), "{name} is missing in {facts}");
    }
    assert!(facts["lvs"]["available"].is_boolean());
    assert_eq!(facts["lo"]["ipv4"]["address"], "127.0.0.1");
}
