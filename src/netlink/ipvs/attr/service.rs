//! `IPVS_SVC_ATTR_…`: a virtual service to bytes and back.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use super::{family_of, ip, kept, number_of, octets, read_either};
use crate::netlink::ipvs::constants::*;
use crate::netlink::ipvs::{
    Engine, Family, Netmask, Persistence, Protocol, Scheduler, SchedulerFlags, Service, ServiceKey,
    ServiceState,
};
use crate::netlink::wire::{Attributes, Malformed, Writer};

/// The switches that are declared; a SET names them in its mask and leaves the others alone.
const DECLARED_FLAGS: u32 = IP_VS_SVC_F_PERSISTENT
    | IP_VS_SVC_F_ONEPACKET
    | IP_VS_SVC_F_SCHED1
    | IP_VS_SVC_F_SCHED2
    | IP_VS_SVC_F_SCHED3;

/// The number of a protocol, in the kernel's two interfaces.
pub(in crate::netlink::ipvs) fn protocol_number(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => IPPROTO_TCP,
        Protocol::Udp => IPPROTO_UDP,
        Protocol::Sctp => IPPROTO_SCTP,
        Protocol::Other(number) => number,
    }
}

/// The protocol of a number.
pub(in crate::netlink::ipvs) fn protocol_of(number: u16) -> Protocol {
    match number {
        IPPROTO_TCP => Protocol::Tcp,
        IPPROTO_UDP => Protocol::Udp,
        IPPROTO_SCTP => Protocol::Sctp,
        number => Protocol::Other(number),
    }
}

/// The declared ones of `IP_VS_SVC_F_…`, in the kernel's two interfaces.
pub(in crate::netlink::ipvs) fn flags_of(service: &Service) -> u32 {
    let SchedulerFlags { first, second, third } = service.scheduler_flags;
    let flags = [
        (service.persistence.is_some(), IP_VS_SVC_F_PERSISTENT),
        (service.one_packet, IP_VS_SVC_F_ONEPACKET),
        (first, IP_VS_SVC_F_SCHED1),
        (second, IP_VS_SVC_F_SCHED2),
        (third, IP_VS_SVC_F_SCHED3),
    ];
    flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag)
}

/// What is declared by a service's flags and what goes with them.
pub(in crate::netlink::ipvs) fn flagged(
    key: ServiceKey,
    scheduler: Scheduler,
    flags: u32,
    timeout: u32,
    netmask: Netmask,
) -> Service {
    let timeout = NonZeroU32::new(timeout).filter(|_| flags & IP_VS_SVC_F_PERSISTENT != 0);
    Service {
        scheduler_flags: SchedulerFlags {
            first: flags & IP_VS_SVC_F_SCHED1 != 0,
            second: flags & IP_VS_SVC_F_SCHED2 != 0,
            third: flags & IP_VS_SVC_F_SCHED3 != 0,
        },
        persistence: timeout.map(|timeout| Persistence { timeout, netmask }),
        one_packet: flags & IP_VS_SVC_F_ONEPACKET != 0,
        ..Service::new(key, scheduler)
    }
}

pub(in crate::netlink::ipvs) fn write_service_key(out: &mut Writer, key: &ServiceKey) {
    out.u16(IPVS_SVC_ATTR_AF, number_of(key.family()));
    match key {
        ServiceKey::Address { protocol, address, port } => {
            out.u16(IPVS_SVC_ATTR_PROTOCOL, protocol_number(*protocol));
            out.push(IPVS_SVC_ATTR_ADDR, &octets(*address));
            out.be16(IPVS_SVC_ATTR_PORT, *port);
        }
        ServiceKey::Fwmark { mark, .. } => {
            out.u32(IPVS_SVC_ATTR_FWMARK, mark.get());
        }
    }
}

pub(in crate::netlink::ipvs) fn write_service(out: &mut Writer, service: &Service) {
    write_service_key(out, &service.key);
    out.text(IPVS_SVC_ATTR_SCHED_NAME, service.scheduler.as_str());
    if let Some(engine) = &service.engine {
        out.text(IPVS_SVC_ATTR_PE_NAME, engine.as_str());
    }
    // `struct ip_vs_flags { flags, mask }`
    out.push(
        IPVS_SVC_ATTR_FLAGS,
        &[flags_of(service).to_ne_bytes(), DECLARED_FLAGS.to_ne_bytes()].concat(),
    );
    // Both are mandatory, persistent or not.
    let persistence = service.persistence;
    out.u32(IPVS_SVC_ATTR_TIMEOUT, persistence.map_or(0, |persistence| persistence.timeout.get()));
    let single = Netmask::single(service.key.family());
    match persistence.map_or(single, |persistence| persistence.netmask) {
        Netmask::V4(mask) => out.push(IPVS_SVC_ATTR_NETMASK, &mask.octets()),
        Netmask::V6(prefix) => out.u32(IPVS_SVC_ATTR_NETMASK, prefix.into()),
    };
}

pub(in crate::netlink::ipvs) fn read_service(
    attributes: Attributes<'_>,
) -> Result<ServiceState, Malformed> {
    let (mut family, mut protocol, mut address, mut port) = (None, None, None, None);
    let (mut mark, mut scheduler, mut flags) = (None, None, 0);
    let (mut timeout, mut netmask, mut engine) = (0, [0; 4], None);
    let (mut stats, mut stats64, mut unknown) = (None, None, Vec::new());
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            IPVS_SVC_ATTR_AF => family = Some(family_of(attribute.u16()?)?),
            IPVS_SVC_ATTR_PROTOCOL => protocol = Some(attribute.u16()?),
            IPVS_SVC_ATTR_ADDR => address = Some(attribute),
            IPVS_SVC_ATTR_PORT => port = Some(attribute.be16()?),
            IPVS_SVC_ATTR_FWMARK => mark = NonZeroU32::new(attribute.u32()?),
            IPVS_SVC_ATTR_SCHED_NAME => scheduler = Some(attribute.text()?),
            IPVS_SVC_ATTR_FLAGS => flags = attribute.u32()?,
            IPVS_SVC_ATTR_TIMEOUT => timeout = attribute.u32()?,
            IPVS_SVC_ATTR_NETMASK => netmask = attribute.first()?,
            IPVS_SVC_ATTR_PE_NAME => engine = Some(attribute.text()?),
            IPVS_SVC_ATTR_STATS => stats = Some(attribute),
            IPVS_SVC_ATTR_STATS64 => stats64 = Some(attribute),
            _ => unknown.push(kept(&attribute)),
        }
    }
    let family = family.ok_or(Malformed("a service without an address family"))?;
    let key = match mark {
        Some(mark) => ServiceKey::Fwmark { family, mark },
        None => {
            let missing = Malformed("a service without a protocol, address or port");
            let (Some(protocol), Some(address), Some(port)) = (protocol, address, port) else {
                return Err(missing);
            };
            ServiceKey::Address {
                protocol: protocol_of(protocol),
                address: ip(&address, family)?,
                port,
            }
        }
    };
    let netmask = match family {
        Family::Ipv4 => Netmask::V4(Ipv4Addr::from(netmask)),
        Family::Ipv6 => Netmask::V6(
            u8::try_from(u32::from_ne_bytes(netmask))
                .map_err(|_| Malformed("an IPv6 netmask longer than 128"))?,
        ),
    };
    let name = |_| Malformed("a scheduler or engine whose name is none");
    let scheduler = scheduler.ok_or(Malformed("a service without a scheduler"))?;
    let scheduler = Scheduler::new(scheduler).map_err(name)?;
    let service = Service {
        engine: engine.map(Engine::new).transpose().map_err(name)?,
        ..flagged(key, scheduler, flags, timeout, netmask)
    };
    Ok(ServiceState { service, stats: read_either(stats64, stats)?, unknown })
}
