use rstest::rstest;

use super::super::tests::{answers, check, check_error, lab, mac};
use super::*;
use crate::lab::probe::Coverage;

fn http(expect: &str) -> Http {
    check(&format!(
        "{{ from: client, url: 'http://192.168.0.89/', requests: 6, expect: {{ {expect} }} }}"
    ))
}

fn problems(expect: &str, seen: &Answers) -> Vec<String> {
    http(expect).judge(seen, &lab()).problems
}

const TURN: &str = "round_robin: [rs1, rs2, rs3]";
const SHARE: &str = "share: { rs1: 2, rs2: 2, rs3: 2 }";

#[rstest]
#[case::in_turn(TURN, "rs1 rs2 rs3 rs1 rs2 rs3", &[])]
#[case::in_turn_from_elsewhere(TURN, "rs3 rs1 rs2 rs3 rs1 rs2", &[])]
#[case::order_broken(
    TURN,
    "rs1 rs2 rs3 rs2 rs1 rs3",
    &["not in turn: request 4 was answered by `rs2`, and it was `rs1`'s"]
)]
#[case::in_turn_as_the_kernel_goes_round(TURN, "rs3 rs2 rs1 rs3 rs2 rs1", &[])]
#[case::one_missing(
    TURN,
    "rs1 rs3 rs1 rs3 rs1 rs3",
    &[
        "not in turn: request 3 was answered by `rs1` again, before all others were",
        "`rs2` answered no request",
    ]
)]
#[case::a_stranger(
    TURN,
    "rs1 rs9 rs3 rs1 rs9 rs3",
    &["`rs9` answered request 2, and is not one of those in turn", "`rs2` answered no request"]
)]
#[case::exact_order("order: [rs3, rs2, rs1]", "rs2 rs1 rs3 rs2 rs1 rs3", &[])]
#[case::another_order(
    "order: [rs1, rs2, rs3]",
    "rs3 rs2 rs1 rs3 rs2 rs1",
    &["not in turn: request 2 was answered by `rs2`, and it was `rs1`'s"]
)]
#[case::one_is_dead(TURN, "rs1 ! rs3 rs1 ! rs3", &["requests 2, 5: connection refused"])]
#[case::share(SHARE, "rs1 rs1 rs2 rs3 rs2 rs3", &[])]
#[case::share_wrong(
    SHARE,
    "rs1 rs1 rs1 rs2 rs3 rs9",
    &[
        "`rs1` answered 3 requests, not 2",
        "`rs2` answered 1 requests, not 2",
        "`rs3` answered 1 requests, not 2",
        "`rs9` answered 1 requests, not 0",
    ]
)]
#[case::nothing_expected_but_answers("", "rs1 rs1 rs1 rs1 rs1 rs1", &[])]
fn judges_order_and_share(#[case] expect: &str, #[case] names: &str, #[case] expected: &[&str]) {
    let found = problems(expect, &answers(names));
    assert_eq!(found, expected);
}

#[test]
fn judges_no_order_of_requests_that_were_not_made() {
    let mut seen = answers("! ! !");
    seen.not_sent = 3;
    assert_eq!(
        problems(TURN, &seen),
        [
            "requests 1, 2, 3: connection refused",
            "3 more requests were not made: those before timed out in a row"
        ]
    );
}

#[test]
fn judges_status_and_body_of_every_answer() {
    let mut seen = answers("rs1 rs2");
    if let probe::Outcome::Response(response) = &mut seen.requests[1].outcome {
        response.status = Some(503);
    }
    assert_eq!(problems("", &seen), ["request 2: status 503, not 200"]);
    assert_eq!(problems("status: 503", &seen), ["request 1: status 200, not 503"]);
    let seen = answers("rs1 rs2");
    assert_eq!(problems("body: rs1", &seen), ["request 2: the body is `rs2`"]);
    assert_eq!(problems("body_contains: rs", &seen), [""; 0]);
    assert_eq!(
        problems("body_contains: rs1", &seen),
        ["request 2: the body lacks the text: `rs2`"]
    );
}

#[test]
fn wants_answers_to_name_their_server_only_where_that_matters() {
    let mut seen = answers("rs1");
    if let probe::Outcome::Response(response) = &mut seen.requests[0].outcome {
        response.headers.clear();
        response.body = "<h1>Welcome to nginx!</h1>".into();
    }
    assert_eq!(problems("", &seen), [""; 0]);
    assert!(problems(TURN, &seen)[0].contains("names no real server"));
    assert!(problems("reply_from: real_server", &seen)[0].contains("names no real server"));
    assert_eq!(problems("reply_from: lb1", &seen).len(), 1, "the sender can be known all the same");
}

#[test]
fn judges_who_handed_the_replies_over() {
    let direct = answers("rs1 rs2");
    assert_eq!(problems("reply_from: real_server", &direct), [""; 0]);
    assert_eq!(
        problems("reply_from: lb1", &direct),
        [
            "request 1: `lb1`'s reply came from 02:00:00:00:00:5d (rs1)",
            "request 2: `lb1`'s reply came from 02:00:00:00:00:5e (rs2)"
        ]
    );
    let mut by_director = answers("rs1 rs2");
    for answer in &mut by_director.requests {
        answer.reply_macs = vec![mac(90)];
    }
    assert_eq!(problems("reply_from: lb1", &by_director), [""; 0]);
    assert_eq!(problems("reply_from: real_server", &by_director).len(), 2);
}

#[test]
fn does_not_call_a_reply_straight_when_its_sender_was_not_seen() {
    let mut seen = answers("rs1");
    seen.requests[0].reply_macs.clear();
    assert_eq!(
        problems("reply_from: real_server", &seen),
        ["request 1: who sent the reply is unknown"]
    );
    seen.capture = Coverage::Lossy(7);
    assert!(problems("reply_from: real_server", &seen)[0].contains("7 frames were lost"));
    seen.capture = Coverage::Unavailable("no permission".into());
    assert!(problems("reply_from: real_server", &seen)[0].contains("no permission"));
    assert_eq!(problems("", &seen), [""; 0]);
}

#[test]
fn makes_as_many_requests_as_its_expectations_need() {
    let requests = |expect: &str| {
        let yaml = format!("{{ from: client, url: 'http://web/', expect: {{ {expect} }} }}");
        check::<Http>(&yaml).probe.connections
    };
    assert_eq!(requests(""), 1);
    assert_eq!(requests(TURN), 9);
    assert_eq!(requests("share: { rs1: 4, rs2: 3 }"), 7);
}

#[test]
fn refuses_expectations_that_contradict_each_other() {
    let error = |rest: &str| {
        check_error::<Http>(&format!("{{ from: client, url: 'http://web/', {rest} }}"))
    };
    assert!(error("requests: 0").contains("proves nothing"));
    assert!(error("requests: 5, expect: { share: { rs1: 2 } }").contains("adds up to 2"));
    assert!(error(&format!("requests: 2, expect: {{ {TURN} }}")).contains("a round of 3"));
    assert!(error("expect: { round_robin: [rs1, rs2, rs1] }").contains("`rs1` twice"));
    assert!(error("expect: { round_robbin: [rs1] }").contains("did you mean `round_robin`"));
    assert!(error("timeout: 0").contains("not a number of seconds"));
    assert!(error("source_port: 70000").contains("0 to 65535"));
}

fn kept(connections: &[&[&str]]) -> Answers {
    let mut seen = answers(&connections.iter().map(|names| names[0]).collect::<Vec<_>>().join(" "));
    for (answer, names) in seen.requests.iter_mut().zip(connections) {
        let later = answers(&names[1..].join(" "));
        answer.later = later.requests.into_iter().map(|one| one.outcome).collect();
    }
    seen
}

#[test]
fn wants_a_connection_to_stay_with_one_server() {
    let check: Http = check(
        "{ from: client, url: 'http://192.168.0.89/', requests: 6, keep_alive: 3, \
         expect: { share: { rs1: 1, rs2: 1 } } }",
    );
    assert_eq!(
        Check::title(&check),
        "6 requests over 2 connections from client to http://192.168.0.89/"
    );
    let problems = |seen: &Answers| check.judge(seen, &lab()).problems;
    assert_eq!(problems(&kept(&[&["rs1", "rs1", "rs1"], &["rs2", "rs2", "rs2"]])), [""; 0]);
    assert_eq!(
        problems(&kept(&[&["rs1", "rs2", "rs1"], &["rs2", "rs2", "rs2"]])),
        ["connection 1: it was answered by rs1 rs2 rs1"]
    );
    assert_eq!(
        problems(&kept(&[&["rs1", "rs1", "rs1"], &["rs1", "rs1", "!"]])),
        [
            "request 6: connection refused",
            "`rs1` answered 2 connections, not 1",
            "`rs2` answered 0 connections, not 1",
        ]
    );
}

#[test]
fn counts_connections_where_several_requests_share_one() {
    let read = |rest: &str| {
        check::<Http>(&format!("{{ from: client, url: 'http://web/', keep_alive: 4, {rest} }}"))
    };
    assert_eq!(read("expect: { share: { rs1: 2, rs2: 2 } }").probe.connections, 4);
    assert_eq!(read(&format!("expect: {{ {TURN} }}")).probe.connections, 9);
    assert_eq!(read("requests: 8").probe.connections, 2);
    let error = |rest: &str| {
        check_error::<Http>(&format!("{{ from: client, url: 'http://web/', {rest} }}"))
    };
    assert!(error("keep_alive: 4, requests: 6").contains("by 4 over each connection"));
    assert!(error("keep_alive: 0").contains('0'));
    let short = error("keep_alive: 2, requests: 4, expect: { share: { rs1: 4 } }");
    assert!(short.contains("`share` adds up to 4, but 2 connections are made"), "{short}");
}

#[test]
fn has_no_order_of_connections_at_the_same_time() {
    let error = |rest: &str| {
        let check = format!("{{ from: client, url: 'http://web/', concurrency: 3, {rest} }}");
        check_error::<Http>(&check)
    };
    let turn = error(&format!("expect: {{ {TURN} }}"));
    assert!(turn.contains("`round_robin` asks for an order") && turn.contains("`share`"), "{turn}");
    assert!(error("expect: { order: [rs1, rs2] }").contains("`order` asks for an order"));
    assert!(error("requests: 3, source_port: 4000").contains("leave `source_port` out"));
    assert!(error("requests: 2").contains("2 connections are never 3 at a time"));
    let shared: Http = check(&format!(
        "{{ from: client, url: 'http://web/', concurrency: 3, expect: {{ {SHARE} }} }}"
    ));
    assert_eq!((shared.probe.connections, shared.probe.concurrency), (6, 3));
    assert!(Check::title(&shared).starts_with("6 requests, 3 connections at a time, from client"));
}

#[test]
fn tells_of_certificates_that_differ() {
    let mut seen = answers("rs1 rs2 rs1");
    let check = http("");
    let told = |seen: &Answers| check.judge(seen, &lab()).seen.join("\n");
    for answer in &mut seen.requests {
        answer.certificate = Some("0123456789abcdef01234567".into());
    }
    assert!(!told(&seen).contains("certificates"), "all show the same one");
    seen.requests[1].certificate = Some("fedcba9876543210fedcba98".into());
    assert!(
        told(&seen).contains(
            "different certificates: 0123456789abcdef… from rs1; fedcba9876543210… from rs2"
        ),
        "{}",
        told(&seen)
    );
}

#[test]
fn asks_for_trust_only_with_tls() {
    let read = |url: &str| {
        check_error::<Http>(&format!("{{ from: client, url: '{url}', tls: {{ ca: /ca.pem }} }}"))
    };
    let error = read("http://web/");
    assert!(error.contains("`tls` is for `https://`"), "{error}");
    assert!(read("ftp://web/").contains("nor with `https://`"));
    let check: Http =
        check("{ from: client, url: 'https://web/', tls: { ca: /ca.pem, server_name: www.test } }");
    assert_eq!(check.probe.tls.server_name.as_deref(), Some("www.test"));
    assert_eq!(check.probe.url.port, 443);
    assert_eq!(Check::title(&check), "1 request from client to https://web/");
}
