//! What experts of LVS would say about a playbook that is not wrong, but does not do what its
//! writer hopes for: rules over what its tasks make of each host, before any host is touched.
//!
//! [`RULES`] is the table; each rule has a good and a bad example, which tests run and
//! `docs/lint.md` shows. `effect` says what a task does in the terms of LVS, `site` what comes
//! together on a host; what only a run can tell is no finding.

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::engine::Options;
use crate::inventory::Inventory;
use crate::playbook::Playbook;

mod allow;
mod effect;
mod instead;
mod outline;
mod rules;
mod script;
mod site;
pub(crate) mod words;

pub use outline::{Outline, outline};
pub use rules::RULES;

use site::Cluster;

/// One rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its name, in kebab case; it stays what it is.
    pub id: &'static str,
    /// Why what it finds is a mistake, in a sentence or two.
    pub why: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// A playbook with that mistake and no other, in the line that says `found here`.
    pub bad: &'static str,
    /// The same without it.
    pub good: &'static str,
    check: fn(&Cluster) -> Vec<Hit>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rule({})", self.id)
    }
}

/// The hosts of the examples.
pub const INVENTORY: &str = "\
all:
  children:
    directors:
      hosts:
        lb1: {ansible_host: 192.168.0.90}
    real_servers:
      hosts:
        rs1: {ansible_host: 192.168.0.93}
        rs2: {ansible_host: 192.168.0.94}
";

/// What a rule found on one host.
struct Hit {
    place: Span,
    host: String,
    message: String,
    hint: String,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id.
    pub rule: &'static str,
    /// What is wrong, where, and what to do.
    pub diagnostic: Diagnostic,
    /// The hosts on which it is so.
    pub hosts: Vec<String>,
}

/// A finding for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line<'a> {
    /// The rule's id.
    pub rule: &'static str,
    /// What is wrong.
    pub message: &'a str,
    /// What to do.
    pub hint: Option<&'a str>,
    /// The file, as the user knows it.
    pub file: &'a str,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The hosts on which it is so.
    pub hosts: &'a [String],
}

impl Finding {
    /// All of it, with its place in numbers.
    #[must_use]
    pub fn line(&self) -> Line<'_> {
        let span = self.diagnostic.span.as_ref();
        let (line, column) = span.map_or((0, 0), Span::position);
        Line {
            rule: self.rule,
            message: &self.diagnostic.message,
            hint: self.diagnostic.hint.as_deref(),
            file: span.map_or("", |span| &span.source.name),
            line,
            column,
            hosts: &self.hosts,
        }
    }
}

/// The rule of that name.
pub fn rule(id: &str) -> Result<&'static Rule, Diagnostic> {
    RULES.iter().find(|rule| rule.id == id).ok_or_else(|| {
        Diagnostic::new(format!("there is no rule `{id}`"))
            .did_you_mean(id, RULES.iter().map(|rule| rule.id))
    })
}

/// Holds a playbook against these rules. What is wrong with it whatever they say is an error.
pub fn lint(
    playbook: &Playbook,
    inventory: &Inventory,
    options: &Options,
    rules: &[&'static Rule],
) -> Result<Vec<Finding>, Diagnostics> {
    let cluster = Cluster::read(playbook, inventory, options)?;
    let mut findings = Vec::new();
    for rule in rules {
        let mut found: Vec<Finding> = Vec::new();
        for Hit { place, host, message, hint } in (rule.check)(&cluster) {
            let diagnostic = Diagnostic::new(message).at(&place).hint(hint);
            match found.iter_mut().find(|one| one.diagnostic == diagnostic) {
                Some(one) if one.hosts.contains(&host) => {}
                Some(one) => one.hosts.push(host),
                None => found.push(Finding { rule: rule.id, diagnostic, hosts: vec![host] }),
            }
        }
        findings.extend(found);
    }
    let mut findings = allow::kept(findings, &cluster, rules);
    if !cluster.mistakes.0.is_empty() {
        return Err(cluster.mistakes);
    }
    // In the order of the text, so that one reads along.
    findings.sort_by(|one, other| place(one).cmp(&place(other)));
    Ok(findings)
}

fn place(finding: &Finding) -> Option<(&str, usize)> {
    finding.diagnostic.span.as_ref().map(|span| (span.source.name.as_str(), span.start))
}

#[cfg(test)]
mod tests;
