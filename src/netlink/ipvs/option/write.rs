//! Requests, done by socket options.

use super::layout::{self, DAEMON, DESTINATION_USER, SERVICE_USER, TIMEOUTS};
use super::{Options, lack};
use crate::netlink::ipvs::constants::*;
use crate::netlink::ipvs::{DestinationKey, Error, Request, ServiceKey};
use crate::netlink::socket;

impl Options {
    /// Does one request, unless there is no option for it.
    pub(in crate::netlink::ipvs) fn change(&mut self, request: &Request) -> Result<(), Error> {
        Self::check(request)?;
        let (option, value) = command(request);
        let told = self.tell(option, &value);
        told.map_err(|errno| Error::changing(request, socket::Error::Kernel(errno)))
    }

    /// Refuses what there is no option for.
    pub(in crate::netlink::ipvs) fn check(request: &Request) -> Result<(), Error> {
        match lack::of_request(request) {
            Some(lacks) => Err(Error::UserNamespace { what: request.to_string(), lacks }),
            None => Ok(()),
        }
    }
}

/// The option, and its value, whose length must be just that of its structure.
pub(super) fn command(request: &Request) -> (i32, Vec<u8>) {
    use Request::{
        AddDestination, AddService, EditDestination, EditService, Flush, RemoveDestination,
        RemoveService, SetTimeouts, StartDaemon, StopDaemon, Zero,
    };
    match request {
        AddService(new) => service(IP_VS_SO_SET_ADD, |out| layout::put_service(out, new)),
        EditService(new) => service(IP_VS_SO_SET_EDIT, |out| layout::put_service(out, new)),
        RemoveService(key) => service(IP_VS_SO_SET_DEL, |out| layout::put_service_key(out, key)),
        AddDestination(key, new) => destination(IP_VS_SO_SET_ADDDEST, key, |out| {
            layout::put_destination(out, new);
        }),
        EditDestination(key, new) => destination(IP_VS_SO_SET_EDITDEST, key, |out| {
            layout::put_destination(out, new);
        }),
        RemoveDestination(key, old) => remove(key, old),
        StartDaemon(new) => {
            filled(IP_VS_SO_SET_STARTDAEMON, DAEMON, |out| layout::put_daemon(out, new))
        }
        StopDaemon(key) => {
            filled(IP_VS_SO_SET_STOPDAEMON, DAEMON, |out| layout::put_daemon_key(out, key))
        }
        SetTimeouts(timeouts) => {
            filled(IP_VS_SO_SET_TIMEOUT, TIMEOUTS, |out| layout::put_timeouts(out, timeouts))
        }
        Zero(Some(key)) => service(IP_VS_SO_SET_ZERO, |out| layout::put_service_key(out, key)),
        // No service at all is every one.
        Zero(None) => service(IP_VS_SO_SET_ZERO, |_| {}),
        Flush => filled(IP_VS_SO_SET_FLUSH, 0, |_| {}),
    }
}

fn service(option: i32, put: impl FnOnce(&mut [u8])) -> (i32, Vec<u8>) {
    filled(option, SERVICE_USER, put)
}

/// `struct ip_vs_svcdest_user`: a service, and a destination behind it.
fn destination(option: i32, key: &ServiceKey, put: impl FnOnce(&mut [u8])) -> (i32, Vec<u8>) {
    filled(option, SERVICE_USER + DESTINATION_USER, |out| {
        let (service, destination) = out.split_at_mut(SERVICE_USER);
        layout::put_service_key(service, key);
        put(destination);
    })
}

fn remove(key: &ServiceKey, old: &DestinationKey) -> (i32, Vec<u8>) {
    destination(IP_VS_SO_SET_DELDEST, key, |out| layout::put_destination_key(out, old))
}

fn filled(option: i32, length: usize, put: impl FnOnce(&mut [u8])) -> (i32, Vec<u8>) {
    let mut value = vec![0; length];
    put(&mut value);
    (option, value)
}
