//! `ping`: who answers echo requests, how many are lost, and how far away it is.
//!
//! ```yaml
//! checks:
//!   - ping: {from: client, to: 192.168.0.93, count: 5, expect: {ttl: 64}}
//!   - ping: {from: client, to: "fd00::93", size: 1400, count: 100, interval: 0.01, expect: {loss: 2%}}
//!   - ping: {from: client, to: 192.168.0.200, expect: {silence: true}}
//! ```

use std::net::IpAddr;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

use super::report::Grouped;
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, cause, look};
use crate::connection::CallError;
use crate::lab::probe::{self, Echo, Pinged, Refused, Seconds};
use crate::lab::topology::wire::Loss;

/// Echo requests from a host.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// The host that asks.
    from: String,
    /// The address that is asked, of IPv4 or IPv6.
    to: IpAddr,
    /// How many echo requests.
    #[serde(default = "three")]
    count: NonZeroU16,
    /// How many bytes each carries besides its headers.
    #[serde(default = "usual")]
    size: u16,
    /// The time from one to the next.
    #[serde(default = "soon")]
    interval: Seconds,
    /// How long to wait for answers after the last one.
    #[serde(default = "unresolved")]
    timeout: Seconds,
    /// What must be seen; all must be answered when nothing is expected.
    #[serde(default)]
    expect: Expect,
}

fn three() -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(2)
}

fn usual() -> u16 {
    56
}

fn soon() -> Seconds {
    Seconds::from_millis(50)
}

/// Address resolution gives up after three seconds, and says so.
fn unresolved() -> Seconds {
    Seconds::from_millis(4_000)
}

/// What is expected of echo requests.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
struct Expect {
    loss: Option<Loss>,
    ttl: Option<u8>,
    silence: bool,
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PingExpect")]
struct Written {
    /// How many may be lost, such as `1%`; none by default.
    loss: Option<Loss>,
    /// The time to live, or hop limit, that every answer has left.
    ttl: Option<u8>,
    /// Whether none may be answered.
    #[serde(default)]
    silence: bool,
}

impl TryFrom<Written> for Expect {
    type Error = &'static str;

    fn try_from(Written { loss, ttl, silence }: Written) -> Result<Self, Self::Error> {
        if silence && (loss.is_some() || ttl.is_some()) {
            return Err("what must not be answered has no loss and no time to live\n\
                        hint: give either `silence` or what must be seen");
        }
        if loss == Some(Loss(u32::MAX)) {
            return Err("a loss of 100% is never exceeded\n\
                        hint: `silence: true` says that none may be answered");
        }
        Ok(Self { loss, ttl, silence })
    }
}

/// What was said in place of an answer, and by whom.
pub(super) fn said(refused: &Refused, lab: &Roster) -> String {
    match refused.by {
        Some(by) => format!("{}, says {}", refused.error, lab.address(by)),
        None => format!("{}, says the kernel that sends", refused.error),
    }
}

impl Check for Ping {
    type Seen = Pinged;

    fn title(&self) -> String {
        let plural = if self.count.get() == 1 { "" } else { "s" };
        format!("{} ping{plural} from {} to {}", self.count, self.from, self.to)
    }

    fn hosts(&self) -> Vec<&str> {
        vec![&self.from]
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Pinged, CallError> {
        let (to, interval, timeout) = (self.to, self.interval, self.timeout);
        let bytes = probe::Ping::headers(to) + u32::from(self.size);
        let count = self.count.get();
        look(hosts, &self.from, probe::Ping { to, count, bytes, interval, timeout, whole: false })
    }

    fn judge(&self, seen: &Pinged, lab: &Roster) -> Verdict {
        let Expect { loss, ttl, silence } = &self.expect;
        let mut verdict = Verdict::default();
        let loss = loss.unwrap_or(Loss(0));
        verdict.expect(match silence {
            true => "no answer".to_owned(),
            false => format!("at most {} lost", String::from(loss)),
        });
        let (mut failed, mut answered, mut far) = <(Grouped, Grouped, Grouped)>::default();
        let mut lost = 0_u64;
        for (number, echo) in (1..).zip(&seen.echoes) {
            match echo {
                Echo::Answer { ttl: left, .. } => {
                    answered.add(number, "it is answered".into());
                    if let Some(wanted) = ttl
                        && *left != Some(*wanted)
                    {
                        let left = left.map_or("unknown".to_owned(), |left| left.to_string());
                        far.add(number, format!("the time to live left is {left}, not {wanted}"));
                    }
                    continue;
                }
                Echo::Refused(refused) => failed.add(number, said(refused, lab)),
                Echo::Silence => failed.add(number, "nothing came back".into()),
            }
            lost += 1;
        }
        let all = u64::try_from(seen.echoes.len()).unwrap_or(u64::MAX);
        verdict.see(format!("{} of {all} answered", all - lost));
        if *silence {
            answered.tell_as("ping", &mut verdict);
        } else if lost * u64::from(u32::MAX) > all * u64::from(loss.0) {
            failed.tell_as("ping", &mut verdict);
        }
        far.tell_as("ping", &mut verdict);
        verdict
    }

    fn causes(&self, seen: &Pinged, scene: &Scene) -> Vec<Cause> {
        if self.expect.silence || !seen.echoes.iter().any(|echo| !echo.is_answer()) {
            return Vec::new();
        }
        cause::of_way_there(&self.from, self.to, seen.local, scene)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_error, lab};
    use super::*;
    use crate::lab::probe::EchoError;

    fn problems(expect: &str, echoes: Vec<Echo>) -> Vec<String> {
        let yaml = format!("{{ from: client, to: 192.168.0.93, expect: {expect} }}");
        let local = Some([192, 168, 0, 10].into());
        check::<Ping>(&yaml).judge(&Pinged { local, echoes }, &lab()).problems
    }

    fn answer(ttl: u8) -> Echo {
        Echo::Answer { seconds: 0.001, ttl: Some(ttl) }
    }

    #[test]
    fn counts_what_is_lost_and_says_who_refused() {
        let by = Some([192, 168, 0, 90].into());
        let refused = Echo::Refused(Refused { error: EchoError::HostUnreachable, by, mtu: None });
        let echoes = vec![answer(64), refused, Echo::Silence, answer(64)];
        assert_eq!(
            problems("{}", echoes.clone()),
            ["ping 2: host unreachable, says 192.168.0.90 (lb1)", "ping 3: nothing came back"]
        );
        assert_eq!(problems("{ loss: 50% }", echoes.clone()), [""; 0]);
        assert_eq!(problems("{ loss: 49% }", echoes).len(), 2);
    }

    #[test]
    fn compares_how_far_away_it_is_and_wants_silence() {
        assert_eq!(problems("{ ttl: 64 }", vec![answer(64); 3]), [""; 0]);
        assert_eq!(
            problems("{ ttl: 64 }", vec![answer(64), answer(63)]),
            ["ping 2: the time to live left is 63, not 64"]
        );
        assert_eq!(problems("{ silence: true }", vec![Echo::Silence; 2]), [""; 0]);
        assert_eq!(problems("{ silence: true }", vec![answer(64)]), ["ping 1: it is answered"]);
    }

    #[test]
    fn refuses_what_cannot_fail_or_be() {
        let error = |rest: &str| {
            check_error::<Ping>(&format!("{{ from: client, to: 192.168.0.93, {rest} }}"))
        };
        assert!(error("expect: { loss: 100% }").contains("is never exceeded"));
        assert!(error("expect: { silence: true, ttl: 64 }").contains("has no loss"));
        assert!(error("count: 0").contains("0"));
    }
}
