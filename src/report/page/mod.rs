//! A trial as one page of HTML: everything that was seen, for whoever was not there. It loads
//! nothing and runs nothing; it is XML as well, so that tests can read it.

mod check;
mod share;
#[cfg(test)]
mod tests;

use ipnet::IpNet;
use serde_json::Value;

use super::{Tally, counted};
use crate::lab::trial::{Phase, Report};
use crate::lab::{Graph, HostState, Interface};
use crate::xml::Xml;

/// What a page shows besides what came of the trial.
#[derive(Debug, Clone, Default)]
pub struct Exhibits {
    /// The lab, to be drawn.
    pub graph: Option<Graph>,
    /// When the trial began, in words.
    pub when: String,
    /// What took part: names and versions.
    pub environment: Vec<(String, String)>,
}

/// Writes the page.
#[must_use]
pub fn page(report: &Report, exhibits: &Exhibits) -> String {
    let mut page = Page { xml: Xml::page() };
    let (word, _) = verdict(report);
    page.begin("html", &[("lang", "en")]);
    page.begin("head", &[]);
    page.leaf("meta", &[("charset", "utf-8")], "");
    page.leaf(
        "meta",
        &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")],
        "",
    );
    page.leaf("title", &[], &format!("{}: {word}", report.lab));
    page.xml.markup(&format!("<style>\n{}</style>", include_str!("style.css")));
    page.end();
    page.begin("body", &[]);
    page.begin("main", &[]);
    page.header(report, exhibits);
    if let Some(graph) = &exhibits.graph {
        page.leaf("h2", &[], "The lab");
        page.picture(&graph.svg());
    }
    page.checks(report, exhibits.graph.as_ref());
    page.phases(report);
    page.converged(report);
    page.hosts(report);
    page.environment(report, exhibits);
    page.xml.finish()
}

fn verdict(report: &Report) -> (&'static str, &'static str) {
    match (report.interrupted, report.passed) {
        (true, _) => ("interrupted", "bad"),
        (false, true) => ("passed", "good"),
        (false, false) => ("failed", "bad"),
    }
}

/// The page as it is written.
struct Page {
    xml: Xml,
}

impl Page {
    fn begin(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.xml.begin(name, &owned(attributes));
    }

    fn end(&mut self) {
        self.xml.end();
    }

    fn leaf(&mut self, name: &'static str, attributes: &[(&str, &str)], text: &str) {
        self.xml.leaf(name, &owned(attributes), text);
    }

    fn class(&mut self, name: &'static str, class: &str, text: &str) {
        self.leaf(name, &[("class", class)], text);
    }

    fn picture(&mut self, svg: &str) {
        self.begin("div", &[("class", "picture")]);
        self.xml.markup(svg);
        self.end();
    }

    /// A part that is shown when somebody wants to see it.
    fn folded(&mut self, title: &str, open: bool, inside: impl FnOnce(&mut Self)) {
        self.begin("details", if open { &[("open", "open")] } else { &[] });
        self.leaf("summary", &[], title);
        inside(self);
        self.end();
    }

    fn bar(&mut self, class: &str, part: f64, whole: f64, before: f64) {
        let percent = |value: f64| if whole > 0.0 { value / whole * 100.0 } else { 0.0 };
        self.begin("div", &[("class", "track")]);
        let style = match before > 0.0 {
            true => format!("margin-left:{:.2}%;width:{:.2}%", percent(before), percent(part)),
            false => format!("width:{:.2}%", percent(part)),
        };
        self.leaf("div", &[("class", class), ("style", &style)], "");
        self.end();
    }

    fn header(&mut self, report: &Report, exhibits: &Exhibits) {
        let (word, class) = verdict(report);
        let class = format!("verdict {class}");
        self.begin("div", &[("class", &class)]);
        self.leaf("h1", &[], &report.lab);
        self.class("span", "word", word);
        let passed = report.checks.iter().filter(|check| check.passed).count();
        let checks = counted(report.checks.len(), "check");
        let place = if report.vm { " in a micro-VM" } else { "" };
        self.leaf(
            "p",
            &[],
            &format!(
                "{passed} of {checks} passed, in {}, on kernel {}{place}",
                spoken(report.seconds),
                report.kernel
            ),
        );
        if !exhibits.when.is_empty() {
            self.leaf("p", &[], &exhibits.when);
        }
        if let Some(error) = &report.error {
            self.class("p", "bad", &error.to_string());
        }
        self.end();
    }

    fn phases(&mut self, report: &Report) {
        self.leaf("h2", &[], "Phases");
        let total: f64 = report.phases.iter().map(|phase| phase.seconds).sum();
        let mut before = 0.0;
        for phase in &report.phases {
            let Phase { name, passed, seconds, summary, .. } = phase;
            self.begin("div", &[("class", if *passed { "phase" } else { "phase bad" })]);
            self.mark(*passed);
            self.class("span", "name", name);
            self.class("span", "time", &spoken(*seconds));
            self.bar("bar", *seconds, total, before);
            self.class("span", "summary", summary);
            self.end();
            before += seconds;
        }
    }

    fn mark(&mut self, passed: bool) {
        let (class, mark) = if passed { ("mark good", "✓") } else { ("mark bad", "✗") };
        self.class("span", class, mark);
    }

    /// What the playbook did on each host.
    fn converged(&mut self, report: &Report) {
        let tallies = &report.converged.tallies;
        if tallies.is_empty() {
            return;
        }
        self.leaf("h2", &[], "The playbook");
        let header = ["ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored"];
        let numbers: Vec<usize> = (1..=header.len()).collect();
        let header: Vec<&str> = ["host"].into_iter().chain(header).collect();
        let row = |(host, tally): (&String, &Tally)| {
            let Tally { ok, changed, unreachable, failed, skipped, rescued, ignored } = tally;
            let counts = [ok, changed, failed, unreachable, skipped, rescued, ignored];
            [host.clone()].into_iter().chain(counts.map(ToString::to_string)).collect()
        };
        self.table(&header, &numbers, tallies.iter().map(row).collect());
        for (phase, title) in [("converge", "What changed"), ("idempotence", "What changed again")]
        {
            let tasks = report.phases.iter().find(|one| one.name == phase);
            let tasks = tasks.and_then(|phase| phase.evidence["tasks"].as_array());
            let told: Vec<Vec<String>> = tasks.into_iter().flatten().filter_map(told).collect();
            if !told.is_empty() {
                let title = format!("{title}: {}", counted(told.len(), "task"));
                self.folded(&title, false, |page| {
                    page.table(&["host", "task", "what became of it"], &[], told);
                });
            }
        }
    }

    fn hosts(&mut self, report: &Report) {
        if report.hosts.is_empty() {
            return;
        }
        self.leaf("h2", &[], "Hosts");
        let rows = report.hosts.iter().flat_map(|(name, host): (&String, &HostState)| {
            host.interfaces.iter().map(move |one: &Interface| {
                vec![
                    name.clone(),
                    one.name.clone(),
                    one.network.clone(),
                    few(&one.addresses),
                    one.mac.to_string(),
                ]
            })
        });
        let rows = rows.collect();
        self.table(&["host", "interface", "network", "addresses", "hardware address"], &[], rows);
    }

    fn environment(&mut self, report: &Report, exhibits: &Exhibits) {
        self.leaf("h2", &[], "Where it ran");
        let place = if report.vm { "micro-VM" } else { "this machine's own" };
        let kernel = ("kernel".to_owned(), format!("{} ({place})", report.kernel));
        let all = [kernel].into_iter().chain(exhibits.environment.iter().cloned());
        self.table(&["what", "version"], &[], all.map(|(name, what)| vec![name, what]).collect());
        self.leaf("footer", &[], concat!("Written by lvsmith ", env!("CARGO_PKG_VERSION"), "."));
    }

    /// A table; the columns named in `numbers` stand at the right.
    fn table(&mut self, header: &[&str], numbers: &[usize], rows: Vec<Vec<String>>) {
        let class = |column: usize| -> &'static [(&'static str, &'static str)] {
            if numbers.contains(&column) { &[("class", "number")] } else { &[] }
        };
        self.begin("div", &[("class", "scroll")]);
        self.begin("table", &[]);
        self.begin("thead", &[]);
        self.begin("tr", &[]);
        for (column, name) in header.iter().enumerate() {
            self.leaf("th", class(column), name);
        }
        self.end();
        self.end();
        self.begin("tbody", &[]);
        for row in rows {
            self.begin("tr", &[]);
            for (column, text) in row.iter().enumerate() {
                self.leaf("td", class(column), text);
            }
            self.end();
        }
        self.end();
        self.end();
        self.end();
    }
}

/// A task that did something, as a row: its host, its name, its changes or why it failed.
fn told(task: &Value) -> Option<Vec<String>> {
    let text = |key: &str| task[key].as_str().unwrap_or_default().to_owned();
    let item = task["item"].as_str().map(|item| format!(" ({item})")).unwrap_or_default();
    let changes = task["changes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let changes = changes.collect::<Vec<_>>().join("; ");
    let became = match text("status").as_str() {
        "changed" if changes.is_empty() => "changed".into(),
        "changed" => changes,
        status @ ("failed" | "unreachable" | "ignored") => format!("{status}: {}", text("message")),
        _ => return None,
    };
    Some(vec![text("host"), text("task") + &item, became])
}

/// Addresses, of many the first and last.
fn few(addresses: &[IpNet]) -> String {
    match addresses {
        [first, .., last] if addresses.len() > 4 => {
            format!("{first} … {last} ({})", addresses.len())
        }
        _ => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// A time as one says it.
fn spoken(seconds: f64) -> String {
    match seconds {
        _ if seconds < 0.0995 => format!("{:.0} ms", seconds * 1000.0),
        _ if seconds < 120.0 => format!("{seconds:.2} s"),
        _ => format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), seconds % 60.0),
    }
}

fn owned<'a>(attributes: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    attributes.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}
