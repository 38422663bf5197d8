//! The network between lab hosts: a bridge for each network in the keeper's namespace, and
//! cables from there into the hosts.
//!
//! Bridges come with the spanning tree off, so a port forwards as soon as it is up. Cables
//! have checksum offload: what is captured on them shows checksums that nobody computed, and
//! that nobody on this machine looks at.

use std::collections::HashMap;

use super::Error;
use super::plan::{HostPlan, Interface, Plan};
use super::process::Process;
use crate::netlink::InterfaceName;
use crate::netlink::route::{
    Attach, Handle, LinkChange, NewAddress, NewKind, NewLink, NewRoute, Peer, Place,
};

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
    let mut bridges = HashMap::new();
    for bridge in &plan.bridges {
        let name = interface(&bridge.network)?;
        let kind = NewKind::Bridge;
        let link = NewLink { up: true, mtu: bridge.mtu, ..NewLink::new(name.clone(), kind) };
        route.create_link(&link)?;
        bridges.insert(bridge.network.as_str(), (route.existing_link(&name)?.index, bridge.mtu));
    }
    for (host, process) in plan.hosts.iter().zip(hosts) {
        for end in &host.interfaces {
            // What is none of its bridges is a VLAN of another network, and has no cable.
            let Some((bridge, mtu)) = bridges.get(end.network.as_str()) else { continue };
            // Of a bond the ports have the cables.
            let insides = match end.ports.as_slice() {
                [] => std::slice::from_ref(&end.name),
                ports => ports,
            };
            for (cable, inside) in end.cables.iter().zip(insides) {
                let cable = interface(cable)?;
                let mut peer = Peer::new(interface(inside)?).inside(Place::Process(process.pid));
                peer.mac = Some(end.mac);
                peer.mtu = end.mtu;
                let mut link = NewLink::new(cable.clone(), NewKind::Veth(peer));
                link.master = Some(*bridge);
                link.mtu = *mtu;
                link.up = true;
                route.create_link(&link)?;
                if !end.inward.is_plain() {
                    route.set_netem(&cable, end.inward.netem())?;
                }
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
        compose(&mut route, &name, end)?;
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

/// Makes an interface that is no end of a cable, of those that are; and wears it down.
fn compose(route: &mut Handle, name: &InterfaceName, end: &Interface) -> Result<(), Error> {
    if let Some(tag) = &end.vlan {
        let on = route.existing_link(&interface(&tag.on)?)?.index;
        let kind = NewKind::Vlan { on, id: tag.id };
        route.create_link(&NewLink { mtu: end.mtu, ..NewLink::new(name.clone(), kind) })?;
    }
    let mut leaving = vec![name.clone()];
    if !end.ports.is_empty() {
        let bond = NewLink { mac: Some(end.mac), ..NewLink::new(name.clone(), NewKind::Bond) };
        route.create_link(&NewLink { mtu: end.mtu, ..bond })?;
        let attach = Some(Attach::To(route.existing_link(name)?.index));
        leaving = end.ports.iter().map(|port| interface(port)).collect::<Result<_, _>>()?;
        for port in &leaving {
            route.change_link(port, &LinkChange { attach, ..LinkChange::default() })?;
        }
    }
    if !end.outward.is_plain() {
        for port in &leaving {
            route.set_netem(port, end.outward.netem())?;
        }
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
