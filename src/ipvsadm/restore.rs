//! `-R`: rules from standard input, many to the kernel at once.
//!
//! A line is words between white space; the word `ipvsadm` does not count. What the kernel
//! refuses is told, and the next line follows; wrong use ends it there. The exit code is the
//! last line's.
//!
//! One thread reads and encodes, another one sends, so the kernel is at work meanwhile. What one
//! read brought is handed over before the next one: a program that writes a rule and waits does
//! not wait in vain.

use std::io::BufRead;
use std::ops::ControlFlow::{self, Break, Continue};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::command::{Command, List, read};
use super::error::{Failure, Mistake};
use super::names::Names;
use super::{Session, usage};
use crate::modules::modprobe::Schedulers;
use crate::netlink::ipvs::{Encoded, Encoder, Request};

/// How many changes are handed over together, at the most: few enough for the kernel to begin
/// soon, and whole datagrams.
const TOGETHER: usize = 400;

/// How many jobs may wait for a kernel that is slower. More would only take memory.
const WAITING: usize = 8;

/// More words than nearly every line has.
const USUAL_WORDS: usize = 16;

/// What lines ask for, in their order.
enum Job {
    Changes(Encoded),
    List(List),
    Print(String),
    /// A mistake that the next line follows.
    Tell(Failure),
}

/// Does what the lines say; answers the exit code.
pub(super) fn restore(session: &mut Session<'_>, input: &mut dyn BufRead) -> Result<u8, Failure> {
    let program = session.program.clone();
    std::thread::scope(|scope| {
        let (jobs, waiting) = sync_channel(WAITING);
        let encoder = session.ipvs.encoder();
        let doing = scope.spawn(move || session.work(&waiting));
        let (names, changes) = (Names::default(), Vec::with_capacity(TOGETHER));
        let mut reading = Reading { program, names, encoder, changes, jobs };
        let read = reading.all(input);
        // What stands before a mistake is done before it is told. Where nobody takes it any
        // more, there is an earlier failure.
        let _ = reading.hand_over();
        drop(reading);
        let code = doing.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        read.map(|_| code)
    })
}

struct Reading {
    program: String,
    names: Names,
    encoder: Encoder,
    changes: Vec<Request>,
    jobs: SyncSender<Job>,
}

impl Reading {
    /// Reads lines until one that nothing follows, or the last.
    fn all(&mut self, input: &mut dyn BufRead) -> Result<ControlFlow<()>, Failure> {
        let mut begun = Vec::new();
        loop {
            let read = input.fill_buf().map_err(|error| Failure::of_input(&error))?;
            let count = read.len();
            for part in read.split_inclusive(|byte| *byte == b'\n') {
                let flow = match part.ends_with(b"\n") {
                    true if begun.is_empty() => self.line(part)?,
                    whole => {
                        begun.extend_from_slice(part);
                        if whole { self.line(&std::mem::take(&mut begun))? } else { Continue(()) }
                    }
                };
                if flow.is_break() {
                    return Ok(flow);
                }
            }
            input.consume(count);
            if count == 0 {
                return self.line(&begun);
            }
            if self.hand_over().is_break() {
                return Ok(Break(()));
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<ControlFlow<()>, Failure> {
        let line = String::from_utf8_lossy(line);
        let mut found = Vec::with_capacity(USUAL_WORDS);
        found.extend(words(&line));
        if found.is_empty() {
            return Ok(Continue(()));
        }
        let job = match read(&self.program, &found, &self.names) {
            Ok(Command::Change(request)) => {
                self.changes.push(request);
                let full = self.changes.len() >= TOGETHER;
                return Ok(if full { self.hand_over() } else { Continue(()) });
            }
            Ok(Command::List(list)) => Job::List(list),
            Ok(Command::Help) => Job::Print(usage::help(&self.program)),
            Ok(Command::Version) => Job::Print(usage::VERSION.to_owned()),
            // A restore within a restore would have no input.
            Ok(Command::Restore) => return Err(Mistake::NoCommand(self.program.clone()).into()),
            Err(mistake) => match Failure::from(mistake) {
                failure if failure.is_passed_over => Job::Tell(failure),
                failure => return Err(failure),
            },
        };
        // What follows must see the changes made, and its messages come after theirs.
        let last = matches!(job, Job::Print(_));
        let taken = self.hand_over().is_continue() && self.jobs.send(job).is_ok();
        Ok(if last || !taken { Break(()) } else { Continue(()) })
    }

    /// Hands over the changes that were read; there is no going on when nobody takes them.
    fn hand_over(&mut self) -> ControlFlow<()> {
        if self.changes.is_empty() {
            return Continue(());
        }
        let changes = std::mem::replace(&mut self.changes, Vec::with_capacity(TOGETHER));
        match self.jobs.send(Job::Changes(self.encoder.encode(changes))) {
            Ok(()) => Continue(()),
            Err(_) => Break(()),
        }
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    let words = line.as_bytes().split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    // What stands between letters of ASCII is whole.
    let words = words.filter_map(|word| std::str::from_utf8(word).ok());
    words.filter(|word| !word.is_empty() && *word != "ipvsadm")
}

impl Session<'_> {
    /// Does the jobs until there are no more; answers the last one's exit code.
    fn work(&mut self, jobs: &Receiver<Job>) -> Result<u8, Failure> {
        let mut code = 0;
        let mut schedulers = Schedulers::default();
        for job in jobs {
            code = match job {
                Job::Changes(encoded) => {
                    schedulers.load(&encoded.requests);
                    self.changes(encoded)?
                }
                Job::List(list) => self.list(list).map(|()| 0)?,
                Job::Print(text) => super::print(self.out, &text)?,
                Job::Tell(failure) => {
                    self.tell(&failure.message)?;
                    failure.code
                }
            };
        }
        Ok(code)
    }

    /// Makes changes, and tells which of them failed.
    fn changes(&mut self, encoded: Encoded) -> Result<u8, Failure> {
        let requests = encoded.requests;
        let Some((last, _)) = requests.split_last() else { return Ok(0) };
        let sent = self.ipvs.send_batches(&requests, encoded.batches);
        let failures = sent.map_err(|error| Failure::of_change(last, &error))?;
        let mut code = 0;
        for failed in failures {
            let failure = Failure::of_change(&requests[failed.index], &failed.error);
            self.tell(&failure.message)?;
            if failed.index + 1 == requests.len() {
                code = failure.code;
            }
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_name_of_the_program_wherever_it_stands() {
        let cases: [(&str, &[&str]); 4] = [
            ("ipvsadm -A\t-t  x \r\n", &["-A", "-t", "x"]),
            ("-A ipvsadm -t x", &["-A", "-t", "x"]),
            ("ipvsadm\n", &[]),
            ("# a\n", &["#", "a"]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line).collect::<Vec<_>>(), expected, "{line:?}");
        }
    }
}
