//! Tables to measure with: so many services of eight destinations each, as `ipvsadm` and as
//! `lvsmith ipvs` write them.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Destinations of each service.
pub(crate) const EACH: u32 = 8;

/// A virtual service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) destinations: Vec<Destination>,
}

/// One of its real servers.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) weight: u32,
}

/// So many services, no two alike.
pub(crate) fn table(services: u32) -> Vec<Service> {
    let service = |at: u32| Service {
        address: Ipv4Addr::from(0x0a01_0001 + at).into(),
        port: 80,
        destinations: (0..EACH).map(|one| destination(at * EACH + one)).collect(),
    };
    (0..services).map(service).collect()
}

fn destination(at: u32) -> Destination {
    let address = Ipv4Addr::from(0x0a80_0001 + at).into();
    Destination { address, port: 80, weight: 1 + at % EACH }
}

/// How many rules a table of so many services has.
pub(crate) fn count(services: u32) -> u32 {
    services * (1 + EACH)
}

/// As `ipvsadm -S` writes it.
pub(crate) fn text(services: &[Service]) -> String {
    let mut text = String::new();
    for Service { address, port, destinations } in services {
        let vip = SocketAddr::new(*address, *port);
        let _ = writeln!(text, "-A -t {vip} -s wrr");
        for Destination { address, port, weight } in destinations {
            let rip = SocketAddr::new(*address, *port);
            let _ = writeln!(text, "-a -t {vip} -r {rip} -g -w {weight}");
        }
    }
    text
}

/// As `lvsmith ipvs save` writes it.
pub(crate) fn yaml(services: &[Service]) -> String {
    let mut text = "services:\n".to_owned();
    for Service { address, port, destinations } in services {
        let vip = SocketAddr::new(*address, *port);
        let _ = writeln!(text, "- service: tcp://{vip}\n  scheduler: wrr");
        text += "  destinations:\n";
        for Destination { address, weight, .. } in destinations {
            let _ = writeln!(text, "  - address: {address}\n    forward: direct");
            let _ = writeln!(text, "    weight: {weight}");
        }
    }
    text
}

/// The same table in IPv6: the addresses of IPv4 are the last bytes of others below `fd00::`.
pub(crate) fn in_ipv6(mut services: Vec<Service>) -> Vec<Service> {
    let below = |address: &mut IpAddr| {
        if let IpAddr::V4(short) = *address {
            let mut octets = [0; 16];
            octets[0] = 0xfd;
            octets[12..].copy_from_slice(&short.octets());
            *address = octets.into();
        }
    };
    for service in &mut services {
        below(&mut service.address);
        service.destinations.iter_mut().for_each(|one| below(&mut one.address));
    }
    services
}

/// The same table but for the weight of its last destination.
pub(crate) fn with_another_weight(mut services: Vec<Service>) -> Vec<Service> {
    let last = services.last_mut().and_then(|service| service.destinations.last_mut());
    if let Some(last) = last {
        last.weight += 1;
    }
    services
}
