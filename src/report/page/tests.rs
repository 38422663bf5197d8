use indexmap::IndexMap;
use serde_json::json;

use super::*;
use crate::engine::Summary;
use crate::lab::check::{Cause, CheckReport};

const HOSTILE: &str =
    "</style><script src=\"https://evil.example/x.js\">alert('1')</script>&\u{1b}[31m\u{0}";

fn check(name: &str, passed: bool) -> CheckReport {
    let answer = |server: &str, number: u16| {
        json!({
            "local": format!("10.0.0.9:{}", 40_000 + number), "peer": "10.0.0.2:80", "seconds": 0.1,
            "reply_macs": [], "outcome": {"response": {"status": 200, "headers": {}, "body": server}},
        })
    };
    CheckReport {
        name: name.into(),
        kind: "http",
        passed,
        seconds: 0.25,
        expected: vec![format!("expected {name}")],
        seen: vec![format!("seen {name}")],
        problems: if passed { Vec::new() } else { vec![format!("wrong {name}")] },
        causes: if passed {
            Vec::new()
        } else {
            vec![Cause {
                host: Some("rs2".into()),
                message: format!("cause {name}"),
                evidence: vec![format!("evidence {name}")],
                hint: Some(format!("hint {name}")),
            }]
        },
        evidence: json!({ "seen": {
            "requests": [answer("rs1", 1), answer("rs2", 2), answer("rs1", 3)],
            "not_sent": 0, "capture": "complete",
        } }),
        drawing: Some(format!("drawing {name}")),
        asker: None,
        packets: Vec::new(),
    }
}

fn report(checks: Vec<CheckReport>) -> Report {
    let passed = checks.iter().all(|check| check.passed);
    Report {
        lab: "a-lab".into(),
        skipped: None,
        combination: Default::default(),
        kernel: "6.1.0".into(),
        vm: true,
        passed,
        seconds: 4.5,
        phases: vec![
            Phase {
                name: "create",
                passed: true,
                seconds: 1.5,
                summary: "2 hosts".into(),
                evidence: json!({}),
            },
            Phase {
                name: "converge",
                passed: true,
                seconds: 3.0,
                summary: "1 task".into(),
                evidence: json!({
                    "tasks": [
                        {"task": "Write it", "host": "rs1", "item": null, "status": "changed", "message": null, "changes": ["a", "b"]},
                        {"task": "Leave it", "host": "rs1", "item": null, "status": "ok", "message": null, "changes": []},
                    ],
                }),
            },
        ],
        checks,
        hosts: IndexMap::new(),
        converged: Summary {
            tallies: [("rs1".to_owned(), Tally { ok: 2, changed: 1, ..Tally::default() })]
                .into_iter()
                .collect(),
            ..Summary::default()
        },
        interrupted: false,
        error: None,
    }
}

fn parsed(page: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    roxmltree::Document::parse_with_options(page, options).unwrap()
}

fn text(page: &str) -> String {
    let document = parsed(page);
    let visible = |node: &roxmltree::Node<'_, '_>| {
        node.is_text() && !node.parent().is_some_and(|parent| parent.has_tag_name("style"))
    };
    document.descendants().filter(visible).filter_map(|node| node.text()).collect()
}

#[test]
fn tells_everything_of_every_check() {
    let page = page(&report(vec![check("one", true), check("two", false)]), &Exhibits::default());
    let text = text(&page);
    for expected in [
        "a-lab",
        "failed",
        "1 of 2 checks passed, in 4.50 s, on kernel 6.1.0 in a micro-VM",
        "expected one",
        "seen one",
        "drawing one",
        "expected two",
        "seen two",
        "wrong two",
        "rs2: cause two",
        "evidence two",
        "What to do: hint two",
        "2 of 3",
        "1 of 3",
        "Write it",
        "a; b",
    ] {
        assert!(text.contains(expected), "`{expected}` is not in {text}");
    }
    assert!(!text.contains("Leave it"), "{text}");
}

#[test]
fn loads_nothing_and_lets_nothing_out_of_its_place() {
    let mut report = report(vec![check(HOSTILE, false)]);
    report.lab = HOSTILE.into();
    report.phases[0].summary = HOSTILE.into();
    let exhibits = Exhibits {
        graph: None,
        when: HOSTILE.into(),
        environment: vec![(HOSTILE.into(), HOSTILE.into())],
    };
    let page = page(&report, &exhibits);
    let document = parsed(&page);
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let name = node.tag_name().name();
        assert!(!["script", "link", "img", "iframe", "object", "base"].contains(&name), "{name}");
        for attribute in node.attributes() {
            let loads = ["src", "href", "srcset", "action", "data"].contains(&attribute.name());
            assert!(!loads && !attribute.name().starts_with("on"), "{attribute:?}");
        }
    }
    let styles = document.descendants().filter(|node| node.has_tag_name("style"));
    assert!(styles.filter_map(|node| node.text()).all(|style| !style.contains("url(")));
    assert!(text(&page).contains("<script src=\"https://evil.example/x.js\">"));
}

#[test]
fn an_empty_element_has_an_end_as_browsers_want_it() {
    let page = page(&report(vec![check("one", true)]), &Exhibits::default());
    assert!(!page.contains("<div class=\"bar\" style=\"width:100.00%\"/>"));
    for line in page.lines().filter(|line| line.trim_end().ends_with("/>")) {
        assert!(line.trim_start().starts_with("<meta"), "{line}");
    }
}

#[test]
fn says_times_as_people_do() {
    let said: Vec<String> = [0.004, 0.0996, 12.0, 125.4].into_iter().map(spoken).collect();
    assert_eq!(said, ["4 ms", "0.10 s", "12.00 s", "2 min 05 s"]);
}
