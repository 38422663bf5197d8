//! `hitless`: a playbook is applied, or something else is done, under a steady load; not one
//! request may fail or be reset.
//!
//! ```yaml
//! checks:
//!   - name: a new weight hurts nobody
//!     hitless:
//!       from: client
//!       url: http://192.168.0.89/
//!       during: {apply: {vars: {lvs_weight: 3}}}
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use indexmap::{IndexMap, IndexSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::cause::{self, Traffic};
use super::steady::{self, Pace, Steady, now};
use super::witness::Witness;
use super::{Cause, Check, Hosts, Roster, Scene, Verdict};
use crate::connection::CallError;
use crate::lab::probe::{Seconds, Shot, State, Url};
use crate::netlink::ipvs::Protocol;

/// How long the load goes on after a change: what breaks may take a moment to show.
const AFTER: Duration = Duration::from_millis(1_000);

/// Something that nobody may notice.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hitless {
    /// The host that asks, all the time.
    from: String,
    /// What it asks for.
    url: Url,
    /// What is done meanwhile, and then undone, which nobody may notice either.
    during: Action,
    /// From one request to the next, in seconds.
    #[serde(default = "Hitless::pause")]
    pause: Seconds,
    /// How long one request may take, in seconds.
    #[serde(default = "Hitless::timeout")]
    timeout: Seconds,
}

/// What was seen meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hits {
    /// What the action changed, where that is known.
    changed: Vec<String>,
    /// When it began, and when it was undone.
    begun: f64,
    undone: f64,
    /// All requests.
    shots: Vec<Shot>,
    /// The hosts when the first of them failed.
    #[serde(skip)]
    states: IndexMap<String, State>,
}

impl Hitless {
    fn pause() -> Seconds {
        Seconds::from_millis(5)
    }

    fn timeout() -> Seconds {
        Seconds::from_millis(3_000)
    }

    fn through(&self, hosts: &mut dyn Hosts, steady: &Steady) -> Result<Hits, CallError> {
        let warm = steady.warm_up();
        let since = if warm { now() } else { f64::NEG_INFINITY };
        let witness = Witness::start(hosts, steady, since)?;
        let begun = now();
        let changed = self.during.act(hosts);
        steady.go_on(AFTER);
        // What hangs because of the change must not look as if undoing it had been the cause,
        // and is to be seen before it is over.
        steady.finish_begun(self.timeout.0);
        witness.settle(steady, since);
        let undone = now();
        let back = self.during.undo(hosts);
        if back.is_ok() {
            steady.go_on(AFTER);
        }
        let states = witness.end();
        back?;
        Ok(Hits { changed: changed?, begun, undone, shots: Vec::new(), states })
    }
}

impl Check for Hitless {
    type Seen = Hits;

    fn title(&self) -> String {
        format!("nobody at {} notices that {}", self.url, self.during.in_words())
    }

    fn hosts(&self) -> Vec<&str> {
        let mut hosts = vec![self.from.as_str()];
        hosts.extend(self.during.hosts());
        hosts
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Hits, CallError> {
        let pace = Pace {
            from: self.from.clone(),
            url: self.url.clone(),
            pause: self.pause,
            timeout: self.timeout,
        };
        let steady = Steady::start(hosts, &pace)?;
        let hits = self.through(hosts, &steady);
        let shots = steady.end();
        Ok(Hits { shots: shots?, ..hits? })
    }

    fn judge(&self, seen: &Hits, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.expect("every request answered");
        let all = seen.shots.len();
        let moments = [
            ("before anything was done", f64::NEG_INFINITY, seen.begun),
            ("meanwhile", seen.begun, seen.undone),
            ("while it was undone", seen.undone, f64::INFINITY),
        ];
        for (when, from, to) in moments {
            let within = |shot: &&Shot| shot.at >= from && shot.at < to;
            let failed = steady::failures(seen.shots.iter().filter(within));
            if !failed.is_empty() {
                verdict.problem(format!("requests failed {when}: {}", failed.join(", ")));
            }
        }
        verdict.see(format!("{all} requests"));
        verdict.see(format!("{} things changed", seen.changed.len()));
        if let Action::Apply(_) = self.during
            && seen.changed.is_empty()
        {
            verdict.problem("the playbook changed nothing, which proves nothing");
        }
        if !seen.shots.iter().any(|shot| shot.at >= seen.begun && shot.at < seen.undone) {
            verdict.problem("no request was made meanwhile, which proves nothing");
        }
        verdict
    }

    /// The state that broke requests may be over: what counts is what was seen when one failed.
    fn causes(&self, seen: &Hits, scene: &Scene) -> Vec<Cause> {
        let Some(address) = self.url.address() else { return Vec::new() };
        let service = SocketAddr::new(address, self.url.port);
        let answers = steady::answers(seen.shots.iter(), service);
        if answers.requests.is_empty() {
            return Vec::new();
        }
        let traffic = Traffic::to_any(&self.from, service, Protocol::Tcp, &answers);
        let then = Scene { lab: scene.lab, states: &seen.states };
        let mut causes = cause::of_traffic(&traffic, &then);
        let before = seen.shots.iter().filter(|shot| shot.at < seen.begun);
        let servers: IndexSet<&str> = before.filter_map(|shot| shot.server.as_deref()).collect();
        let servers: Vec<&str> = servers.into_iter().collect();
        causes.extend(cause::of_leaving(service, &servers, &then));
        causes
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, lab};
    use super::*;
    use crate::lab::probe::{Failure, Stage, Trouble};

    fn problems(failed_at: &[f64], changed: &[&str]) -> Vec<String> {
        let check: Hitless = check(
            "{ from: client, url: 'http://192.168.0.89/', during: { apply: { vars: { a: 1 } } } }",
        );
        let failure = Failure {
            stage: Stage::Receive,
            trouble: Trouble::Reset,
            message: "connection reset".into(),
        };
        let shot = |at: f64| Shot {
            at,
            seconds: 0.1,
            server: None,
            failure: failed_at.contains(&at).then(|| failure.clone()),
        };
        let seen = Hits {
            changed: changed.iter().map(ToString::to_string).collect(),
            begun: 1.0,
            undone: 3.0,
            shots: (0..5).map(|at| shot(f64::from(at))).collect(),
            states: IndexMap::new(),
        };
        check.judge(&seen, &lab()).problems
    }

    #[test]
    fn allows_not_one_failure_at_any_time() {
        assert_eq!(problems(&[], &["x"]), [""; 0]);
        assert_eq!(
            problems(&[0.0, 1.0, 2.0, 4.0], &["x"]),
            [
                "requests failed before anything was done: 1 × connection reset",
                "requests failed meanwhile: 2 × connection reset",
                "requests failed while it was undone: 1 × connection reset",
            ]
        );
    }

    #[test]
    fn does_not_pass_when_nothing_was_done() {
        assert_eq!(problems(&[], &[]), ["the playbook changed nothing, which proves nothing"]);
    }
}
