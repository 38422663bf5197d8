//! `failover`: something fails under a steady load; how soon do clients get answers again?
//!
//! ```yaml
//! checks:
//!   - failover:
//!       from: client
//!       url: http://192.168.0.89/
//!       fault: {power_off: lb1}
//!       within: 5
//!       failed_at_most: 8
//!   - failover: {from: client, url: "http://192.168.0.89/", within: 3,
//!                fault: {stop_service: {host: rs1, service: nginx}}}
//!   - failover: {from: client, url: "http://192.168.0.89/", within: 3,
//!                fault: {link_down: {host: rs1, interface: eth0}}}
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use indexmap::{IndexMap, IndexSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::cause::{self, Traffic};
use super::steady::{self, Pace, Steady, now};
use super::{Cause, Check, Hosts, Roster, Scene, Verdict};
use crate::connection::CallError;
use crate::lab::probe::{Seconds, Shot, State, Url};
use crate::netlink::ipvs::Protocol;

/// So long must go by without a failure before it counts as over; longer than a request waits.
const CALM: f64 = 2.0;

/// A fault, and how soon it is got over.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failover {
    /// The host that asks, all the time.
    from: String,
    /// What it asks for.
    url: Url,
    /// What fails: `stop_service`, `power_off`, `link_down`, `command`, `apply`.
    fault: Action,
    /// Within how many seconds requests must be answered again, all of them.
    within: Seconds,
    /// How many requests may fail until then.
    failed_at_most: Option<u32>,
    /// Within how many seconds after the fault is healed everything must be as before; as soon
    /// as after the fault unless written.
    back_within: Option<Seconds>,
    /// From one request to the next, in seconds.
    #[serde(default = "Failover::pause")]
    pause: Seconds,
    /// How long one request may take, in seconds.
    #[serde(default = "Failover::timeout")]
    timeout: Seconds,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fallen {
    /// When the fault began, and when it was healed, in seconds since 1970.
    broken: f64,
    healed: f64,
    /// Whether requests were answered before.
    warm: bool,
    /// Whether requests were answered again during the fault, and after it.
    recovered: bool,
    returned: bool,
    /// All requests.
    shots: Vec<Shot>,
    /// The hosts during the fault, when requests were not answered again.
    #[serde(skip)]
    states: IndexMap<String, State>,
}

impl Failover {
    fn pause() -> Seconds {
        Seconds::from_millis(20)
    }

    fn timeout() -> Seconds {
        Seconds::from_millis(1_000)
    }

    fn pace(&self) -> Pace {
        let (from, url) = (self.from.clone(), self.url.clone());
        Pace { from, url, pause: self.pause, timeout: self.timeout }
    }

    fn back(&self) -> Seconds {
        self.back_within.unwrap_or(self.within)
    }

    fn through(&self, hosts: &mut dyn Hosts, steady: &Steady) -> Result<Fallen, CallError> {
        let warm = steady.warm_up();
        let broken = now();
        let acted = self.fault.act(hosts);
        let proof = Duration::from_secs_f64(CALM * 2.0);
        let recovered = acted.is_ok()
            && steady.wait(self.within.0 + proof, |shots| is_calm(shots, broken, now()));
        let states = if recovered { IndexMap::new() } else { super::states(hosts).0 };
        let healed = now();
        self.fault.undo(hosts)?;
        acted?;
        let returned = steady.wait(self.back().0 + proof, |shots| {
            is_calm(shots, healed, now()) && missing(shots, broken, healed).is_empty()
        });
        Ok(Fallen { broken, healed, warm, recovered, returned, shots: Vec::new(), states })
    }
}

/// Whether it is some time since the last failure, and requests are being answered.
fn is_calm(shots: &[Shot], since: f64, now: f64) -> bool {
    let lately = |shot: &&Shot| ended(shot) > now - CALM;
    let mut last = shots.iter().filter(lately).peekable();
    now - since > CALM && last.peek().is_some() && last.all(|shot| shot.failure.is_none())
}

fn ended(shot: &Shot) -> f64 {
    shot.at + shot.seconds
}

/// The servers that answered before the fault and have not since it was healed.
fn missing(shots: &[Shot], broken: f64, healed: f64) -> Vec<&str> {
    let named = |from: f64, to: f64| -> IndexSet<&str> {
        let within = |shot: &&Shot| shot.at >= from && ended(shot) < to;
        shots.iter().filter(within).filter_map(|shot| shot.server.as_deref()).collect()
    };
    let after = named(healed, f64::INFINITY);
    named(0.0, broken).into_iter().filter(|name| !after.contains(name)).collect()
}

impl Fallen {
    fn failed(&self, from: f64, to: f64) -> Vec<&Shot> {
        let within = |shot: &&Shot| shot.failure.is_some() && ended(shot) >= from;
        self.shots.iter().filter(within).filter(|shot| ended(shot) < to).collect()
    }

    /// How long it took until the last failure was over, in seconds.
    fn outage(failed: &[&Shot], since: f64) -> f64 {
        failed.iter().map(|shot| ended(shot) - since).fold(0.0, f64::max)
    }
}

impl Check for Failover {
    type Seen = Fallen;

    fn title(&self) -> String {
        format!("{} goes on while {}", self.url, self.fault.in_words())
    }

    fn hosts(&self) -> Vec<&str> {
        let mut hosts = vec![self.from.as_str()];
        hosts.extend(self.fault.hosts());
        hosts
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Fallen, CallError> {
        let steady = Steady::start(hosts, &self.pace())?;
        let fallen = self.through(hosts, &steady);
        let shots = steady.end();
        Ok(Fallen { shots: shots?, ..fallen? })
    }

    fn judge(&self, seen: &Fallen, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        let within = self.within.0.as_secs_f64();
        verdict.expect(format!("requests answered again within {within} s of the fault"));
        if let Some(most) = self.failed_at_most {
            verdict.expect(format!("at most {most} failed until then"));
        }
        if !seen.warm {
            let all = steady::failures(seen.shots.iter().filter(|shot| shot.at < seen.broken));
            verdict.problem(format!("requests failed before the fault: {}", all.join(", ")));
            return verdict;
        }
        let failed = seen.failed(seen.broken, seen.healed);
        let outage = Fallen::outage(&failed, seen.broken);
        let all = seen.shots.len();
        verdict.see(format!(
            "{} of {all} requests failed during the fault, the last one after {outage:.2} s",
            failed.len()
        ));
        if !seen.recovered {
            verdict.problem(format!(
                "requests still failed {:.1} s after the fault",
                seen.healed - seen.broken
            ));
        } else if outage > within {
            verdict.problem(format!("it took {outage:.2} s, not {within}"));
        }
        if self.failed_at_most.is_some_and(|most| failed.len() > most as usize) {
            verdict.problem(format!("{} requests failed", failed.len()));
        }
        if !verdict.problems.is_empty() {
            verdict.seen.extend(steady::failures(failed.into_iter()));
        }
        self.judge_return(seen, &mut verdict);
        verdict
    }

    fn causes(&self, seen: &Fallen, scene: &Scene) -> Vec<Cause> {
        let Some(address) = self.url.address().filter(|_| !seen.recovered) else {
            return Vec::new();
        };
        let peer = SocketAddr::new(address, self.url.port);
        let failed = seen.failed(seen.broken, seen.healed);
        let answers = steady::answers(failed.into_iter(), peer);
        let traffic = Traffic::to_any(&self.from, peer, Protocol::Tcp, &answers);
        let then = Scene { lab: scene.lab, states: &seen.states };
        let mut causes = cause::of_traffic(&traffic, &then);
        let hosts: Vec<&str> = causes.iter().filter_map(|cause| cause.host.as_deref()).collect();
        let staying = cause::of_staying(peer, &hosts, &then);
        causes.extend(staying);
        causes
    }
}

impl Failover {
    fn judge_return(&self, seen: &Fallen, verdict: &mut Verdict) {
        let within = self.back().0.as_secs_f64();
        verdict.expect(format!("everything as before within {within} s of its end"));
        let after = seen.failed(seen.healed, f64::INFINITY);
        let outage = Fallen::outage(&after, seen.healed);
        let absent = missing(&seen.shots, seen.broken, seen.healed);
        verdict.see(format!(
            "{} requests failed after it was healed, the last one after {outage:.2} s",
            after.len()
        ));
        if !absent.is_empty() {
            verdict.problem(format!(
                "{} answered before the fault, and not after it was healed",
                absent.join(", ")
            ));
        } else if !seen.returned || outage > within {
            verdict.problem(format!("requests failed up to {outage:.2} s after it was healed"));
            verdict.seen.extend(steady::failures(after.into_iter()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_error, lab};
    use super::*;
    use crate::lab::probe::{Failure, Stage, Trouble};

    /// Requests of 0.1 s each, from 0; `!` failed.
    fn shots(names: &str) -> Vec<Shot> {
        let failed = Failure {
            stage: Stage::Connect,
            trouble: Trouble::Refused,
            message: "connection refused".into(),
        };
        let shot = |(at, name): (u32, &str)| Shot {
            at: f64::from(at) / 10.0,
            seconds: 0.09,
            server: (name != "!").then(|| name.to_owned()),
            failure: (name == "!").then(|| failed.clone()),
        };
        (0..).zip(names.split_whitespace()).map(shot).collect()
    }

    /// Broken after three requests, healed after seven.
    fn problems(more: &str, names: &str, recovered: bool) -> Vec<String> {
        let yaml = format!(
            "{{ from: client, url: 'http://192.168.0.89/', fault: {{ power_off: rs1 }}, {more} }}"
        );
        let seen = Fallen {
            broken: 0.3,
            healed: 0.7,
            warm: true,
            recovered,
            returned: true,
            shots: shots(names),
            states: IndexMap::new(),
        };
        check::<Failover>(&yaml).judge(&seen, &lab()).problems
    }

    #[test]
    fn counts_failures_from_the_fault_to_its_end() {
        assert_eq!(problems("within: 1", "a b a ! a a a b a", true), [""; 0]);
        assert_eq!(problems("within: 1, failed_at_most: 1", "a b a ! a a a b a", true), [""; 0]);
        assert_eq!(
            problems("within: 1, failed_at_most: 1", "a b a ! ! a a b a", true),
            ["2 requests failed"]
        );
        assert_eq!(problems("within: 0.1", "a b a ! ! a a b a", true), ["it took 0.19 s, not 0.1"]);
        assert_eq!(
            problems("within: 1", "a b a ! ! ! ! b a", false),
            ["requests still failed 0.4 s after the fault"]
        );
    }

    #[test]
    fn wants_everybody_back_once_it_is_healed() {
        assert_eq!(
            problems("within: 1", "a b a a a a a a a", true),
            ["b answered before the fault, and not after it was healed"]
        );
        assert_eq!(
            problems("within: 1, back_within: 0.05", "a b a a a a a ! b a", true),
            ["requests failed up to 0.09 s after it was healed"]
        );
    }

    #[test]
    fn is_calm_some_time_after_the_last_failure() {
        let all = shots("a a ! a a a a a a a a a a a a a a a a a a a a a a a");
        assert!(!is_calm(&all[..10], 0.2, 1.0), "too soon");
        assert!(is_calm(&all, 0.2, 2.5));
        assert!(!is_calm(&all, 0.2, 9.0), "nothing was answered lately");
    }

    #[test]
    fn says_what_a_fault_may_be() {
        let yaml = "{ from: client, url: 'http://a/', within: 1, fault: { powr_off: rs1 } }";
        assert!(check_error::<Failover>(yaml).contains("power_off"));
        let fault: Failover = check(
            "{ from: client, url: 'http://a/', within: 1,
               fault: { stop_service: { host: rs1, service: nginx } } }",
        );
        assert_eq!(Check::hosts(&fault), ["client", "rs1"]);
        assert_eq!(Check::title(&fault), "http://a/ goes on while nginx stops on rs1");
    }
}
