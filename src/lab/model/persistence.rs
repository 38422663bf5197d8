//! Persistence: what is decided before any scheduler is asked.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Choice, Request, View};
use crate::netlink::ipvs::{Connection, Netmask, Service};

/// Who takes a request since its client, or this very connection, is known already; `None` when
/// the scheduler is asked. `known` is what IPVS remembers, `expires` the sysctl
/// `expire_quiescent_template`.
#[must_use]
pub fn held(
    service: &Service,
    view: &View,
    request: &Request,
    known: &[Connection],
    expires: bool,
) -> Option<Choice> {
    let here = |one: &&Connection| {
        view.servers.iter().any(|server| {
            server.key.address == one.destination.ip() && server.key.port == one.destination.port()
        })
    };
    let same = |one: &&Connection| {
        !one.is_template() && one.client == request.client && one.service.ip() == request.to
    };
    if let Some(one) = known.iter().find(same) {
        let server = view.servers.iter().find(|server| {
            server.key.address == one.destination.ip() && server.key.port == one.destination.port()
        });
        let because = format!(
            "this connection is known already ({}), and is forgotten in {} s",
            one.state, one.expires
        );
        return server.map(|server| Choice::of(server, because));
    }
    let persistence = service.persistence?;
    let network = masked(request.client.ip(), persistence.netmask);
    let template = known
        .iter()
        .filter(|one| one.is_template() && one.key() == Some(service.key))
        .filter(|one| one.client.ip() == network && one.engine.is_none())
        .find(here)?;
    let server = view.servers.iter().find(|server| {
        server.key.address == template.destination.ip()
            && server.key.port == template.destination.port()
    })?;
    if expires && server.weight == 0 {
        return None;
    }
    let because = format!("persistence holds its client there for {} s more", template.expires);
    Some(Choice::of(server, because))
}

/// The network that a client counts as.
fn masked(address: IpAddr, mask: Netmask) -> IpAddr {
    match (address, mask) {
        (IpAddr::V4(address), Netmask::V4(mask)) => (address & mask).into(),
        (IpAddr::V6(_), Netmask::V6(prefix)) => {
            IpNet::new(address, prefix).map_or(address, |net| net.network())
        }
        _ => address,
    }
}
