//! Events as JSON, one document a line, for programs: `docs/output.md` says what is in them.

use std::io::Write;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Event, Reporter, TaskResult, overall};
use crate::diagnostic::Diagnostics;
use crate::lab::check::CheckReport;
use crate::lab::trial::{Audience, Phase, Report};

/// Goes up when a line loses something, or something in it comes to mean something else; what is
/// added does not count.
pub const SCHEMA: u32 = 1;

/// Writes events as lines of JSON.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
    play: String,
    task: String,
}

/// What became of a task on a host.
#[derive(Serialize)]
struct Host<'a> {
    event: &'static str,
    play: &'a str,
    task: &'a str,
    host: &'a str,
    status: super::Status,
    seconds: f64,
    results: &'a [TaskResult],
}

impl<W: Write> Json<W> {
    /// Writes to `out`; the first line says which schema the others have.
    pub fn new(out: W) -> Self {
        let mut json = Self { out, play: String::new(), task: String::new() };
        let version = env!("CARGO_PKG_VERSION");
        json.line(&json!({ "event": "begin", "schema": SCHEMA, "lvsmith": version }));
        json
    }

    fn line(&mut self, value: &impl Serialize) {
        // A reader that went away is no reason to stop a change half way.
        if let Ok(text) = serde_json::to_string(value) {
            let _ = writeln!(self.out, "{text}");
            let _ = self.out.flush();
        }
    }
}

impl<W: Write> Reporter for Json<W> {
    fn event(&mut self, event: &Event<'_>) {
        let line = match event {
            Event::Play { name } => {
                (*name).clone_into(&mut self.play);
                json!({ "event": "play", "play": name })
            }
            Event::NoHosts => json!({ "event": "no_hosts", "play": self.play }),
            Event::Task { name, handler, module, place } => {
                (*name).clone_into(&mut self.task);
                let place = place.map(ToString::to_string);
                json!({
                    "event": "task", "play": self.play, "task": name, "handler": handler,
                    "module": module, "place": place,
                })
            }
            Event::Host { host, results, took } => {
                let (play, task) = (self.play.clone(), self.task.clone());
                return self.line(&Host {
                    event: "host",
                    play: &play,
                    task: &task,
                    host,
                    status: overall(results),
                    seconds: (took.as_secs_f64() * 1e6).round() / 1e6,
                    results,
                });
            }
            Event::Waiting { host, why } => json!({ "event": "waiting", "host": host, "why": why }),
            Event::Ended { reason } => json!({ "event": "ended", "reason": reason }),
            Event::Recap { tallies } => {
                json!({ "event": "recap", "schema": SCHEMA, "hosts": tallies })
            }
            Event::Doing { .. } => return,
        };
        self.line(&line);
    }

    fn refused(&mut self, mistakes: &Diagnostics) {
        self.line(&json!({ "event": "refused", "schema": SCHEMA, "mistakes": mistakes.0 }));
    }
}

impl<W: Write> Audience for Json<W> {
    fn begins(&mut self, phase: &str) {
        self.line(&json!({ "event": "phase", "phase": phase }));
    }

    fn checked(&mut self, report: &CheckReport) {
        self.line(&with_event("check", report));
    }

    fn ended(&mut self, phase: &Phase) {
        let Phase { name, passed, seconds, summary, .. } = phase;
        self.line(&json!({
            "event": "phase_ended", "phase": name, "passed": passed, "seconds": seconds,
            "summary": summary,
        }));
    }

    fn came_to(&mut self, report: &Report) {
        let Report { lab, kernel, vm, passed, seconds, interrupted, skipped, .. } = report;
        self.line(&json!({
            "event": "trial", "schema": SCHEMA, "lab": lab, "kernel": kernel, "vm": vm,
            "passed": passed, "seconds": seconds, "interrupted": interrupted,
            "skipped": skipped,
        }));
    }
}

/// A value's own keys after that of the event.
fn with_event(event: &str, value: &impl Serialize) -> Value {
    let mut line = json!({ "event": event });
    if let (Value::Object(line), Ok(Value::Object(own))) = (&mut line, serde_json::to_value(value))
    {
        line.extend(own);
    }
    line
}
