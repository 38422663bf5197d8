//! What generic netlink says of IPVS and socket options cannot: refused, since the kernel would
//! take what is left of it for another thing.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use crate::netlink::ipvs::{
    Daemon, Destination, DestinationKey, Family, Forward, Netmask, Protocol, Request, Service,
    ServiceKey, Tunnel,
};

/// Why a request cannot be said.
pub(super) fn of_request(request: &Request) -> Option<&'static str> {
    match request {
        Request::AddService(new) | Request::EditService(new) => of_service(new),
        Request::AddDestination(key, new) | Request::EditDestination(key, new) => {
            of_key(key).or_else(|| of_destination(new))
        }
        Request::RemoveDestination(key, old) => of_key(key).or_else(|| of_destination_key(old)),
        Request::Zero(Some(key)) => of_key(key).or_else(|| of_zero(key)),
        Request::RemoveService(key) => of_key(key),
        Request::StartDaemon(daemon) => of_daemon(daemon),
        Request::StopDaemon(_) | Request::SetTimeouts(_) | Request::Zero(None) | Request::Flush => {
            None
        }
    }
}

/// Why a service cannot be asked for.
pub(super) fn of_asking(key: &ServiceKey) -> Option<&'static str> {
    (key.family() == Family::Ipv6).then_some("takes no IPv6 services")
}

fn of_key(key: &ServiceKey) -> Option<&'static str> {
    of_asking(key).or(match key {
        ServiceKey::Address { protocol: Protocol::Other(_), .. } => {
            Some("takes no services but those of tcp, udp and sctp")
        }
        _ => None,
    })
}

fn of_service(service: &Service) -> Option<&'static str> {
    let netmask = service.persistence.map(|persistence| persistence.netmask);
    let lack = of_key(&service.key).or_else(|| of_scheduler(service.scheduler.as_str()));
    lack.or(match (&service.engine, netmask) {
        (Some(_), _) => Some("takes no persistence engines"),
        (None, Some(Netmask::V6(_))) => Some("takes no netmasks of IPv6"),
        _ => None,
    })
}

/// These the kernel must not load while it holds its lock, and root of a user namespace cannot load
/// them before; see `modules::modprobe`.
fn of_scheduler(name: &str) -> Option<&'static str> {
    let lack = match name {
        "lblc" => "takes no scheduler lblc, unless root had it loaded",
        "lblcr" => "takes no scheduler lblcr, unless root had it loaded",
        _ => return None,
    };
    let loaded = Path::new("/sys/module").join(format!("ip_vs_{name}"));
    (!loaded.exists()).then_some(lack)
}

fn of_destination(destination: &Destination) -> Option<&'static str> {
    of_destination_key(&destination.key).or(match destination.forward {
        Forward::Tunnel(Tunnel::Ipip) => None,
        Forward::Tunnel(_) => Some("takes no tunnels but those of IP in IP"),
        _ => None,
    })
}

fn of_destination_key(key: &DestinationKey) -> Option<&'static str> {
    key.address.is_ipv6().then_some("takes no IPv6 destinations")
}

/// All counters are zeroed by naming no service, which is how this one would be named.
fn of_zero(key: &ServiceKey) -> Option<&'static str> {
    let nothing = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    match key {
        ServiceKey::Address { address, port: 0, .. } if *address == nothing => {
            Some("zeroes the counters of that service only with all others")
        }
        _ => None,
    }
}

fn of_daemon(daemon: &Daemon) -> Option<&'static str> {
    let Daemon { key: _, interface: _, max_length, group, port, ttl } = daemon;
    (max_length.is_some() || group.is_some() || port.is_some() || ttl.is_some())
        .then_some("takes no group, port, ttl or length of a sync daemon")
}

#[cfg(test)]
mod tests;
