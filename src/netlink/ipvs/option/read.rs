//! The table, told by socket options.

use std::collections::HashMap;

use nix::errno::Errno;

use super::layout::{self, DAEMON, INFO, SERVICE, TIMEOUTS};
use super::{Options, lack};
use crate::netlink::ipvs::constants::*;
use crate::netlink::ipvs::{
    Daemon, Destination, DestinationState, Error, Info, ServiceKey, ServiceState, Timeouts,
};
use crate::netlink::socket;

/// How often something is read again before that counts as a failure.
const ATTEMPTS: usize = 10;

/// Faster than netlink, and not everything.
impl Options {
    /// How many destinations each IPv4 service has, those of IPv6 included.
    pub(in crate::netlink::ipvs) fn counts(&mut self) -> Result<HashMap<ServiceKey, u32>, Errno> {
        self.ask_services()?;
        Ok(layout::counted(&self.buffer))
    }

    /// The destinations of an IPv4 service in the kernel's order, when they are just that many,
    /// and this interface tells all about them.
    pub(in crate::netlink::ipvs) fn declared_destinations(
        &mut self,
        key: &ServiceKey,
        count: u32,
    ) -> Option<Vec<Destination>> {
        self.ask_destinations(key, count).ok()?;
        layout::listed(&self.buffer, count)
    }

    /// Answers for how many there was room: some may be added meanwhile.
    fn ask_services(&mut self) -> Result<u32, Errno> {
        self.ask(IP_VS_SO_GET_INFO, INFO, |_| {})?;
        let room = layout::number_of_services(&self.buffer).saturating_add(64);
        let length = layout::services_length(room);
        self.ask(IP_VS_SO_GET_SERVICES, length, |out| layout::put_services_request(out, room))?;
        Ok(room)
    }

    /// With room for one more: when that is filled, the count was of another moment.
    fn ask_destinations(&mut self, key: &ServiceKey, count: u32) -> Result<(), Errno> {
        let room = count.saturating_add(1);
        let length = layout::destinations_length(room);
        self.ask(IP_VS_SO_GET_DESTS, length, |out| {
            layout::put_destinations_request(out, key, room);
        })
    }
}

/// What a [`Handle`](crate::netlink::ipvs::Handle) reads where netlink is refused.
impl Options {
    pub(in crate::netlink::ipvs) fn info(&mut self) -> Result<Info, Error> {
        self.ask(IP_VS_SO_GET_INFO, INFO, |_| {}).map_err(refused("read the version of IPVS"))?;
        Ok(layout::info(&self.buffer))
    }

    pub(in crate::netlink::ipvs) fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let asked = self.ask(IP_VS_SO_GET_TIMEOUT, TIMEOUTS, |_| {});
        asked.map_err(refused("read the timeouts"))?;
        Ok(layout::timeouts(&self.buffer))
    }

    pub(in crate::netlink::ipvs) fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        let what = "list the sync daemons";
        self.ask(IP_VS_SO_GET_DAEMON, 2 * DAEMON, |_| {}).map_err(refused(what))?;
        layout::daemons(&self.buffer).map_err(|error| Error::reading(what, error.into()))
    }

    pub(in crate::netlink::ipvs) fn services(&mut self) -> Result<Vec<ServiceState>, Error> {
        let what = "list the services";
        for _ in 0..ATTEMPTS {
            let room = self.ask_services().map_err(refused(what))?;
            let found = layout::services(&self.buffer);
            let found = found.map_err(|error| Error::reading(what, error.into()))?;
            if found.len() < room as usize {
                return Ok(found);
            }
        }
        Err(Error::reading(what, socket::Error::Unsteady))
    }

    pub(in crate::netlink::ipvs) fn service(
        &mut self,
        key: &ServiceKey,
    ) -> Result<Option<ServiceState>, Error> {
        let what = format!("read service {key}");
        if !self.ask_service(key, &what)? {
            return Ok(None);
        }
        layout::service_state(&self.buffer).map_err(|error| Error::reading(what, error.into()))
    }

    pub(in crate::netlink::ipvs) fn destinations(
        &mut self,
        key: &ServiceKey,
    ) -> Result<Vec<DestinationState>, Error> {
        let what = format!("list the destinations of {key}");
        let mut some_are_hidden = false;
        for _ in 0..ATTEMPTS {
            if !self.ask_service(key, &what)? {
                return Ok(Vec::new());
            }
            let count = layout::number_of_destinations(&self.buffer);
            match self.ask_destinations(key, count) {
                Err(Errno::ESRCH) => return Ok(Vec::new()),
                asked => asked.map_err(refused(&what))?,
            }
            let found = layout::destination_states(&self.buffer);
            if found.len() == count as usize {
                return Ok(found);
            }
            some_are_hidden = found.len() < count as usize;
        }
        if some_are_hidden {
            let lacks = "does not tell destinations of IPv6, and there are some";
            return Err(Error::UserNamespace { what, lacks });
        }
        Err(Error::reading(what, socket::Error::Unsteady))
    }

    /// Whether there is such a service.
    fn ask_service(&mut self, key: &ServiceKey, what: &str) -> Result<bool, Error> {
        if let Some(lacks) = lack::of_asking(key) {
            return Err(Error::UserNamespace { what: what.into(), lacks });
        }
        match self.ask(IP_VS_SO_GET_SERVICE, SERVICE, |out| layout::put_service_key(out, key)) {
            Err(Errno::ESRCH) => Ok(false),
            asked => asked.map(|()| true).map_err(refused(what)),
        }
    }
}

fn refused(what: &str) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::reading(what, socket::Error::Kernel(errno))
}
