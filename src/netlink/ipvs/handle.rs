//! The table, as a program uses it: read, changed one by one, changed in batches.

use netlink_sys::protocols::NETLINK_GENERIC;
use nix::errno::Errno;

use super::constants::IPVS_GENL_NAME;
use super::daemon::{Daemon, DaemonKey, Info, Timeouts};
use super::destination::{Destination, DestinationKey, DestinationState};
use super::error::Error;
use super::generic::Generic;
use super::message::Request;
use super::option::Options;
use super::service::{Service, ServiceKey, ServiceState};
use super::table::VirtualService;
use crate::netlink::generic;
use crate::netlink::socket::{self, Batch, Batches, Socket};

/// A socket to the IPVS of the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Handle {
    door: Door,
}

/// The kernel's two interfaces to IPVS.
#[derive(Debug)]
enum Door {
    /// The newer one.
    Generic(Generic),
    /// The older one, which cannot say everything: in a user namespace there is no other.
    Options(Options),
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
        let door = match Generic::over(socket, family).or_options() {
            Ok(options) => Door::Options(options),
            Err(generic) => Door::Generic(generic),
        };
        Self { door }
    }

    /// The version of this IPVS and the size of its connection table.
    pub fn info(&mut self) -> Result<Info, Error> {
        match &mut self.door {
            Door::Generic(door) => door.info(),
            Door::Options(door) => door.info(),
        }
    }

    /// How long idle connections are kept.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        match &mut self.door {
            Door::Generic(door) => door.timeouts(),
            Door::Options(door) => door.timeouts(),
        }
    }

    /// Lists the services, in the kernel's order.
    pub fn services(&mut self) -> Result<Vec<ServiceState>, Error> {
        match &mut self.door {
            Door::Generic(door) => door.services(),
            Door::Options(door) => door.services(),
        }
    }

    /// Finds a service; `None` when there is no such service.
    pub fn service(&mut self, key: &ServiceKey) -> Result<Option<ServiceState>, Error> {
        match &mut self.door {
            Door::Generic(door) => door.service(key),
            Door::Options(door) => door.service(key),
        }
    }

    /// Lists the destinations of a service, in the kernel's order. Of a service that is not
    /// there it is an empty list: the kernel does not tell the two apart.
    pub fn destinations(&mut self, key: &ServiceKey) -> Result<Vec<DestinationState>, Error> {
        match &mut self.door {
            Door::Generic(door) => door.destinations(key),
            Door::Options(door) => door.destinations(key),
        }
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
    pub(crate) fn declared(&mut self) -> Result<Vec<VirtualService>, Error> {
        if let Door::Generic(door) = &mut self.door {
            return door.declared();
        }
        let declared = |(state, found): (ServiceState, Vec<DestinationState>)| VirtualService {
            service: state.service,
            destinations: found.into_iter().map(|state| state.destination).collect(),
        };
        Ok(self.table()?.into_iter().map(declared).collect())
    }

    /// Lists the sync daemons that run.
    pub fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        match &mut self.door {
            Door::Generic(door) => door.daemons(),
            Door::Options(door) => door.daemons(),
        }
    }

    /// Refuses what makes no sense, and what this kernel offers no way to say here.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Error> {
        let sense = request.check();
        sense.map_err(|refused| Error::Refused { what: request.to_string(), refused })?;
        match &self.door {
            Door::Generic(_) => Ok(()),
            Door::Options(_) => Options::check(request),
        }
    }

    /// Does one request.
    pub fn apply(&mut self, request: &Request) -> Result<(), Error> {
        self.check(request)?;
        self.send(request)
    }

    /// Does one request that may not make sense: the kernel is to judge.
    pub(crate) fn send(&mut self, request: &Request) -> Result<(), Error> {
        match &mut self.door {
            Door::Generic(door) => door.change(request),
            Door::Options(door) => door.change(request),
        }
    }

    /// Does many requests, much faster than one by one, and tells which of them failed. The
    /// others are done: a batch is not atomic. Nothing is sent when one of them is refused here.
    pub fn apply_all<R: AsRef<Request>>(&mut self, requests: &[R]) -> Result<Vec<Failure>, Error> {
        requests.iter().try_for_each(|request| self.check(request.as_ref()))?;
        let encoder = self.encoder();
        self.send_batches(requests, encoder.batches(requests))
    }

    /// What encodes requests for this handle, in whatever thread.
    pub(crate) fn encoder(&self) -> Encoder {
        match &self.door {
            Door::Generic(door) => Encoder { family: Some(door.family()) },
            Door::Options(_) => Encoder { family: None },
        }
    }

    /// Does many requests that may not make sense, as this handle's encoder has encoded them:
    /// the kernel is to judge.
    pub(crate) fn send_batches<R: AsRef<Request>>(
        &mut self,
        requests: &[R],
        batches: impl IntoIterator<Item = Batch>,
    ) -> Result<Vec<Failure>, Error> {
        let options = match &mut self.door {
            Door::Generic(door) => return door.change_all(requests, batches),
            Door::Options(door) => door,
        };
        let requests = requests.iter().map(AsRef::as_ref).enumerate();
        let failure = |(index, request): (usize, &Request)| {
            let error = options.change(request).err()?;
            Some(Failure { index, request: request.clone(), error })
        };
        Ok(requests.filter_map(failure).collect())
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
}

/// Encodes requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoder {
    /// `None` where nothing goes out in datagrams.
    family: Option<u16>,
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
        let batches = self.batches(&requests).collect();
        Encoded { requests, batches }
    }

    fn batches<R: AsRef<Request>>(self, requests: &[R]) -> impl Iterator<Item = Batch> {
        let batches =
            |family| Batches::new(family, requests, |request, out| request.as_ref().write(out));
        self.family.map(batches).into_iter().flatten()
    }
}

fn generic_socket(what: &str) -> Result<Socket, Error> {
    Socket::open(NETLINK_GENERIC).map_err(|error| Error::reading(what, socket::Error::Io(error)))
}
