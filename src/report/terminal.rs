//! Events as Ansible's users know them: PLAY, TASK, a line a host, PLAY RECAP.

use std::io::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indexmap::IndexMap;
use similar::TextDiff as Lines;

use super::{Event, Live, Reporter, Status, Tally, TaskResult};
use crate::modules::TextDiff;

const OK: Style = AnsiColor::Green.on_default();
const CHANGED: Style = AnsiColor::Yellow.on_default();
const SKIPPED: Style = AnsiColor::Cyan.on_default();
const FAILED: Style = AnsiColor::Red.on_default();
const HEADING: Style = Style::new().bold();

/// How wide a heading is filled with stars.
const WIDTH: usize = 79;

/// What takes longer than this is worth a word.
const SLOW: Duration = Duration::from_secs(5);

/// How much is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What changed and what failed.
    Quiet,
    /// A line for every task and host.
    #[default]
    Usual,
    /// Besides, the result of every task, and how long slow ones took.
    Results,
    /// Besides, where each task is written, and why check mode skips it.
    Places,
}

/// Writes events as lines; colours are taken out again where the output is no terminal.
#[derive(Debug)]
pub struct Terminal<W> {
    out: W,
    detail: Detail,
    live: Option<Live>,
    /// Headings that wait for something to stand below them.
    play: Option<String>,
    task: Option<(String, Option<String>)>,
}

impl<W: Write> Terminal<W> {
    /// Writes to `out`.
    pub fn new(out: W, detail: Detail) -> Self {
        Self { out, detail, live: None, play: None, task: None }
    }

    /// How much it tells.
    pub(super) fn detail(&self) -> Detail {
        self.detail
    }

    /// Whether a line about a host is to be seen.
    fn tells(&self, result: &TaskResult) -> bool {
        match result.status {
            Status::Ok => self.detail > Detail::Quiet,
            Status::Skipped => self.detail > Detail::Quiet || result.shown.is_some(),
            Status::Changed | Status::Failed | Status::Ignored | Status::Unreachable => true,
        }
    }

    fn headings(&mut self) {
        if let Some(play) = self.play.take() {
            self.heading(&play);
        }
        if let Some((task, place)) = self.task.take() {
            self.heading(&task);
            if let Some(place) = place {
                self.line(&format!("{SKIPPED}{place}{SKIPPED:#}"));
            }
        }
    }

    fn heading(&mut self, text: &str) {
        let stars = WIDTH.saturating_sub(text.chars().count() + 1).max(3);
        self.line(&format!("\n{HEADING}{text}{HEADING:#} {}", "*".repeat(stars)));
    }

    /// Shows at the lower end of a terminal what is going on, until it is done.
    pub(super) fn doing(&mut self, who: &str, what: &str) {
        if let Some(live) = &self.live {
            live.note(&Event::Doing { host: who, task: Some(what) });
        }
    }

    /// Takes away what was going on.
    pub(super) fn done(&mut self) {
        if let Some(live) = &self.live {
            live.clear();
        }
    }

    pub(super) fn line(&mut self, text: &str) {
        // A reader that went away (`| head`) is no reason to stop a change half way.
        let _ = writeln!(self.out, "{text}");
    }

    fn host(&mut self, host: &str, results: &[TaskResult], took: Duration) {
        if !results.iter().any(|result| self.tells(result)) {
            return;
        }
        self.headings();
        let told = |result: &TaskResult| result.status != Status::Skipped || result.shown.is_some();
        let skipped = !results.iter().any(told);
        if skipped && results.len() > 1 && self.detail < Detail::Results {
            self.line(&format!("{SKIPPED}skipping: [{host}]{SKIPPED:#}"));
            return;
        }
        // In a pipe two runs that did the same read the same.
        let slow = took >= SLOW && (self.live.is_some() || self.detail >= Detail::Results);
        let mut took = if slow { format!(" ({})", spoken(took)) } else { String::new() };
        let results: Vec<_> = results.iter().filter(|result| self.tells(result)).collect();
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
            let took = std::mem::take(&mut took);
            self.line(&format!("{style}{word}: [{host}]{item}{ignored}{style:#}{took}"));
            self.details(result, style);
        }
    }

    fn details(&mut self, result: &TaskResult, style: Style) {
        if let Some(shown) = &result.shown {
            self.indented(shown, Style::new());
        }
        let failed =
            matches!(result.status, Status::Failed | Status::Ignored | Status::Unreachable);
        let due = match result.status {
            _ if failed => Detail::Quiet,
            Status::Skipped => Detail::Places,
            _ => Detail::Results,
        };
        if let Some(message) = result.message.as_ref().filter(|_| self.detail >= due) {
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
        if self.detail >= Detail::Results
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
        if let Some(live) = &self.live {
            live.note(event);
        }
        match event {
            Event::Play { name } => {
                self.play = Some(format!("PLAY [{name}]"));
                self.task = None;
                if self.detail > Detail::Quiet {
                    self.headings();
                }
            }
            Event::NoHosts if self.detail > Detail::Quiet => {
                self.line("skipping: no hosts matched");
            }
            // Shown with its first host: a task that no host runs is not worth a heading.
            Event::Task { name, handler, module, place } => {
                let kind = if *handler { "RUNNING HANDLER" } else { "TASK" };
                let place = place.filter(|_| self.detail >= Detail::Places);
                let place = place.map(|place| format!("{} at {place}", module.unwrap_or("task")));
                self.task = Some((format!("{kind} [{name}]"), place));
            }
            Event::Host { host, results, took } => self.host(host, results, *took),
            Event::Waiting { host, why } if self.detail > Detail::Quiet => {
                self.line(&format!("{SKIPPED}waiting: [{host}]{SKIPPED:#}"));
                self.indented(why, SKIPPED);
            }
            Event::Ended { reason } => self.line(&format!("\n{FAILED}{reason}{FAILED:#}")),
            Event::Recap { tallies } => self.recap(tallies),
            Event::NoHosts | Event::Waiting { .. } | Event::Doing { .. } => {}
        }
        let _ = self.out.flush();
    }
}

impl Terminal<Live> {
    /// Writes above the lines that say what each host is at.
    #[must_use]
    pub fn live(live: Live, detail: Detail) -> Self {
        Self { live: Some(live.clone()), ..Self::new(live, detail) }
    }
}

/// A time as one says it: `12 s`, `3 min 20 s`.
pub(super) fn spoken(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
