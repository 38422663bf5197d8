//! The lower end of a terminal, where each host has a line that is drawn again and again, below
//! all that stays. A thread of its own draws; everything that is written goes through here.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Event;
use super::board::{Board, Room, width};

/// How often lines are drawn again.
const TICK: Duration = Duration::from_millis(100);

/// A terminal with lines that move; everything else is written above them.
#[derive(Debug, Clone)]
pub struct Live {
    screen: Arc<Mutex<Screen>>,
}

struct Screen {
    out: Box<dyn Write + Send>,
    size: fn() -> Option<(usize, usize)>,
    color: bool,
    board: Board,
    /// What is yet to be written above the lines.
    text: Vec<u8>,
    /// How wide each line is that is there now.
    painted: Vec<usize>,
}

impl Live {
    /// On standard output, where that is a terminal that can move its cursor and somebody looks
    /// at: not where `TERM` is `dumb`, or under CI.
    #[must_use]
    pub fn on_stdout() -> Option<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|term| term == "dumb");
        let ci = set("CI").is_some_and(|ci| ci != "false");
        if dumb || ci || !io::stdout().is_terminal() {
            return None;
        }
        let choice = anstream::AutoStream::choice(&io::stdout());
        let color = choice != anstream::ColorChoice::Never;
        Some(Self::start(Box::new(io::stdout()), color, || {
            let (width, height) = terminal_size::terminal_size()?;
            Some((width.0.into(), height.0.into()))
        }))
    }

    fn start(
        out: Box<dyn Write + Send>,
        color: bool,
        size: fn() -> Option<(usize, usize)>,
    ) -> Self {
        let (text, painted) = Default::default();
        let screen = Screen { out, size, color, board: Board::default(), text, painted };
        let live = Self { screen: Arc::new(Mutex::new(screen)) };
        let watched = Arc::downgrade(&live.screen);
        std::thread::spawn(move || {
            while let Some(screen) = watched.upgrade() {
                lock(&screen).paint();
                drop(screen);
                std::thread::sleep(TICK);
            }
        });
        live
    }

    /// Takes note of what happens.
    pub(super) fn note(&self, event: &Event<'_>) {
        lock(&self.screen).board.note(event, Instant::now());
    }

    /// Takes the lines away.
    pub(super) fn clear(&self) {
        let mut screen = lock(&self.screen);
        screen.board.clear();
        screen.paint();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Write for Live {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.screen).text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut screen = lock(&self.screen);
        if !screen.text.is_empty() {
            screen.paint();
        }
        Ok(())
    }
}

fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Screen {
    /// Writes what is to stay over the lines that are there, and the lines anew below it.
    fn paint(&mut self) {
        let (width, height) = (self.size)().unwrap_or((80, 24));
        let lines = self.board.lines(Instant::now(), Room { width, height });
        if lines.is_empty() && self.painted.is_empty() && self.text.is_empty() {
            return;
        }
        let mut output = String::new();
        // A window that was made narrower has broken long lines into several.
        let rows: usize = self.painted.iter().map(|line| line.div_ceil(width.max(1)).max(1)).sum();
        if rows > 0 {
            output.push_str(&format!("\x1b[{rows}A\r"));
        }
        let text = String::from_utf8_lossy(&self.text);
        if !text.is_empty() {
            output.push_str("\x1b[J");
            output.push_str(&self.shown(&text));
        }
        for line in &lines {
            output.push_str(&self.shown(line));
            output.push_str("\x1b[K\n");
        }
        output.push_str("\x1b[J");
        self.painted = lines.iter().map(|line| width_of(line)).collect();
        self.text.clear();
        // A terminal that went away is no reason to stop a change half way.
        let _ = self.out.write_all(output.as_bytes()).and_then(|()| self.out.flush());
    }

    fn shown(&self, text: &str) -> String {
        if self.color { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() }
    }
}

fn width_of(line: &str) -> usize {
    width(&anstream::adapter::strip_str(line).to_string())
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("board", &self.board).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::check::CheckReport;
    use crate::lab::trial::{Audience, Phase};
    use crate::report::{Detail, Terminal, TrialView};

    /// A terminal that keeps what is written to it.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn shows_the_check_that_is_looked_at_in_place() {
        let kept = Kept::default();
        let live = Live::start(Box::new(kept.clone()), false, || Some((60, 10)));
        let mut view = TrialView::new(Terminal::live(live.clone(), Detail::Usual));
        view.begins("verify");
        view.checking("only lb1 answers", 2, 3);
        lock(&live.screen).paint();
        let check = CheckReport {
            name: "only lb1 answers".into(),
            kind: "arp",
            passed: true,
            seconds: 0.5,
            expected: Vec::new(),
            seen: Vec::new(),
            problems: Vec::new(),
            causes: Vec::new(),
            evidence: serde_json::Value::Null,
            drawing: None,
            asker: None,
            packets: Vec::new(),
        };
        view.checked(&check);
        view.ended(&Phase {
            name: "verify",
            passed: true,
            seconds: 1.0,
            summary: "1 of 1 check passed".into(),
            evidence: serde_json::Value::Null,
        });
        lock(&live.screen).paint();
        let written = kept.0.lock().unwrap().clone();
        let written = String::from_utf8(written).unwrap();
        let (before, after) = written.split_once("check 2 of 3  only lb1 answers").unwrap();
        assert!(before.contains("=== verify"), "{before:?}");
        // The line is drawn over by what stays, and is not there any more at the end.
        assert!(after.contains("passed: only lb1 answers (0.50 s)"), "{after:?}");
        let last = after.rsplit("\x1b[J").find(|part| !part.is_empty()).unwrap();
        assert!(!last.contains("check 2 of 3"), "{last:?}");
        assert!(last.contains("=== verify: passed"), "{last:?}");
    }
}
