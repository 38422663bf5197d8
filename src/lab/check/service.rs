//! `service`: whether a daemon runs.
//!
//! ```yaml
//! checks:
//!   - service: {on: [rs1, rs2], name: nginx}
//!   - service: {on: lb2, name: keepalived, running: false}
//! ```

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::resolution::{OneOrMany, one_or_many};
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, cause};
use crate::connection::{Call, CallError};
use crate::modules::Mode;

/// A daemon, and whether it runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The host, or the hosts.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    on: Vec<String>,
    /// The name of its unit.
    name: String,
    /// Whether it must run.
    #[serde(default = "yes")]
    running: bool,
}

fn yes() -> bool {
    true
}

impl Check for Service {
    /// Whether it runs, by host.
    type Seen = IndexMap<String, bool>;

    fn title(&self) -> String {
        let does = if self.running { "runs" } else { "does not run" };
        format!("{} {does} on {}", self.name, self.on.join(", "))
    }

    fn hosts(&self) -> Vec<&str> {
        self.on.iter().map(String::as_str).collect()
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Self::Seen, CallError> {
        let mut seen = IndexMap::new();
        for host in &self.on {
            // What would have to be done for it to run: nothing when it does.
            let mode = Mode { check: true, ..Mode::default() };
            let arguments = json!({ "name": self.name, "state": "started" });
            let outcome = hosts.stage()?.module(host, Call::new("service", arguments, mode))?;
            seen.insert(host.clone(), !outcome.changed);
        }
        Ok(seen)
    }

    fn judge(&self, seen: &Self::Seen, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        let words = |runs: bool| if runs { "running" } else { "stopped" };
        verdict.expect(words(self.running));
        for (host, runs) in seen {
            verdict.see(format!("{host}: {}", words(*runs)));
            if *runs != self.running {
                verdict.problem(format!("{} is {} on {host}", self.name, words(*runs)));
            }
        }
        verdict
    }

    fn causes(&self, seen: &Self::Seen, scene: &Scene) -> Vec<Cause> {
        let stopped = seen.iter().filter(|(_, runs)| self.running && !**runs);
        stopped.filter_map(|(host, _)| cause::of_stopped(&self.name, host, scene)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, lab};
    use super::*;

    #[test]
    fn says_where_it_runs_and_must_not_and_the_reverse() {
        let problems = |more: &str, runs: bool| {
            let check: Service = check(&format!("{{ on: rs1, name: nginx, {more} }}"));
            check.judge(&IndexMap::from([("rs1".into(), runs)]), &lab()).problems
        };
        assert_eq!(problems("", true), [""; 0]);
        assert_eq!(problems("", false), ["nginx is stopped on rs1"]);
        assert_eq!(problems("running: false", true), ["nginx is running on rs1"]);
        assert_eq!(problems("running: false", false), [""; 0]);
    }
}
