//! A trial on a terminal: each phase as it happens with its time, and in the end what was
//! seen, as tables.

use std::io::Write;

use anstyle::{AnsiColor, Style};

use super::{Detail, Event, Reporter, Terminal};
use crate::lab::check::CheckReport;
use crate::lab::trial::{Audience, Phase, Report};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const HEADING: Style = Style::new().bold();

/// Draws a trial.
#[derive(Debug)]
pub struct TrialView<W> {
    terminal: Terminal<W>,
}

impl<W: Write> TrialView<W> {
    /// Draws on a terminal's lines.
    pub fn new(terminal: Terminal<W>) -> Self {
        Self { terminal }
    }

    fn line(&mut self, text: &str) {
        self.terminal.line(text);
    }

    fn quiet(&self) -> bool {
        self.terminal.detail() == Detail::Quiet
    }
}

fn verdict(passed: bool) -> (&'static str, Style) {
    if passed { ("passed", GOOD) } else { ("FAILED", BAD) }
}

impl<W: Write> Reporter for TrialView<W> {
    fn event(&mut self, event: &Event<'_>) {
        self.terminal.event(event);
    }
}

impl<W: Write> Audience for TrialView<W> {
    fn begins(&mut self, phase: &str) {
        if self.quiet() {
            return;
        }
        self.line(&format!("\n{HEADING}=== {phase}{HEADING:#}"));
        // What has tasks or checks says more as soon as the first one begins.
        self.terminal.doing(phase, "under way");
    }

    fn checking(&mut self, name: &str, number: usize, of: usize) {
        self.terminal.done();
        self.terminal.doing(&format!("check {number} of {of}"), name);
    }

    fn checked(&mut self, report: &CheckReport) {
        if self.quiet() && report.passed {
            return;
        }
        let (_, style) = verdict(report.passed);
        let text = report.to_string();
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        self.line(&format!("{style}{first}{style:#}"));
        if !rest.is_empty() {
            self.line(rest);
        }
    }

    fn ended(&mut self, phase: &Phase) {
        self.terminal.done();
        let (word, style) = verdict(phase.passed);
        self.line(&format!(
            "{HEADING}==={HEADING:#} {}: {style}{word}{style:#} in {:.2} s, {}",
            phase.name, phase.seconds, phase.summary
        ));
    }

    fn came_to(&mut self, report: &Report) {
        if let Some(why) = &report.skipped {
            self.line(&format!("skipped: lab {}: {why} ({})", report.lab, report.kernel));
            return;
        }
        let drawings: Vec<&String> =
            report.checks.iter().filter_map(|check| check.drawing.as_ref()).collect();
        let drawings = if self.quiet() && report.passed { Vec::new() } else { drawings };
        if !drawings.is_empty() {
            self.line(&format!("\n{HEADING}WHAT WAS SEEN{HEADING:#}"));
        }
        for drawing in drawings {
            self.line(&format!("\n{drawing}"));
        }
        self.line(&format!("\n{HEADING}PHASES{HEADING:#}"));
        for phase in &report.phases {
            let (word, style) = verdict(phase.passed);
            self.line(&format!(
                "  {:<12} {style}{word}{style:#} {:>7.2} s   {}",
                phase.name, phase.seconds, phase.summary
            ));
        }
        let (word, style) =
            if report.interrupted { ("interrupted", BAD) } else { verdict(report.passed) };
        let place = if report.vm { " in a micro-VM" } else { "" };
        self.line(&format!(
            "\n{style}{word}{style:#}: lab {} in {:.2} s, on kernel {}{place}",
            report.lab, report.seconds, report.kernel
        ));
    }
}
