//! A cluster that is broken on a real IPVS in one way for each kind of check: what each of them
//! is there for it finds, and says why where it can be known.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::support::{lab, nothing_left, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "careless::each_check_finds_it", needs: Needs::Ipvs, run: each },
    Case {
        name: "careless::no_kind_is_left_out",
        needs: Needs::Namespaces,
        run: no_kind_is_left_out,
    },
];

/// A check of `labs/careless`, of this kind; parts of its problems and of its causes.
struct Broken {
    kind: &'static str,
    name: &'static str,
    problems: &'static [&'static str],
    causes: &'static [&'static str],
}

const fn broken(
    kind: &'static str,
    name: &'static str,
    problems: &'static [&'static str],
    causes: &'static [&'static str],
) -> Broken {
    Broken { kind, name, problems, causes }
}

const BROKEN: &[Broken] = &[
    broken(
        "scheduling",
        "weights are to count",
        &["but wrr sends it to"],
        &["the scheduler of tcp://192.168.0.80:80 is rr, not wrr"],
    ),
    broken(
        "http",
        "replies are to pass the director",
        &["not in turn: request", "`lb1`'s reply came from"],
        &[],
    ),
    broken(
        "path",
        "replies are to go straight",
        &["the reply passed rs1 → lb1 → far", "the reply passed lb1"],
        &["lb1 forwards by nat, so replies go back by it"],
    ),
    broken("ipvs", "the table is to be another", &["persist", "tcp://192.168.0.81:80"], &[]),
    broken("arp", "somebody else has the address, too", &["`far` answers ARP"], &[]),
    broken("ndp", "and in IPv6", &["`far` answers NDP"], &[]),
    broken(
        "tcp",
        "there is no service for HTTPS",
        &["connection refused"],
        &["service 192.168.0.80:443 does not exist on lb1"],
    ),
    broken(
        "udp",
        "nor one for names",
        &["an ICMP error answered"],
        &["service 192.168.0.80:53 does not exist on lb1"],
    ),
    broken(
        "ping",
        "a service has no VIP",
        &["host unreachable, says 192.168.0.10 (client)"],
        &["no host of this lab has 192.168.0.88"],
    ),
    broken(
        "mtu",
        "a tunnel has no room",
        &["has 1480 bytes, not 1500", "(lb1) says that its next link takes 1480 bytes"],
        &[],
    ),
    broken("service", "nobody sees to keepalived", &["keepalived is stopped on lb1"], &[]),
    broken("sysctl", "connection tracking is off", &["net.ipv4.vs.conntrack is 0 on lb1"], &[]),
    broken("file", "the scheduler is not there after a boot", &["lacks the text"], &[]),
    broken("command", "the saved table is another", &["lacks `-s rr -p 300`"], &[]),
    broken(
        "persistence",
        "a client does not stay",
        &["client (192.168.0.10) was answered by", "client (192.168.0.11) was answered by"],
        &["tcp://192.168.0.80:80 is not persistent on lb1"],
    ),
    broken(
        "failover",
        "nobody takes out what does not answer",
        &["requests still failed"],
        &[
            "nothing listens on port 80 on rs1 (nginx is not running)",
            "192.168.0.93:80 (rs1) is still in lb1's table with weight 1",
        ],
    ),
    broken(
        "drain",
        "it is taken out at once",
        &["an open connection failed: timed out"],
        &["rs1 is in lb1's table no more, so what was open is lost"],
    ),
    broken(
        "drain",
        "it is taken out at once, and clients are told",
        &["an open connection failed: Connection reset by peer"],
        &["rs1 is in lb1's table no more, so what was open is lost"],
    ),
    broken(
        "drain",
        "its weight is not 0",
        &["new connections were given to rs1"],
        &["the weight of 192.168.0.93:80 (rs1) is 5, not 0"],
    ),
    broken(
        "hitless",
        "web servers are stopped for a moment",
        &["requests failed meanwhile", "connection refused"],
        &["nothing listens on port 80 on rs1 (nginx is not running)"],
    ),
    broken(
        "hitless",
        "a real server goes before its destination",
        &["requests failed meanwhile", "timed out"],
        &["the VIP 192.168.0.80 is not bound on rs1's lo"],
    ),
    broken(
        "idempotent",
        "the table is filled anew each time",
        &["changed again: `The table is filled anew` on lb1"],
        &[],
    ),
    broken(
        "no_residue",
        "somebody forgets what he set up",
        &[
            "lb1: address 192.168.0.99/32 on eth0 is left",
            "lb1: link narrow (ipip up mtu 1480) is left",
            "lb1: route 10.99.0.0/16 via 192.168.0.93 dev eth0",
            "from 10.99.0.1 lookup 99 is left",
            "lb1: sysctl net.ipv4.conf.eth0.arp_notify is `1`, and was `0`",
            "lb1: file /etc/sysctl.d/50-own.conf is left",
            "lb1: service tcp://192.168.0.88:80",
            "lb1: nftables table inet own",
            "rs1: file /etc/nginx/nginx.conf is not what it was",
        ],
        &[],
    ),
];

fn each() -> Result<()> {
    let tried = trial(&lab("careless"), &[])?;
    let mut wrong = Vec::new();
    for Broken { kind, name, problems, causes } in BROKEN {
        let report = tried.check(name)?;
        ensure!(report["kind"] == *kind, "{name} is a check `{}`", report["kind"]);
        for (list, parts) in [("problems", problems), ("causes", causes)] {
            let said = report[list].to_string();
            let lacks = parts.iter().filter(|part| !said.contains(**part));
            wrong.extend(lacks.map(|part| format!("{name}: no `{part}` in the {list}: {said}")));
        }
    }
    ensure!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), tried.text);
    let names: Vec<&str> = BROKEN.iter().map(|one| one.name).collect();
    tried.failed_in(&names)?;
    nothing_left("careless")
}

/// Who adds a kind of check adds what it is there for.
fn no_kind_is_left_out() -> Result<()> {
    let known: BTreeSet<&str> = lvsmith::lab::check::kinds().collect();
    let broken: BTreeSet<&str> = BROKEN.iter().map(|one| one.kind).collect();
    ensure!(known == broken, "the kinds are {known:?}, and broken are {broken:?}");
    Ok(())
}
