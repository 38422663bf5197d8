//! Networks and hosts as a lab file declares them: what is written is what the kernel does.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::support::{ROOT, Trial, lab, lvsmith, trial};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("fabric::routes_between_networks", routes),
    Case { name: "fabric::wires_vlans_and_bonds", needs: Needs::Ipvs, run: wires },
    native("fabric::what_the_documentation_shows_works", documented),
    native("fabric::a_package_must_be_there", package),
    native("fabric::a_command_that_fails_is_shown", command),
    native("fabric::what_the_kernel_lacks_skips_a_lab", skipped),
    native("fabric::a_check_that_hangs_ends_at_its_deadline", deadline),
    native("fabric::a_trial_ends_at_its_timeout", timeout),
    native("fabric::checks_are_picked_by_their_tags", tags),
    native("fabric::every_combination_of_a_matrix_runs", matrix),
    native("fabric::labs_run_side_by_side", side_by_side),
    native("fabric::nothing_is_made_when_one_of_several_is_wrong", one_is_wrong),
    Case { name: "fabric::labs_share_a_kernel", needs: Needs::Ipvs, run: shared },
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

/// Tries a lab of one host that needs no IPVS, with more keys of the host and of the file.
fn tried(host: &str, file: &str, more: &[&str]) -> Result<Trial> {
    let folder = tempfile::tempdir()?;
    let name = format!("fabric-{}", std::process::id());
    let text = format!(
        "name: {name}\nnetworks: {{lan: {{subnet: 10.0.0.0/24}}}}\n\
         hosts: {{a: {{networks: {{lan: 10.0.0.1}}, {host}}}}}\n{file}\n"
    );
    fs::write(Path::new(folder.path()).join("lab.yml"), text)?;
    trial(folder.path(), more)
}

fn routes() -> Result<()> {
    trial(&lab("routed"), &[])?.passed().map(drop)
}

/// The first lab file of the documentation.
fn documented() -> Result<()> {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/lab.md"))?;
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("lab.yml"), block.context("a block of YAML")?)?;
    trial(folder.path(), &[])?.passed()?.says("passed: lab two-hosts").map(drop)
}

fn wires() -> Result<()> {
    let trial = trial(&lab("wires"), &[])?;
    ensure!(trial.report.get("skipped").is_none(), "{}", trial.text);
    trial.passed().map(drop)
}

fn package() -> Result<()> {
    let trial = tried("packages: [bash, no-such-package]", "requires: []", &[])?;
    ensure!(trial.exit == Some(6), "{}", trial.text);
    trial.says("host `a` needs the package `no-such-package`, which is not installed")?;
    trial.says("install no-such-package`").map(drop)
}

fn command() -> Result<()> {
    let commands = "commands: [[touch, /tmp/x], [sh, -c, 'ls /tmp; echo why >&2; exit 3']]";
    let trial = tried(commands, "requires: []", &[])?;
    ensure!(trial.exit == Some(6), "{}", trial.text);
    trial.says("exit 3` failed on host `a` (exit status: 3): why").map(drop)
}

fn skipped() -> Result<()> {
    let trial = tried("", "requires: [{module: no_such_module}]", &["--no-vm"])?;
    ensure!(trial.exit == Some(0), "exit {:?}\n{}", trial.exit, trial.text);
    trial.says("skipped: lab fabric-")?;
    let why = "this kernel has no module `no_such_module`";
    ensure!(trial.report["skipped"] == why, "{}", trial.report);
    Ok(())
}

fn deadline() -> Result<()> {
    let checks = "requires: []\nchecks:\n\
        - {name: hangs, timeout: 1, command: {on: a, argv: [sleep, '1000'], timeout: 2000}}\n\
        - {name: next, timeout: 60, command: {on: a, argv: ['true']}}";
    let trial = tried("", checks, &[])?;
    trial.failed_in(&["hangs"])?.says("it was not done within 1 s")?.says("passed: next").map(drop)
}

fn timeout() -> Result<()> {
    let checks = "requires: []\ntimeout: 3\nchecks:\n\
        - {name: hangs, command: {on: a, argv: [sleep, '1000'], timeout: 2000}}";
    let trial = tried("", checks, &[])?;
    trial.says("the trial took longer than the 3 s of its `timeout`")?;
    ensure!(trial.exit == Some(6), "exit {:?}\n{}", trial.exit, trial.text);
    trial.says("the time of the trial was over")?.says("nothing is left").map(drop)
}

fn tags() -> Result<()> {
    let checks = "requires: []\nchecks:\n\
        - {name: one, tags: [slow, v4], command: {on: a, argv: ['true']}}\n\
        - {name: two, tags: v4, command: {on: a, argv: ['true']}}\n\
        - {name: three, command: {on: a, argv: ['true']}}";
    for (more, names) in [
        (&["--tags", "v4"][..], &["one", "two"][..]),
        (&["--skip-tags", "slow"], &["two", "three"]),
        (&["--tags", "v4", "--skip-tags", "slow"], &["two"]),
    ] {
        let trial = tried("", checks, more)?;
        let ran = trial.passed()?.report["checks"].as_array().cloned().unwrap_or_default();
        let ran: Vec<&str> = ran.iter().filter_map(|check| check["name"].as_str()).collect();
        ensure!(ran == names, "{more:?} ran {ran:?}");
    }
    Ok(())
}

fn matrix() -> Result<()> {
    let all = trial(&lab("matrix"), &[])?;
    ensure!(all.exit == Some(3), "exit {:?}\n{}", all.exit, all.text);
    all.says("passed: word=one number=2 in")?.says("FAILED: word=two number=1 in")?;
    all.says("2 of 4 combinations passed")?;
    let ran = all.report["combinations"].as_array().cloned().unwrap_or_default();
    let passed: Vec<bool> = ran.iter().map(|one| one["passed"] == true).collect();
    ensure!(passed == [true, true, false, false], "{}", all.report);
    ensure!(ran[3]["combination"] == serde_json::json!({"word": "two", "number": 2}));
    let picked = trial(&lab("matrix"), &["--only", "word=two", "--skip-tags", "strict"])?;
    picked.passed()?.says("2 of 2 combinations passed")?;
    let one = trial(&lab("matrix"), &["--only", "word=one", "--only", "number=2"])?;
    one.passed()?.says("passed: lab matrix in").map(drop)
}

/// What several labs come to, with more words; the second one fails.
fn several(more: &[&str]) -> Result<(Option<i32>, String)> {
    let labs = ["plain-http", "task-fails"].map(|name| lab(name).display().to_string());
    let [good, bad] = labs.each_ref().map(String::as_str);
    let output = lvsmith(&[&["lab", "test", good, bad, "--jobs", "2"], more].concat())?;
    Ok((output.status.code(), String::from_utf8(output.stdout)?))
}

fn side_by_side() -> Result<()> {
    let (exit, text) = several(&[])?;
    ensure!(exit == Some(2), "exit {exit:?}\n{text}");
    for words in ["passed: plain-http in ", "FAILED: task-fails in ", "1 of 2 labs passed in "] {
        ensure!(text.contains(words), "no `{words}`\n{text}");
    }
    let (exit, text) = several(&["--format", "json"])?;
    let lines = text.lines().map(serde_json::from_str);
    let lines = lines.collect::<Result<Vec<serde_json::Value>, _>>()?;
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    ensure!(exit == Some(2) && of("begin").len() == 1, "{text}");
    let trials = of("trial");
    let good = trials.iter().find(|line| line["trial"] == "plain-http");
    ensure!(trials.len() == 2 && good.is_some_and(|line| line["passed"] == true), "{trials:?}");
    ensure!(lines.last().is_some_and(|line| line["passed"] == 1 && line["of"] == 2), "{text}");
    let (exit, text) = several(&["--format", "junit"])?;
    ensure!(exit == Some(2), "exit {exit:?}\n{text}");
    let document = roxmltree::Document::parse(&text)?;
    let failed = |name: &str| {
        let suites = document.descendants().filter(|node| node.has_tag_name("testsuite"));
        let own = suites.filter(|node| node.attribute("name").is_some_and(|n| n.starts_with(name)));
        own.map(|node| node.attribute("failures") != Some("0")).collect::<Vec<bool>>()
    };
    let (good, bad) = (failed("plain-http: "), failed("task-fails: "));
    ensure!(!good.is_empty() && !good.contains(&true) && bad.contains(&true), "{text}");
    Ok(())
}

fn one_is_wrong() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("lab.yml"), "networks: {}\nhots: {}\n")?;
    let (good, bad) = (lab("plain-http"), folder.path().display().to_string());
    let output = lvsmith(&["lab", "test", &good.display().to_string(), &bad])?;
    let (said, errors) = (output.stdout, String::from_utf8(output.stderr)?);
    ensure!(output.status.code() == Some(4) && said.is_empty(), "{:?}\n{errors}", output.status);
    ensure!(errors.contains("lab.yml:2:1") && errors.contains("did you mean `hosts`?"), "{errors}");
    Ok(())
}

/// Two clusters with the same addresses, at the same time.
fn shared() -> Result<()> {
    let folders = ["playbooks/lvs-dr", "playbooks/lvs-udp"];
    let output = lvsmith(&[&["lab", "test", "--jobs", "2"], &folders[..]].concat())?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success() && text.contains("2 of 2 labs passed"), "{text}");
    Ok(())
}
