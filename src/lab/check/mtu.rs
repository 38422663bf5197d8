//! `mtu`: the largest packet that passes from a host to an address without being fragmented, and
//! who says that a larger one does not.
//!
//! ```yaml
//! checks:
//!   - mtu: {from: client, to: 192.168.0.93, bytes: 1500}
//!   - mtu: {from: client, to: "fd00::93", at_least: 1280}
//! ```

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cause, Check, Hosts, Roster, Scene, Verdict, cause, look, ping};
use crate::connection::CallError;
use crate::lab::probe::{self, Echo, EchoError, Refused, Seconds};

/// No packet is so large.
const TOO_LARGE: u32 = 65_536;
/// How often a packet is tried that nobody answers: any can be lost.
const TRIES: u32 = 3;

/// The largest packet that passes.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Mtu {
    from: String,
    to: IpAddr,
    size: Size,
    timeout: Seconds,
}

/// How large it must be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Size {
    Just(u32),
    AtLeast(u32),
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Mtu")]
pub(super) struct Written {
    /// The host that sends.
    from: String,
    /// The address that answers, of IPv4 or IPv6.
    to: IpAddr,
    /// How large the largest packet is that passes, in bytes, with its IP header.
    bytes: Option<u16>,
    /// How large it is at least.
    at_least: Option<u16>,
    /// How long to wait for an answer to each packet that is tried.
    #[serde(default = "one")]
    timeout: Seconds,
}

fn one() -> Seconds {
    Seconds::from_millis(1_000)
}

impl TryFrom<Written> for Mtu {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { from, to, bytes, at_least, timeout } = written;
        let size = match (bytes, at_least) {
            (Some(bytes), None) => Size::Just(bytes.into()),
            (None, Some(bytes)) => Size::AtLeast(bytes.into()),
            _ => return Err("give one of `bytes` and `at_least`".into()),
        };
        // Every link passes so much.
        let least = if to.is_ipv4() { 68 } else { 1_280 };
        if size.bytes() < least {
            return Err(format!("{} bytes pass everywhere\nhint: from {least}", size.bytes()));
        }
        Ok(Self { from, to, size, timeout })
    }
}

impl Size {
    fn bytes(self) -> u32 {
        match self {
            Self::Just(bytes) | Self::AtLeast(bytes) => bytes,
        }
    }
}

/// What passed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Passed {
    /// The largest that did, in bytes; none where not even the smallest is answered.
    largest: Option<u32>,
    /// What was said of one byte more, or of the smallest; nothing where it was lost in silence.
    refused: Option<Refused>,
    /// The address they were sent from.
    local: Option<IpAddr>,
}

/// The largest size that passes, between one that does and one that does not, trying first what
/// is likely. The last size that `passes` denies is the one above it.
fn largest(
    mut low: u32,
    mut high: u32,
    likely: [u32; 2],
    mut passes: impl FnMut(u32) -> Result<bool, CallError>,
) -> Result<u32, CallError> {
    while high - low > 1 {
        let between = |size: &u32| low < *size && *size < high;
        let size = likely.into_iter().find(between).unwrap_or(low + (high - low) / 2);
        if passes(size)? {
            low = size;
        } else {
            high = size;
        }
    }
    Ok(low)
}

impl Mtu {
    /// What became of a packet of this size.
    fn send(&self, hosts: &mut dyn Hosts, bytes: u32) -> Result<(Echo, Option<IpAddr>), CallError> {
        let (to, timeout) = (self.to, self.timeout);
        let ping = probe::Ping { to, count: 1, bytes, interval: timeout, timeout, whole: true };
        let mut seen = (Echo::Silence, None);
        for _ in 0..TRIES {
            let pinged = look(hosts, &self.from, ping.clone())?;
            seen = (pinged.echoes.into_iter().next().unwrap_or(Echo::Silence), pinged.local);
            if seen.0 != Echo::Silence {
                break;
            }
        }
        Ok(seen)
    }
}

impl Check for Mtu {
    type Seen = Passed;

    fn title(&self) -> String {
        let size = match self.size {
            Size::Just(bytes) => format!("{bytes} bytes"),
            Size::AtLeast(bytes) => format!("at least {bytes} bytes"),
        };
        format!("{size} pass unfragmented from {} to {}", self.from, self.to)
    }

    fn hosts(&self) -> Vec<&str> {
        vec![&self.from]
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Passed, CallError> {
        let smallest = probe::Ping::headers(self.to);
        let (echo, local) = self.send(hosts, smallest)?;
        match echo {
            Echo::Answer { .. } => {}
            Echo::Refused(refused) => {
                return Ok(Passed { largest: None, refused: Some(refused), local });
            }
            Echo::Silence => return Ok(Passed { largest: None, refused: None, local }),
        }
        let wanted = self.size.bytes();
        // Of the smallest that did not pass.
        let mut refused = None;
        let largest = largest(smallest, TOO_LARGE, [wanted, wanted + 1], |bytes| {
            let (echo, _) = self.send(hosts, bytes)?;
            let passes = echo.is_answer();
            if !passes {
                refused = match echo {
                    Echo::Refused(refused) => Some(refused),
                    _ => None,
                };
            }
            Ok(passes)
        })?;
        Ok(Passed { largest: Some(largest), refused, local })
    }

    fn judge(&self, seen: &Passed, lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.expect(Check::title(self));
        let said = match &seen.refused {
            Some(refused) => ping::said(refused, lab),
            None => "nothing came back".to_owned(),
        };
        let Some(largest) = seen.largest else {
            verdict.problem(format!("not even the smallest packet is answered: {said}"));
            return verdict;
        };
        verdict.see(format!("{largest} bytes pass; of one more: {said}"));
        let wanted = match self.size {
            Size::Just(bytes) if largest != bytes => format!("not {bytes}"),
            Size::AtLeast(bytes) if largest < bytes => format!("not at least {bytes}"),
            _ => return verdict,
        };
        verdict.problem(format!("the largest packet that passes has {largest} bytes, {wanted}"));
        match &seen.refused {
            Some(Refused { error: EchoError::TooBig, by: Some(by), mtu: Some(mtu) }) => {
                let by = lab.address(*by);
                verdict.problem(format!("{by} says that its next link takes {mtu} bytes"));
            }
            Some(Refused { error: EchoError::TooBig, by: None, .. }) => {
                let from = &self.from;
                verdict.problem(format!("the interface of {from} takes no more"));
            }
            Some(_) => verdict.problem(format!("of larger ones: {said}")),
            None => verdict.problem(
                "larger ones are lost, and nobody says so: path MTU discovery does not find out",
            ),
        }
        verdict
    }

    /// Who has the smallest link said so; a way that is closed altogether has other causes.
    fn causes(&self, seen: &Passed, scene: &Scene) -> Vec<Cause> {
        match seen.largest {
            Some(_) => Vec::new(),
            None => cause::of_way_there(&self.from, self.to, seen.local, scene),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_error, lab};
    use super::*;

    fn problems(expect: &str, largest: Option<u32>, refused: Option<Refused>) -> Vec<String> {
        let yaml = format!("{{ from: client, to: 192.168.0.93, {expect} }}");
        check::<Mtu>(&yaml).judge(&Passed { largest, refused, local: None }, &lab()).problems
    }

    fn too_big(by: Option<[u8; 4]>) -> Option<Refused> {
        let (by, mtu) = (by.map(IpAddr::from), Some(1_400));
        Some(Refused { error: EchoError::TooBig, by, mtu })
    }

    #[test]
    fn finds_the_largest_with_few_packets_where_the_guess_is_right() {
        for limit in [28, 29, 1_400, 1_499, 1_500, 1_501, 65_535] {
            let mut asked = Vec::new();
            let found = largest(28, TOO_LARGE, [1_500, 1_501], |size| {
                asked.push(size);
                Ok(size <= limit)
            });
            assert_eq!(found.expect("it is found"), limit);
            assert!(asked.len() <= if limit == 1_500 { 2 } else { 18 }, "{asked:?}");
            let refused = asked.iter().rfind(|size| **size > limit);
            assert!(limit == 65_535 || refused == Some(&(limit + 1)), "{asked:?}");
        }
    }

    #[test]
    fn says_who_takes_no_more_or_that_nobody_does() {
        assert_eq!(problems("bytes: 1400", Some(1_400), too_big(None)), [""; 0]);
        assert_eq!(problems("at_least: 1280", Some(1_400), None), [""; 0]);
        let wrong = "the largest packet that passes has 1400 bytes, not 1500";
        assert_eq!(
            problems("bytes: 1500", Some(1_400), too_big(Some([192, 168, 0, 90]))),
            [wrong, "192.168.0.90 (lb1) says that its next link takes 1400 bytes"]
        );
        assert_eq!(
            problems("bytes: 1500", Some(1_400), too_big(None)),
            [wrong, "the interface of client takes no more"]
        );
        let lost = problems("at_least: 1500", Some(1_400), None);
        assert!(lost[1].contains("nobody says so"), "{lost:?}");
        assert_eq!(
            problems("bytes: 1500", None, None),
            ["not even the smallest packet is answered: nothing came back"]
        );
    }

    #[test]
    fn refuses_what_is_not_one_size_that_can_be_wrong() {
        let error =
            |rest: &str| check_error::<Mtu>(&format!("{{ from: client, to: 192.168.0.93{rest} }}"));
        assert!(error("").contains("give one of `bytes` and `at_least`"));
        assert!(error(", bytes: 1500, at_least: 1400").contains("give one of"));
        assert!(error(", at_least: 60").contains("60 bytes pass everywhere"));
    }
}
