//! What a command line asks for, typed; and the way from words to it.
//!
//! The real one acts on switches from left to right, so an earlier mistake hides a later one:
//! values first (`Draft`), then what stands beside them, then which
//! options go together, and last what does not fit the service.

use super::draft::Draft;
use super::error::{Mistake, Of};
use super::finish;
use super::names::Names;
use super::options::{Means, Rule, SUBJECTS, Subject, Verb};
use super::parse::Reader;
use crate::netlink::ipvs::{Request, ServiceKey};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Change(Request),
    List(List),
    /// Rules from standard input.
    Restore,
    Help,
    Version,
}

/// What is to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Connections(Format),
    Service(ServiceKey, Format),
    Table(Format),
    /// The table as rules.
    Rules {
        numeric: bool,
    },
    Timeouts,
    Daemons,
}

/// How a list looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) columns: Columns,
    /// Addresses and ports, not names.
    pub(super) numeric: bool,
    pub(super) sorted: bool,
    /// All digits of large numbers.
    pub(super) exact: bool,
}

/// What stands beside a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    Usual,
    Stats,
    Rate,
    Thresholds,
    Persistent,
    Tunnel,
}

/// What is wrong with a command line, and which of its words showed it; none when it is what
/// they say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misread {
    pub(super) mistake: Mistake,
    pub(super) word: Option<usize>,
}

impl From<Mistake> for Misread {
    fn from(mistake: Mistake) -> Self {
        Self { mistake, word: None }
    }
}

/// Reads a command line, without the program's name.
pub(super) fn read(program: &str, arguments: &[String], names: &Names) -> Result<Command, Mistake> {
    read_placed(program, arguments, names).map_err(|misread| misread.mistake)
}

/// The same, and where it is wrong.
pub(super) fn read_placed(
    program: &str,
    arguments: &[String],
    names: &Names,
) -> Result<Command, Misread> {
    let mut reader = Reader::new(arguments);
    let no_command = || Misread { mistake: Mistake::NoCommand(program.to_owned()), word: Some(0) };
    let Ok(Some((first, value))) = reader.switch() else { return Err(no_command()) };
    let verb = match first.means {
        Means::Command(Verb::Help) => return Ok(Command::Help),
        Means::Command(Verb::Version) => return Ok(Command::Version),
        Means::Command(verb) => verb,
        _ => return Err(no_command()),
    };
    let at = |reader: &Reader<'_>, mistake| Misread { mistake, word: Some(reader.place()) };
    let mut draft = Draft::new(verb, value).map_err(|mistake| at(&reader, mistake))?;
    loop {
        match reader.switch() {
            Ok(Some((switch, value))) => match switch.means {
                Means::Command(_) => {
                    let mistake = Mistake::SecondCommand(reader.word().to_owned());
                    return Err(at(&reader, mistake));
                }
                means => {
                    draft.take(means, value, names).map_err(|mistake| at(&reader, mistake))?;
                }
            },
            Ok(None) => break,
            Err(problem) => {
                let mistake = Mistake::Switch(reader.word().to_owned(), problem);
                return Err(at(&reader, mistake));
            }
        }
    }
    let others = reader.others();
    let rest = if verb == Verb::Set { draft.take_timeouts(&others)? } else { &others };
    if let Some(other) = rest.first() {
        let word = arguments.iter().position(|word| word == other);
        return Err(Misread { mistake: Mistake::Unexpected((*other).to_owned()), word });
    }
    let flags = draft.scheduler_flags()?;
    let rules = SUBJECTS.iter().map(|(subject, _)| (*subject, subject.rule(verb)));
    check(rules, |subject| draft.has(subject), Of::Command(verb))?;
    Ok(finish::command(draft, verb, flags)?)
}

/// Holds what was given against the rules for it.
pub(super) fn check(
    rules: impl Iterator<Item = (Subject, Rule)>,
    given: impl Fn(Subject) -> bool,
    of: Of,
) -> Result<(), Mistake> {
    let mut exclusive = None;
    for (subject, rule) in rules {
        match (given(subject), rule) {
            (false, Rule::Required) => return Err(Mistake::Missing(subject, of)),
            (true, Rule::Illegal) => return Err(Mistake::Illegal(subject, of)),
            (true, Rule::Exclusive) => match exclusive {
                Some(other) => return Err(Mistake::Conflict(subject, other, of)),
                None => exclusive = Some(subject),
            },
            _ => {}
        }
    }
    Ok(())
}
