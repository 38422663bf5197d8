//! The command line, rule format and listing of ipvsadm 1.31, over this program's own netlink.
//!
//! Same arguments, same output, same messages and exit codes, byte for byte; what differs, and
//! why, is in `docs/ipvsadm.md`. `options` is the table everything goes by, `command` makes
//! a typed command of a line, `listing` and `rules` write what the kernel says.

mod address;
mod command;
mod connections;
mod draft;
mod error;
mod finish;
mod listing;
mod names;
mod number;
mod options;
mod parse;
mod restore;
mod rule;
mod rules;
mod sort;
mod usage;
mod wrapper;

use std::io::{BufRead, Write};

use command::{Columns, Command, Format, List};
use error::Failure;
use listing::Lister;
use names::Names;

use crate::modules::modprobe;
use crate::netlink::ipvs::{Handle, Request};

pub(crate) use rule::{RuleReader, WrongRule, rules_of_service};
pub use wrapper::Called;

/// What the command reads from and writes to.
pub struct Streams<'a> {
    /// Where rules to restore come from.
    pub input: &'a mut dyn BufRead,
    /// Where lists and rules go.
    pub out: &'a mut (dyn Write + Send),
    /// Where messages go.
    pub err: &'a mut (dyn Write + Send),
}

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

/// What a command line works with.
struct Session<'a> {
    /// The name that the help and messages show.
    program: String,
    ipvs: Handle,
    names: Names,
    out: &'a mut (dyn Write + Send),
    err: &'a mut (dyn Write + Send),
}

/// Does what the arguments say, in the network namespace of this thread; answers the exit code.
pub fn run(program: &str, arguments: &[String], streams: Streams<'_>) -> u8 {
    let Streams { input, out, err } = streams;
    let done = session(program, arguments, input, &mut *out, &mut *err);
    let flushed = out.flush().map_err(Failure::from);
    match done.and_then(|code| flushed.map(|()| code)) {
        Ok(code) => code,
        Err(failure) => {
            if !failure.message.is_empty() {
                // Nothing is left to tell where telling fails.
                let _ = writeln!(err, "{}", failure.message);
            }
            failure.code
        }
    }
}

fn session(
    program: &str,
    arguments: &[String],
    input: &mut dyn BufRead,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> Result<u8, Failure> {
    let names = Names::default();
    let command = if arguments.is_empty() {
        Ok(Command::List(List::Table(Format {
            columns: Columns::Usual,
            numeric: false,
            sorted: true,
            exact: false,
        })))
    } else {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        command::read(program, &words, &names)
    };
    // Neither needs a kernel.
    match command {
        Ok(Command::Help) => return print(out, &usage::help(program)),
        Ok(Command::Version) => return print(out, usage::VERSION),
        _ => {}
    }
    let ipvs = open()?;
    let mut session = Session { program: program.to_owned(), ipvs, names, out, err };
    match command? {
        Command::Change(request) => session.change(&request).map(|()| 0),
        Command::List(list) => session.list(list).map(|()| 0),
        Command::Restore => restore::restore(&mut session, input),
        Command::Help | Command::Version => Ok(0),
    }
}

fn print(out: &mut dyn Write, text: &str) -> Result<u8, Failure> {
    out.write_all(text.as_bytes())?;
    Ok(0)
}

/// Opens IPVS, and asks it something at once: whoever may not ask may do nothing at all.
fn open() -> Result<Handle, Failure> {
    let opened = modprobe::open_ipvs().and_then(|mut ipvs| ipvs.info().map(|_| ipvs));
    opened.map_err(|error| Failure::of_opening(&error))
}

impl Session<'_> {
    fn change(&mut self, request: &Request) -> Result<(), Failure> {
        modprobe::load_schedulers([request]);
        self.ipvs.send(request).map_err(|error| Failure::of_change(request, &error))
    }

    fn list(&mut self, list: List) -> Result<(), Failure> {
        match list {
            List::Connections(format) => {
                let names = (!format.numeric).then_some(&self.names);
                connections::list(self.out, format.columns == Columns::Persistent, names)
            }
            List::Service(key, format) => self.lister(format.numeric).service(&key, format),
            List::Table(format) => self.lister(format.numeric).table(format),
            List::Rules { numeric } => self.lister(numeric).rules(),
            List::Timeouts => self.lister(true).timeouts(),
            List::Daemons => self.lister(true).daemons(),
        }
    }

    fn lister(&mut self, numeric: bool) -> Lister<'_> {
        let names = (!numeric).then_some(&self.names);
        Lister { ipvs: &mut self.ipvs, names, out: self.out }
    }

    fn tell(&mut self, message: &str) -> std::io::Result<()> {
        // In the order in which things happened.
        self.out.flush()?;
        writeln!(self.err, "{message}")
    }
}
