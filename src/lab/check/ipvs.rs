//! `ipvs`: the table of a director equals what is written. Counters take no part.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Cause, Check, Hosts, Roster, Scene, Verdict, cause, draw, look};
use crate::connection::CallError;
use crate::lab::probe::{self, Table, VirtualService};
use crate::netlink::ipvs::Destination;

mod written;

use written::{Wanted, WrittenService};

/// The whole table of a host.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ipvs {
    /// The host.
    on: String,
    /// Every service, and no other; the order does not matter.
    #[schemars(with = "Vec<WrittenService>")]
    equals: Vec<Wanted>,
}

impl Check for Ipvs {
    type Seen = Table;

    fn title(&self) -> String {
        format!("the IPVS table of {}", self.on)
    }

    fn hosts(&self) -> Vec<&str> {
        vec![&self.on]
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Table, CallError> {
        look(hosts, &self.on, probe::Ipvs {})
    }

    fn judge(&self, seen: &Table, lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        for wanted in &self.equals {
            verdict.expect(wanted.service.to_string());
            verdict.expected.extend(wanted.destinations.iter().map(|one| format!("  -> {one}")));
        }
        for found in &seen.services {
            verdict.see(found.state.service.to_string());
            let rows = found.destinations.iter();
            verdict.seen.extend(rows.map(|one| format!("  -> {}", one.destination)));
        }
        verdict.problems = self.differences(seen, lab);
        verdict
    }

    fn causes(&self, _seen: &Table, scene: &Scene) -> Vec<Cause> {
        cause::of_table(&self.on, scene)
    }

    fn draw(&self, seen: &Table, lab: &Roster) -> Option<String> {
        Some(draw::table(seen, lab))
    }
}

impl Ipvs {
    fn differences(&self, seen: &Table, lab: &Roster) -> Vec<String> {
        let on = &self.on;
        let mut lines = Vec::new();
        for wanted in &self.equals {
            let key = wanted.service.key;
            match seen.services.iter().find(|found| found.state.service.key == key) {
                Some(found) => wanted.differences(found, on, lab, &mut lines),
                None => lines.push(format!("service {key} does not exist on {on}")),
            }
        }
        for found in &seen.services {
            let key = found.state.service.key;
            if !self.equals.iter().any(|wanted| wanted.service.key == key) {
                lines.push(format!("service {key} is on {on} and is not written"));
            }
        }
        lines
    }
}

impl Wanted {
    fn differences(&self, found: &VirtualService, on: &str, lab: &Roster, lines: &mut Vec<String>) {
        let (wanted, service) = (&self.service, &found.state.service);
        let key = wanted.key;
        let mut but_for_the_scheduler = service.clone();
        but_for_the_scheduler.scheduler.clone_from(&wanted.scheduler);
        if but_for_the_scheduler != *wanted {
            lines.push(format!("the service is `{service}`, not `{wanted}`"));
        } else if wanted.scheduler != service.scheduler {
            lines.push(format!(
                "the scheduler of {key} is {}, not {}",
                service.scheduler, wanted.scheduler
            ));
        }
        for want in &self.destinations {
            let name = destination(want, lab);
            let found = found.destinations.iter().map(|one| one.destination);
            let Some(have) = found.into_iter().find(|one| one.key == want.key) else {
                lines.push(format!("destination {name} of {key} is missing from {on}'s table"));
                continue;
            };
            if have.weight != want.weight {
                let (is, not) = (have.weight, want.weight);
                lines.push(format!("the weight of {name} is {is}, not {not}"));
            }
            if have.forward != want.forward {
                let (is, not) = (have.forward, want.forward);
                lines.push(format!("the forwarding method of {name} is {is}, not {not}"));
            }
            let thresholds = |one: &Destination| (one.upper_threshold, one.lower_threshold);
            if thresholds(&have) != thresholds(want) {
                lines.push(format!("destination {name} has thresholds: `{have}`"));
            }
        }
        for have in &found.destinations {
            let have = have.destination;
            if !self.destinations.iter().any(|want| want.key == have.key) {
                let name = destination(&have, lab);
                lines.push(format!("destination {name} of {key} is on {on} and is not written"));
            }
        }
    }
}

/// A destination with the name of its real server.
fn destination(one: &Destination, lab: &Roster) -> String {
    match lab.by_address(one.key.address) {
        Some(host) => format!("{} ({host})", one.key),
        None => one.key.to_string(),
    }
}

#[cfg(test)]
mod tests;
