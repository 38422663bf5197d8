//! Events as JUnit's XML, which GitLab and Jenkins read: a suite for each play, a case for each
//! task and host. Of a lab there is a suite of its phases and one of its checks besides.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use super::{Event, Reporter, Status, TaskResult, overall};
use crate::diagnostic::{Diagnostics, Span};
use crate::lab::check::CheckReport;
use crate::lab::trial::{Audience, Phase, Report};
use crate::modules::TextDiff;
use crate::xml::Xml;

mod several;

pub use several::several;

/// Keeps what happens, and writes it when everything is done.
#[derive(Debug)]
pub struct Junit<W> {
    out: W,
    suites: Vec<Suite>,
    task: Task,
    /// The phase of a trial.
    phase: Option<String>,
}

#[derive(Debug, Default)]
struct Task {
    name: String,
    place: Option<(String, usize)>,
}

#[derive(Debug)]
struct Suite {
    name: String,
    cases: Vec<Case>,
    /// How often a name came up for a host: a second one of the same name would hide the first.
    names: HashMap<(String, String), usize>,
}

#[derive(Debug)]
struct Case {
    class: String,
    name: String,
    place: Option<(String, usize)>,
    took: Duration,
    outcome: Outcome,
    /// What was done, for people.
    output: String,
}

#[derive(Debug)]
enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
    /// The host could not be reached, or nothing was run.
    Error(String),
}

impl<W: Write> Junit<W> {
    /// Writes to `out` in the end.
    pub fn new(out: W) -> Self {
        Self { out, suites: Vec::new(), task: Task::default(), phase: None }
    }

    fn begin(&mut self, name: &str) {
        let name = match &self.phase {
            Some(phase) => format!("{phase}: {name}"),
            None => name.to_owned(),
        };
        self.suites.push(Suite { name, cases: Vec::new(), names: HashMap::new() });
    }

    /// The suite of that name, which is made where it is not there.
    fn suite(&mut self, name: &str) -> &mut Suite {
        let at = self.suites.iter().position(|suite| suite.name == name);
        let at = at.unwrap_or_else(|| {
            self.suites.push(Suite { name: name.into(), cases: Vec::new(), names: HashMap::new() });
            self.suites.len() - 1
        });
        &mut self.suites[at]
    }

    fn host(&mut self, host: &str, results: &[TaskResult], took: Duration) {
        let case = Case {
            class: host.to_owned(),
            name: self.task.name.clone(),
            place: self.task.place.clone(),
            took,
            outcome: outcome(results),
            output: results.iter().map(output).collect(),
        };
        if self.suites.is_empty() {
            self.begin("playbook");
        }
        if let Some(suite) = self.suites.last_mut() {
            suite.add(case);
        }
    }

    fn write(&mut self) {
        let suites = std::mem::take(&mut self.suites);
        let mut xml = Xml::new();
        let cases: Vec<&Case> = suites.iter().flat_map(|suite| &suite.cases).collect();
        xml.begin("testsuites", &totals("lvsmith", &cases));
        for suite in suites.iter().filter(|suite| !suite.cases.is_empty()) {
            xml.begin("testsuite", &totals(&suite.name, &suite.cases.iter().collect::<Vec<_>>()));
            suite.cases.iter().for_each(|case| case.write(&mut xml));
            xml.end();
        }
        // Nothing is left to tell where telling fails.
        let _ = self.out.write_all(xml.finish().as_bytes());
        let _ = self.out.flush();
    }
}

impl Suite {
    fn add(&mut self, mut case: Case) {
        let times = self.names.entry((case.class.clone(), case.name.clone())).or_default();
        *times += 1;
        if *times > 1 {
            case.name = format!("{} ({times})", case.name);
        }
        self.cases.push(case);
    }
}

impl Case {
    fn write(&self, xml: &mut Xml) {
        let mut attributes = vec![
            ("classname", self.class.clone()),
            ("name", self.name.clone()),
            ("time", seconds(self.took)),
        ];
        if let Some((file, line)) = &self.place {
            attributes.extend([("file", file.clone()), ("line", line.to_string())]);
        }
        let attributes = attributes;
        xml.begin("testcase", &attributes);
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        match &self.outcome {
            Outcome::Passed => {}
            Outcome::Skipped(why) => xml.leaf("skipped", &[("message", first(why))], ""),
            Outcome::Failed(why) => {
                xml.leaf("failure", &[("message", first(why)), ("type", "failed".into())], why);
            }
            Outcome::Error(why) => {
                xml.leaf("error", &[("message", first(why)), ("type", "error".into())], why);
            }
        }
        if !self.output.is_empty() {
            xml.leaf("system-out", &[], &self.output);
        }
        xml.end();
    }
}

impl<W: Write> Reporter for Junit<W> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Play { name } => self.begin(name),
            Event::Task { name, place, .. } => {
                let place = place.map(|span: &Span| (span.source.name.clone(), span.position().0));
                self.task = Task { name: (*name).to_owned(), place };
            }
            Event::Host { host, results, took } => self.host(host, results, *took),
            Event::Recap { .. } if self.phase.is_none() => self.write(),
            Event::NoHosts
            | Event::Doing { .. }
            | Event::Waiting { .. }
            | Event::Ended { .. }
            | Event::Recap { .. } => {}
        }
    }

    fn refused(&mut self, mistakes: &Diagnostics) {
        for mistake in &mistakes.0 {
            let place = mistake.span.as_ref();
            let place = place.map(|span| (span.source.name.clone(), span.position().0));
            let class = place.as_ref().map_or("lvsmith", |(file, _)| file).to_owned();
            self.suite("input").add(Case {
                class,
                name: mistake.message.clone(),
                place,
                took: Duration::ZERO,
                outcome: Outcome::Error(mistake.render(false)),
                output: String::new(),
            });
        }
        self.write();
    }
}

impl<W: Write> Audience for Junit<W> {
    fn begins(&mut self, phase: &str) {
        self.phase = Some(phase.to_owned());
    }

    fn checked(&mut self, report: &CheckReport) {
        let text = report.to_string();
        let outcome = if report.passed { Outcome::Passed } else { Outcome::Failed(text) };
        self.suite("checks").add(Case {
            class: report.kind.to_owned(),
            name: report.name.clone(),
            place: None,
            took: duration(report.seconds),
            outcome,
            output: report.drawing.clone().unwrap_or_default(),
        });
    }

    fn ended(&mut self, phase: &Phase) {
        let summary = phase.summary.clone();
        let (outcome, output) = match phase.passed {
            true => (Outcome::Passed, summary),
            false => (Outcome::Failed(summary), String::new()),
        };
        self.suite("phases").add(Case {
            class: "lab".into(),
            name: phase.name.to_owned(),
            place: None,
            took: duration(phase.seconds),
            outcome,
            output,
        });
    }

    fn came_to(&mut self, _: &Report) {
        self.write();
    }
}

fn outcome(results: &[TaskResult]) -> Outcome {
    let status = overall(results);
    let of = |result: &&TaskResult| result.status == status;
    let why: Vec<String> = results.iter().filter(of).map(reason).collect();
    let why = why.join("\n");
    match status {
        Status::Ok | Status::Changed | Status::Ignored => Outcome::Passed,
        Status::Skipped => Outcome::Skipped(why),
        Status::Failed => Outcome::Failed(why),
        Status::Unreachable => Outcome::Error(why),
    }
}

/// Why it ended as it did, with the item before it.
fn reason(result: &TaskResult) -> String {
    let why = [&result.message, &result.shown].into_iter().flatten().next();
    let item = result.item.iter().map(|item| format!("{item}: "));
    let hint = result.hint.iter().map(|hint| format!("\nhint: {hint}"));
    item.chain(why.cloned()).chain(hint).collect()
}

/// What was done, a line each.
fn output(result: &TaskResult) -> String {
    let item = result.item.as_ref().map(|item| format!("(item={item}) ")).unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    match result.status {
        Status::Changed => match &result.diff {
            Some(TextDiff { name, before, after }) => {
                let diff = similar::TextDiff::from_lines(before, after);
                let shown = diff.unified_diff().header(name, name).to_string();
                lines.extend(shown.lines().map(str::to_owned));
            }
            None => lines.extend(result.changes.iter().cloned()),
        },
        Status::Ignored => lines.push(format!("failed, and was ignored: {}", reason(result))),
        Status::Ok => lines.extend(result.shown.iter().cloned()),
        Status::Skipped | Status::Failed | Status::Unreachable => {}
    }
    lines.iter().map(|line| format!("{item}{line}\n")).collect()
}

fn totals(name: &str, cases: &[&Case]) -> Vec<(&'static str, String)> {
    let count = |of: fn(&Outcome) -> bool| cases.iter().filter(|case| of(&case.outcome)).count();
    vec![
        ("name", name.to_owned()),
        ("tests", cases.len().to_string()),
        ("failures", count(|one| matches!(one, Outcome::Failed(_))).to_string()),
        ("errors", count(|one| matches!(one, Outcome::Error(_))).to_string()),
        ("skipped", count(|one| matches!(one, Outcome::Skipped(_))).to_string()),
        ("time", seconds(cases.iter().map(|case| case.took).sum())),
    ]
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
