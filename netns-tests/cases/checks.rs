//! Every kind of check: it passes where all is well, and finds what it is there for where not.

use anyhow::{Result, ensure};

use crate::support::{lab, nothing_left, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "checks::pass", needs: Needs::Namespaces, run: pass },
    Case {
        name: "checks::find_what_they_are_there_for",
        needs: Needs::Namespaces,
        run: find_what_they_are_there_for,
    },
    Case { name: "checks::undo_what_they_did", needs: Needs::Namespaces, run: undo },
    Case { name: "checks::see_a_client_forgotten", needs: Needs::Ipvs, run: memory },
];

fn pass() -> Result<()> {
    let tried = trial(&lab("checks"), &[])?;
    tried.passed()?;
    tried.says("request: client → router → rs1")?;
    nothing_left("checks")
}

/// What each check of `checks-fail` says is wrong; parts of lines.
const WRONG: &[(&str, &[&str])] = &[
    ("a closed port", &["request 1: connection refused"]),
    ("an open port", &["request 1: it is not refused"]),
    ("a datagram for nobody", &["request 1: refused: an ICMP error answered"]),
    ("another server's name", &["request 1: the answer is `rs1`"]),
    (
        "the way is not straight",
        &["the request passed client → router → rs1", "the reply passed router"],
    ),
    ("nobody stands in", &["requests still failed"]),
    ("a cable is pulled", &["requests still failed", "requests failed"]),
    ("a host is off", &["requests still failed"]),
    ("a stop is noticed", &["requests failed meanwhile", "connection refused"]),
    ("nothing is done", &["changed nothing, which proves nothing"]),
    ("something is done each time", &["changed again: `A moment` on rs1"]),
    (
        "something is left",
        &["router: file /etc/sysctl.conf is not what it was", "rs1: file /etc/nginx/nginx.conf"],
    ),
    ("the router does not forward", &["net.ipv4.ip_forward is 0 on rs1"]),
    ("another mode", &["is 644, not 0600", "lacks the text"]),
    ("nothing there", &["/etc/nowhere on rs1 is nothing, not regular file"]),
    ("a daemon is stopped", &["nginx is running on rs1"]),
    ("nobody is elsewhere", &["with the same real server", "still where it was"]),
    ("no other takes over", &["2 new connections were given to rs1"]),
    ("a drain that cuts off", &["an open connection failed", "a new connection failed"]),
    ("the back end sees the client", &["the back end sees 10.20.0.9, not 10.20.0.77"]),
    ("a connection does not stay", &["connection 1: it was answered by rs"]),
    (
        "a connection is not kept",
        &["request 2: the server closes the connection after the answer before"],
    ),
    ("many at a time are not shared", &["`rs1` answered 4 requests, not 2"]),
    (
        "a certificate is not trusted",
        &["request 1: the certificate is not trusted: `ca` has neither"],
    ),
    ("a certificate is for another name", &["is not for `10.20.0.1`, but for `web.test`"]),
    ("there is no TLS", &["request 1: it speaks no TLS there"]),
    ("somebody had the address", &["`rs2` said", "by an ARP question from eth0 in back"]),
    (
        "somebody looked for duplicates",
        &["`rs2` said 1 times in this run, by looking for duplicates of it from eth0 in back"],
    ),
    (
        "a duplicate is no address",
        &["`rs1` answers NDP for fd00:21::2, and must not", "`rs2` does not answer NDP"],
    ),
    ("two have the same address", &["`rs2` answers NDP for fd00:21::2, and must not"]),
    ("nobody is there", &["pings 1, 2: host unreachable, says 10.20.0.1 (router)"]),
    ("there is no way", &["pings 1, 2: no route, says the kernel that sends"]),
    ("there is no router between", &["the time to live left is 63, not 64"]),
    (
        "full frames do not pass",
        &[
            "has 1400 bytes, not at least 1500",
            "10.20.0.1 (router) says that its next link takes 1400",
        ],
    ),
    (
        "the interface takes less",
        &["has 1400 bytes, not 1500", "the interface of rs1 takes no more"],
    ),
];

/// The causes that some of them establish.
const CAUSES: &[(&str, &str)] = &[
    ("a closed port", "nothing listens on port 81 on rs1"),
    ("a datagram for nobody", "nothing listens on port 9 on rs1"),
    ("nobody stands in", "nothing listens on port 80 on rs1 (nginx is not running)"),
    ("a stop is noticed", "nothing listens on port 80 on rs1 (nginx is not running)"),
    ("a cable is pulled", "eth0 of rs1 has no carrier"),
    ("a duplicate is no address", "another host had it already when rs2 took it"),
    (
        "two have the same address",
        "rs2 answers NDP for the VIP fd00:21::2: it has that address on eth0 itself",
    ),
    ("nobody is there", "no host of this lab has 10.21.0.200"),
    ("there is no way", "router has no route to 10.99.0.1"),
];

fn find_what_they_are_there_for() -> Result<()> {
    let tried = trial(&lab("checks-fail"), &[])?;
    let names: Vec<&str> = WRONG.iter().map(|(name, _)| *name).collect();
    tried.failed_in(&names)?;
    for (name, wrong) in WRONG {
        let problems = tried.check(name)?["problems"].to_string();
        for part in *wrong {
            ensure!(problems.contains(part), "{name} does not say `{part}`: {problems}");
        }
        let evidence = &tried.check(name)?["evidence"];
        ensure!(evidence["states"]["rs1"]["links"].is_array(), "{name} shows no states");
        ensure!(evidence["packets"]["last"].is_array(), "{name} shows no packets");
    }
    for (name, cause) in CAUSES {
        let causes = tried.check(name)?["causes"].to_string();
        ensure!(causes.contains(cause), "{name} has no cause `{cause}`: {causes}");
    }
    nothing_left("checks-fail")
}

/// A check whose time is over leaves nothing stopped, pulled or half applied.
fn undo() -> Result<()> {
    let tried = trial(&lab("cut-off"), &[])?;
    const CUT_OFF: [&str; 4] = [
        "a service that stays stopped",
        "a cable that stays pulled",
        "a drain that goes on and on",
        "a playbook that does not end",
    ];
    const STUCK: &str = "something that cannot be undone";
    tried.failed_in(&[&CUT_OFF[..], &[STUCK]].concat())?;
    for name in CUT_OFF {
        let problems = &tried.check(name)?["problems"];
        ensure!(problems == &serde_json::json!(["it was not done within 4 s"]), "{problems}");
    }
    let problems = tried.check(STUCK)?["problems"].to_string();
    let why = "not undone: `true` on rs1: `false` on rs1 ended with 1";
    ensure!(problems.contains(why), "{problems}");
    nothing_left("cut-off")
}

/// How long a director remembers a client, and that a check waits no longer than it may.
fn memory() -> Result<()> {
    const LONG: &str = "clients are to be forgotten soon";
    const CUT_OFF: &str = "who waits too long is not waited for";
    let tried = trial(&lab("memory"), &[])?;
    tried.failed_in(&[LONG, CUT_OFF])?;
    let report = tried.check(LONG)?;
    let (problems, causes) = (report["problems"].to_string(), report["causes"].to_string());
    ensure!(problems.contains("after 2 s every client is still where it was"), "{problems}");
    let cause = "lb1 remembers a client of tcp://192.168.0.81:80 for 300 s";
    ensure!(causes.contains(cause), "{causes}");
    let problems = &tried.check(CUT_OFF)?["problems"];
    ensure!(problems == &serde_json::json!(["it was not done within 4 s"]), "{problems}");
    nothing_left("memory")
}
