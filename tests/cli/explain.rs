//! `lvsmith explain` of a table in a file, which needs no kernel with IPVS.

use std::fs;

use insta::assert_snapshot;

use super::{lvsmith, shown};

/// A service for each scheduler, with weights 2 and 1, and some more.
fn rules() -> String {
    let schedulers = [
        "rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq",
        "twos",
    ];
    let mut text = String::new();
    for (port, scheduler) in (8001..).zip(schedulers) {
        let service = format!("-t 10.0.0.1:{port}");
        text += &format!("-A {service} -s {scheduler}\n");
        text += &format!("-a {service} -r 10.0.0.11:80 -m -w 2\n");
        text += &format!("-a {service} -r 10.0.0.12:80 -m -w 1\n");
    }
    text += "-A -f 7 -s dh\n-a -f 7 -r 10.0.0.11:0 -g -w 1\n";
    text += "-A -t 10.0.0.1:9000 -s sh -b sh-port\n-a -t 10.0.0.1:9000 -r 10.0.0.11:80 -m -w 0\n";
    text += "-A -t [fd00::1]:80 -s mh -p 60\n-a -t [fd00::1]:80 -r [fd00::11]:80 -m -w 1\n";
    text + "-A -t 10.0.0.1:9001 -s new\n-a -t 10.0.0.1:9001 -r 10.0.0.11:80 -m -w 1\n"
}

/// What it says of each, with the exit code where that is not 0.
fn explained(questions: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("table.rules"), rules()).expect("written");
    let mut text = String::new();
    for question in questions {
        let mut arguments = vec!["explain", "--file", "table.rules"];
        arguments.extend(question.split(' '));
        let output = lvsmith(folder.path(), &arguments);
        let said = match output.status.code() {
            Some(0) => String::from_utf8_lossy(&output.stdout).into_owned(),
            _ => shown(&output),
        };
        text += &format!("# {question}\n{said}");
    }
    text
}

#[test]
fn explains_every_scheduler() {
    let questions: Vec<String> =
        (8001..8015).map(|port| format!("10.0.0.1:{port} --client 172.16.0.9")).collect();
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    assert_snapshot!("explain_each", explained(&questions));
}

#[test]
fn explains_several_connections_marks_ports_and_persistence() {
    assert_snapshot!(
        "explain_more",
        explained(&[
            "10.0.0.1:8012 --client 172.16.0.9 --requests 4",
            "fwmark://7 --client 172.16.0.9 --to 10.0.0.5",
            "10.0.0.1:9000 --client 172.16.0.9:40000",
            "[fd00::1]:80 --client fd00::9 -n 2",
            "10.0.0.1:8005 --client 172.16.0.9 --json",
        ])
    );
}

#[test]
fn refuses_what_cannot_be_explained() {
    assert_snapshot!(
        "explain_refused",
        explained(&[
            "10.0.0.1:8001",
            "10.0.0.1:8001 --client rs1",
            "10.0.0.1:8001 --client 172.16.0.9 --requests 0",
            "10.0.0.1:8001 --client fd00::9",
            "10.0.0.1:8001 --client 172.16.0.9 --to 10.0.0.2",
            "fwmark://7 --client 172.16.0.9",
            "10.0.0.1:9000 --client 172.16.0.9",
            "10.0.0.1:9001 --client 172.16.0.9",
            "10.0.0.9:80 --client 172.16.0.9",
        ])
    );
}
