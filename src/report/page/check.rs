//! The checks of a page: what was expected, what was seen, and on a failure why.

use super::{Page, share, spoken};
use crate::lab::check::{Cause, CheckReport};
use crate::lab::trial::Report;
use crate::lab::{Graph, Sequence};

/// So many characters of evidence are shown; all of it is in the report for programs.
const SHOWN: usize = 60_000;

impl Page {
    pub(super) fn checks(&mut self, report: &Report, graph: Option<&Graph>) {
        if report.checks.is_empty() {
            return;
        }
        self.leaf("h2", &[], "Checks");
        // The first request is shown at once, others when somebody wants to see them.
        let mut shown = false;
        for check in &report.checks {
            let sequence = Sequence::of(check, &report.hosts);
            let picture =
                sequence.map(|one| one.svg("One request, as it passed the cables", graph));
            self.check(check, picture.as_deref(), !shown);
            shown |= picture.is_some();
        }
    }

    fn check(&mut self, check: &CheckReport, request: Option<&str>, open: bool) {
        let class = if check.passed { "check good" } else { "check bad" };
        self.begin("section", &[("class", class)]);
        self.begin("header", &[]);
        self.mark(check.passed);
        self.leaf("h3", &[], &check.name);
        self.class("span", "soft mono", &format!("{}, {}", check.kind, spoken(check.seconds)));
        self.end();
        self.begin("dl", &[]);
        self.lines("expected", "", &check.expected);
        self.lines("seen", "", &check.seen);
        self.lines("wrong", "wrong", &check.problems);
        self.end();
        for cause in &check.causes {
            self.cause(cause);
        }
        self.shares(&share::of(check));
        if let Some(request) = request {
            self.folded("One request", open, |page| page.picture(request));
        }
        if let Some(drawing) = &check.drawing {
            self.folded("What was seen, drawn", !check.passed, |page| {
                page.leaf("pre", &[], drawing);
            });
        }
        self.evidence(check);
        self.end();
    }

    fn lines(&mut self, title: &str, class: &str, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.leaf("dt", &[], title);
        self.begin("dd", &[("class", class)]);
        for line in lines {
            self.leaf("p", &[], line);
        }
        self.end();
    }

    fn cause(&mut self, cause: &Cause) {
        self.begin("div", &[("class", "cause")]);
        let host = cause.host.iter().map(|host| format!("{host}: "));
        self.leaf("h3", &[], &host.chain([cause.message.clone()]).collect::<String>());
        if !cause.evidence.is_empty() {
            self.begin("ul", &[]);
            for line in &cause.evidence {
                self.class("li", "mono", line);
            }
            self.end();
        }
        if let Some(hint) = &cause.hint {
            self.leaf("p", &[], &format!("What to do: {hint}"));
        }
        self.end();
    }

    fn shares(&mut self, shares: &[share::Share]) {
        let total: usize = shares.iter().map(|share| share.count).sum();
        if total == 0 {
            return;
        }
        self.begin("div", &[("class", "shares")]);
        for share::Share { name, count } in shares {
            let (name, class) = match name {
                Some(name) => (name.as_str(), "bar"),
                None => ("no answer", "bar none"),
            };
            self.leaf("span", &[], name);
            // Counts are small; a bar needs no more than a float has.
            #[expect(clippy::cast_precision_loss, reason = "of a bar nobody sees the rounding")]
            self.bar(class, *count as f64, total as f64, 0.0);
            self.class("span", "number", &format!("{count} of {total}"));
        }
        self.end();
    }

    fn evidence(&mut self, check: &CheckReport) {
        let Ok(mut text) = serde_json::to_string_pretty(&check.evidence) else { return };
        if let Some((at, _)) = text.char_indices().nth(SHOWN) {
            text.truncate(at);
            text.push_str("\n… and more, which `--json` has");
        }
        self.folded("Evidence", false, |page| page.class("pre", "high", &text));
    }
}
