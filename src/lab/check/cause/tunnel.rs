//! Causes where packets come out of a tunnel: nothing unpacks them, or what does drops them.

use std::net::IpAddr;
use std::num::NonZeroU16;

use super::Cause;
use crate::lab::probe::{Link, State};
use crate::lint::words;
use crate::netlink::ipvs::Tunnel;

/// The kind of interface that unpacks a tunnel between these addresses.
pub(super) fn kind(tunnel: Tunnel, vip: IpAddr, rip: IpAddr) -> Option<&'static str> {
    match (tunnel, vip, rip) {
        (Tunnel::Ipip | Tunnel::Gue { .. }, IpAddr::V4(_), IpAddr::V4(_)) => Some("ipip"),
        (Tunnel::Ipip | Tunnel::Gue { .. }, IpAddr::V6(_), IpAddr::V4(_)) => Some("sit"),
        (Tunnel::Ipip | Tunnel::Gue { .. }, _, IpAddr::V6(_)) => Some("ip6tnl"),
        (Tunnel::Gre { .. }, _, IpAddr::V4(_)) => Some("gre"),
        (Tunnel::Gre { .. }, _, IpAddr::V6(_)) => Some("ip6gre"),
        (Tunnel::Other(_), ..) => None,
    }
}

/// What keeps a host from taking what comes in a tunnel from the client's address to the VIP.
pub(super) fn causes(
    host: &str,
    state: &State,
    tunnel: Tunnel,
    vip: IpAddr,
    rip: IpAddr,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Tunnel::Gue { port, .. } = tunnel {
        causes.extend(packed(host, state, port, rip));
    }
    let Some(kind) = kind(tunnel, vip, rip) else { return causes };
    let all = || state.links.iter().filter(|link| link.kind.as_deref() == Some(kind));
    let Some(link) = all().find(|link| link.up) else {
        let listed: Vec<&str> = all().map(|link| link.name.as_str()).collect();
        causes.push(Cause::on(host, format!("no {kind} interface is up on {host}")).proof(
            match listed.as_slice() {
                [] => format!("{host} has no {kind} interface"),
                names => format!("down on {host}: {}", names.join(", ")),
            },
        ));
        return causes;
    };
    // There is no such filter for IPv6.
    if vip.is_ipv4() {
        causes.extend(filtered(host, state, link));
    }
    causes
}

/// Datagrams of GUE are unpacked by a socket of the kernel, which is listed as any other.
fn packed(host: &str, state: &State, port: NonZeroU16, rip: IpAddr) -> Option<Cause> {
    let port = port.get();
    let taken = state.bound.iter().any(|one| one.port == port && one.takes(rip));
    (!taken).then(|| {
        let ports: Vec<String> = state.bound.iter().map(ToString::to_string).collect();
        Cause::on(host, format!("nothing unpacks GUE at UDP port {port} on {host}"))
            .proof(match ports.as_slice() {
                [] => format!("no UDP port is taken on {host}"),
                ports => format!("UDP ports taken on {host}: {}", ports.join(", ")),
            })
            .hint(format!("`ip fou add port {port} gue`, or the module `fou`"))
    })
}

/// The larger of the two settings counts. 1 asks that the client be reached through the tunnel,
/// 2 that it be reached at all, and of an interface without addresses as much as 1.
fn filtered(host: &str, state: &State, link: &Link) -> Option<Cause> {
    let filters = |interface: &str| state.conf(interface, "rp_filter");
    let (all, own) = (filters("all")?, filters(&link.name)?);
    let addressed = state.addresses.iter().any(|one| one.interface == link.name);
    let cause = |hint: &str| {
        Cause::on(host, format!("rp_filter drops what comes out of {} on {host}", link.name))
            .proof(format!("net.ipv4.conf.all.rp_filter = {all}"))
            .proof(format!("net.ipv4.conf.{}.rp_filter = {own}", link.name))
            .hint(hint)
    };
    match all.max(own) {
        1 => Some(cause(words::LOOSE)),
        2 if !addressed => Some(
            cause("with 2 the interface needs an address: the VIP")
                .proof(format!("{} has no address", link.name)),
        ),
        _ => None,
    }
}
