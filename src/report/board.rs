//! What each host is at, drawn as a line each: a pure function of what is known, the time, and
//! the room that there is.

use std::time::{Duration, Instant};

use anstyle::{Effects, Style};
use indexmap::IndexMap;
use unicode_width::UnicodeWidthChar;

use super::terminal::spoken;
use super::{Event, overall};

const DIM: Style = Style::new().effects(Effects::DIMMED);

/// A host's name gets no more columns than this.
const NAME: usize = 24;

/// The hosts of a play, in its order.
#[derive(Debug, Default)]
pub(super) struct Board {
    hosts: IndexMap<String, Doing>,
}

#[derive(Debug)]
struct Doing {
    /// Nothing while it waits for others.
    task: Option<String>,
    since: Instant,
}

/// Columns and rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Board {
    pub(super) fn note(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::Doing { host, task } => {
                let doing = Doing { task: task.map(plain), since: now };
                match self.hosts.get_mut(*host) {
                    Some(there) => *there = doing,
                    None => drop(self.hosts.insert((*host).to_owned(), doing)),
                }
            }
            Event::Host { host, results, .. } if overall(results).ends_host() => {
                self.hosts.shift_remove(*host);
            }
            Event::Play { .. } | Event::Ended { .. } | Event::Recap { .. } => self.clear(),
            _ => {}
        }
    }

    pub(super) fn clear(&mut self) {
        self.hosts.clear();
    }

    /// The lines, each shorter than the room is wide; as many as fit, and how many more there are.
    pub(super) fn lines(&self, now: Instant, room: Room) -> Vec<String> {
        // The last row is where the cursor stands.
        let rows = room.height.saturating_sub(1);
        let mut hosts: Vec<(&String, &Doing)> = self.hosts.iter().collect();
        if hosts.is_empty() || rows == 0 || room.width < 8 {
            return Vec::new();
        }
        let more = if hosts.len() > rows { hosts.len() - (rows - 1) } else { 0 };
        if more > 0 {
            // What waits can be left out first.
            hosts.sort_by_key(|(_, doing)| doing.task.is_none());
            hosts.truncate(rows - 1);
        }
        let widest = hosts.iter().map(|(name, _)| width(name)).max().unwrap_or_default();
        let column = widest.min(NAME).min(room.width / 3);
        let mut lines: Vec<String> =
            hosts.iter().map(|(name, doing)| doing.line(name, column, now, room.width)).collect();
        if more > 0 {
            lines.push(styled(&cut(&format!("and {more} more"), room.width - 1), DIM));
        }
        lines
    }
}

impl Doing {
    fn line(&self, name: &str, column: usize, now: Instant, room: usize) -> String {
        let name = cut(name, column);
        let gap = " ".repeat(column - width(&name));
        let time = now.saturating_duration_since(self.since);
        let time = match &self.task {
            Some(_) if time >= Duration::from_secs(1) => format!("  {}", spoken(time)),
            _ => String::new(),
        };
        let left = (room - 1).saturating_sub(column + 2 + width(&time));
        let (what, style) = match &self.task {
            Some(task) => (task.as_str(), Style::new()),
            None => ("waits for the others", DIM),
        };
        styled(&cut(&format!("{name}{gap}  {}{time}", cut(what, left)), room - 1), style)
    }
}

fn styled(text: &str, style: Style) -> String {
    format!("{style}{text}{style:#}")
}

/// A name may hold anything; what is drawn in one line must not leave it.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// As much of a text as fits, with a mark where something is missing.
fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    if room == 0 { kept } else { format!("{kept}…") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(hosts: &[(&str, Option<&str>)], now: Instant) -> Board {
        let mut board = Board::default();
        for (host, task) in hosts {
            board.note(&Event::Doing { host, task: *task }, now);
        }
        board
    }

    fn drawn(board: &Board, now: Instant, width: usize, height: usize) -> String {
        let lines = board.lines(now, Room { width, height });
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    #[test]
    fn has_a_line_for_each_host_with_the_time_of_what_is_slow() {
        let start = Instant::now();
        let board = board(&[("lb1", Some("Start nginx")), ("web-01.example", None)], start);
        insta::assert_snapshot!(drawn(&board, start, 80, 24), @r"
        lb1             Start nginx
        web-01.example  waits for the others
        ");
        insta::assert_snapshot!(drawn(&board, start + Duration::from_secs(130), 80, 24), @r"
        lb1             Start nginx  2 min 10 s
        web-01.example  waits for the others
        ");
    }

    #[test]
    fn fits_into_a_narrow_window() {
        let start = Instant::now();
        let task = "lvs_director : Das ist eine lange Aufgabe mit 漢字 darin";
        let board = board(&[("a-host-with-a-long-name", Some(task))], start);
        let later = start + Duration::from_secs(5);
        insta::assert_snapshot!(drawn(&board, later, 30, 24), @"a-host-wi…  lvs_directo…  5 s");
        for room in 0..80 {
            let lines = board.lines(later, Room { width: room, height: 5 });
            for line in lines {
                let line = anstream::adapter::strip_str(&line).to_string();
                assert!(width(&line) < room, "{room}: {line}");
            }
        }
    }

    #[test]
    fn shows_as_many_as_fit_those_first_that_do_something() {
        let names: Vec<String> = (1..=40).map(|n| format!("rs{n:02}")).collect();
        let hosts: Vec<(&str, Option<&str>)> = names
            .iter()
            .map(|name| (name.as_str(), name.ends_with('9').then_some("Install")))
            .collect();
        let start = Instant::now();
        insta::assert_snapshot!(drawn(&board(&hosts, start), start, 80, 6), @r"
        rs09  Install
        rs19  Install
        rs29  Install
        rs39  Install
        and 36 more
        ");
        assert_eq!(drawn(&board(&hosts, start), start, 80, 2), "and 40 more");
        assert_eq!(drawn(&board(&hosts, start), start, 80, 1), "");
    }

    #[test]
    fn is_empty_when_a_play_is_over() {
        let start = Instant::now();
        let mut board = board(&[("lb1", Some("a\nb\u{1b}[2J"))], start);
        assert_eq!(drawn(&board, start, 80, 24), "lb1  a b [2J");
        board.note(&Event::Recap { tallies: &IndexMap::new() }, start);
        assert_eq!(drawn(&board, start, 80, 24), "");
    }
}
