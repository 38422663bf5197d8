//! Arguments to switches, as the popt library reads them.
//!
//! `--name=value`, `--name value`, `-nvalue`, `-n=value`, `-n value`, letters in one word, and
//! `--` before what is no switch. Names are not abbreviated.

use super::options::{Argument, Switch, by_letter, by_name};

/// Why an argument is not a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("unknown option")]
    Unknown,
    #[error("missing argument")]
    Missing,
    #[error("option does not take an argument")]
    Unwanted,
}

/// Goes through the arguments of a command line.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    arguments: &'a [&'a str],
    next: usize,
    /// What is left of a word of letters.
    letters: &'a str,
    others_only: bool,
    ended: bool,
    /// What was no switch, in order.
    others: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(arguments: &'a [&'a str]) -> Self {
        Self {
            arguments,
            next: 0,
            letters: "",
            others_only: false,
            ended: false,
            others: Vec::new(),
        }
    }

    /// The word that was read last, which messages show.
    pub(super) fn word(&self) -> &'a str {
        self.place().and_then(|place| self.arguments.get(place)).map_or("", |word| *word)
    }

    /// The place of that word, unless all were read.
    pub(super) fn place(&self) -> Option<usize> {
        if self.ended { None } else { self.next.checked_sub(1) }
    }

    /// What was no switch; complete when there are no more switches.
    pub(super) fn others(&self) -> &[&'a str] {
        &self.others
    }

    /// The next switch and its argument.
    pub(super) fn switch(&mut self) -> Result<Option<(&'static Switch, Option<&'a str>)>, Problem> {
        let (switch, value) = if self.letters.is_empty() {
            let Some(word) = self.word_of_switch() else {
                self.ended = true;
                return Ok(None);
            };
            match word.strip_prefix('-') {
                Some(long) => {
                    let (name, value) = match long.split_once('=') {
                        Some((name, value)) => (name, Some(value)),
                        None => (long, None),
                    };
                    (by_name(name).ok_or(Problem::Unknown)?, value)
                }
                None => {
                    self.letters = word;
                    (self.letter()?, None)
                }
            }
        } else {
            (self.letter()?, None)
        };
        if switch.argument == Argument::No {
            let unwanted = value.is_some() || self.letters.starts_with('=');
            return if unwanted { Err(Problem::Unwanted) } else { Ok(Some((switch, None))) };
        }
        if value.is_some() {
            return Ok(Some((switch, value)));
        }
        let attached = std::mem::take(&mut self.letters);
        if !attached.is_empty() {
            return Ok(Some((switch, Some(attached.strip_prefix('=').unwrap_or(attached)))));
        }
        match self.arguments.get(self.next) {
            None if switch.argument == Argument::Needed => Err(Problem::Missing),
            None => Ok(Some((switch, None))),
            Some(word) if switch.argument == Argument::Perhaps && word.starts_with('-') => {
                Ok(Some((switch, None)))
            }
            Some(word) => {
                self.next += 1;
                Ok(Some((switch, Some(word))))
            }
        }
    }

    /// The next word that begins with `-`, without it.
    fn word_of_switch(&mut self) -> Option<&'a str> {
        while let Some(word) = self.arguments.get(self.next) {
            self.next += 1;
            match word.strip_prefix('-').filter(|_| !self.others_only) {
                Some("-") => self.others_only = true,
                Some(rest) if !rest.is_empty() => return Some(rest),
                _ => self.others.push(word),
            }
        }
        None
    }

    fn letter(&mut self) -> Result<&'static Switch, Problem> {
        let mut letters = self.letters.chars();
        let found = letters.next().and_then(by_letter);
        self.letters = letters.as_str();
        found.ok_or(Problem::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<Vec<String>, (Problem, String)> {
        let mut reader = Reader::new(line);
        let mut found = Vec::new();
        loop {
            match reader.switch() {
                Ok(Some((switch, value))) => {
                    found.push(value.map_or(switch.long.into(), |v| format!("{}={v}", switch.long)))
                }
                Ok(None) => break,
                Err(problem) => return Err((problem, reader.word().into())),
            }
        }
        found.extend(reader.others().iter().map(|other| format!("({other})")));
        Ok(found)
    }

    #[test]
    fn reads_what_popt_reads() {
        let cases: [(&[&str], &[&str]); 12] = [
            (&["-A", "-t", "x"], &["add-service", "tcp-service=x"]),
            (&["-At", "x"], &["add-service", "tcp-service=x"]),
            (&["-Atx"], &["add-service", "tcp-service=x"]),
            (&["-At=x"], &["add-service", "tcp-service=x"]),
            (&["--tcp-service=x=y"], &["tcp-service=x=y"]),
            (&["--tcp-service="], &["tcp-service="]),
            (&["-t", "-1"], &["tcp-service=-1"]),
            (&["-p", "-n"], &["persistent", "numeric"]),
            (&["-p", "5", "-p"], &["persistent=5", "persistent"]),
            (&["-pt", "5"], &["persistent=t", "(5)"]),
            (&["a", "-L", "-", "b"], &["list", "(a)", "(-)", "(b)"]),
            (&["-L", "--", "-n"], &["list", "(-n)"]),
        ];
        for (line, found) in cases {
            assert_eq!(read(line), Ok(found.iter().map(ToString::to_string).collect()), "{line:?}");
        }
    }

    #[test]
    fn shows_the_word_that_popt_shows() {
        use Problem::{Missing, Unknown, Unwanted};
        let cases: [(&[&str], Problem, &str); 8] = [
            (&["-L", "--bogus=1"], Unknown, "--bogus=1"),
            (&["-Lnq"], Unknown, "-Lnq"),
            (&["--lis"], Unknown, "--lis"),
            (&["--=5"], Unknown, "--=5"),
            (&["-A", "-t"], Missing, "-t"),
            (&["-Ax"], Missing, "-Ax"),
            (&["--stats="], Unwanted, "--stats="),
            (&["-Ln=5"], Unwanted, "-Ln=5"),
        ];
        for (line, problem, word) in cases {
            assert_eq!(read(line), Err((problem, word.into())), "{line:?}");
        }
    }
}
