//! The table, as a program uses it: read, changed one by one, changed in batches.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use netlink_sys::protocols::NETLINK_GENERIC;
use nix::errno::Errno;

use super::constants::*;
use super::daemon::{Daemon, DaemonKey, Info, Timeouts};
use super::destination::{Destination, DestinationKey, DestinationState};
use super::error::Error;
use super::feature::{self, Feature};
use super::message::{self, Request};
use super::option::Options;
use super::service::{Family, Service, ServiceKey, ServiceState};
use super::table::VirtualService;
use crate::netlink::generic;
use crate::netlink::socket::{self, Batch, Batches, Socket};
use crate::netlink::wire::Malformed;

/// A socket to the IPVS of the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Handle {
    socket: Socket,
    family: u16,
    options: Option<Options>,
    /// What this kernel was seen to have.
    proven: Vec<Feature>,
}

/// One request of several that failed.
#[derive(Debug)]
pub struct Failure {
    /// Its place among them.
    pub index: usize,
    /// What was asked.
    pub request: Request,
    /// Why.
    pub error: Error,
}

impl Handle {
    /// Opens a socket and looks IPVS up by its name, upon which the kernel, from 5.16 on, loads
    /// `ip_vs` where it can.
    pub fn open() -> Result<Self, Error> {
        let what = "find IPVS in the kernel";
        let mut socket = generic_socket(what)?;
        let body = generic::family_request(IPVS_GENL_NAME);
        let request = socket::Request { kind: generic::GENL_ID_CTRL, body: &body };
        match socket.get(request, generic::family) {
            Ok(Some(family)) => Ok(Self::over(socket, family)),
            Ok(None) | Err(socket::Error::Kernel(Errno::ENOENT)) => Err(Error::NoIpvs),
            Err(error) => Err(Error::reading(what, error)),
        }
    }

    /// Opens a socket to an IPVS that is there already; `None` when none is. Loads nothing.
    pub fn open_loaded() -> Result<Option<Self>, Error> {
        let what = "look for IPVS in the kernel";
        let mut socket = generic_socket(what)?;
        let body = generic::families_request();
        let request = socket::Request { kind: generic::GENL_ID_CTRL, body: &body };
        let families = socket
            .dump(request, generic::named_family)
            .map_err(|error| Error::reading(what, error))?;
        let found = families.into_iter().find(|(name, _)| name == IPVS_GENL_NAME);
        Ok(found.map(|(_, family)| Self::over(socket, family)))
    }

    fn over(socket: Socket, family: u16) -> Self {
        Self { socket, family, options: Options::open(), proven: Vec::new() }
    }

    /// The version of this IPVS and the size of its connection table.
    pub fn info(&mut self) -> Result<Info, Error> {
        let what = "read the version of IPVS";
        let body = message::command(IPVS_CMD_GET_INFO, |_| {});
        let found = self.get(&body, message::info).map_err(|error| Error::reading(what, error))?;
        found.ok_or_else(|| nothing(what))
    }

    /// How long idle connections are kept.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let what = "read the timeouts";
        let body = message::command(IPVS_CMD_GET_CONFIG, |_| {});
        let found =
            self.get(&body, message::timeouts).map_err(|error| Error::reading(what, error))?;
        found.ok_or_else(|| nothing(what))
    }

    /// Lists the services, in the kernel's order.
    pub fn services(&mut self) -> Result<Vec<ServiceState>, Error> {
        let body = message::command(IPVS_CMD_GET_SERVICE, |_| {});
        let found = self
            .dump(&body, message::service)
            .map_err(|error| Error::reading("list the services", error))?;
        Ok(without_repeats(found, |state| state.service.key))
    }

    /// Finds a service; `None` when there is no such service.
    pub fn service(&mut self, key: &ServiceKey) -> Result<Option<ServiceState>, Error> {
        match self.get(&message::service_request(key), message::service) {
            Err(socket::Error::Kernel(Errno::ESRCH)) => Ok(None),
            other => other.map_err(|error| Error::reading(format!("read service {key}"), error)),
        }
    }

    /// Lists the destinations of a service, in the kernel's order. Of a service that is not
    /// there it is an empty list: the kernel does not tell the two apart.
    pub fn destinations(&mut self, key: &ServiceKey) -> Result<Vec<DestinationState>, Error> {
        let found = self.each_destination(key, message::destination)?;
        Ok(without_repeats(found, |state| state.destination.key))
    }

    fn each_destination<T>(
        &mut self,
        key: &ServiceKey,
        decode: fn(&[u8], Family) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Error> {
        let family = key.family();
        self.dump(&message::destinations_request(key), |body| decode(body, family))
            .map_err(|error| Error::reading(format!("list the destinations of {key}"), error))
    }

    /// Lists every service with its destinations.
    pub fn table(&mut self) -> Result<Vec<(ServiceState, Vec<DestinationState>)>, Error> {
        let services = self.services()?;
        services
            .into_iter()
            .map(|service| {
                let destinations = self.destinations(&service.service.key)?;
                Ok((service, destinations))
            })
            .collect()
    }

    /// Lists every service with its destinations, without what cannot be declared.
    ///
    /// Services are told by netlink, since nothing else tells their engine and flags. Their
    /// destinations come by the faster socket options where these tell everything: IPv4, no
    /// tunnel, and as many as the service has, so that none is of IPv6. The rest is asked for
    /// over netlink.
    pub(crate) fn declared(&mut self) -> Result<Vec<VirtualService>, Error> {
        let (services, counts) = self.counted()?;
        let mut declared = Vec::new();
        for ServiceState { service, .. } in services {
            let count = counts.get(&service.key);
            let fast = count.zip(self.options.as_mut());
            let told = fast.and_then(|(count, options)| options.destinations(&service.key, *count));
            let destinations = match told {
                Some(destinations) => destinations,
                None => {
                    let found = self.each_destination(&service.key, message::declared_destination);
                    without_repeats(found?, |destination| destination.key)
                }
            };
            declared.push(VirtualService { service, destinations });
        }
        Ok(declared)
    }

    /// The services, and how many destinations those of IPv4 have.
    ///
    /// A dump goes by places in a list that, on 6.1, all network namespaces share, so an edit
    /// elsewhere can make it skip a service. The count is made in one go: while it
    /// knows a service that the dump does not, both are asked for again.
    fn counted(&mut self) -> Result<(Vec<ServiceState>, HashMap<ServiceKey, u32>), Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            // Nobody has to have the older interface; without it there is still netlink.
            let counts = self.options.as_mut().and_then(|options| options.counts().ok());
            let counts = counts.unwrap_or_default();
            let services = self.services()?;
            let told: HashSet<ServiceKey> =
                services.iter().map(|state| state.service.key).collect();
            if attempt == 10 || counts.keys().all(|key| told.contains(key)) {
                return Ok((services, counts));
            }
        }
    }

    /// Lists the sync daemons that run.
    pub fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        let body = message::command(IPVS_CMD_GET_DAEMON, |_| {});
        self.dump(&body, message::daemon)
            .map_err(|error| Error::reading("list the sync daemons", error))
    }

    /// Does one request.
    pub fn apply(&mut self, request: &Request) -> Result<(), Error> {
        check(request)?;
        self.send(request)
    }

    /// Does one request that may not make sense: the kernel is to judge.
    pub(crate) fn send(&mut self, request: &Request) -> Result<(), Error> {
        let body = request.encode();
        let raw = socket::Request { kind: self.family, body: &body };
        self.socket.change(raw).map_err(|error| Error::changing(request, error))?;
        self.prove(request)
    }

    /// Reads back what an older kernel would have dropped, once for each such thing. A
    /// destination that became another one than was asked for is removed again.
    fn prove(&mut self, request: &Request) -> Result<(), Error> {
        let mut used = feature::used_by(request);
        used.retain(|feature| !self.proven.contains(feature));
        if used.is_empty() {
            return Ok(());
        }
        if self.holds(request)? {
            self.proven.extend(used);
            return Ok(());
        }
        // Where the kernel is new enough, another program was at it in the meantime.
        let running = feature::running();
        let Some(lacking) = feature::lacking(&used, running) else { return Ok(()) };
        if let Request::AddDestination(key, new) = request {
            // It may have another address by now, and then it is not found.
            let _ = self.remove_destination(*key, new.key);
        }
        let (feature, since) = lacking.described();
        Err(Error::TooOld { what: request.to_string(), feature, since, running })
    }

    /// Whether what was asked for is there.
    fn holds(&mut self, request: &Request) -> Result<bool, Error> {
        Ok(match request {
            Request::AddService(new) | Request::EditService(new) => {
                self.service(&new.key)?.is_some_and(|state| state.service == *new)
            }
            Request::AddDestination(key, new) | Request::EditDestination(key, new) => {
                let mut found = self.destinations(key)?.into_iter();
                found.any(|state| state.destination == *new)
            }
            Request::StartDaemon(new) => self.daemons()?.iter().any(|daemon| daemon.is(new)),
            _ => true,
        })
    }

    /// Does many requests, much faster than one by one, and tells which of them failed. The
    /// others are done: a batch is not atomic. Nothing is sent when one of them is refused here.
    pub fn apply_all<R: AsRef<Request>>(&mut self, requests: &[R]) -> Result<Vec<Failure>, Error> {
        requests.iter().try_for_each(|request| check(request.as_ref()))?;
        self.send_all(requests)
    }

    /// Does many requests that may not make sense: the kernel is to judge.
    fn send_all<R: AsRef<Request>>(&mut self, requests: &[R]) -> Result<Vec<Failure>, Error> {
        self.send_batches(requests, batches(self.family, requests))
    }

    /// What encodes requests for this handle, in whatever thread.
    pub(crate) fn encoder(&self) -> Encoder {
        Encoder { family: self.family }
    }

    /// The same with what was encoded beforehand.
    pub(crate) fn send_batches<R: AsRef<Request>>(
        &mut self,
        requests: &[R],
        batches: impl IntoIterator<Item = Batch>,
    ) -> Result<Vec<Failure>, Error> {
        let refused = self.socket.change_all(batches).map_err(|source| Error::Socket {
            what: format!("apply {} changes", requests.len()),
            source,
        })?;
        let failure = |(index, errno): (usize, Errno)| {
            let request = requests.get(index)?.as_ref();
            let error = Error::answered(request, errno);
            Some(Failure { index, request: request.clone(), error })
        };
        let mut failures: Vec<Failure> = refused.into_iter().filter_map(failure).collect();
        self.prove_all(requests, &mut failures)?;
        Ok(failures)
    }

    /// The same for what was sent together: of what did not fail, the last word on each thing.
    fn prove_all<R: AsRef<Request>>(
        &mut self,
        requests: &[R],
        failures: &mut Vec<Failure>,
    ) -> Result<(), Error> {
        let failed: HashSet<usize> = failures.iter().map(|failure| failure.index).collect();
        for (index, request) in requests.iter().map(AsRef::as_ref).enumerate() {
            let used = feature::used_by(request);
            if used.iter().all(|one| self.proven.contains(one)) || failed.contains(&index) {
                continue;
            }
            let mut later = requests.iter().skip(index + 1).map(AsRef::as_ref);
            if later.any(|later| later.overrides(request)) {
                continue;
            }
            match self.prove(request) {
                Err(error @ Error::TooOld { .. }) => {
                    failures.push(Failure { index, request: request.clone(), error });
                }
                other => other?,
            }
        }
        failures.sort_by_key(|failure| failure.index);
        Ok(())
    }

    /// Adds a service.
    pub fn add_service(&mut self, service: &Service) -> Result<(), Error> {
        self.apply(&Request::AddService(service.clone()))
    }

    /// Changes what can be changed of a service: everything but its key.
    pub fn edit_service(&mut self, service: &Service) -> Result<(), Error> {
        self.apply(&Request::EditService(service.clone()))
    }

    /// Removes a service with its destinations.
    pub fn remove_service(&mut self, key: ServiceKey) -> Result<(), Error> {
        self.apply(&Request::RemoveService(key))
    }

    /// Adds a destination to a service.
    pub fn add_destination(
        &mut self,
        key: ServiceKey,
        destination: &Destination,
    ) -> Result<(), Error> {
        self.apply(&Request::AddDestination(key, *destination))
    }

    /// Changes a destination of a service.
    pub fn edit_destination(
        &mut self,
        key: ServiceKey,
        destination: &Destination,
    ) -> Result<(), Error> {
        self.apply(&Request::EditDestination(key, *destination))
    }

    /// Removes a destination from a service.
    pub fn remove_destination(
        &mut self,
        key: ServiceKey,
        destination: DestinationKey,
    ) -> Result<(), Error> {
        self.apply(&Request::RemoveDestination(key, destination))
    }

    /// Starts a sync daemon.
    pub fn start_daemon(&mut self, daemon: &Daemon) -> Result<(), Error> {
        self.apply(&Request::StartDaemon(daemon.clone()))
    }

    /// Stops a sync daemon.
    pub fn stop_daemon(&mut self, key: DaemonKey) -> Result<(), Error> {
        self.apply(&Request::StopDaemon(key))
    }

    /// Sets those of the timeouts that are given.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), Error> {
        self.apply(&Request::SetTimeouts(timeouts))
    }

    /// Sets the counters of one service, or of all, to zero.
    pub fn zero(&mut self, key: Option<ServiceKey>) -> Result<(), Error> {
        self.apply(&Request::Zero(key))
    }

    /// Removes every service, whoever made it.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.apply(&Request::Flush)
    }

    fn get<T>(
        &mut self,
        body: &[u8],
        decode: impl Fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Option<T>, socket::Error> {
        self.socket.get(socket::Request { kind: self.family, body }, decode)
    }

    fn dump<T>(
        &mut self,
        body: &[u8],
        decode: impl Fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, socket::Error> {
        self.socket.dump(socket::Request { kind: self.family, body }, decode)
    }
}

/// Encodes requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoder {
    family: u16,
}

/// Requests, and what the kernel gets of them.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// The requests.
    pub(crate) requests: Vec<Request>,
    /// The datagrams.
    pub(crate) batches: Vec<Batch>,
}

impl Encoder {
    /// Encodes all of them.
    pub(crate) fn encode(self, requests: Vec<Request>) -> Encoded {
        let batches = batches(self.family, &requests).collect();
        Encoded { requests, batches }
    }
}

fn batches<R: AsRef<Request>>(family: u16, requests: &[R]) -> impl Iterator<Item = Batch> {
    Batches::new(family, requests, |request, out| request.as_ref().write(out))
}

fn generic_socket(what: &str) -> Result<Socket, Error> {
    Socket::open(NETLINK_GENERIC).map_err(|error| Error::reading(what, socket::Error::Io(error)))
}

fn check(request: &Request) -> Result<(), Error> {
    request.check().map_err(|refused| Error::Refused { what: request.to_string(), refused })
}

fn nothing(what: &str) -> Error {
    let malformed = Malformed("an acknowledgement without an answer");
    Error::Socket { what: what.into(), source: malformed.into() }
}

/// Drops what was already seen: while others edit, the kernel's walk may repeat itself.
fn without_repeats<T, K: Hash + Eq>(found: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = HashSet::with_capacity(found.len());
    found.into_iter().filter(|one| seen.insert(key(one))).collect()
}
