//! Services that are broken in one way each: exactly the right check fails, and says why.
//!
//! They all stand in one lab, which is tried once; each case looks at its own check.

use std::sync::OnceLock;

use anyhow::{Result, anyhow, ensure};

use crate::support::{Trial, lab, nothing_left, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "broken::only_what_is_broken_fails", needs: Needs::Ipvs, run: only_broken },
    Case { name: "broken::a_drained_real_server", needs: Needs::Ipvs, run: drained },
    Case { name: "broken::another_scheduler", needs: Needs::Ipvs, run: scheduler },
    Case { name: "broken::nginx_stopped", needs: Needs::Ipvs, run: nginx_stopped },
    Case { name: "broken::the_vip_is_not_on_lo", needs: Needs::Ipvs, run: vip_not_bound },
    Case { name: "broken::nat_without_forwarding", needs: Needs::Ipvs, run: not_forwarded },
    Case { name: "broken::a_table_that_differs", needs: Needs::Ipvs, run: table },
    Case {
        name: "broken::a_task_that_always_changes_something",
        needs: Needs::Namespaces,
        run: never_idempotent,
    },
    Case { name: "broken::a_task_that_fails", needs: Needs::Namespaces, run: task_fails },
];

/// The one trial of `labs/broken`; what it failed with, for every case that needs it.
fn tried() -> Result<&'static Trial> {
    static TRIED: OnceLock<Result<Trial, String>> = OnceLock::new();
    let tried = TRIED.get_or_init(|| {
        let trial = trial(&lab("broken"), &[]).map_err(|error| format!("{error:#}"))?;
        match trial.exit {
            Some(3) => Ok(trial),
            exit => Err(format!("exit {exit:?}\n{}", trial.text)),
        }
    });
    tried.as_ref().map_err(|error| anyhow!("{error}"))
}

/// A check of that name failed for these causes, and for no others.
fn failed(check: &str, problem: &str, causes: &[&str]) -> Result<()> {
    let trial = tried()?;
    let report = trial.check(check)?;
    ensure!(report["passed"] == false, "`{check}` passed\n{}", trial.text);
    let texts = |name: &str, key: Option<&str>| -> Vec<String> {
        let items = report[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let text =
            |item: &serde_json::Value| key.map_or(item, |key| &item[key]).as_str().map(Into::into);
        items.iter().filter_map(text).collect()
    };
    ensure!(texts("causes", Some("message")) == causes, "other causes\n{}", trial.text);
    let problems = texts("problems", None);
    ensure!(problems.iter().any(|one| one.contains(problem)), "no `{problem}`: {problems:?}");
    Ok(())
}

fn only_broken() -> Result<()> {
    tried()?.failed_in(&[
        "a real server is drained",
        "a real server is drained, and many ask at a time",
        "the scheduler is another",
        "nginx is stopped",
        "the VIP is not bound",
        "nothing is forwarded",
        "the table",
    ])?;
    Ok(())
}

fn drained() -> Result<()> {
    failed(
        "a real server is drained",
        "`rs2` answered no request",
        &["the weight of 192.168.0.94:80 (rs2) is 0: it takes nothing new"],
    )?;
    failed(
        "a real server is drained, and many ask at a time",
        "`rs2` answered 0 requests, not 2",
        &["the weight of 192.168.0.94:80 (rs2) is 0: it takes nothing new"],
    )
}

fn scheduler() -> Result<()> {
    failed(
        "the scheduler is another",
        "not in turn",
        &["the scheduler of tcp://192.168.0.82:80 is sh, not rr"],
    )
}

fn nginx_stopped() -> Result<()> {
    failed(
        "nginx is stopped",
        "connection refused",
        &["nothing listens on port 80 on stopped (nginx is not running)"],
    )
}

fn vip_not_bound() -> Result<()> {
    failed(
        "the VIP is not bound",
        "timed out while connecting",
        &[
            "the VIP 192.168.0.85 is not bound on unbound's lo, so unbound drops what lb1 forwards to it",
        ],
    )
}

fn not_forwarded() -> Result<()> {
    failed(
        "nothing is forwarded",
        "timed out while connecting",
        &["the forwarding method is nat, but net.ipv4.ip_forward is 0 on lb1"],
    )
}

fn table() -> Result<()> {
    failed("the table", "the scheduler of tcp://192.168.0.83:80 is wlc, not wrr", &[])?;
    failed("the table", "the weight of 192.168.0.94:80 (rs2) is 0, not 1", &[])
}

fn never_idempotent() -> Result<()> {
    let trial = trial(&lab("never-idempotent"), &[])?;
    ensure!(trial.exit == Some(3), "exit {:?}\n{}", trial.exit, trial.text);
    trial.phase("converge")?.passed()?;
    trial.phase("idempotence")?.failed("`What time it is` on rs1")?;
    trial.phase("verify")?.passed()?;
    nothing_left("never-idempotent")
}

fn task_fails() -> Result<()> {
    let trial = trial(&lab("task-fails"), &[])?;
    ensure!(trial.exit == Some(2), "exit {:?}\n{}", trial.exit, trial.text);
    trial.phase("converge")?.failed("`nginx has a configuration` on rs1")?;
    trial.says("unknown directive \"listn\"")?;
    ensure!(trial.phase("idempotence").is_err(), "it went on\n{}", trial.text);
    trial.phase("destroy")?.passed()?;
    nothing_left("task-fails")
}
