//! Tables to measure with: so many services of eight destinations each, as `ipvsadm` and as
//! `lvsmith ipvs` write them.

use std::fmt::Write;
use std::net::Ipv4Addr;

/// Destinations of each service.
pub(crate) const EACH: u32 = 8;

/// A virtual service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
    pub(crate) destinations: Vec<Destination>,
}

/// One of its real servers.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
    pub(crate) weight: u32,
}

/// So many services, no two alike.
pub(crate) fn table(services: u32) -> Vec<Service> {
    let service = |at: u32| Service {
        address: Ipv4Addr::from(0x0a01_0001 + at),
        port: 80,
        destinations: (0..EACH).map(|one| destination(at * EACH + one)).collect(),
    };
    (0..services).map(service).collect()
}

fn destination(at: u32) -> Destination {
    Destination { address: Ipv4Addr::from(0x0a80_0001 + at), port: 80, weight: 1 + at % EACH }
}

/// How many rules a table of so many services has.
pub(crate) fn count(services: u32) -> u32 {
    services * (1 + EACH)
}

/// As `ipvsadm -S` writes it.
pub(crate) fn text(services: &[Service]) -> String {
    let mut text = String::new();
    for Service { address, port, destinations } in services {
        let _ = writeln!(text, "-A -t {address}:{port} -s wrr");
        for destination in destinations {
            let Destination { address: rip, port: rport, weight } = destination;
            let _ = writeln!(text, "-a -t {address}:{port} -r {rip}:{rport} -g -w {weight}");
        }
    }
    text
}

/// As `lvsmith ipvs save` writes it.
pub(crate) fn yaml(services: &[Service]) -> String {
    let mut text = "services:\n".to_owned();
    for Service { address, port, destinations } in services {
        let _ = writeln!(text, "- service: tcp://{address}:{port}\n  scheduler: wrr");
        text += "  destinations:\n";
        for Destination { address, weight, .. } in destinations {
            let _ = writeln!(text, "  - address: {address}\n    forward: direct");
            let _ = writeln!(text, "    weight: {weight}");
        }
    }
    text
}

/// The same table but for the weight of its last destination.
pub(crate) fn with_another_weight(mut services: Vec<Service>) -> Vec<Service> {
    let last = services.last_mut().and_then(|service| service.destinations.last_mut());
    if let Some(last) = last {
        last.weight += 1;
    }
    services
}
