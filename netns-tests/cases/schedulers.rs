//! Every scheduler of the kernel, held against its model by real connections; and tables that
//! are not what their owner thinks.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::support::{Trial, lab, nothing_left, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    Case { name: "schedulers::each_is_as_its_model", needs: Needs::Ipvs, run: each },
    Case { name: "schedulers::a_first_choice_tells_the_turn", needs: Needs::Ipvs, run: turn },
    Case { name: "schedulers::idle_servers_first_with_nq", needs: Needs::Ipvs, run: idle_first },
    Case { name: "schedulers::one_client_one_server_with_sh", needs: Needs::Ipvs, run: keeps },
    Case { name: "schedulers::overflow_spills_in_order", needs: Needs::Ipvs, run: spills },
    Case { name: "schedulers::few_move_with_mh", needs: Needs::Ipvs, run: few_move },
    Case { name: "schedulers::another_scheduler_or_weight", needs: Needs::Ipvs, run: misled },
];

/// The one trial of `labs/schedulers`, for every case that looks at it.
fn tried() -> Result<&'static Trial> {
    static TRIED: OnceLock<Result<Trial, String>> = OnceLock::new();
    let tried =
        TRIED.get_or_init(|| trial(&lab("schedulers"), &[]).map_err(|error| format!("{error:#}")));
    tried.as_ref().map_err(|error| anyhow!("{error}"))
}

/// The connections of a check: from which address, and the last number of who took it.
fn taken(check: &str) -> Result<Vec<(String, Option<u64>)>> {
    let report = tried()?.check(check)?;
    let steps = report["evidence"]["seen"]["steps"].as_array().context("no connections")?;
    let step = |step: &Value| {
        let client = step["client"].as_str().and_then(|client| client.rsplit_once(':'));
        let server = step["chosen"]["address"].as_str().and_then(|one| one.rsplit_once('.'));
        let number = server.and_then(|(_, last)| last.parse::<u64>().ok()).map(|last| last - 10);
        Ok((client.context("a client has a port")?.0.to_owned(), number))
    };
    steps.iter().map(step).collect()
}

fn each() -> Result<()> {
    tried()?.passed()?;
    nothing_left("schedulers")
}

/// The position of rr is the kernel's secret until it has chosen once.
fn turn() -> Result<()> {
    let seen = tried()?.check("rr")?["seen"].to_string();
    ensure!(
        seen.contains("foretold for certain: 11 of 12; the kernel does not show whose"),
        "{seen}"
    );
    let servers: Vec<_> = taken("rr")?.into_iter().map(|(_, server)| server).collect();
    ensure!(servers.windows(4).all(|four| four[0] == four[3]), "{servers:?}");
    // To what was just added nothing came before: the last one has the first turn, and rounds of
    // weights begin with the last one.
    ensure!(servers.first() == Some(&Some(3)), "{servers:?}");
    let first = [1, 2, 3, 1, 1, 2, 1, 2, 3];
    let begun = taken("wrr")?.into_iter().zip(first).all(|((_, one), first)| one == Some(first));
    ensure!(begun, "{:?}", taken("wrr")?);
    Ok(())
}

fn idle_first() -> Result<()> {
    let report = tried()?.check("nq")?;
    let steps = report["evidence"]["seen"]["steps"].as_array().context("no connections")?;
    let mut idle = 0;
    for step in steps {
        let servers = step["view"]["servers"].as_array().context("no servers")?;
        if let Some(first) = servers.iter().find(|one| one["active"] == 0) {
            idle += 1;
            ensure!(first["key"] == step["chosen"], "{step:#}");
        }
    }
    ensure!(idle >= 3 && idle < steps.len(), "{idle} of {} were idle", steps.len());
    Ok(())
}

fn keeps() -> Result<()> {
    let mut servers: BTreeMap<String, Option<u64>> = BTreeMap::new();
    for (client, server) in taken("sh")? {
        let known = *servers.entry(client).or_insert(server);
        ensure!(known == server, "{servers:?}");
    }
    ensure!(servers.len() == 12, "twelve clients: {servers:?}");
    Ok(())
}

/// Weights 4, 3 and 2: each takes one more than its weight, and then the service is full.
fn spills() -> Result<()> {
    let all = taken("ovf")?;
    let count = |server| all.iter().filter(|(_, one)| *one == server).count();
    let counts = [count(Some(1)), count(Some(2)), count(Some(3)), count(None)];
    // Of eighteen that stay open twelve fit.
    ensure!(counts[..3] == [5, 4, 3] && counts[3] == 6, "{counts:?}");
    Ok(())
}

fn few_move() -> Result<()> {
    let before: BTreeMap<_, _> = taken("mh")?.into_iter().collect();
    let after: BTreeMap<_, _> = taken("mh without rs2")?.into_iter().collect();
    ensure!(before.len() == 12 && after.keys().eq(before.keys()), "{before:?} {after:?}");
    let others = || before.iter().filter(|(_, server)| **server != Some(2));
    let moved = others().filter(|(client, server)| after.get(*client) != Some(server)).count();
    ensure!(others().count() > 3 && moved <= 1, "{moved} moved: {before:?} {after:?}");
    ensure!(after.values().all(|server| *server != Some(2)), "{after:?}");
    Ok(())
}

fn misled() -> Result<()> {
    let trial = trial(&lab("misled"), &[])?;
    trial.failed_in(&[
        "the scheduler is another",
        "a weight is another",
        "a destination does not answer",
        "there is no service",
        "too few addresses",
    ])?;
    let texts = |check: &str, list: &str, key: Option<&str>| -> Result<Vec<String>> {
        let report = trial.check(check)?;
        let items = report[list].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |item: &Value| key.map_or(item, |key| &item[key]).as_str().map(str::to_owned);
        Ok(items.iter().filter_map(text).collect())
    };
    let causes = |check: &str| texts(check, "causes", Some("message"));
    let problem = |check: &str| Ok::<_, anyhow::Error>(texts(check, "problems", None)?.join("\n"));

    let said = problem("the scheduler is another")?;
    ensure!(said.contains("but wrr sends it to"), "{said}");
    ensure!(
        causes("the scheduler is another")?
            == [
                "the scheduler of tcp://10.42.0.100:8001 is rr, not wrr",
                "the weight of 10.43.0.11:80 (rs1) is 1, not 3",
            ],
        "{}",
        trial.text
    );
    let weight = ["the weight of 10.43.0.11:80 (rs1) is 1, not 3"];
    ensure!(causes("a weight is another")? == weight, "{}", trial.text);
    let said = problem("a destination does not answer")?;
    ensure!(said.contains("connection refused") && said.contains("at dead"), "{said}");
    let dead = causes("a destination does not answer")?;
    ensure!(dead.iter().any(|one| one.contains("nothing listens on port 80 on dead")), "{dead:?}");
    let said = problem("there is no service")?;
    ensure!(said == "service tcp://10.42.0.100:8004 does not exist on lb1", "{said}");
    let said = problem("too few addresses")?;
    ensure!(said.contains("`client` has 1 address, and 2 are asked for"), "{said}");
    nothing_left("misled")
}
