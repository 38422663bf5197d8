//! Events as Ansible's users know them: PLAY, TASK, a line a host, PLAY RECAP.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use indexmap::IndexMap;
use similar::TextDiff as Lines;

use super::{Event, Reporter, Status, Tally, TaskResult};
use crate::modules::TextDiff;

const OK: Style = AnsiColor::Green.on_default();
const CHANGED: Style = AnsiColor::Yellow.on_default();
const SKIPPED: Style = AnsiColor::Cyan.on_default();
const FAILED: Style = AnsiColor::Red.on_default();
const HEADING: Style = Style::new().bold();

/// How wide a heading is filled with stars.
const WIDTH: usize = 79;

/// Writes events as lines; colours are taken out again where the output is no terminal.
#[derive(Debug)]
pub struct Terminal<W> {
    out: W,
    verbose: bool,
    pending: Option<String>,
}

impl<W: Write> Terminal<W> {
    /// Writes to `out`; `verbose` shows the result of every task.
    pub fn new(out: W, verbose: bool) -> Self {
        Self { out, verbose, pending: None }
    }

    fn heading(&mut self, text: &str) {
        let stars = WIDTH.saturating_sub(text.chars().count() + 1).max(3);
        self.line(&format!("\n{HEADING}{text}{HEADING:#} {}", "*".repeat(stars)));
    }

    pub(super) fn line(&mut self, text: &str) {
        // A reader that went away (`| head`) is no reason to stop a change half way.
        let _ = writeln!(self.out, "{text}");
    }

    fn host(&mut self, host: &str, results: &[TaskResult]) {
        let told = |result: &TaskResult| result.status != Status::Skipped || result.shown.is_some();
        let skipped = !results.iter().any(told);
        if skipped && results.len() > 1 && !self.verbose {
            self.line(&format!("{SKIPPED}skipping: [{host}]{SKIPPED:#}"));
            return;
        }
        for result in results {
            let (word, style) = match result.status {
                Status::Ok => ("ok", OK),
                Status::Changed => ("changed", CHANGED),
                Status::Skipped => ("skipping", SKIPPED),
                Status::Failed => ("failed", FAILED),
                Status::Ignored => ("failed", SKIPPED),
                Status::Unreachable => ("unreachable", FAILED),
            };
            let item = result.item.as_ref().map(|item| format!(" => (item={item})"));
            let item = item.unwrap_or_default();
            let ignored = if result.status == Status::Ignored { " ...ignoring" } else { "" };
            self.line(&format!("{style}{word}: [{host}]{item}{ignored}{style:#}"));
            self.details(result, style);
        }
    }

    fn details(&mut self, result: &TaskResult, style: Style) {
        if let Some(shown) = &result.shown {
            self.indented(shown, Style::new());
        }
        let failed =
            matches!(result.status, Status::Failed | Status::Ignored | Status::Unreachable);
        if let Some(message) = result.message.as_ref().filter(|_| failed || self.verbose) {
            self.indented(message, if result.bad_input { Style::new() } else { style });
        }
        if let Some(hint) = result.hint.as_ref().filter(|_| failed) {
            self.indented(&format!("hint: {hint}"), Style::new());
        }
        match &result.diff {
            // With `changed_when: false` there may be one, and it is nobody's concern.
            _ if result.status != Status::Changed => {}
            Some(diff) => self.diff(diff),
            None => result.changes.iter().for_each(|change| self.indented(change, Style::new())),
        }
        if self.verbose
            && !result.result.is_empty()
            && let Ok(text) = serde_yaml::to_string(&result.result)
        {
            self.indented(text.trim_end(), Style::new());
        }
    }

    fn indented(&mut self, text: &str, style: Style) {
        for line in text.lines() {
            self.line(&format!("    {style}{line}{style:#}"));
        }
    }

    fn diff(&mut self, diff: &TextDiff) {
        let lines = Lines::from_lines(&diff.before, &diff.after);
        let before = if diff.before.is_empty() { "/dev/null" } else { &diff.name };
        let text = lines.unified_diff().context_radius(3).header(before, &diff.name).to_string();
        for line in text.lines() {
            let style = match line.as_bytes().first() {
                Some(b'+') => OK,
                Some(b'-') => FAILED,
                Some(b'@') => SKIPPED,
                _ => Style::new(),
            };
            self.indented(line, style);
        }
    }

    fn recap(&mut self, tallies: &IndexMap<String, Tally>) {
        self.heading("PLAY RECAP");
        let width = tallies.keys().map(String::len).max().unwrap_or(0).max(18);
        for (host, tally) in tallies {
            let style = match tally {
                Tally { failed: 1.., .. } | Tally { unreachable: 1.., .. } => FAILED,
                Tally { changed: 1.., .. } => CHANGED,
                _ => OK,
            };
            let Tally { ok, changed, unreachable, failed, skipped, rescued, ignored } = tally;
            self.line(&format!(
                "{style}{host:width$}{style:#} : ok={ok:<4} changed={changed:<4} \
                 unreachable={unreachable:<4} failed={failed:<4} skipped={skipped:<4} \
                 rescued={rescued:<4} ignored={ignored}"
            ));
        }
    }
}

impl<W: Write> Reporter for Terminal<W> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Play { name } => self.heading(&format!("PLAY [{name}]")),
            Event::NoHosts => self.line("skipping: no hosts matched"),
            // Shown with its first host: a task that no host runs is not worth a heading.
            Event::Task { name, handler } => {
                let kind = if *handler { "RUNNING HANDLER" } else { "TASK" };
                self.pending = Some(format!("{kind} [{name}]"));
            }
            Event::Host { host, results } => {
                if let Some(heading) = self.pending.take() {
                    self.heading(&heading);
                }
                self.host(host, results);
            }
            Event::Waiting { host, why } => {
                self.line(&format!("{SKIPPED}waiting: [{host}]{SKIPPED:#}"));
                self.indented(why, SKIPPED);
            }
            Event::Ended { reason } => self.line(&format!("\n{FAILED}{reason}{FAILED:#}")),
            Event::Recap { tallies } => self.recap(tallies),
        }
        let _ = self.out.flush();
    }
}
