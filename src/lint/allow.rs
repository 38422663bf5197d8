//! `# lvsmith: allow(rule)` on a line, or on the one above: a finding there is meant to be.

use std::collections::HashSet;
use std::sync::Arc;

use super::rules::unused_allow;
use super::site::Cluster;
use super::{Finding, RULES, Rule};
use crate::diagnostic::{Diagnostic, Source, Span};

/// One rule in such a comment.
struct Allow {
    span: Span,
    line: usize,
    rule: String,
    used: bool,
}

const OPENING: &str = "# lvsmith: allow(";

/// The findings that no comment allows, and the comments that allow nothing.
pub(super) fn kept(
    findings: Vec<Finding>,
    cluster: &Cluster,
    rules: &[&'static Rule],
) -> Vec<Finding> {
    let mut allows: Vec<Allow> = sources(cluster).iter().flat_map(comments).collect();
    let mut kept: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| {
            let Some(span) = &finding.diagnostic.span else { return true };
            let (line, _) = span.position();
            let mut allowed = false;
            for allow in &mut allows {
                let here = allow.line == line || allow.line + 1 == line;
                if here && allow.span.source == span.source && allow.rule == finding.rule {
                    allow.used = true;
                    allowed = true;
                }
            }
            !allowed
        })
        .collect();
    if rules.iter().any(|rule| rule.id == unused_allow().id) {
        kept.extend(
            allows.iter().filter(|allow| !allow.used).filter_map(|allow| idle(allow, rules)),
        );
    }
    kept
}

/// A comment that allows nothing, unless its rule was not asked.
fn idle(allow: &Allow, rules: &[&'static Rule]) -> Option<Finding> {
    let known = RULES.iter().any(|rule| rule.id == allow.rule);
    let diagnostic = match rules.iter().any(|rule| rule.id == allow.rule) {
        true => Diagnostic::new(format!("nothing here is found by `{}`", allow.rule))
            .hint("take the comment away"),
        false if known => return None,
        false => Diagnostic::new(format!("there is no rule `{}`", allow.rule))
            .did_you_mean(&allow.rule, RULES.iter().map(|rule| rule.id)),
    };
    let rule = unused_allow().id;
    Some(Finding { rule, diagnostic: diagnostic.at(&allow.span), hosts: Vec::new() })
}

/// Every text that a task stands in.
fn sources(cluster: &Cluster) -> Vec<Arc<Source>> {
    let mut seen = HashSet::new();
    let steps = cluster.sites.values().flat_map(|site| &site.steps);
    steps
        .flat_map(|step| [&step.play.hosts.source, &step.place.source])
        .filter(|source| seen.insert(Arc::as_ptr(source)))
        .cloned()
        .collect()
}

fn comments(source: &Arc<Source>) -> Vec<Allow> {
    let mut found = Vec::new();
    let mut start = 0;
    for (number, line) in source.text.split_inclusive('\n').enumerate() {
        if let Some(at) = line.find(OPENING) {
            let open = at + OPENING.len();
            let rules = line[open..].split(')').next().unwrap_or_default();
            let mut from = start + open;
            for rule in rules.split(',') {
                let lead = rule.len() - rule.trim_start().len();
                let begin = from + lead;
                let span = Span {
                    source: Arc::clone(source),
                    start: begin,
                    end: begin + rule.trim().len(),
                };
                let rule_name = rule.trim().to_owned();
                found.push(Allow { span, line: number + 1, rule: rule_name, used: false });
                from += rule.len() + 1;
            }
        }
        start += line.len();
    }
    found
}
