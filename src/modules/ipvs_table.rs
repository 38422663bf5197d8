//! `ipvs_table`: many virtual services at once, or all of them.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ipvs_service::{self, IpvsService};
use super::{Error, Host, Presence, Resource, TextDiff};
use crate::netlink::ipvs::{Change, Failure, Policy, Request, Table, VirtualService, raced};

/// Declares many virtual services of IPVS, each as `ipvs_service` does, in one task.
///
/// The table is read once and what differs is sent in batches, so that thousands of services
/// take seconds. Other services are not touched, unless `purge: true` says that what is not
/// declared is to go; it goes last.
///
/// ```yaml
/// ipvs_table:
///   purge: true
///   services:
///     - service: tcp://192.168.0.89:80
///       scheduler: rr
///       forward: direct
///       destinations: [192.168.0.93, 192.168.0.94]
///     - service: udp://192.168.0.89:53
///       forward: nat
///       destinations:
///         - { address: 192.168.0.93, port: 5353, weight: 2 }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IpvsTable {
    /// The services, each with the arguments of `ipvs_service`.
    pub services: Vec<IpvsService>,
    /// Whether services go that are not declared here.
    #[serde(default)]
    pub purge: bool,
}

impl IpvsTable {
    /// The table as it is to be, given the one there is.
    #[must_use]
    pub fn wanted(&self, observed: &Table) -> Table {
        let found = observed.by_key();
        let present = self.services.iter().filter(|one| one.state() == Presence::Present);
        let wanted = present.map(|one| {
            let now = found.get(&one.key()).map(|now| now.destinations.as_slice());
            one.wanted(now.unwrap_or_default())
        });
        wanted.collect()
    }
}

impl Resource for IpvsTable {
    type Observed = Table;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        if self.services.is_empty() {
            return Err(Error::new("the list of services is empty").hint(
                "an empty list must not empty the table: list the services that are to go with \
                 `state: absent`",
            ));
        }
        let mut seen = HashSet::with_capacity(self.services.len());
        match self.services.iter().find(|one| !seen.insert(one.key())) {
            Some(twice) => Err(Error::new(format!("service `{}` is there twice", twice.key()))),
            None => Ok(()),
        }
    }

    fn observe(&self, host: &mut Host) -> Result<Table, Error> {
        // Without IPVS there are no services; an earlier task may be going to load it.
        match host.loaded_ipvs()? {
            Some(ipvs) => Ok(Table::read(ipvs)?),
            None => Ok(Table::default()),
        }
    }

    fn diff(&self, observed: &Table) -> Vec<Change> {
        let policy = Policy { purge: self.purge, drain: false };
        let mut changes = self.wanted(observed).reconcile(observed, policy).now;
        if !self.purge {
            let found = observed.by_key();
            let absent = self.services.iter().filter(|one| one.state() == Presence::Absent);
            let there = absent.map(IpvsService::key).filter(|key| found.contains_key(key));
            changes.extend(there.map(|key| Change::from(Request::RemoveService(key))));
        }
        changes
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        Ok(host.ipvs()?.apply(&change.request)?)
    }

    fn apply_all(&self, host: &mut Host, changes: &[Change]) -> Result<(), Error> {
        let mut failures = host.ipvs()?.apply_all(changes)?;
        if raced(&failures) {
            // Another program was at it too; what is left to do is another thing by now.
            let now = self.observe(host)?;
            failures = host.ipvs()?.apply_all(&self.diff(&now))?;
        }
        failed(failures, changes.len())
    }

    fn preview(&self, observed: &Table) -> Option<TextDiff> {
        let mut after = self.wanted(observed);
        if !self.purge {
            let declared: HashSet<_> = self.services.iter().map(IpvsService::key).collect();
            let others =
                observed.services().iter().filter(|one| !declared.contains(&one.service.key));
            after = after.into_services().into_iter().chain(others.cloned()).collect();
        }
        Some(ipvs_service::preview(observed, &after))
    }

    fn report(&self, observed: &Table) -> Map<String, Value> {
        let destinations = |one: &VirtualService| one.destinations.len();
        let mut map = Map::new();
        map.insert("services".into(), observed.services().len().into());
        let count: usize = observed.services().iter().map(destinations).sum();
        map.insert("destinations".into(), count.into());
        map
    }
}

/// The first failure in its own words, and how many there are besides.
fn failed(failures: Vec<Failure>, of: usize) -> Result<(), Error> {
    let count = failures.len();
    let Some(first) = failures.into_iter().next() else { return Ok(()) };
    let mut error = Error::from(first.error);
    if count > 1 {
        error.message = format!("{} (and {} of {of} changes more)", error.message, count - 1);
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::{mistake, travelled};
    use super::*;

    const TWO: &str = "
services:
  - {service: '10.0.0.1:80', scheduler: rr, destinations: [10.0.0.2, 10.0.0.3]}
  - {service: 'udp://10.0.0.1:53', scheduler: lc, state: absent}
";

    fn table(yaml: &str) -> Table {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn shown(task: &str, observed: &Table) -> Vec<String> {
        travelled::<IpvsTable>(task).diff(observed).iter().map(ToString::to_string).collect()
    }

    fn observed() -> Table {
        table(
            "
services:
  - {service: 'udp://10.0.0.1:53', scheduler: rr}
  - service: tcp://10.0.0.1:80
    scheduler: rr
    destinations: [{address: 10.0.0.2, forward: direct, weight: 0}]
  - {service: fwmark://7, scheduler: rr}
",
        )
    }

    #[test]
    fn does_what_differs_and_leaves_others_alone() {
        assert_eq!(
            shown(TWO, &observed()),
            [
                "add destination 10.0.0.3:80 direct weight 1 to tcp://10.0.0.1:80",
                "remove service udp://10.0.0.1:53",
            ]
        );
    }

    #[test]
    fn purges_when_told_to() {
        let purge = format!("{TWO}purge: true\n");
        assert_eq!(
            shown(&purge, &observed())[1..],
            ["remove service udp://10.0.0.1:53", "remove service fwmark://7"]
        );
    }

    #[test]
    fn takes_a_table_that_was_saved() {
        let saved = serde_yaml::to_string(&observed()).unwrap();
        let task: IpvsTable = travelled(&format!("{saved}purge: true\n"));
        assert!(task.diff(&observed()).is_empty());
    }

    #[test]
    fn previews_what_stays_too() {
        let preview = travelled::<IpvsTable>(TWO).preview(&observed()).unwrap();
        assert_eq!(
            preview.after,
            "tcp://10.0.0.1:80 rr\n  -> 10.0.0.2:80 direct weight 0\n  \
             -> 10.0.0.3:80 direct weight 1\nfwmark://7 rr\n"
        );
    }

    #[test]
    fn says_which_of_the_services_is_wrong() {
        let bad = "services:\n  - {service: '10.0.0.1:80'}\n  - {service: '10.0.0.1'}\n";
        assert!(mistake::<IpvsTable>(bad).starts_with("t.yml:3:15: "));
        let twice: IpvsTable =
            travelled("services: [{service: '10.0.0.1:80'}, {vip: 10.0.0.1, port: 80}]");
        assert!(twice.check().unwrap_err().message.contains("is there twice"));
        let none: IpvsTable = travelled("services: []");
        assert!(none.check().unwrap_err().hint.unwrap().contains("state: absent"));
    }
}
