//! One rule for other rooms: read with the place of what is wrong, and written whole, with the
//! thresholds that `-S` leaves out.

use super::command::{Command, Misread, read_placed};
use super::error::Mistake;
use super::names::Names;
use super::parse::Problem;
use super::rules;
use crate::netlink::ipvs::{Request, ServiceKey, VirtualService};

/// Reads rules; names of hosts and ports are looked up once.
#[derive(Debug, Default)]
pub(crate) struct RuleReader(Names);

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongRule {
    /// In the words of ipvsadm.
    pub(crate) message: String,
    /// What to do, where that is known.
    pub(crate) hint: Option<String>,
    /// Which word showed it; none when it is what they say together.
    pub(crate) word: Option<usize>,
}

impl RuleReader {
    /// Reads the words of a rule, of which the first is the command.
    pub(crate) fn read(&self, words: &[&str]) -> Result<Request, WrongRule> {
        match read_placed("ipvsadm", words, &self.0) {
            Ok(Command::Change(request)) => Ok(request),
            Ok(Command::List(_) | Command::Restore | Command::Help | Command::Version) => {
                Err(WrongRule {
                    message: "the command changes nothing".into(),
                    hint: Some("a rule is what `ipvsadm -S` writes: -A, and then -a".into()),
                    word: Some(0),
                })
            }
            Err(Misread { mistake, word }) => Err(wrong(mistake, word)),
        }
    }
}

fn wrong(mistake: Mistake, word: Option<usize>) -> WrongRule {
    let said = |message: String, hint: Option<String>| WrongRule { message, hint, word };
    match mistake {
        Mistake::NoCommand(_) => said(
            "a rule begins with a command".into(),
            Some("-A for a service, -a for a destination of one".into()),
        ),
        Mistake::Switch(word, Problem::Unknown) => said(format!("unknown option `{word}`"), None),
        Mistake::Switch(word, Problem::Missing) => {
            said(format!("option `{word}` needs a value"), Some("the rule ends here".into()))
        }
        Mistake::Refused(refused) => said(refused.message, refused.hint),
        mistake => said(mistake.to_string().trim_end().to_owned(), None),
    }
}

/// The rules that make a service and its destinations, thresholds included.
pub(crate) fn rules_of_service(
    VirtualService { service, destinations }: &VirtualService,
) -> Vec<String> {
    let mut all = vec![whole_mark(&service.key, rules::service(service, None))];
    let name = rules::name(&service.key, None);
    all.extend(destinations.iter().map(|one| {
        let mut rule = rules::destination(one, &name, None, None);
        rule.extend(one.upper_threshold.map(|most| format!(" -x {most}")));
        rule.extend(one.lower_threshold.map(|least| format!(" -y {least}")));
        whole_mark(&service.key, rule)
    }));
    all
}

/// A large mark as itself: `-S` writes a negative number, which nothing reads.
fn whole_mark(key: &ServiceKey, rule: String) -> String {
    match key {
        ServiceKey::Fwmark { mark, .. } => {
            let written = format!("-f {}", mark.get().cast_signed());
            rule.replacen(&written, &format!("-f {mark}"), 1)
        }
        ServiceKey::Address { .. } => rule,
    }
}
