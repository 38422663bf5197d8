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

/// Reads a command line, without the program's name.
pub(super) fn read(program: &str, arguments: &[&str], names: &Names) -> Result<Command, Mistake> {
    understand(program, &mut Reader::new(arguments), names)
}

/// The same, and where it is wrong.
pub(super) fn read_placed(
    program: &str,
    arguments: &[&str],
    names: &Names,
) -> Result<Command, Misread> {
    let mut reader = Reader::new(arguments);
    understand(program, &mut reader, names).map_err(|mistake| {
        let word = match &mistake {
            Mistake::NoCommand(_) => Some(0),
            Mistake::Unexpected(other) => arguments.iter().position(|word| word == other),
            _ => reader.place(),
        };
        Misread { mistake, word }
    })
}

fn understand(program: &str, reader: &mut Reader<'_>, names: &Names) -> Result<Command, Mistake> {
    let Ok(Some((first, value))) = reader.switch() else {
        return Err(Mistake::NoCommand(program.to_owned()));
    };
    let verb = match first.means {
        Means::Command(Verb::Help) => return Ok(Command::Help),
        Means::Command(Verb::Version) => return Ok(Command::Version),
        Means::Command(verb) => verb,
        _ => return Err(Mistake::NoCommand(program.to_owned())),
    };
    let mut draft = Draft::new(verb, value)?;
    loop {
        match reader.switch() {
            Ok(Some((switch, value))) => match switch.means {
                Means::Command(_) => return Err(Mistake::SecondCommand(reader.word().to_owned())),
                means => draft.take(means, value, names)?,
            },
            Ok(None) => break,
            Err(problem) => return Err(Mistake::Switch(reader.word().to_owned(), problem)),
        }
    }
    let others = reader.others();
    let rest = if verb == Verb::Set { draft.take_timeouts(others)? } else { others };
    if let Some(other) = rest.first() {
        return Err(Mistake::Unexpected((*other).to_owned()));
    }
    let flags = draft.scheduler_flags()?;
    if !verb.goes_with(draft.given()) {
        let rules = SUBJECTS.iter().map(|(subject, _)| (*subject, subject.rule(verb)));
        check(rules, |subject| draft.has(subject), Of::Command(verb))?;
    }
    finish::command(draft, verb, flags)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn misread(line: &str) -> (String, Option<usize>) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let misread = read_placed("ipvsadm", &words, &Names::default()).expect_err(line);
        (misread.mistake.to_string(), misread.word)
    }

    #[test]
    fn refuses_in_the_words_of_ipvsadm_and_knows_the_word() {
        let cases = [
            ("-A -D -t 10.0.0.1:80", "invalid option `-D'", Some(1)),
            ("-A -t 10.0.0.1:80 -s", "-s: missing argument", Some(3)),
            ("-L --bogus=1", "--bogus=1: unknown option", Some(1)),
            ("-A -t x", "illegal virtual server address[:port] specified", Some(2)),
            ("-L -n -n", "multiple 'numeric' options specified", Some(2)),
            ("-A -6 -f 1", "-6 used before -f\n", Some(1)),
            ("-A -f 0", "invalid fwmark value `0' specified", Some(2)),
            ("-L foo", "unexpected argument foo", Some(1)),
            ("--set 1 2", "--set option requires 3 timeout values", None),
            ("--start-daemon x", "illegal start-daemon parameter specified", Some(1)),
            (
                "-A -s rr",
                "You need to supply the 'service-address' option for the 'add-service' command",
                None,
            ),
            ("-C -n", "Illegal 'numeric' option with the 'flush' command", None),
            (
                "-L -c --daemon",
                "The option 'daemon' conflicts with the 'connection' option in the 'list' command",
                None,
            ),
            ("-L -c --stats", "options conflicts in the list command", None),
            ("-A -t 10.0.0.1", "Zero port specified for non-persistent service", None),
            ("-A -t 10.0.0.1:80 -b sh-port", "incompatible scheduler flag `sh-port'", None),
            (
                "-a -t 10.0.0.1:80 -r fd00::1 -m",
                "Different address family is allowed only for tunneling servers",
                None,
            ),
            (
                "-a -t 10.0.0.1:80 -r 10.0.0.2 -i --tun-type gue",
                "You need to supply the 'tun-port' option for the 'gue' tunnel type",
                None,
            ),
        ];
        for (line, message, word) in cases {
            assert_eq!(misread(line), (message.into(), word), "{line}");
        }
    }

    #[test]
    fn is_told_at_once_what_the_rules_tell_one_by_one() {
        let verbs = [Verb::Add, Verb::List, Verb::EditServer, Verb::Zero, Verb::StopDaemon];
        for (verb, given) in verbs.into_iter().flat_map(|verb| {
            let pairs = (0..34).flat_map(|one| (0..34).map(move |two| 1_u64 << one | 1 << two));
            let pairs = pairs.flat_map(|pair| [pair, pair | 1 << Subject::Service as u64]);
            std::iter::once(0).chain(pairs).map(move |given| (verb, given))
        }) {
            let rules = SUBJECTS.iter().map(|(subject, _)| (*subject, subject.rule(verb)));
            let has = |subject| given & (1 << subject as u64) != 0;
            let kept = check(rules, has, Of::Command(verb)).is_ok();
            assert_eq!(verb.goes_with(given), kept, "{verb:?} {given:b}");
        }
    }

    #[test]
    fn wants_a_command_first() {
        for line in ["", "-n -L", "foo", "--bogus", "-- -L"] {
            let (message, word) = misread(line);
            assert!(message.starts_with("Try `ipvsadm -h' or 'ipvsadm --help'"), "{message}");
            assert_eq!(word, Some(0), "{line}");
        }
    }

    #[test]
    fn refuses_what_the_kernel_would_take() {
        for line in ["-A -t 0.0.0.0:80", "-E -u 224.0.0.1:53", "-A -t [ff02::1]:80"] {
            let (message, _) = misread(line);
            assert!(message.contains("it must be the address of one host"), "{message}");
        }
    }

    #[test]
    fn prefers_columns_as_the_real_one_does() {
        let columns = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            match read("ipvsadm", &words, &Names::default()) {
                Ok(Command::List(List::Table(format))) => format.columns,
                other => panic!("{line}: {other:?}"),
            }
        };
        assert_eq!(columns("-L"), Columns::Usual);
        assert_eq!(columns("-L --rate --stats"), Columns::Stats);
        assert_eq!(columns("-L --tun-info --persistent-conn --thresholds"), Columns::Thresholds);
        assert_eq!(columns("-L --tun-info --persistent-conn"), Columns::Persistent);
    }
}
