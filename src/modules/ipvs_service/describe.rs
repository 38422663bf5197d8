//! From a service that was found back to the arguments that declare it.

use super::super::Presence;
use super::super::network::{HostAddress, Remark};
use super::IpvsService;
use super::arguments::{
    Arguments, DestinationArguments, Destinations, SumWord, TunnelArguments, TunnelKind,
};
use super::words::{Engine, MarkedFamily, Mask, Method, Scheduler, SchedulerFlag, Transport};
use crate::netlink::ipvs::{
    Checksum, Destination, Family, Forward, Netmask, Protocol, Service, ServiceKey, Tunnel,
};

impl IpvsService {
    /// The declaration of a service with exactly these destinations, every weight given. What
    /// other programs made of it that no declaration makes, such as a forwarding method that
    /// there is not, is an error.
    pub fn describing(service: &Service, destinations: &[Destination]) -> Result<Self, Remark> {
        let cannot = |remark: Remark| remark.of(&service.key);
        let declared =
            Self::try_from(arguments(service, destinations).map_err(cannot)?).map_err(cannot)?;
        let same =
            declared.service == *service && declared.wanted([]).unwrap_or_default() == destinations;
        if same { Ok(declared) } else { Err(cannot(Remark::new("no declaration says all of it"))) }
    }
}

fn arguments(service: &Service, destinations: &[Destination]) -> Result<Arguments, Remark> {
    let (vip, port, protocol, fwmark, family) = match service.key {
        ServiceKey::Address { protocol, address, port } => {
            (Some(HostAddress(address)), Some(port), transport(protocol)?, None, None)
        }
        ServiceKey::Fwmark { family, mark } => {
            let family = (family == Family::Ipv6).then_some(MarkedFamily::Ipv6);
            (None, None, None, Some(mark), family)
        }
    };
    let single = Netmask::single(service.key.family());
    // What all have in common is said once.
    let common = destinations.first().map(|first| first.forward);
    let common = common.filter(|common| destinations.iter().all(|one| one.forward == *common));
    let (forward, tunnel) = match common {
        Some(forward) => words(forward)?,
        None => (Method::default(), None),
    };
    let destinations: Result<Vec<_>, _> =
        destinations.iter().map(|one| destination(&service.key, one, common.is_some())).collect();
    Ok(Arguments {
        name: None,
        vip,
        port,
        protocol,
        fwmark,
        family,
        scheduler: Scheduler::try_from(service.scheduler.to_string())?,
        scheduler_flags: scheduler_flags(service),
        persistent: service.persistence.map(|persistence| persistence.timeout),
        netmask: service
            .persistence
            .map(|persistence| persistence.netmask)
            .filter(|netmask| *netmask != single)
            .map(|netmask| match netmask {
                Netmask::V4(mask) => Mask::Dotted(mask),
                Netmask::V6(bits) => Mask::Bits(bits),
            }),
        one_packet: service.one_packet,
        persistence_engine: match &service.engine {
            None => None,
            Some(engine) if engine.as_str() == "sip" => Some(Engine::Sip),
            Some(engine) => {
                return Err(Remark::new(format!("unknown persistence engine `{engine}`")));
            }
        },
        forward,
        tunnel,
        destinations: Some(destinations?).filter(|all| !all.is_empty()).map(Destinations),
        state: Presence::Present,
    })
}

/// TCP goes without saying.
fn transport(protocol: Protocol) -> Result<Option<Transport>, Remark> {
    match protocol {
        Protocol::Tcp => Ok(None),
        Protocol::Udp => Ok(Some(Transport::Udp)),
        Protocol::Sctp => Ok(Some(Transport::Sctp)),
        Protocol::Other(number) => {
            Err(Remark::new(format!("IPVS cannot balance protocol {number}")))
        }
    }
}

fn scheduler_flags(service: &Service) -> Vec<SchedulerFlag> {
    let [first, second] = match service.scheduler.as_str() {
        "sh" => [SchedulerFlag::ShFallback, SchedulerFlag::ShPort],
        "mh" => [SchedulerFlag::MhFallback, SchedulerFlag::MhPort],
        _ => [SchedulerFlag::First, SchedulerFlag::Second],
    };
    let flags = service.scheduler_flags;
    [(flags.first, first), (flags.second, second), (flags.third, SchedulerFlag::Third)]
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, flag)| flag)
        .collect()
}

/// A destination; its method only where it is not the service's.
fn destination(
    key: &ServiceKey,
    destination: &Destination,
    in_common: bool,
) -> Result<DestinationArguments, Remark> {
    let (forward, tunnel) = match in_common {
        true => (None, None),
        false => {
            let (forward, tunnel) = words(destination.forward)?;
            (Some(forward), tunnel)
        }
    };
    Ok(DestinationArguments {
        address: HostAddress(destination.key.address),
        port: Some(destination.key.port).filter(|port| *port != key.port()),
        weight: Some(destination.weight),
        forward,
        tunnel,
        upper_threshold: destination.upper_threshold,
        lower_threshold: destination.lower_threshold,
    })
}

fn words(forward: Forward) -> Result<(Method, Option<TunnelArguments>), Remark> {
    let tunnel = match forward {
        Forward::Direct => return Ok((Method::Direct, None)),
        Forward::Nat => return Ok((Method::Nat, None)),
        Forward::Other(method) => {
            return Err(Remark::new(format!("there is no forwarding method {method}")));
        }
        Forward::Tunnel(tunnel) => tunnel,
    };
    let said = |kind, port, checksum| Some(TunnelArguments { kind, port, checksum });
    let tunnel = match tunnel {
        Tunnel::Ipip => None,
        Tunnel::Gue { port, checksum } => {
            let checksum = match checksum {
                Checksum::None => SumWord::None,
                Checksum::Outer => SumWord::Outer,
                Checksum::Remote => SumWord::Remote,
            };
            said(TunnelKind::Gue, Some(port), checksum)
        }
        Tunnel::Gre { checksum: false } => said(TunnelKind::Gre, None, SumWord::None),
        Tunnel::Gre { checksum: true } => said(TunnelKind::Gre, None, SumWord::Outer),
        Tunnel::Other(kind) => return Err(Remark::new(format!("there is no tunnel type {kind}"))),
    };
    Ok((Method::Tunnel, tunnel))
}

#[cfg(test)]
mod tests {
    use super::super::super::network::tests::travelled;
    use super::*;

    /// What is declared, what was found then, and what is declared of that, is the same.
    #[test]
    fn declares_what_was_declared() {
        for yaml in [
            "{vip: 10.1.0.1, port: 80, scheduler: rr, destinations: [10.9.0.3, 10.9.0.4]}",
            "{vip: 10.1.0.2, port: 53, protocol: udp, scheduler: wrr, one_packet: true, \
             destinations: [{address: 10.9.0.3, weight: 0}, {address: 10.9.0.4, weight: 65536}]}",
            "{vip: 10.1.0.3, port: 99, protocol: sctp}",
            "{fwmark: 5, scheduler: wlc, destinations: [10.9.0.3]}",
            "{fwmark: 5, family: ipv6, destinations: ['fd09::3']}",
            "{vip: 'fd01::2', port: 53, protocol: udp, persistent: 300, netmask: 64}",
            "{vip: 10.1.0.11, port: 0, persistent: 60, netmask: 255.255.255.0}",
            "{vip: 10.1.0.4, port: 80, forward: nat, destinations: \
             [{address: 10.9.0.3, port: 8080}, {address: 10.9.0.3, port: 8081}]}",
            "{vip: 10.1.0.5, port: 80, forward: tunnel, destinations: [10.9.0.3, \
             {address: 10.9.0.4, tunnel: {type: gue, port: 6080}}, \
             {address: 10.9.0.5, tunnel: {type: gue, port: 6080, checksum: outer}}, \
             {address: 10.9.0.6, tunnel: {type: gue, port: 6080, checksum: remote}}, \
             {address: 10.9.0.7, tunnel: {type: gre}}, \
             {address: 10.9.0.8, tunnel: {type: gre, checksum: outer}}]}",
            "{vip: 10.1.0.6, port: 80, forward: tunnel, tunnel: {type: gue, port: 6080}, \
             destinations: [10.9.0.3, 'fd09::3']}",
            "{vip: 10.1.0.7, port: 80, destinations: \
             [{address: 'fd09::3', forward: tunnel}, {address: 10.9.0.4, forward: nat, port: 81}]}",
            "{vip: 10.1.0.8, port: 80, scheduler: sh, scheduler_flags: [sh-fallback, sh-port]}",
            "{vip: 10.1.0.9, port: 80, scheduler: mh, scheduler_flags: [mh-port, flag-3]}",
            "{vip: 10.1.0.9, port: 81, scheduler: rr, scheduler_flags: [flag-1, flag-2]}",
            "{vip: 10.1.0.13, port: 5060, protocol: udp, persistent: 60, persistence_engine: sip}",
            "{vip: 10.1.0.14, port: 80, destinations: \
             [{address: 10.9.0.3, upper_threshold: 10, lower_threshold: 5}]}",
        ] {
            let declared: IpvsService = travelled(yaml);
            let found = declared.wanted([]).unwrap_or_default();
            let described = IpvsService::describing(declared.service(), &found).unwrap();
            let text = serde_json::to_string(&described).unwrap();
            let again: IpvsService = travelled(&text);
            assert_eq!(again.service(), declared.service(), "{text}");
            assert_eq!(again.wanted([]).unwrap_or_default(), found, "{text}");
        }
    }

    #[test]
    fn says_no_more_than_it_must() {
        let declared: IpvsService = travelled(
            "{vip: 10.1.0.1, port: 80, scheduler: rr, forward: nat, destinations: [10.9.0.3]}",
        );
        let found = declared.wanted([]).unwrap();
        let described = IpvsService::describing(declared.service(), &found).unwrap();
        assert_eq!(
            serde_json::to_string(&described).unwrap(),
            r#"{"vip":"10.1.0.1","port":80,"scheduler":"rr","forward":"nat","destinations":[{"address":"10.9.0.3","weight":1}]}"#
        );
    }

    #[test]
    fn refuses_what_no_declaration_makes() {
        let declared: IpvsService =
            travelled("{vip: 10.1.0.1, port: 80, destinations: [10.9.0.3]}");
        let mut found = declared.wanted([]).unwrap();
        found[0].forward = Forward::Other(4);
        let error = IpvsService::describing(declared.service(), &found).unwrap_err();
        assert!(error.to_string().contains("tcp://10.1.0.1:80"), "{error}");
        assert!(error.to_string().contains("no forwarding method 4"), "{error}");
    }
}
