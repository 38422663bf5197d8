//! What `list` and `stats` have in common: read the table and draw it, once or again and again.

use std::io::{IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::{Failure, FormatArgs, Outcome, say};
use crate::cli::Exit;
use crate::diagnostic::Diagnostic;
use crate::director::{Observed, ServiceView, view};
use crate::netlink::ipvs::{Handle, ServiceKey};

/// Whether to go on looking.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// Show it anew every so many seconds, 2 when not said, with rates from the counters
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = seconds)]
    watch: Option<Duration>,
    /// With `--watch`: end after so many times
    #[arg(long, value_name = "N", requires = "watch",
          value_parser = clap::value_parser!(u32).range(1..))]
    times: Option<u32>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds, from 0.1 to a day's worth".into()),
    }
}

impl WatchArgs {
    /// Shows one service, or all.
    pub(super) fn show(
        &self,
        service: Option<ServiceKey>,
        format: FormatArgs,
        draw: impl Fn(&[ServiceView]) -> String,
    ) -> Outcome {
        let mut ipvs = super::open()?;
        let mut table = read(&mut ipvs, service)?;
        let mut taken = Instant::now();
        let views = view(&table, None);
        let Some(every) = self.watch else {
            format.print(&views, || draw(&views))?;
            return Ok(Exit::Declared);
        };
        let mut screen = Screen::new();
        screen.show(&format.frame(&views, &draw)?);
        let mut left = self.times.map(|times| times - 1);
        while left != Some(0) {
            // What reading and drawing took is no part of the pause.
            thread::sleep(every.saturating_sub(taken.elapsed()));
            let now = read(&mut ipvs, service)?;
            let age = taken.elapsed();
            taken = Instant::now();
            screen.show(&format.frame(&view(&now, Some((&table, age))), &draw)?);
            table = now;
            left = left.map(|left| left - 1);
        }
        Ok(Exit::Declared)
    }
}

fn read(ipvs: &mut Handle, service: Option<ServiceKey>) -> Result<Observed, Failure> {
    let Some(key) = service else { return Ok(ipvs.table()?) };
    match ipvs.service(&key)? {
        Some(state) => Ok(vec![(state, ipvs.destinations(&key)?)]),
        None => Err(Failure::host(
            Diagnostic::new(format!("there is no service `{key}`"))
                .hint("`lvsmith ipvs list` shows those there are"),
        )),
    }
}

impl FormatArgs {
    /// One of many: as JSON a line, as YAML a document.
    fn frame(
        self,
        views: &[ServiceView],
        draw: impl FnOnce(&[ServiceView]) -> String,
    ) -> Result<String, Failure> {
        if self.json {
            let text = serde_json::to_string(views).map_err(|error| {
                Failure::host(Diagnostic::new(format!("failed to write what was found: {error}")))
            })?;
            return Ok(text + "\n");
        }
        let text = self.write(&views, || draw(views))?;
        Ok(if self.yaml { format!("---\n{text}") } else { text })
    }
}

/// Where frames are shown: over one another on a terminal, one after the other elsewhere.
struct Screen {
    terminal: bool,
    frames: usize,
}

impl Screen {
    fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), frames: 0 }
    }

    fn show(&mut self, frame: &str) {
        if self.terminal {
            let height = terminal_size::terminal_size().map_or(24, |(_, height)| height.0.into());
            let plain = anstream::AutoStream::choice(&std::io::stdout());
            let frame = match plain {
                anstream::ColorChoice::Never => anstream::adapter::strip_str(frame).to_string(),
                _ => frame.to_owned(),
            };
            let mut out = std::io::stdout();
            // anstream would take these out again where colours are not wanted.
            let _ = out.write_all(over_the_last(&frame, height, self.frames == 0).as_bytes());
            let _ = out.flush();
        } else {
            let gap = if self.frames > 0 && !frame.starts_with(['[', '-']) { "\n" } else { "" };
            say(&format!("{gap}{frame}"));
        }
        self.frames += 1;
    }
}

/// A frame as a terminal takes it: from the top left corner, lines cut at the right and at the
/// bottom rather than wrapped and scrolled, and nothing left of the frame before.
fn over_the_last(frame: &str, height: usize, first: bool) -> String {
    let lines: Vec<&str> = frame.lines().collect();
    let room = height.saturating_sub(1).max(1);
    let mut out = String::from(if first { "\x1b[2J\x1b[H\x1b[?7l" } else { "\x1b[H\x1b[?7l" });
    let shown = if lines.len() > room { room - 1 } else { lines.len() };
    for line in lines.iter().take(shown) {
        out.push_str(&format!("{line}\x1b[K\r\n"));
    }
    if shown < lines.len() {
        out.push_str(&format!("… and {} more lines\x1b[K\r\n", lines.len() - shown));
    }
    out + "\x1b[?7h\x1b[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_a_frame_that_is_higher_than_the_screen() {
        let shown = over_the_last("a\nb\nc\nd\n", 4, false);
        assert_eq!(
            shown,
            "\x1b[H\x1b[?7la\x1b[K\r\nb\x1b[K\r\n… and 2 more lines\x1b[K\r\n\x1b[?7h\x1b[J"
        );
        let whole = over_the_last("a\nb\n", 4, true);
        assert!(whole.starts_with("\x1b[2J") && !whole.contains('…'), "{whole:?}");
    }

    #[test]
    fn takes_pauses_that_make_sense() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "x", "NaN", "inf", "86401"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
