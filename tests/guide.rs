//! The guide holds what it promises: each topology has its page with pictures of its lab and of a
//! request, what a page shows of a trial are checks that the lab has, and no link leads nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_yaml::Value;

/// A playbook that is no topology of its own.
const NO_TOPOLOGY: &str = "lvs-ansible";

/// More a picture must not weigh, in bytes.
const HEAVIEST: u64 = 150_000;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn guide() -> PathBuf {
    root().join("docs/guide")
}

fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn topologies() -> Result<BTreeSet<String>> {
    let playbooks = root().join("playbooks");
    let mut found = names(&playbooks)?;
    found.retain(|name| playbooks.join(name).join("lab.yml").exists() && name != NO_TOPOLOGY);
    Ok(found)
}

fn page(name: &str) -> Result<String> {
    let path = guide().join(format!("{name}.md"));
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// What links and pictures of a page lead to, within this project.
fn targets(page: &str) -> Vec<&str> {
    let after = page.split("](").skip(1);
    let ends = after.filter_map(|rest| rest.split([')', '#']).next());
    ends.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

/// The checks that a lab has, as the terminal calls them.
fn checks(topology: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join("playbooks").join(topology).join("lab.yml"))?;
    let lab: Value = serde_yaml::from_str(&text)?;
    let checks = lab["checks"].as_sequence().context("checks")?;
    Ok(checks.iter().filter_map(|check| check["name"].as_str()).map(str::to_owned).collect())
}

#[test]
fn every_topology_has_its_page_with_a_picture_of_the_lab_and_of_a_request() -> Result<()> {
    let (index, topologies) = (page("index")?, topologies()?);
    ensure!(topologies.len() >= 11, "{topologies:?}");
    for name in topologies {
        let text = page(&name)?;
        for picture in [format!("{name}.svg"), format!("{name}-request.svg")] {
            ensure!(
                targets(&text).contains(&picture.as_str()),
                "{name}.md does not show {picture}"
            );
        }
        let trial = format!("lvsmith lab test playbooks/{name}");
        ensure!(text.contains(&trial), "{name}.md does not say `{trial}`");
        let own = format!("{name}.md");
        ensure!(targets(&index).contains(&own.as_str()), "index.md does not lead to {own}");
    }
    Ok(())
}

#[test]
fn what_a_page_shows_of_a_trial_are_checks_of_its_lab() -> Result<()> {
    for name in topologies()? {
        let (text, checks) = (page(&name)?, checks(&name)?);
        let shown: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("passed: ")).collect();
        ensure!(!shown.is_empty(), "{name}.md shows nothing of a trial");
        for check in shown {
            let there = checks.iter().any(|known| known == check);
            ensure!(there, "{name}.md shows `{check}`, which is not among {checks:#?}");
        }
    }
    Ok(())
}

#[test]
fn every_link_leads_somewhere_and_every_file_is_led_to() -> Result<()> {
    let files = names(&guide())?;
    let mut used = BTreeSet::from(["index.md".to_owned()]);
    for file in files.iter().filter(|file| file.ends_with(".md")) {
        let text = fs::read_to_string(guide().join(file))?;
        for target in targets(&text) {
            ensure!(guide().join(target).exists(), "{file} leads to {target}, which is not there");
            used.insert(target.to_owned());
        }
    }
    let reports = fs::read_to_string(root().join("docs/reports.md"))?;
    used.extend(
        targets(&reports).iter().filter_map(|to| to.strip_prefix("guide/")).map(str::to_owned),
    );
    let unused: Vec<&String> = files.difference(&used).collect();
    ensure!(unused.is_empty(), "no page leads to {unused:?}");
    Ok(())
}

#[test]
fn no_picture_is_heavy() -> Result<()> {
    for file in names(&guide())?.iter().filter(|file| !file.ends_with(".md")) {
        let size = fs::metadata(guide().join(file))?.len();
        ensure!(size <= HEAVIEST, "{file} has {size} bytes");
    }
    Ok(())
}
