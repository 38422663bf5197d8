//! What is told of a check: to programs as JSON, to people as lines.

use std::fmt;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use super::Cause;
use crate::lab::monitor::Frame;

/// What was expected, what was seen, and what is wrong, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// One line for each expectation.
    pub expected: Vec<String>,
    /// What was seen, short.
    pub seen: Vec<String>,
    /// One line for each expectation that was not met.
    pub problems: Vec<String>,
}

impl Verdict {
    /// Notes an expectation.
    pub fn expect(&mut self, line: impl Into<String>) {
        self.expected.push(line.into());
    }

    /// Notes something seen.
    pub fn see(&mut self, line: impl Into<String>) {
        self.seen.push(line.into());
    }

    /// Notes something wrong.
    pub fn problem(&mut self, line: impl Into<String>) {
        self.problems.push(line.into());
    }
}

/// The same thing said of several requests, said once.
#[derive(Default)]
pub(super) struct Grouped(IndexMap<String, Vec<usize>>);

impl Grouped {
    pub(super) fn add(&mut self, number: usize, what: String) {
        self.0.entry(what).or_default().push(number);
    }

    pub(super) fn tell(self, verdict: &mut Verdict) {
        self.tell_as("request", verdict);
    }

    /// Tells it of what is called so.
    pub(super) fn tell_as(self, called: &str, verdict: &mut Verdict) {
        for (what, numbers) in self.0 {
            let plural = if numbers.len() == 1 { "" } else { "s" };
            let listed: Vec<String> = numbers.iter().take(12).map(usize::to_string).collect();
            let more = if numbers.len() > 12 { ", …" } else { "" };
            verdict.problem(format!("{called}{plural} {}{more}: {what}", listed.join(", ")));
        }
    }
}

/// How a check went. `name`, `passed`, `seconds` and `evidence` are for programs to rely on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// Its kind: `http`, `arp`, …
    pub kind: &'static str,
    /// Whether everything was as expected.
    pub passed: bool,
    /// How long it took.
    pub seconds: f64,
    /// One line for each expectation.
    pub expected: Vec<String>,
    /// What was seen, short.
    pub seen: Vec<String>,
    /// One line for each expectation that was not met.
    pub problems: Vec<String>,
    /// Why, as far as it could be established, the most specific first.
    pub causes: Vec<Cause>,
    /// `seen`, whole, as the probe gave it; on a failure also `states`, by host, and `packets`:
    /// the last of them in words, and how many were `lost`.
    pub evidence: Value,
    /// What was seen, drawn; at most 100 columns, no colours.
    #[serde(skip)]
    pub drawing: Option<String>,
    /// The host that asks, or is looked at first: other hosts may have requests of their own meanwhile.
    #[serde(skip)]
    pub asker: Option<String>,
    /// The frames of its time, where somebody watched; of very many only the first and last.
    #[serde(skip)]
    pub packets: Vec<Frame>,
}

/// Several lines: the name with the result, and on a failure all that explains it.
impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed { "passed" } else { "FAILED" };
        write!(f, "{word}: {} ({:.2} s)", self.name, self.seconds)?;
        if self.passed {
            return Ok(());
        }
        let mut lines = |title: &str, lines: &[String]| {
            lines.iter().enumerate().try_for_each(|(index, line)| {
                write!(f, "\n  {:<9} {line}", if index == 0 { title } else { "" })
            })
        };
        lines("expected:", &self.expected)?;
        lines("seen:", &self.seen)?;
        lines("wrong:", &self.problems)?;
        for cause in &self.causes {
            write!(f, "\n  {:<9} {}", "cause:", cause.message)?;
            for line in &cause.evidence {
                write!(f, "\n            - {line}")?;
            }
            if let Some(hint) = &cause.hint {
                write!(f, "\n            hint: {hint}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> CheckReport {
        CheckReport {
            name: "who answers ARP".into(),
            kind: "arp",
            passed: false,
            seconds: 0.5,
            expected: vec!["lb1".into()],
            seen: vec!["lb1".into(), "rs2".into()],
            problems: vec!["`rs2` answers, too".into()],
            causes: vec![Cause {
                host: Some("rs2".into()),
                message: "arp_ignore is 0".into(),
                evidence: vec!["net.ipv4.conf.all.arp_ignore = 0".into()],
                hint: Some("set it to 1".into()),
            }],
            evidence: serde_json::json!({ "seen": {} }),
            drawing: Some("a picture".into()),
            asker: None,
            packets: Vec::new(),
        }
    }

    #[test]
    fn tells_people_everything_about_a_failure_and_little_about_a_success() {
        let mut report = report();
        insta::assert_snapshot!(report.to_string(), @r"
        FAILED: who answers ARP (0.50 s)
          expected: lb1
          seen:     lb1
                    rs2
          wrong:    `rs2` answers, too
          cause:    arp_ignore is 0
                    - net.ipv4.conf.all.arp_ignore = 0
                    hint: set it to 1
        ");
        report.passed = true;
        assert_eq!(report.to_string(), "passed: who answers ARP (0.50 s)");
    }

    #[test]
    fn keeps_the_keys_that_programs_rely_on() {
        let json = serde_json::to_value(report()).expect("plain data");
        let keys: Vec<&String> = json.as_object().expect("a mapping").keys().collect();
        assert_eq!(
            keys,
            [
                "name", "kind", "passed", "seconds", "expected", "seen", "problems", "causes",
                "evidence"
            ]
        );
    }
}
