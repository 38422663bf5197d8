//! `ipvs_timeouts`: for how long idle connections are remembered.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Error, Host, Resource};
use crate::netlink::ipvs::Timeouts;

/// The most that `ipvsadm` takes; the kernel's arithmetic overflows far above it.
const LONGEST: u32 = 31 * 24 * 60 * 60;

/// Declares for how long IPVS remembers idle connections, in seconds.
///
/// What is not given is left as it is. The kernel begins with 900, 120 and 300.
///
/// ```yaml
/// ipvs_timeouts:
///   tcp: 7200
///   tcp_fin: 60
///   udp: 30
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IpvsTimeouts {
    /// Established TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<u32>,
    /// TCP after a FIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_fin: Option<u32>,
    /// UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp: Option<u32>,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Those that differ.
    pub timeouts: Timeouts,
    /// All of them, as they are.
    pub before: Timeouts,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("set timeouts")?;
        for ((name, new), (_, old)) in named(&self.timeouts).into_iter().zip(named(&self.before)) {
            match (new, old) {
                (Some(new), Some(old)) => write!(f, " {name} {new} s (was {old} s)")?,
                (Some(new), None) => write!(f, " {name} {new} s")?,
                (None, _) => {}
            }
        }
        Ok(())
    }
}

fn named(timeouts: &Timeouts) -> [(&'static str, Option<u32>); 3] {
    [("tcp", timeouts.tcp), ("tcp_fin", timeouts.tcp_fin), ("udp", timeouts.udp)]
}

impl IpvsTimeouts {
    fn declared(self) -> Timeouts {
        Timeouts { tcp: self.tcp, tcp_fin: self.tcp_fin, udp: self.udp }
    }
}

impl Resource for IpvsTimeouts {
    type Observed = Timeouts;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        let declared = self.declared();
        if declared == Timeouts::default() {
            return Err(Error::new("no timeout is given").hint("give `tcp`, `tcp_fin` or `udp`"));
        }
        for (name, seconds) in named(&declared) {
            match seconds {
                Some(0) => {
                    return Err(Error::new(format!("`{name}` is 0")).hint(
                        "the kernel would leave it as it is: give seconds, or leave it out",
                    ));
                }
                Some(seconds) if seconds > LONGEST => {
                    return Err(Error::new(format!(
                        "`{name}` of {seconds} seconds is longer than 31 days"
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn observe(&self, host: &mut Host) -> Result<Timeouts, Error> {
        // Without IPVS there are none; an earlier task may be going to load it.
        match host.loaded_ipvs()? {
            Some(ipvs) => Ok(ipvs.timeouts()?),
            None => Ok(Timeouts::default()),
        }
    }

    fn diff(&self, observed: &Timeouts) -> Vec<Change> {
        let differing = |new: Option<u32>, now| new.filter(|_| new != now);
        let timeouts = Timeouts {
            tcp: differing(self.tcp, observed.tcp),
            tcp_fin: differing(self.tcp_fin, observed.tcp_fin),
            udp: differing(self.udp, observed.udp),
        };
        if timeouts == Timeouts::default() {
            return Vec::new();
        }
        vec![Change { timeouts, before: *observed }]
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        Ok(host.ipvs()?.set_timeouts(change.timeouts)?)
    }

    fn report(&self, observed: &Timeouts) -> Map<String, Value> {
        named(observed).into_iter().map(|(name, seconds)| (name.into(), json!(seconds))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::travelled;
    use super::*;

    fn timeouts(tcp: u32, tcp_fin: u32, udp: u32) -> Timeouts {
        Timeouts { tcp: Some(tcp), tcp_fin: Some(tcp_fin), udp: Some(udp) }
    }

    #[test]
    fn sets_only_what_differs() {
        let shown = |yaml: &str, observed| {
            let task: IpvsTimeouts = travelled(yaml);
            task.check().unwrap();
            task.diff(&observed).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let now = timeouts(900, 120, 300);
        assert!(shown("{tcp: 900}", now).is_empty());
        assert_eq!(
            shown("{tcp: 60, tcp_fin: 120, udp: 10}", now),
            ["set timeouts tcp 60 s (was 900 s) udp 10 s (was 300 s)"]
        );
        assert_eq!(shown("{udp: 300}", Timeouts::default()), ["set timeouts udp 300 s"]);
    }

    #[test]
    fn refuses_what_would_do_nothing_or_overflow() {
        for (yaml, part) in [
            ("{}", "no timeout is given"),
            ("{tcp: 0}", "`tcp` is 0"),
            ("{udp: 2678401}", "`udp` of 2678401 seconds is longer"),
        ] {
            let task: IpvsTimeouts = travelled(yaml);
            assert!(task.check().unwrap_err().message.contains(part), "{yaml}");
        }
    }
}
