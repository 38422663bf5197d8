//! The loop, over buffers in memory.

use std::io::Cursor;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::protocol::{Frame, Link, Reply, Request};
use super::*;
use crate::modules::{Around, Bytes, ContentDigest, HostKind, Mode};

fn hello() -> Request {
    Request::Hello { version: protocol::VERSION, build: BUILD.into(), kind: HostKind::Machine }
}

/// What was said.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends requests and hands back the replies, whose numbers must be the same.
fn talk(requests: Vec<Request>) -> Vec<Reply> {
    let mut input = Vec::new();
    let count = requests.len() as u64;
    for (id, body) in (1..).zip(requests) {
        protocol::write(&mut input, &Frame { id, body }).unwrap();
    }
    let output = Output::default();
    serve(Cursor::new(input), output.clone()).unwrap();
    let output = output.0.lock().unwrap();
    let mut rest = output.as_slice();
    let replies = (1..=count).map(|id| {
        let frame: Frame<Reply> = protocol::read(&mut rest).unwrap().unwrap();
        assert_eq!(frame.id, id);
        frame.body
    });
    replies.collect()
}

fn run(module: &str, arguments: Value) -> Request {
    Request::Run {
        module: module.into(),
        arguments,
        mode: Mode::default(),
        link: None,
        around: Around::default(),
    }
}

/// The same, sent ahead.
fn ahead(chain: u64, task: u64, may_fail: bool, words: &[&str]) -> Request {
    let link = Some(Link { chain, task, may_fail });
    let arguments = json!({"argv": words});
    Request::Run {
        module: "command".into(),
        arguments,
        mode: Mode::default(),
        link,
        around: Around::default(),
    }
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
fn a_failure_ends_its_chain_but_not_its_loop_nor_other_chains() {
    let replies = talk(vec![
        hello(),
        ahead(1, 1, true, &["false"]),
        ahead(1, 2, false, &["true"]),
        ahead(1, 3, false, &["false"]),
        ahead(1, 3, false, &["true"]),
        ahead(1, 4, false, &["true"]),
        run("command", json!({"argv": ["true"]})),
        ahead(1, 4, false, &["true"]),
        ahead(2, 4, false, &["true"]),
    ]);
    let words = replies[1..].iter().map(|reply| match reply {
        Reply::Outcome(_) => "done",
        Reply::Failed(_) => "failed",
        Reply::NotDone => "not done",
        other => panic!("{other:?}"),
    });
    let expected = ["failed", "done", "failed", "done", "not done", "done", "not done", "done"];
    assert_eq!(words.collect::<Vec<_>>(), expected);
}

#[test]
fn asks_for_a_file_that_differs_and_for_none_that_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let text = "line\n".repeat(3000);
    let digest = ContentDigest::of(text.as_bytes());
    let copy = json!({"dest": path, "content": {"digest": digest}, "force": true});
    let mut input = Vec::new();
    let frames = [
        (1, hello()),
        (2, run("copy", copy.clone())),
        (3, run("copy", copy.clone())),
        (2, Request::Content(Bytes(text.clone().into_bytes()))),
        (
            4,
            run(
                "copy",
                json!({"dest": folder.path().join("other"), "content": copy["content"], "force": true}),
            ),
        ),
        (4, Request::Content(Bytes(b"something else".to_vec()))),
    ];
    for (id, body) in frames {
        protocol::write(&mut input, &Frame { id, body }).unwrap();
    }
    let output = Output::default();
    serve(Cursor::new(input), output.clone()).unwrap();
    let output = output.0.lock().unwrap();
    let mut rest = output.as_slice();
    let mut words = Vec::new();
    while let Some(Frame { id, body }) = protocol::read::<Reply>(&mut rest).unwrap() {
        words.push(match body {
            Reply::Need(asked) if asked == digest => format!("{id} needs it"),
            Reply::Outcome(outcome) => format!("{id} changed {}", outcome.changed),
            other => format!("{id} {other:?}"),
        });
    }
    assert_eq!(words[1..5], ["2 needs it", "2 changed true", "3 changed false", "4 needs it"]);
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    assert!(words.len() == 6 && words[5].contains("were announced"), "{words:?}");
}

#[test]
fn ends_when_the_controller_closes_even_in_the_middle_of_a_frame() {
    assert!(serve(Cursor::new([0, 0, 0, 9, b'{']), Vec::new()).is_ok());
    assert!(serve(io::empty(), Vec::new()).is_ok());
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
