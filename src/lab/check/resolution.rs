//! `arp` and `ndp`: who answers for an address on the wire, of IPv4 and of IPv6, now and in the
//! whole run, on any segment. For a VIP it must be the director alone.
//!
//! ```yaml
//! checks:
//!   - arp: {from: client, address: 192.168.0.89, answered_by: lb1}
//!   - arp: {from: client, address: 192.168.0.88, answered_by: lb2, whole_run: false}
//!   - ndp: {from: client, address: "fd00::89", answered_by: lb1}
//! ```

use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Cause, Check, Hosts, Roster, Scene, Verdict, cause, draw, look};
use crate::connection::CallError;
use crate::lab::monitor::Said;
use crate::lab::probe::{Resolve, Resolved, Seconds, protocol};

/// Who answers ARP for an address.
pub type Arp = Resolution<Ipv4Addr>;
/// Who answers neighbour discovery for an address.
pub type Ndp = Resolution<Ipv6Addr>;

/// Who answers for an address: by `arp` for one of IPv4, by `ndp` for one of IPv6.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolution<A> {
    /// The host that asks.
    from: String,
    /// The address that is asked for.
    address: A,
    /// Who must answer: a host, a list of hosts, or an empty list for nobody.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    answered_by: Vec<String>,
    /// The interface to ask on, when it is not the one whose network has the address.
    interface: Option<String>,
    /// How often to ask.
    asks: Option<u32>,
    /// How long to listen.
    wait: Option<Seconds>,
    /// Whether nobody else may have said since the lab began that the address is its own, in
    /// answers, announcements, questions or by looking for duplicates; leave it out where the
    /// address moves on purpose.
    #[serde(default = "yes")]
    whole_run: bool,
}

fn yes() -> bool {
    true
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResolutionSeen {
    /// Now, as it was asked for.
    #[serde(flatten)]
    answers: Resolved,
    /// In the whole run, of those who must not, by the monitor.
    whole_run: Vec<Told>,
}

/// A host said that the address is its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Told {
    host: String,
    interface: String,
    network: String,
    /// `answer`, `announcement`, `question` or `detection`.
    said: &'static str,
    count: u64,
}

/// What the monitor heard about an address.
fn whole_run(hosts: &dyn Hosts, address: IpAddr) -> Vec<Told> {
    let Ok(monitor) = hosts.monitor() else { return Vec::new() };
    let about = monitor.neighbours().into_iter().filter(|one| one.address == address);
    let told = about.map(|one| Told {
        host: one.cable.host.clone(),
        interface: one.cable.interface.clone(),
        network: one.cable.network.clone(),
        said: match one.said {
            Said::Answer => "answer",
            Said::Announcement => "announcement",
            Said::Question => "question",
            Said::Detection => "detection",
        },
        count: one.count,
    });
    told.collect()
}

/// A host, or a list of hosts.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "its shape is what is wanted")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

pub(super) fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    struct Names;

    impl<'de> de::Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a host or a list of hosts")
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
            Ok(vec![name.to_owned()])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::new();
            while let Some(name) = list.next_element()? {
                names.push(name);
            }
            Ok(names)
        }
    }

    deserializer.deserialize_any(Names)
}

impl<A> Check for Resolution<A>
where
    A: Copy + Into<IpAddr> + Display + Debug + DeserializeOwned + Send + Sync + 'static,
{
    type Seen = ResolutionSeen;

    fn title(&self) -> String {
        let protocol = protocol(self.address.into());
        format!("who answers {protocol} for {}, asked from {}", self.address, self.from)
    }

    fn hosts(&self) -> Vec<&str> {
        std::iter::once(&self.from).chain(&self.answered_by).map(String::as_str).collect()
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<ResolutionSeen, CallError> {
        let mut probe = Resolve::new(self.address.into());
        probe.interface.clone_from(&self.interface);
        probe.asks = self.asks.unwrap_or(probe.asks);
        probe.wait = self.wait.unwrap_or(probe.wait);
        let answers = look(hosts, &self.from, probe)?;
        let mut told = match self.whole_run {
            true => whole_run(hosts, self.address.into()),
            false => Vec::new(),
        };
        told.retain(|one| !self.answered_by.contains(&one.host));
        Ok(ResolutionSeen { answers, whole_run: told })
    }

    fn judge(&self, seen: &ResolutionSeen, lab: &Roster) -> Verdict {
        let ResolutionSeen { answers: seen, whole_run } = seen;
        let mut verdict = Verdict::default();
        let protocol = protocol(self.address.into());
        let wanted = match self.answered_by.as_slice() {
            [] => "nobody".to_owned(),
            names => names.join(", "),
        };
        verdict.expect(format!("{} answered by {wanted}", self.address));
        for answer in &seen.answers {
            verdict.see(format!(
                "{} answered {} of {} times",
                lab.mac(answer.mac),
                answer.count,
                seen.asks
            ));
            let host = lab.by_mac(answer.mac);
            if !host.is_some_and(|host| self.answered_by.iter().any(|name| name == host)) {
                verdict.problem(match host {
                    Some(host) => {
                        format!("`{host}` answers {protocol} for {}, and must not", self.address)
                    }
                    None => {
                        format!("{} answers {protocol} for {}", lab.mac(answer.mac), self.address)
                    }
                });
            }
        }
        if seen.answers.is_empty() {
            verdict.see("nobody answered");
        }
        for name in &self.answered_by {
            if !seen.answers.iter().any(|answer| lab.by_mac(answer.mac) == Some(name)) {
                verdict
                    .problem(format!("`{name}` does not answer {protocol} for {}", self.address));
            }
        }
        if seen.lost > 0 && !verdict.problems.is_empty() {
            verdict.see(format!("{} frames were lost, so an answer may be missing", seen.lost));
        }
        let now = |host: &str| seen.answers.iter().any(|one| lab.by_mac(one.mac) == Some(host));
        for told in whole_run {
            let Told { host, interface, network, said, count } = told;
            // Who answers now is named above.
            let named = now(host) && *said == "answer";
            if !named && !self.answered_by.contains(host) {
                let how = match *said {
                    "detection" => "looking for duplicates of it".to_owned(),
                    said => format!("an {protocol} {said}"),
                };
                verdict.problem(format!(
                    "`{host}` said {count} times in this run, by {how} from {interface} in \
                     {network}, that {} is its own",
                    self.address
                ));
            }
        }
        verdict
    }

    fn causes(&self, seen: &ResolutionSeen, scene: &Scene) -> Vec<Cause> {
        let expected: Vec<&str> = self.answered_by.iter().map(String::as_str).collect();
        cause::of_resolution(self.address.into(), &expected, &seen.answers, scene)
    }

    fn draw(&self, seen: &ResolutionSeen, lab: &Roster) -> Option<String> {
        Some(draw::resolution(self.address.into(), &seen.answers, lab))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{arp_answers, check, lab, read_checks};
    use super::*;

    fn problems(answered_by: &str, macs: &[u8]) -> Vec<String> {
        let yaml = format!("{{ from: client, address: 192.168.0.89, answered_by: {answered_by} }}");
        let seen = ResolutionSeen { answers: arp_answers(macs), whole_run: Vec::new() };
        check::<Arp>(&yaml).judge(&seen, &lab()).problems
    }

    #[test]
    fn hears_who_claimed_the_address_earlier_in_the_run() {
        let told = |host: &str, said| Told {
            host: host.into(),
            interface: "eth0".into(),
            network: "lan".into(),
            said,
            count: 2,
        };
        let whole_run = vec![told("lb1", "answer"), told("rs2", "question")];
        let seen = ResolutionSeen { answers: arp_answers(&[90]), whole_run };
        let check: Arp = check("{ from: client, address: 192.168.0.89, answered_by: lb1 }");
        assert_eq!(
            check.judge(&seen, &lab()).problems,
            ["`rs2` said 2 times in this run, by an ARP question from eth0 in lan, that \
              192.168.0.89 is its own"]
        );
    }

    #[test]
    fn passes_when_exactly_those_answer_who_must() {
        assert_eq!(problems("lb1", &[90]), [""; 0]);
        assert_eq!(problems("[lb1, rs1]", &[93, 90]), [""; 0]);
        assert_eq!(problems("[]", &[]), [""; 0]);
    }

    #[test]
    fn names_who_answers_and_must_not_and_who_does_not_and_must() {
        assert_eq!(
            problems("lb1", &[90, 94]),
            ["`rs2` answers ARP for 192.168.0.89, and must not"]
        );
        assert_eq!(problems("lb1", &[]), ["`lb1` does not answer ARP for 192.168.0.89"]);
        assert_eq!(problems("lb1", &[94]).len(), 2);
        assert!(problems("[]", &[77])[0].contains("no host of this lab"));
    }

    #[test]
    fn judges_neighbour_discovery_alike() {
        let told = |said| Told {
            host: "rs2".into(),
            interface: "eth0".into(),
            network: "lan".into(),
            said,
            count: 2,
        };
        let ndp: Ndp = check("{ from: client, address: 'fd00::89', answered_by: lb1 }");
        assert_eq!(Check::title(&ndp), "who answers NDP for fd00::89, asked from client");
        let mut seen = ResolutionSeen { answers: arp_answers(&[90]), whole_run: Vec::new() };
        assert_eq!(ndp.judge(&seen, &lab()).problems, [""; 0]);
        seen.whole_run = vec![told("announcement"), told("detection")];
        assert_eq!(
            ndp.judge(&seen, &lab()).problems,
            [
                "`rs2` said 2 times in this run, by an NDP announcement from eth0 in lan, that \
                 fd00::89 is its own",
                "`rs2` said 2 times in this run, by looking for duplicates of it from eth0 in lan, \
                 that fd00::89 is its own",
            ]
        );
        seen = ResolutionSeen { answers: arp_answers(&[94]), whole_run: Vec::new() };
        assert_eq!(
            ndp.judge(&seen, &lab()).problems,
            [
                "`rs2` answers NDP for fd00::89, and must not",
                "`lb1` does not answer NDP for fd00::89",
            ]
        );
    }

    #[test]
    fn asks_each_family_by_its_own_protocol() {
        let of = |check: &str, address: &str| {
            let item =
                format!("- {check}: {{ from: client, address: '{address}', answered_by: [] }}");
            read_checks(&item).map(drop)
        };
        assert!(of("arp", "192.168.0.89").is_ok() && of("ndp", "fd00::89").is_ok());
        assert!(of("arp", "fd00::89").is_err() && of("ndp", "192.168.0.89").is_err());
    }
}
