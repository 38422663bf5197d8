//! `lvsmith lint`: what experts of LVS would say about a playbook, without any host.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::apply::{both, extra_vars, inventory};
use super::inventory::InventoryArgs;
use super::{Exit, complain_at};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine::Options;
use crate::inventory::Vars;
use crate::lint::{self, Finding, RULES, Rule};
use crate::playbook::Playbook;

/// Say what a playbook does that LVS would not like; changes nothing and asks no host
///
/// A comment `# lvsmith: allow(RULE)` on a line, or on the one above, silences what RULE finds there.
#[derive(Debug, Args)]
pub(super) struct Lint {
    /// The playbook
    #[arg(required_unless_present = "explain")]
    playbook: Option<PathBuf>,
    #[command(flatten)]
    inventory: InventoryArgs,
    /// A variable over all others: `name=value`, `{name: value}`, or `@file.yml`
    #[arg(short, long, value_name = "VARS")]
    extra_vars: Vec<String>,
    /// Only what these rules find
    #[arg(long = "rule", value_name = "RULE", value_delimiter = ',')]
    rules: Vec<String>,
    /// Say what a rule is about, with an example; `all` for every one
    #[arg(long, value_name = "RULE", conflicts_with = "playbook")]
    explain: Option<String>,
    /// How findings are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Lint {
    pub(super) fn run(self) -> ExitCode {
        let exit = match &self.explain {
            Some(id) => explain(id).map_err(Diagnostics::from),
            None => self.look(),
        };
        exit.unwrap_or_else(|mistakes| complain_at(&mistakes)).into()
    }

    fn look(&self) -> Result<Exit, Diagnostics> {
        let rules = rules(&self.rules).map_err(Diagnostics::from)?;
        let mut extra = Vars::new();
        for text in &self.extra_vars {
            extra.extend(extra_vars(text).map_err(Diagnostics::from)?);
        }
        let path = self.playbook.as_deref().unwrap_or(Path::new(""));
        let inventory = inventory(path, &self.inventory);
        let (playbook, inventory) = both(Playbook::read(path), inventory)?;
        let options = Options { extra, ..Options::default() };
        let findings = lint::lint(&playbook, &inventory, &options, &rules)?;
        match self.format {
            Format::Json => {
                let lines: Vec<_> = findings.iter().map(Finding::line).collect();
                anstream::println!("{:#}", json!({ "findings": lines }));
            }
            Format::Text => findings.iter().for_each(tell),
        }
        Ok(if findings.is_empty() { Exit::Declared } else { Exit::CheckFailed })
    }
}

fn tell(finding: &Finding) {
    // What prints it takes the colours away where they are not wanted.
    let mut text = finding.diagnostic.render_warning(finding.rule, true);
    if !finding.hosts.is_empty() {
        text.push_str(&format!("\n  = on: {}", shortened(&finding.hosts)));
    }
    anstream::println!("{text}\n");
}

fn shortened(hosts: &[String]) -> String {
    const SHOWN: usize = 8;
    match hosts.len() {
        0..=SHOWN => hosts.join(", "),
        more => format!("{} and {} more", hosts[..SHOWN].join(", "), more - SHOWN),
    }
}

fn rules(ids: &[String]) -> Result<Vec<&'static Rule>, Diagnostic> {
    match ids {
        [] => Ok(RULES.iter().collect()),
        ids => ids.iter().map(|id| lint::rule(id)).collect(),
    }
}

fn explain(id: &str) -> Result<Exit, Diagnostic> {
    let all = id == "all";
    let rules = if all { RULES.iter().collect() } else { vec![lint::rule(id)?] };
    for (at, rule) in rules.into_iter().enumerate() {
        let lead = if at == 0 { "" } else { "\n" };
        anstream::print!(
            "{lead}{}\n\n{}\n\n{}\n\nFound in:\n\n{}\nNot in:\n\n{}",
            rule.id,
            rule.why,
            rule.fix,
            indented(rule.bad),
            indented(rule.good)
        );
    }
    Ok(Exit::Declared)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
