//! IPVS over generic netlink, which is all of it.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use nix::errno::Errno;

use super::constants::*;
use super::daemon::{Daemon, Info, Timeouts};
use super::destination::DestinationState;
use super::error::Error;
use super::feature::{self, Feature};
use super::handle::Failure;
use super::message::{self, Request};
use super::option::Options;
use super::service::{Family, ServiceKey, ServiceState};
use super::table::VirtualService;
use crate::netlink::socket::{self, Batch, Socket};
use crate::netlink::wire::Malformed;

/// A socket of generic netlink, and the number that IPVS has there.
#[derive(Debug)]
pub(super) struct Generic {
    socket: Socket,
    family: u16,
    /// The faster way to some of what is read.
    options: Option<Options>,
    /// What this kernel was seen to have.
    proven: Vec<Feature>,
}

impl Generic {
    pub(super) fn over(socket: Socket, family: u16) -> Self {
        Self { socket, family, options: Options::open(), proven: Vec::new() }
    }

    pub(super) fn family(&self) -> u16 {
        self.family
    }

    /// Takes the socket options instead, where these are permitted and this is not.
    pub(super) fn or_options(mut self) -> Result<Options, Self> {
        let is_refused = self.info().is_err_and(|error| error.errno() == Some(Errno::EPERM));
        let are_permitted = is_refused && self.options.as_mut().is_some_and(Options::are_permitted);
        match self.options.take_if(|_| are_permitted) {
            Some(options) => Ok(options),
            None => Err(self),
        }
    }

    pub(super) fn info(&mut self) -> Result<Info, Error> {
        let what = "read the version of IPVS";
        let body = message::command(IPVS_CMD_GET_INFO, |_| {});
        let found = self.get(&body, message::info).map_err(|error| Error::reading(what, error))?;
        found.ok_or_else(|| nothing(what))
    }

    pub(super) fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let what = "read the timeouts";
        let body = message::command(IPVS_CMD_GET_CONFIG, |_| {});
        let found =
            self.get(&body, message::timeouts).map_err(|error| Error::reading(what, error))?;
        found.ok_or_else(|| nothing(what))
    }

    pub(super) fn services(&mut self) -> Result<Vec<ServiceState>, Error> {
        let body = message::command(IPVS_CMD_GET_SERVICE, |_| {});
        let found = self
            .dump(&body, message::service)
            .map_err(|error| Error::reading("list the services", error))?;
        Ok(without_repeats(found, |state| state.service.key))
    }

    pub(super) fn service(&mut self, key: &ServiceKey) -> Result<Option<ServiceState>, Error> {
        match self.get(&message::service_request(key), message::service) {
            Err(socket::Error::Kernel(Errno::ESRCH)) => Ok(None),
            other => other.map_err(|error| Error::reading(format!("read service {key}"), error)),
        }
    }

    pub(super) fn destinations(
        &mut self,
        key: &ServiceKey,
    ) -> Result<Vec<DestinationState>, Error> {
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

    /// Lists every service with its destinations, without what cannot be declared.
    ///
    /// Services are told by netlink, since nothing else tells their engine and flags. Their
    /// destinations come by the faster socket options where these tell everything: IPv4, no
    /// tunnel, and as many as the service has, so that none is of IPv6. The rest is asked for
    /// over netlink.
    pub(super) fn declared(&mut self) -> Result<Vec<VirtualService>, Error> {
        let (services, counts) = self.counted()?;
        let mut declared = Vec::new();
        for ServiceState { service, .. } in services {
            let count = counts.get(&service.key);
            let fast = count.zip(self.options.as_mut());
            let told = fast
                .and_then(|(count, options)| options.declared_destinations(&service.key, *count));
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

    pub(super) fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        let body = message::command(IPVS_CMD_GET_DAEMON, |_| {});
        self.dump(&body, message::daemon)
            .map_err(|error| Error::reading("list the sync daemons", error))
    }

    pub(super) fn change(&mut self, request: &Request) -> Result<(), Error> {
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
            let _ = self.change(&Request::RemoveDestination(*key, new.key));
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

    /// Does what was encoded beforehand, and tells which of the requests failed.
    pub(super) fn change_all<R: AsRef<Request>>(
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

fn nothing(what: &str) -> Error {
    let malformed = Malformed("an acknowledgement without an answer");
    Error::Socket { what: what.into(), source: malformed.into() }
}

/// Drops what was already seen: while others edit, the kernel's walk may repeat itself.
fn without_repeats<T, K: Hash + Eq>(found: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = HashSet::with_capacity(found.len());
    found.into_iter().filter(|one| seen.insert(key(one))).collect()
}
