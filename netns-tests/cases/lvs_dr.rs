//! The textbook cluster: that it works, and that each check sees what breaks it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::support::{ROOT, Trial, lvsmith, nothing_left, said, told, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "lvs_dr::works", needs: Needs::Ipvs, run: works },
    Case { name: "lvs_dr::nobody_notices_its_operator", needs: Needs::Ipvs, run: operated },
    Case { name: "lvs_dr::plan_apply_plan", needs: Needs::Ipvs, run: plan_apply_plan },
    Case { name: "lvs_dr::a_real_server_that_answers_arp", needs: Needs::Ipvs, run: answers_arp },
    Case { name: "lvs_dr::a_missing_destination", needs: Needs::Ipvs, run: missing_destination },
    Case { name: "lvs_dr::a_director_without_the_vip", needs: Needs::Ipvs, run: no_vip },
];

const TABLE: &str = "the IPVS table is what was declared";
const ARP: &str = "only the director answers ARP for the VIP";
const ROUND: &str = "requests go round, and replies come straight from the real servers";

/// The playbook's folder.
pub(crate) fn textbook() -> (PathBuf, MutexGuard<'static, ()>) {
    (Path::new(ROOT).join("playbooks/lvs-dr"), alone())
}

/// A lab of one name is there only once, so one case at a time has it.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // Another case may have failed; its lab is gone even so.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Modules are the kernel's: whether one is there already must not depend on other cases.
fn load_modules() -> Result<()> {
    said(Command::new("modprobe").args(["--all", "ip_vs", "ip_vs_rr"])).map(drop)
}

/// The cluster with some variable other than it should be.
fn broken(variables: &str) -> Result<Trial> {
    let (folder, _alone) = textbook();
    trial(&folder, &["-e", variables])
}

fn works() -> Result<()> {
    let (folder, _alone) = textbook();
    load_modules()?;
    let trial = trial(&folder, &[])?;
    trial.passed()?;
    insta::with_settings!({filters => vec![
        (r" +\(?\d+\.\d+ s\)?", " [TIME]"), (r"on kernel .*", "on kernel [KERNEL]"),
        // Which real server is asked first is the kernel's choice.
        (r"order: .*", "order: [ORDER]"),
        // Some may not have been closed to the last packet yet.
        (r"(Route +\d+) +\d+ +\d+", "$1 [CONNECTIONS]"),
    ]}, {
        insta::assert_snapshot!("lvs_dr_works", trial.text);
    });
    has_its_shape(&trial.report)?;
    nothing_left("lvs-dr")
}

fn operated() -> Result<()> {
    let (folder, _alone) = textbook();
    load_modules()?;
    trial(&folder.join("operation.yml"), &[])?.passed()?;
    nothing_left("lvs-dr")
}

/// What programs rely on in a report.
fn has_its_shape(report: &Value) -> Result<()> {
    let names = |key: &str| -> Vec<&str> {
        let items = report[key].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(|item| item["name"].as_str()).collect()
    };
    ensure!(names("phases") == ["create", "converge", "idempotence", "verify", "destroy"]);
    let mut checks = names("checks");
    checks.sort_unstable();
    ensure!(checks == [ARP, ROUND, TABLE], "{checks:?}");
    for item in ["phases", "checks"].iter().flat_map(|key| report[key].as_array()).flatten() {
        ensure!(item["passed"] == true, "{item:#}");
        ensure!(item["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{item:#}");
        ensure!(item["evidence"].is_object(), "{item:#}");
    }
    let check = |name: &str| {
        let checks = report["checks"].as_array().into_iter().flatten();
        checks.into_iter().find(|check| check["name"] == name).unwrap_or(&Value::Null)
    };
    let seen = &check(ROUND)["evidence"]["seen"];
    let requests = seen["requests"].as_array().map(Vec::len);
    ensure!(requests == Some(12), "{seen:#}");
    ensure!(report["passed"] == true && report["lab"] == "lvs-dr", "{report:#}");
    Ok(())
}

/// A plan says it all and does nothing; what apply does then is what ipvsadm reads; and after
/// that there is nothing left to plan.
fn plan_apply_plan() -> Result<()> {
    let (folder, _alone) = textbook();
    let folder = folder.display().to_string();
    let up = lvsmith(&["lab", "up", &folder])?;
    ensure!(up.status.success(), "{}", told(&up));
    let tried = planned_and_applied();
    let down = lvsmith(&["lab", "down", "lvs-dr"])?;
    tried?;
    ensure!(down.status.success(), "{}", told(&down));
    nothing_left("lvs-dr")
}

fn planned_and_applied() -> Result<()> {
    load_modules()?;
    let run = |verb: &str| lvsmith(&[verb, "--lab", "lvs-dr"]);
    let plan = run("plan")?;
    ensure!(plan.status.success(), "{}", told(&plan));
    insta::with_settings!({filters => vec![
        // The file it takes the place of is the distribution's.
        (r"(\+\+\+ /etc/nginx/nginx\.conf)\n(    [ +@-].*\n)+", "$1\n    [DIFF]\n"),
    ]}, {
        insta::assert_snapshot!("lvs_dr_plan", String::from_utf8_lossy(&plan.stdout));
    });
    ensure!(table()?.is_empty(), "a plan filled the table");

    let apply = run("apply")?;
    ensure!(apply.status.success(), "{}", told(&apply));
    insta::assert_snapshot!("lvs_dr_table", table()?);

    let again = told(&run("plan")?);
    let unchanged = again.lines().filter(|line| line.contains("changed=0 ")).count();
    ensure!(again.starts_with("exit Some(0)") && unchanged == 4, "{again}");
    Ok(())
}

/// The director's table, as ipvsadm saves it.
fn table() -> Result<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lvsmith"));
    said(program.args(["lab", "exec", "--lab", "lvs-dr", "lb1", "--", "ipvsadm", "-Sn"]))
}

fn answers_arp() -> Result<()> {
    let trial = broken("{lvs_arp_ignore: \"{{ 0 if inventory_hostname == 'rs2' else 1 }}\"}")?;
    // Whose answer the client hears first is chance: requests may go round all the same.
    let round = trial.check(ROUND)?["passed"] == true;
    trial.failed_in(if round { &[ARP] } else { &[ARP, ROUND] })?.because(
        "rs2 answers ARP for the VIP 192.168.0.89: net.ipv4.conf.all.arp_ignore is 0 on rs2, \
         needs 1",
    )?;
    Ok(())
}

fn missing_destination() -> Result<()> {
    let trial = broken(
        "{lvs_virtual_services: [{name: web, vip: 192.168.0.89, port: 80, scheduler: rr, \
         forward: direct, real_servers: [rs1, rs3]}]}",
    )?;
    trial.failed_in(&[ROUND, TABLE])?.because("192.168.0.94")?.because("(rs2)")?;
    Ok(())
}

fn no_vip() -> Result<()> {
    let trial = broken("lvs_holds_vips=false")?;
    trial.failed_in(&[ARP, ROUND])?.because("the VIP 192.168.0.89 is on no interface of lb1")?;
    Ok(())
}
