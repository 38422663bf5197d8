//! Making connections, and reading before and after each what the director has.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Dice, Scheduling, of_family, transport};
use crate::connection::CallError;
use crate::lab::check::{Hosts, look as ask};
use crate::lab::model::View;
use crate::lab::probe::{Failure, Hold, Open, Opened, Scheduled, ScheduledBy, StateOf};
use crate::modules::Error;
use crate::netlink::ipvs::{Connection, DestinationKey, Service};
use crate::netlink::route::Scope;
use crate::report::counted;

/// How long the last packets of a connection may take to the director.
const SETTLES: Duration = Duration::from_secs(2);

/// What came of the connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Course {
    /// The director.
    pub director: String,
    /// The service as it was at first; `None` when it is not there.
    pub service: Option<Service>,
    /// The connections, in their order.
    pub steps: Vec<Step>,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Where it came from.
    pub client: SocketAddr,
    /// What the scheduler saw.
    pub view: View,
    /// The same when it was done, and what was to be closed was closed.
    pub after: View,
    /// What persistence knew.
    pub known: Vec<Connection>,
    /// Whether persistence gives up a destination of weight 0.
    pub expires: bool,
    /// Whom the kernel chose; nobody when it knows no such connection.
    pub chosen: Option<DestinationKey>,
    /// Why the connection did not come about.
    pub failure: Option<Failure>,
}

pub(super) fn look(check: &Scheduling, hosts: &mut dyn Hosts) -> Result<Course, CallError> {
    let director = director(check, hosts)?;
    let sources = sources(check, hosts)?;
    let service =
        |scheduled: &Scheduled| scheduled.service.as_ref().map(|found| found.state.service.clone());
    let first = scheduled(check, &director, None, hosts)?;
    let mut course = Course { director, service: service(&first), steps: Vec::new() };
    if course.service.is_some() {
        let mut run = Run { check, open: Vec::new(), others: active(&first), before: first };
        let made = run.make(&sources, &mut course, hosts);
        // Whatever came, what is open is closed.
        let open = std::mem::take(&mut run.open);
        ask(hosts, &check.from, Hold { open: None, close: open })?;
        made?;
    }
    Ok(course)
}

/// Connections under way.
struct Run<'a> {
    check: &'a Scheduling,
    /// The numbers of those that are open.
    open: Vec<u64>,
    /// What the director takes for open besides: what was there before, and what failed, since
    /// it sees no answer of a real server and goes on waiting.
    others: u64,
    /// The service before the next connection.
    before: Scheduled,
}

impl Run<'_> {
    fn make(
        &mut self,
        sources: &[Option<IpAddr>],
        course: &mut Course,
        hosts: &mut dyn Hosts,
    ) -> Result<(), CallError> {
        let check = self.check;
        let mut dice = Dice(check.seed);
        for (number, source) in (0..u64::from(check.requests)).zip(sources.iter().cycle()) {
            let Open { to, .. } = self.opens(number, *source);
            let mut open: Vec<u64> = self.open.iter().copied().chain([number]).collect();
            let mut close = Vec::new();
            while open.len() > check.hold as usize {
                close.push(open.swap_remove(dice.below(open.len())));
            }
            let hold = Hold { open: Some(self.opens(number, *source)), close };
            let held = ask(hosts, &check.from, hold)?;
            let Some(Opened { local: client, failure }) = held.opened else {
                return Err(Error::new(format!("`{}` opened nothing to {to}", check.from)).into());
            };
            if failure.is_some() {
                open.retain(|one| *one != number);
            }
            self.open = open;
            let (after, chosen) = self.settled(client, failure.is_some(), course, hosts)?;
            let seen = view(&after);
            let Scheduled { known, expires, .. } = &self.before;
            course.steps.push(Step {
                client,
                view: view(&self.before),
                after: seen,
                known: known.iter().filter(|one| one.is_template()).cloned().collect(),
                expires: *expires,
                chosen,
                failure,
            });
            self.before = after;
        }
        Ok(())
    }

    fn opens(&self, number: u64, source: Option<IpAddr>) -> Open {
        let Scheduling { target, timeout, .. } = self.check;
        let transport = transport(target.udp);
        Open { number, to: target.to, source, transport, timeout: *timeout }
    }

    /// The service once it knows of the connection, and of those that were closed.
    fn settled(
        &mut self,
        client: SocketAddr,
        failed: bool,
        course: &Course,
        hosts: &mut dyn Hosts,
    ) -> Result<(Scheduled, Option<DestinationKey>), CallError> {
        let deadline = Instant::now() + SETTLES;
        loop {
            let now = scheduled(self.check, &course.director, Some(client), hosts)?;
            let entry = now.known.iter().find(|one| one.client == client && !one.is_template());
            let chosen = entry.map(|one| DestinationKey {
                address: one.destination.ip(),
                port: one.destination.port(),
            });
            // Whoever was refused has left nothing, or something that is half open.
            let others = self.others + u64::from(failed && chosen.is_some());
            let counted = self.check.target.udp || active(&now) <= others + self.open.len() as u64;
            let over = Instant::now() >= deadline;
            if (counted && (chosen.is_some() || failed)) || over {
                self.others = others;
                return Ok((now, chosen));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn view(scheduled: &Scheduled) -> View {
    scheduled.service.as_ref().map_or_else(View::default, |found| {
        View::observed(found.state.service.scheduler_flags, &found.destinations)
    })
}

fn active(scheduled: &Scheduled) -> u64 {
    let all = scheduled.service.iter().flat_map(|found| &found.destinations);
    all.map(|one| u64::from(one.active_connections)).sum()
}

fn scheduled(
    check: &Scheduling,
    director: &str,
    client: Option<SocketAddr>,
    hosts: &mut dyn Hosts,
) -> Result<Scheduled, CallError> {
    ask(hosts, director, ScheduledBy { service: check.target.service, client })
}

/// The host whose table the service is in: the one that is named, or among the directors the
/// only one; hosts in a group named so are directors, or else all are.
fn director(check: &Scheduling, hosts: &mut dyn Hosts) -> Result<String, CallError> {
    if let Some(on) = &check.on {
        return Ok(on.clone());
    }
    let named = |one: &&super::super::LabHost| one.groups.iter().any(|g| g.contains("director"));
    let all = hosts.hosts();
    let mut asked: Vec<String> = all.iter().filter(named).map(|one| one.name.clone()).collect();
    if asked.is_empty() {
        asked = all.iter().map(|one| one.name.clone()).collect();
    }
    if let [only] = asked.as_slice() {
        return Ok(only.clone());
    }
    let mut found = Vec::new();
    for host in asked {
        if scheduled(check, &host, None, hosts)?.service.is_some() {
            found.push(host);
        }
    }
    let service = check.target.service;
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Error::new(format!("service {service} is in no director's table")).into()),
        several => {
            let several = several.join(", ");
            let error = Error::new(format!("service {service} is in the tables of {several}"));
            Err(error.hint("`on` says which of them is the director").into())
        }
    }
}

/// The addresses that connections come from, in turn; `None` is the host's own choice.
fn sources(check: &Scheduling, hosts: &mut dyn Hosts) -> Result<Vec<Option<IpAddr>>, CallError> {
    let Some(clients) = check.clients else { return Ok(vec![None]) };
    let state = ask(hosts, &check.from, StateOf {})?;
    let mut own: Vec<Option<IpAddr>> = state
        .addresses
        .iter()
        .filter(|one| !state.is_loopback(&one.interface) && one.scope == Scope::Global)
        .filter(|one| of_family(&one.address, check.target.to.ip()))
        .map(|one| Some(one.address))
        .collect();
    if own.len() < clients as usize {
        let has = counted(own.len(), "address");
        let error = Error::new(format!("`{}` has {has}, and {clients} are asked for", check.from));
        return Err(error.hint("the module `address` gives a host more").into());
    }
    own.truncate(clients as usize);
    Ok(own)
}
