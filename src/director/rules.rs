//! A setup as the rules of ipvsadm, which `ipvsadm -R` takes as well.
//!
//! Read are the rules that `ipvsadm -S` writes, `-C` before them, comments, and with them what
//! `-S` does not save: thresholds (`-x`, `-y`), `--set` and `--start-daemon`. What would change
//! a rule above it has no place in a file that says how things are.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::{MISTAKES, Setup};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use crate::ipvsadm::{RuleReader, WrongRule, rules_of_service};
use crate::netlink::ipvs::{
    Daemon, Destination, DestinationKey, Refused, Request, ServiceKey, Table, Timeouts,
    VirtualService,
};

/// Whether a text is rules and not YAML: its first line that says anything begins with an
/// option or the program's name.
#[must_use]
pub fn are_rules(text: &str) -> bool {
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let first = text.lines().map(str::trim_start).find(said).unwrap_or_default();
    let option = first.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_of_option));
    (option && !first.starts_with("---")) || first.split_whitespace().next() == Some("ipvsadm")
}

fn is_of_option(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '-'
}

/// Reads rules; every mistake is shown at its place.
pub fn read_rules(source: &Arc<Source>) -> Result<Setup, Diagnostics> {
    let mut reading = Reading::default();
    let mut mistakes = Diagnostics::default();
    let reader = RuleReader::default();
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let line = Line::new(source, start, line);
        start += line.length;
        if !line.words.is_empty() {
            mistakes.keep(reading.line(&reader, &line));
        }
        if mistakes.0.len() == MISTAKES {
            mistakes.push(Diagnostic::new("there may be more; the rest was not looked at"));
            break;
        }
    }
    let setup = reading.setup().map_err(Diagnostics::from);
    mistakes.finish(())?;
    setup
}

/// Writes the rules of a setup, in an order that is always the same.
#[must_use]
pub fn write_rules(setup: &Setup) -> String {
    let mut services: Vec<&VirtualService> = setup.table.services().iter().collect();
    services.sort_by_key(|one| one.service.key);
    let mut lines = Vec::new();
    for service in services {
        let mut service = service.clone();
        service.destinations.sort_by_key(|destination| destination.key);
        lines.extend(rules_of_service(&service));
    }
    lines.extend(setup.timeouts.map(|Timeouts { tcp, tcp_fin, udp }| {
        let seconds = |seconds: Option<u32>| seconds.unwrap_or_default();
        format!("--set {} {} {}", seconds(tcp), seconds(tcp_fin), seconds(udp))
    }));
    lines.extend(setup.daemons.iter().flatten().map(daemon));
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

fn daemon(daemon: &Daemon) -> String {
    let mut rule = format!(
        "--start-daemon {} --mcast-interface {} --syncid {}",
        daemon.key.role, daemon.interface, daemon.key.sync_id
    );
    rule.extend(daemon.max_length.map(|bytes| format!(" --sync-maxlen {bytes}")));
    rule.extend(daemon.group.map(|group| format!(" --mcast-group {group}")));
    rule.extend(daemon.port.map(|port| format!(" --mcast-port {port}")));
    rule.extend(daemon.ttl.map(|ttl| format!(" --mcast-ttl {ttl}")));
    rule
}

/// A line, its words, and where they stand.
struct Line<'a> {
    source: &'a Arc<Source>,
    start: usize,
    length: usize,
    words: Vec<&'a str>,
    places: Vec<Range<usize>>,
}

impl<'a> Line<'a> {
    fn new(source: &'a Arc<Source>, start: usize, text: &'a str) -> Self {
        let (mut words, mut places) = (Vec::new(), Vec::new());
        let separates = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
        let mut at = 0;
        for word in text.split(separates) {
            let from = start + at;
            at += word.len() + 1;
            if word.starts_with('#') && words.is_empty() {
                break;
            }
            if !word.is_empty() && word != "ipvsadm" {
                words.push(word);
                places.push(from..from + word.len());
            }
        }
        Self { source, start, length: text.len(), words, places }
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span { source: Arc::clone(self.source), start: range.start, end: range.end }
    }

    /// From its first word to its last.
    fn whole(&self) -> Span {
        let from = self.places.first().map_or(self.start, |place| place.start);
        let to = self.places.last().map_or(from, |place| place.end);
        self.span(from..to)
    }

    fn wrong(&self, wrong: WrongRule) -> Diagnostic {
        let place = wrong.word.and_then(|word| self.places.get(word)).cloned();
        let mistake = Diagnostic::new(wrong.message);
        let mistake = match wrong.hint {
            Some(hint) => mistake.hint(hint),
            None => mistake,
        };
        mistake.at(&place.map_or_else(|| self.whole(), |place| self.span(place)))
    }

    fn refused(&self, refused: Refused) -> Diagnostic {
        self.wrong(WrongRule { message: refused.message, hint: refused.hint, word: None })
    }

    fn mistake(&self, message: String, hint: &str) -> Diagnostic {
        Diagnostic::new(message).at(&self.whole()).hint(hint)
    }
}

/// What the lines so far declare.
#[derive(Default)]
struct Reading {
    services: Vec<VirtualService>,
    places: HashMap<ServiceKey, usize>,
    destinations: HashSet<(ServiceKey, DestinationKey)>,
    timeouts: Option<Timeouts>,
    daemons: Option<Vec<Daemon>>,
}

impl Reading {
    fn line(&mut self, reader: &RuleReader, line: &Line<'_>) -> Result<(), Diagnostic> {
        match reader.read(&line.words).map_err(|wrong| line.wrong(wrong))? {
            Request::AddService(service) => {
                service.check().map_err(|refused| line.refused(refused))?;
                let key = service.key;
                if self.places.contains_key(&key) {
                    return Err(line.mistake(
                        format!("service `{key}` is there twice"),
                        "one of the two lines has to go",
                    ));
                }
                self.places.insert(key, self.services.len());
                self.services.push(VirtualService { service, destinations: Vec::new() });
            }
            Request::AddDestination(key, destination) => {
                self.destination(line, key, destination)?;
            }
            // 0 keeps what is.
            Request::SetTimeouts(Timeouts { tcp, tcp_fin, udp }) => {
                let given = |seconds: Option<u32>| seconds.filter(|seconds| *seconds != 0);
                let timeouts =
                    Timeouts { tcp: given(tcp), tcp_fin: given(tcp_fin), udp: given(udp) };
                self.timeouts = Some(timeouts);
            }
            Request::StartDaemon(daemon) => {
                let daemons = self.daemons.get_or_insert_default();
                if daemons.iter().any(|other| other.key.role == daemon.key.role) {
                    return Err(line.mistake(
                        format!("there are two {} sync daemons", daemon.key.role),
                        "the kernel runs one of each role",
                    ));
                }
                daemons.push(daemon);
            }
            Request::Flush if self.services.is_empty() => {}
            _ => {
                return Err(line.mistake(
                    "the command has no place in a table".into(),
                    "a table is made of -A and -a, and perhaps --set and --start-daemon",
                ));
            }
        }
        Ok(())
    }

    fn destination(
        &mut self,
        line: &Line<'_>,
        key: ServiceKey,
        destination: Destination,
    ) -> Result<(), Diagnostic> {
        destination.check(&key).map_err(|refused| line.refused(refused))?;
        let service = self.places.get(&key).and_then(|place| self.services.get_mut(*place));
        let Some(service) = service else {
            return Err(line.mistake(
                format!("there is no service `{key}` above this line"),
                "a service's -A stands before the -a of its destinations",
            ));
        };
        if !self.destinations.insert((key, destination.key)) {
            return Err(line.mistake(
                format!("destination `{}` is there twice", destination.key),
                "one of the two lines has to go",
            ));
        }
        service.destinations.push(destination);
        Ok(())
    }

    fn setup(self) -> Result<Setup, Diagnostic> {
        // That nothing is there twice was checked line by line.
        let table =
            Table::new(self.services).map_err(|refused| Diagnostic::new(refused.message))?;
        Ok(Setup { table, timeouts: self.timeouts, daemons: self.daemons })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::setup;
    use super::*;

    fn read(text: &str) -> Result<Setup, Diagnostics> {
        read_rules(&Arc::new(Source { name: "rules".into(), text: text.into() }))
    }

    #[test]
    fn comes_back_from_its_rules_whole() {
        let text = write_rules(&setup());
        insta::assert_snapshot!(text);
        let back = read(&text).unwrap();
        assert_eq!((back.steps(&setup(), true), setup().steps(&back, true)), (vec![], vec![]));
        assert_eq!((back.timeouts, back.daemons), (setup().timeouts, setup().daemons));
    }

    #[test]
    fn takes_what_ipvsadm_and_people_write() {
        let text = "# a comment\r\n\r\nipvsadm -C\r\n-A -t 10.0.0.1:80 -s rr   \r\n\
                    -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m";
        let table = read(text).unwrap().table;
        assert_eq!(table.services()[0].destinations[0].to_string(), "10.0.0.2:80 nat weight 1");
        assert_eq!(read("").unwrap(), Setup::default());
        let large = "-A -f 4294967295 -s rr\n-a -f 4294967295 -r 10.0.0.2:0 -g -w 1\n";
        assert_eq!(write_rules(&read(large).unwrap()), large);
    }

    #[test]
    fn tells_rules_from_yaml() {
        for text in ["-A -t x", "\n# c\n  -a", "--add-service", "ipvsadm -A", "-C"] {
            assert!(are_rules(text), "{text}");
        }
        for text in ["", "services: []", "- service: x", "---\nservices:", "# -A", "- -A"] {
            assert!(!are_rules(text), "{text}");
        }
    }

    #[test]
    fn gives_up_on_a_file_that_is_something_else() {
        let mistakes = read(&"what\n".repeat(100_000)).expect_err("no rule at all");
        assert_eq!(mistakes.0.len(), MISTAKES + 1);
        let long = format!("-A -t 10.0.0.1:80 --{}", "x".repeat(1_000_000));
        let mistakes = read(&long).expect_err("no such option");
        assert!(mistakes.render(false).len() < 5_000, "it is told in full length");
    }

    #[test]
    fn shows_every_mistake_at_its_place() {
        let text = "\
-A -t 10.0.0.1:80 -s rr
-A -t 10.0.0.1:80 -s wrr
  -A -t 10.0.0.2:80 -s rr --colour red
-A -t 10.0.0.3:eighty -s rr
-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w many
-a -t 10.0.0.1:80 -r 10.0.0.3:80 -m
-a -t 10.0.0.1:80 -r 10.0.0.3:80 -m
-a -t 10.0.0.9:80 -r 10.0.0.3:80 -m
-D -t 10.0.0.1:80
-t 10.0.0.1:80
-A -t 10.0.0.4:80 -s rr what
-L -n
services: []
-A -t 224.0.0.1:80 -s rr
-A -u 10.0.0.5:80 -s rr -w 1
-a -t 10.0.0.1:80 -r";
        let mistakes = read(text).expect_err("it is full of them");
        insta::assert_snapshot!(mistakes.to_string());
        let drawn = mistakes.0[1].render(false);
        insta::assert_snapshot!(drawn);
    }
}
