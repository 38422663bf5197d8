//! The network between lab hosts: a bridge for each network in the keeper's namespace, and
//! cables from there into the hosts.
//!
//! Bridges come with the spanning tree off, so a port forwards as soon as it is up. Cables
//! have checksum offload: what is captured on them shows checksums that nobody computed, and
//! that nobody on this machine looks at.

use super::Error;
use super::plan::{HostPlan, Plan};
use super::process::Process;
use crate::netlink::InterfaceName;
use crate::netlink::route::{Handle, NewAddress, NewKind, NewLink, NewRoute, Peer, Place};

/// Makes the bridges and the cables, in the namespace that this process is in.
pub(super) fn build(plan: &Plan, hosts: &[Process]) -> Result<(), Error> {
    // The switch itself is silent: no router solicitations or listener reports of its own.
    sysctl("ipv6/conf/all/disable_ipv6", "1")?;
    sysctl("ipv6/conf/default/disable_ipv6", "1")?;
    // Where br_netfilter is there, bridged packets would pass the packet filter.
    for family in ["ip", "ip6", "arp"] {
        sysctl(&format!("bridge/bridge-nf-call-{family}tables"), "0")?;
    }
    let mut route = Handle::new()?;
    let mut bridges = Vec::new();
    for network in &plan.networks {
        let name = interface(network)?;
        let up = NewLink { up: true, ..NewLink::new(name.clone(), NewKind::Bridge) };
        route.create_link(&up)?;
        bridges.push((network, route.existing_link(&name)?.index));
    }
    for (host, process) in plan.hosts.iter().zip(hosts) {
        for end in &host.interfaces {
            let bridge = bridges.iter().find(|(network, _)| **network == end.network);
            for cable in &end.cables {
                let inside = Place::Process(process.pid);
                let mut peer = Peer::new(interface(&end.name)?).inside(inside);
                peer.mac = Some(end.mac);
                let mut link = NewLink::new(interface(cable)?, NewKind::Veth(peer));
                link.master = bridge.map(|(_, index)| *index);
                link.up = true;
                route.create_link(&link)?;
            }
        }
    }
    Ok(())
}

/// Gives a host's interfaces their addresses and sets them up, in the host's namespace.
pub(super) fn connect(host: &HostPlan) -> Result<(), Error> {
    let mut route = Handle::new()?;
    route.set_up(&InterfaceName::loopback())?;
    for end in &host.interfaces {
        let name = interface(&end.name)?;
        // Also for link-local addresses: nothing waits for duplicates in a lab.
        sysctl(&format!("ipv6/conf/{name}/accept_dad"), "0")?;
        for own in &end.addresses {
            let mut address = NewAddress::new(own.addr(), own.prefix_len());
            address.no_duplicate_detection = true;
            route.add_address(&name, &address)?;
        }
        route.set_up(&name)?;
    }
    if host.forwarding {
        sysctl("ipv4/ip_forward", "1")?;
        sysctl("ipv6/conf/all/forwarding", "1")?;
    }
    for to in &host.routes {
        route.add_route(&NewRoute::new(to.to).via(to.via))?;
    }
    Ok(())
}

/// Gives a new namespace the kernel's defaults. Those for IPv4 are inherited from the machine
/// otherwise (`net.core.devconf_inherit_init_net`), and a lab must not depend on it.
pub(super) fn defaults() -> Result<(), Error> {
    for scope in ["all", "default"] {
        for key in ["arp_ignore", "arp_announce", "arp_filter", "rp_filter", "forwarding"] {
            sysctl(&format!("ipv4/conf/{scope}/{key}"), "0")?;
        }
        sysctl(&format!("ipv6/conf/{scope}/accept_dad"), "0")?;
    }
    Ok(())
}

/// Writes a sysctl of this namespace; one that this kernel does not have needs no writing.
fn sysctl(key: &str, value: &str) -> Result<(), Error> {
    match std::fs::write(format!("/proc/sys/net/{key}"), value) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("set `net/{key}`"), &error))
        }
        _ => Ok(()),
    }
}

fn interface(name: &str) -> Result<InterfaceName, Error> {
    InterfaceName::new(name)
        .map_err(|error| Error::Environment { message: error.to_string(), hint: None })
}
