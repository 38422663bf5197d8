//! `ipvs_table`: many virtual services at once, or all of them.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ipvs_service::{self, IpvsService};
use super::{Error, Host, Presence, Resource, TextDiff, modprobe};
use crate::netlink::ipvs::{
    self, Change, Failure, Handle, Plan, Policy, ServiceKey, Table, VirtualService, raced,
};

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
    /// For how many seconds at most what is to go keeps the connections that it has: its weight
    /// becomes 0, and it goes with its last connection, or when time is up. Not given: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<u32>,
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

    /// The services that are declared to be absent.
    pub(crate) fn absent(&self) -> impl Iterator<Item = ServiceKey> {
        let absent = self.services.iter().filter(|one| one.state() == Presence::Absent);
        absent.map(IpvsService::key)
    }

    /// Those services of the table that are declared to be absent.
    fn unwanted(&self, observed: &Table) -> Table {
        let found = observed.by_key();
        self.absent().filter_map(|key| found.get(&key).copied().cloned()).collect()
    }

    fn make(&self, ipvs: &mut Handle, changes: &[Change]) -> Result<Vec<Failure>, ipvs::Error> {
        match self.drain {
            Some(seconds) => ipvs_service::drained(changes, ipvs, seconds),
            None => ipvs.apply_all(changes),
        }
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
        if let Some(one) = self.services.iter().find(|one| one.drain().is_some()) {
            return Err(Error::new(format!("service `{}` has a `drain` of its own", one.key()))
                .hint("in a table it stands beside `services`, and counts for all of them"));
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
        let policy = Policy { purge: self.purge, drain: self.drain.is_some() };
        let Plan { mut now, mut later } = self.wanted(observed).reconcile(observed, policy);
        if !self.purge {
            let policy = Policy { purge: true, ..policy };
            let gone = Table::default().reconcile(&self.unwanted(observed), policy);
            now.extend(gone.now);
            later.extend(gone.later);
        }
        now.into_iter().chain(later).collect()
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        self.apply_all(host, std::slice::from_ref(change))
    }

    fn apply_all(&self, host: &mut Host, changes: &[Change]) -> Result<(), Error> {
        modprobe::load_schedulers(changes.iter().map(|change| &change.request));
        let mut failures = self.make(host.ipvs()?, changes)?;
        if raced(&failures) {
            // Another program was at it too; what is left to do is another thing by now.
            let now = self.observe(host)?;
            failures = self.make(host.ipvs()?, &self.diff(&now))?;
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
    fn gives_what_goes_no_more_clients_first_when_draining() {
        let busy = table(
            "
services:
  - service: udp://10.0.0.1:53
    scheduler: rr
    destinations: [{address: 10.0.0.9, forward: nat, weight: 3}]
  - service: tcp://10.0.0.1:80
    scheduler: rr
    destinations: [{address: 10.0.0.4, forward: direct}, {address: 10.0.0.2, forward: direct}]
",
        );
        assert_eq!(
            shown(&format!("{TWO}drain: 30\n"), &busy),
            [
                "add destination 10.0.0.3:80 direct weight 1 to tcp://10.0.0.1:80",
                "change destination 10.0.0.4:80 direct weight 0 of tcp://10.0.0.1:80 \
                 (was 10.0.0.4:80 direct weight 1)",
                "change destination 10.0.0.9:53 nat weight 0 of udp://10.0.0.1:53 \
                 (was 10.0.0.9:53 nat weight 3)",
                "remove destination 10.0.0.4:80 from tcp://10.0.0.1:80",
                "remove service udp://10.0.0.1:53",
            ]
        );
        let inner: IpvsTable = travelled("services: [{service: '10.0.0.1:80', drain: 3}]");
        assert!(inner.check().unwrap_err().hint.unwrap().contains("beside `services`"));
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
