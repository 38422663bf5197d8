//! `-R`: rules from standard input, many to the kernel at once.
//!
//! A line is words between white space; the word `ipvsadm` does not count. What the kernel
//! refuses is told, and the next line follows; wrong use ends it there. The exit code is the
//! last line's. What one read brought is done before the next one: a program that writes a
//! rule and waits does not wait in vain.

use std::io::BufRead;
use std::ops::ControlFlow;

use super::command::{Command, read};
use super::error::{Failure, Mistake};
use super::{Session, usage};
use crate::netlink::ipvs::Request;

/// What waits, and how the last line went.
#[derive(Default)]
struct Waiting {
    requests: Vec<Request>,
    code: u8,
}

/// Does what the lines say; answers the exit code.
pub(super) fn restore(session: &mut Session<'_>, input: &mut dyn BufRead) -> Result<u8, Failure> {
    let mut waiting = Waiting::default();
    let mut begun = Vec::new();
    loop {
        let read = input.fill_buf()?;
        let count = read.len();
        for part in read.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(part);
            if part.ends_with(b"\n") && line(session, &mut waiting, &mut begun)?.is_break() {
                return Ok(0);
            }
        }
        input.consume(count);
        if count == 0 && line(session, &mut waiting, &mut begun)?.is_break() {
            return Ok(0);
        }
        flush(session, &mut waiting)?;
        if count == 0 {
            return Ok(waiting.code);
        }
    }
}

/// Takes what was gathered as a line.
fn line(
    session: &mut Session<'_>,
    waiting: &mut Waiting,
    gathered: &mut Vec<u8>,
) -> Result<ControlFlow<()>, Failure> {
    let words = words(&String::from_utf8_lossy(gathered));
    gathered.clear();
    if words.is_empty() { Ok(ControlFlow::Continue(())) } else { command(session, waiting, &words) }
}

fn words(line: &str) -> Vec<String> {
    let words = line.split([' ', '\t', '\r', '\n']);
    words.filter(|word| !word.is_empty() && *word != "ipvsadm").map(str::to_owned).collect()
}

/// Does what the words say, or has it wait; after the help nothing follows.
fn command(
    session: &mut Session<'_>,
    waiting: &mut Waiting,
    words: &[String],
) -> Result<ControlFlow<()>, Failure> {
    let read = read(&session.program, words, &session.names);
    if let Ok(Command::Change(request)) = read {
        waiting.requests.push(request);
        return Ok(ControlFlow::Continue(()));
    }
    // What follows must see the changes made, and its messages come after theirs.
    flush(session, waiting)?;
    waiting.code = 0;
    match read {
        Ok(Command::Change(_)) => {}
        Ok(Command::List(list)) => session.list(list)?,
        Ok(Command::Help) => {
            session.out.write_all(usage::help(&session.program).as_bytes())?;
            return Ok(ControlFlow::Break(()));
        }
        Ok(Command::Version) => {
            session.out.write_all(usage::VERSION.as_bytes())?;
            return Ok(ControlFlow::Break(()));
        }
        // A restore within a restore would have no input.
        Ok(Command::Restore) => return Err(Mistake::NoCommand(session.program.clone()).into()),
        Err(mistake) => {
            let failure = Failure::from(mistake);
            if !failure.is_passed_over {
                return Err(failure);
            }
            session.tell(&failure.message)?;
            waiting.code = failure.code;
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Makes the changes that wait.
fn flush(session: &mut Session<'_>, waiting: &mut Waiting) -> Result<(), Failure> {
    let requests = std::mem::take(&mut waiting.requests);
    let Some(last) = requests.len().checked_sub(1) else { return Ok(()) };
    waiting.code = 0;
    let failures = match session.ipvs.send_all(&requests) {
        Ok(failures) => failures,
        Err(error) => return Err(Failure::of_change(&requests[last], &error)),
    };
    for failed in failures {
        let failure = Failure::of_change(&requests[failed.index], &failed.error);
        session.tell(&failure.message)?;
        if failed.index == last {
            waiting.code = failure.code;
        }
    }
    Ok(())
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
            assert_eq!(words(line), expected, "{line:?}");
        }
    }
}
