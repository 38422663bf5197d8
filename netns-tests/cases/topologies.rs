//! Every topology of the guide: that it works, and that what breaks it is found and named.
//!
//! What a case says with `-e` is what its owner got wrong.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};

use crate::support::{ROOT, Trial, lab, nothing_left, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    case("topologies::lvs_nat", || works("lvs-nat")),
    case("topologies::lvs_tun", || works("lvs-tun")),
    case("topologies::lvs_local", || works("lvs-local")),
    case("topologies::lvs_fwmark", || works("lvs-fwmark")),
    case("topologies::lvs_dr_ipv6", || works("lvs-dr-ipv6")),
    case("topologies::lvs_mixed", || works("lvs-mixed")),
    case("topologies::lvs_udp", || works("lvs-udp")),
    case("topologies::lvs_sctp", || works("lvs-sctp")),
    case("topologies::lvs_ha", || works("lvs-ha")),
    case("topologies::kube_like", || works("kube-like")),
    case("topologies::replies_that_do_not_pass_the_director", past_the_director),
    case("topologies::a_tunnel_that_is_filtered", filtered),
    case("topologies::a_tunnel_that_nothing_unpacks", not_unpacked),
    case("topologies::packets_without_a_mark", unmarked),
    case("topologies::a_real_server_without_the_vip", without_vip),
    case("topologies::a_real_server_that_answers_for_the_vip", loud),
    case("topologies::web_servers_that_are_stopped", stopped),
    case("topologies::name_servers_that_are_stopped", silent),
    case("topologies::sctp_servers_that_are_stopped", refused),
    case("topologies::an_sctp_server_that_is_left_out", left_out),
    case("topologies::directors_that_do_not_hear_each_other", split),
    case("topologies::a_service_address_that_is_missing", without_service_address),
    case("topologies::requests_that_nothing_masquerades", not_masqueraded),
    case("topologies::a_lot_that_is_not_fair", unfair),
];

const fn case(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Ipvs, run }
}

/// The topologies; a lab of one name is there only once, so one case at a time has it.
static TOPOLOGIES: [(&str, Mutex<()>); 10] = [
    ("lvs-nat", Mutex::new(())),
    ("lvs-tun", Mutex::new(())),
    ("lvs-local", Mutex::new(())),
    ("lvs-fwmark", Mutex::new(())),
    ("lvs-dr-ipv6", Mutex::new(())),
    ("lvs-mixed", Mutex::new(())),
    ("lvs-udp", Mutex::new(())),
    ("lvs-sctp", Mutex::new(())),
    ("lvs-ha", Mutex::new(())),
    ("kube-like", Mutex::new(())),
];

fn topology(name: &str) -> Result<(PathBuf, MutexGuard<'static, ()>)> {
    let found = TOPOLOGIES.iter().find(|(known, _)| *known == name);
    let (_, lock) = found.with_context(|| format!("{name} is not in the table"))?;
    // Another case may have failed; its lab is gone even so.
    let alone = lock.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((Path::new(ROOT).join("playbooks").join(name), alone))
}

fn works(name: &str) -> Result<()> {
    let (folder, _alone) = topology(name)?;
    trial(&folder, &[])?.passed()?;
    nothing_left(name)
}

/// The topology with some variable other than it should be, without the checks that change it.
fn broken(name: &str, variables: &str) -> Result<Trial> {
    let (folder, _alone) = topology(name)?;
    trial(&folder, &["-e", variables, "--skip-tags", "acts"])
}

/// A check failed, and found this cause.
fn failed(trial: &Trial, check: &str, cause: &str) -> Result<()> {
    ensure!(trial.exit == Some(3), "exit {:?}\n{}", trial.exit, trial.text);
    let report = trial.check(check)?;
    let causes = report["causes"].as_array().cloned().unwrap_or_default();
    let named =
        causes.iter().any(|one| one["message"].as_str().is_some_and(|text| text.contains(cause)));
    ensure!(named, "`{check}` does not name the cause `{cause}`\n{}", trial.text);
    Ok(())
}

fn past_the_director() -> Result<()> {
    const ROUND: &str = "requests go round, and replies come back through the director";
    let trial = broken("lvs-nat", "{lvs_gateway: ''}")?;
    trial.failed_in(&[ROUND, "replies pass the director, too"])?;
    failed(&trial, ROUND, "rs1 has no route back to 203.0.113.10")
}

fn filtered() -> Result<()> {
    let trial = broken("lvs-tun", "lvs_tunnel_rp_filter=1")?;
    trial.failed_in(&["by IP in IP requests go round", "by GUE", "by GRE"])?;
    failed(&trial, "by GUE", "rp_filter drops what comes out of tunl0 on rs1")?;
    failed(&trial, "by GRE", "rp_filter drops what comes out of gre0 on rs2")
}

fn not_unpacked() -> Result<()> {
    let trial = broken("lvs-mixed", "{lvs_tunnelled_services: []}")?;
    let four = "IPv4 requests go round real servers that are reached by IPv6";
    let six = "IPv6 requests go round real servers that are reached by IPv4";
    trial.failed_in(&[four, six])?;
    failed(&trial, four, "no ip6tnl interface is up on rs1")?;
    failed(&trial, six, "no sit interface is up on rs3")
}

fn unmarked() -> Result<()> {
    let trial = broken("lvs-fwmark", "lvs_marks_packets=false")?;
    failed(
        &trial,
        "requests are answered, straight from a real server",
        "nothing on lb1 gives packets the mark of fwmark://1, so lb1 takes them itself",
    )
}

fn without_vip() -> Result<()> {
    const ROUND: &str = "requests go round, and replies come straight from the real servers";
    let trial = broken("lvs-dr-ipv6", "{lvs_own_services: []}")?;
    trial.failed_in(&[ROUND])?;
    failed(&trial, ROUND, "the VIP fd00:89::89 is not bound on rs1's lo")
}

/// In IPv6 no setting is needed on a real server, but the VIP must be on `lo`.
fn loud() -> Result<()> {
    const ALONE: &str = "the director alone has the VIP on the wire";
    let trial = trial(&lab("loud-ipv6"), &[])?;
    trial.failed_in(&[ALONE])?;
    failed(&trial, ALONE, "rs2 answers NDP for the VIP fd00:89::89: it has that address on eth0")?;
    nothing_left("loud-ipv6")
}

fn stopped() -> Result<()> {
    let trial = broken("lvs-local", "nginx_backend_state=stopped")?;
    failed(
        &trial,
        "requests are answered",
        "nothing listens on port 8081 on one (nginx is not running)",
    )
}

fn silent() -> Result<()> {
    let trial = broken("lvs-udp", "dns_backend_state=stopped")?;
    failed(&trial, "questions from many ports go round", "nothing listens on port 53 on rs1")
}

const ASSOCIATIONS: &str = "associations go round, and replies come straight from the real servers";

fn refused() -> Result<()> {
    let trial = broken("lvs-sctp", "sctp_backend_state=stopped")?;
    let report = trial.failed_in(&[ASSOCIATIONS])?.check(ASSOCIATIONS)?;
    let problems = report["problems"].to_string();
    ensure!(problems.contains("requests 1, 2, 3, 4: connection refused"), "{problems}");
    failed(&trial, ASSOCIATIONS, "nothing listens on port 7000 on rs1")?;
    failed(&trial, ASSOCIATIONS, "nothing listens on port 7000 on rs2")
}

fn left_out() -> Result<()> {
    let trial = broken(
        "lvs-sctp",
        "{lvs_virtual_services: [{name: signalling, vip: 192.168.0.89, port: 7000, \
         protocol: sctp, scheduler: rr, forward: direct, real_servers: [rs1, rs2], \
         destinations: [192.168.0.93]}]}",
    )?;
    trial.failed_in(&[ASSOCIATIONS, "the IPVS table is what was declared"])?;
    failed(&trial, ASSOCIATIONS, "destination 192.168.0.94 (rs2) is missing from lb1's table")
}

/// With numbers of their own both directors take the VIP.
fn split() -> Result<()> {
    let trial = broken(
        "lvs-ha",
        "{lvs_virtual_router_id: \"{{ 89 if inventory_hostname == 'lb1' else 90 }}\"}",
    )?;
    failed(&trial, "the director with the greater priority has the VIP", "lb2 answers ARP for")
}

fn without_service_address() -> Result<()> {
    let trial = broken("kube-like", "{kube_addresses: [1, 2, 3, 4, 5, 6, 7, 8, 9]}")?;
    failed(&trial, THROUGH_THE_NODE, "the VIP 10.96.0.10 is on no interface of node")?;
    let check = trial.check(THROUGH_THE_NODE)?;
    ensure!(check["causes"].as_array().map(Vec::len) == Some(1), "more causes\n{}", trial.text);
    Ok(())
}

fn not_masqueraded() -> Result<()> {
    let trial = broken("kube-like", "kube_masquerades=false")?;
    failed(&trial, THROUGH_THE_NODE, "worker1 has no route back to 10.0.0.10")
}

const THROUGH_THE_NODE: &str = "requests come back through the node";

/// Every pod but the last takes a tenth of what comes to it, so that the last has a third of all.
fn unfair() -> Result<()> {
    let trial = broken("kube-like", "{kube_draws: \"{{ ['0.1'] * 9 }}\"}")?;
    trial.failed_in(&["a lot decides between the pods of a service by rules, and is fair"])?;
    ensure!(trial.text.contains("worker2-50 answered 1"), "{}", trial.text);
    Ok(())
}
