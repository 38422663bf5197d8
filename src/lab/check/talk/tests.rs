use rstest::rstest;

use super::super::tests::{answers, check, check_error, lab};
use super::*;
use crate::lab::probe::{Failure, Stage};

fn udp(more: &str) -> Talk<Udp> {
    check(&format!("{{ from: client, to: '192.168.0.89:53', {more} }}"))
}

fn failed(trouble: Trouble) -> Answers {
    let mut seen = answers("rs1 rs2");
    for answer in &mut seen.requests {
        let message = "it failed".into();
        answer.outcome = Outcome::Failed(Failure { stage: Stage::Receive, trouble, message });
    }
    seen
}

#[rstest]
#[case::any_answer("requests: 3", "rs1 rs1 rs1", &[])]
#[case::in_turn("expect: { round_robin: [rs1, rs2] }", "rs1 rs2 rs1 rs2 rs1 rs2", &[])]
#[case::reply("expect: { reply: rs1 }", "rs1", &[])]
#[case::another_reply("expect: { reply: rs1 }", "rs2", &["request 1: the answer is `rs2`"])]
#[case::part("expect: { reply_contains: s1 }", "rs1", &[])]
#[case::no_part("expect: { reply_contains: s1 }", "rs2", &["request 1: the answer is `rs2`"])]
#[case::share_wrong(
    "expect: { share: { rs1: 2, rs2: 2 } }",
    "rs1 rs1 rs1 rs2",
    &["`rs1` answered 3 requests, not 2", "`rs2` answered 1 requests, not 2"]
)]
#[case::refused("requests: 2", "rs1 !", &["request 2: connection refused"])]
#[case::answered_though_silent(
    "requests: 1, expect: { silence: true }",
    "rs1",
    &["request 1: the answer is `rs1`"]
)]
#[case::answered_though_refused(
    "requests: 1, expect: { refused: true }",
    "rs1",
    &["request 1: it is not refused"]
)]
fn judges_datagrams(#[case] more: &str, #[case] names: &str, #[case] expected: &[&str]) {
    assert_eq!(udp(more).judge(&answers(names), &lab()).problems, expected);
}

#[test]
fn takes_silence_and_refusal_for_what_they_are() {
    let problems = |more: &str, trouble| udp(more).judge(&failed(trouble), &lab()).problems;
    let (silent, refused) =
        ("requests: 2, expect: { silence: true }", "requests: 2, expect: { refused: true }");
    assert_eq!(problems(silent, Trouble::Timeout), [""; 0]);
    assert_eq!(problems(refused, Trouble::Refused), [""; 0]);
    assert_eq!(problems(silent, Trouble::Refused), ["requests 1, 2: it failed"]);
    assert_eq!(problems(refused, Trouble::Timeout), ["requests 1, 2: it failed"]);
}

#[test]
fn a_connection_is_enough_where_nothing_must_be_heard() {
    let plain: Talk<Tcp> = check("{ from: client, to: 'web:80' }");
    assert!(!plain.probe.listens);
    assert_eq!(Check::title(&plain), "1 TCP connection from client to web:80");
    let heard: Talk<Tcp> = check("{ from: client, to: 'web:80', expect: { reply: x } }");
    assert!(heard.probe.listens);
    let sctp: Talk<Tcp> = check("{ from: client, to: 'web:80', protocol: sctp, requests: 2 }");
    assert_eq!(Check::title(&sctp), "2 SCTP associations from client to web:80");
}

#[test]
fn sends_texts_bytes_and_questions() {
    let sent = |more: &str| udp(more).probe.send.map(|bytes| bytes.0).unwrap_or_default();
    assert_eq!(sent("send: hi"), b"hi");
    assert_eq!(sent("send_hex: '00 0aff'"), [0, 10, 255]);
    assert_eq!(sent("dns: { name: a.b }").len(), 12 + 5 + 4);
}

#[rstest]
#[case("{ from: client, to: web }", "with a port")]
#[case("{ from: client, to: 'web:53', send: a, send_hex: b }", "give one of `send`")]
#[case("{ from: client, to: 'web:53', send_hex: abc }", "hexadecimal")]
#[case("{ from: client, to: 'web:53', send_hex: xx }", "hexadecimal")]
#[case("{ from: client, to: 'web:53', dns: { name: 'a..b' } }", "`a..b`")]
#[case("{ from: client, to: 'web:53', dns: { name: a, type: MX } }", "MX")]
#[case("{ from: client, to: 'web:53', expect: { refused: true, reply: x } }", "answered, refused")]
#[case("{ from: client, to: 'web:53', requests: 0 }", "proves nothing")]
#[case("{ from: client, to: 'web:53', repy: x }", "repy")]
fn refuses_what_makes_no_sense(#[case] yaml: &str, #[case] why: &str) {
    let error = check_error::<Talk<Udp>>(yaml);
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_refused_connection_has_no_reply() {
    let yaml = "{ from: client, to: 'web:80', expect: { refused: true, reply: x } }";
    assert!(check_error::<Talk<Tcp>>(yaml).contains("says nothing"));
}
