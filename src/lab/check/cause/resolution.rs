//! Causes in address resolution: who answers ARP, and which setting makes it so. What is
//! different with neighbour discovery has a file of its own.

use std::net::IpAddr;

use super::{Cause, Scene, addresses, discovery};
use crate::lab::probe::{Address, Resolved, State, conf_name, protocol};
use crate::lint::words;

pub(super) fn causes(
    address: IpAddr,
    expected: &[&str],
    seen: &Resolved,
    scene: &Scene,
) -> Vec<Cause> {
    let answering: Vec<&str> =
        seen.answers.iter().filter_map(|answer| scene.lab.by_mac(answer.mac)).collect();
    let silent = expected.iter().filter(|host| !answering.contains(host));
    let loud = answering.iter().filter(|host| !expected.contains(host));
    loud.filter_map(|host| answers(host, address, scene))
        .chain(silent.filter_map(|host| is_silent(host, address, scene)))
        .collect()
}

/// The interfaces of a host that the lab's networks reach.
fn outward<'a>(host: &'a str, scene: &'a Scene) -> impl Iterator<Item = &'a str> {
    let host = scene.lab.0.iter().find(move |one| one.name == host);
    host.into_iter().flat_map(|host| &host.interfaces).map(|one| one.name.as_str())
}

/// The interface through which a host hears requests for an address: the one in its network.
fn hears<'a>(
    host: &'a str,
    state: &'a State,
    address: IpAddr,
    scene: &'a Scene,
) -> Option<&'a str> {
    let reaches = |one: &Address| {
        let network = ipnet::IpNet::new(one.address, one.prefix);
        network.is_ok_and(|net| one.prefix < net.max_prefix_len() && net.contains(&address))
    };
    let in_network =
        |name: &&str| state.addresses.iter().any(|one| one.interface == *name && reaches(one));
    outward(host, scene).find(in_network).or_else(|| outward(host, scene).next())
}

/// The kernel takes the larger of the setting for all and that of the receiving interface.
fn effective(state: &State, interface: &str, key: &str) -> Option<i64> {
    Some(state.conf("all", key)?.max(state.conf(interface, key)?))
}

fn setting(state: &State, interface: &str, key: &str) -> String {
    let name = conf_name(interface, key);
    let value = state.sysctls.get(&name).map_or("?", String::as_str);
    format!("{name} = {value}")
}

/// Why a host answers for an address.
pub(super) fn answers(host: &str, address: IpAddr, scene: &Scene) -> Option<Cause> {
    let state = scene.state(host)?;
    let vip = scene.called(address);
    let says = format!("{host} answers {} for {vip}", protocol(address));
    let interface = hears(host, state, address, scene)?;
    let holders: Vec<_> = state.holders(address).collect();
    if let Some(holder) = holders.iter().find(|one| one.interface == interface) {
        let inward = if address.is_ipv4() { words::INWARD } else { words::INWARD_V6 };
        return Some(
            Cause::on(host, format!("{says}: it has that address on {interface} itself"))
                .proof(format!("{address}/{} is on {interface} of {host}", holder.prefix))
                .hint(inward),
        );
    }
    if address.is_ipv6() {
        return discovery::stands_in(host, state, &says, interface);
    }
    let Some(holder) = holders.first() else {
        let proxies = effective(state, interface, "proxy_arp")? > 0;
        return proxies.then(|| {
            Cause::on(host, format!("{says}: proxy_arp is on, and {host} has a route to it"))
                .proof(setting(state, "all", "proxy_arp"))
                .proof(setting(state, interface, "proxy_arp"))
        });
    };
    let ignores = effective(state, interface, "arp_ignore")?;
    if ignores > 0 {
        return None;
    }
    let all = conf_name("all", "arp_ignore");
    let mut cause = Cause::on(host, format!("{says}: {all} is 0 on {host}, needs 1"))
        .proof(format!("{address}/{} is on {} of {host}", holder.prefix, holder.interface))
        .proof(setting(state, "all", "arp_ignore"))
        .proof(setting(state, interface, "arp_ignore"));
    if state.conf(&holder.interface, "arp_ignore").is_some_and(|value| value > 0) {
        cause = cause.proof(format!(
            "{}, which does not count: requests come in on {interface}",
            setting(state, &holder.interface, "arp_ignore")
        ));
    }
    Some(cause.hint(words::quiet_first(&all, &holder.interface)))
}

/// Why a host does not answer for an address.
fn is_silent(host: &str, address: IpAddr, scene: &Scene) -> Option<Cause> {
    let state = scene.state(host)?;
    let vip = scene.called(address);
    let interface = hears(host, state, address, scene)?;
    let holders: Vec<_> = state.holders(address).collect();
    let Some(holder) = holders.first() else {
        return Some(
            Cause::on(host, format!("{vip} is on no interface of {host}"))
                .proof(addresses(host, state)),
        );
    };
    if let Some(down) = down(host, interface, state) {
        return Some(down);
    }
    if address.is_ipv6() {
        return discovery::is_silent(host, state, &vip, interface, &holders);
    }
    let ignores = effective(state, interface, "arp_ignore")?;
    let elsewhere = !holders.iter().any(|one| one.interface == interface);
    if ignores == 8 || (elsewhere && ignores > 0) {
        let why = if elsewhere {
            format!("it has it on {} alone, and arp_ignore is {ignores}", holder.interface)
        } else {
            "arp_ignore is 8, which answers for no address".to_owned()
        };
        return Some(
            Cause::on(host, format!("{host} does not answer ARP for {vip}: {why}"))
                .proof(addresses(host, state))
                .proof(setting(state, "all", "arp_ignore"))
                .proof(setting(state, interface, "arp_ignore")),
        );
    }
    None
}

/// An interface that passes nothing.
pub(super) fn down(host: &str, interface: &str, state: &State) -> Option<Cause> {
    let link = state.links.iter().find(|link| link.name == interface)?;
    match (link.up, link.running) {
        (true, true) => None,
        (false, _) => Some(
            Cause::on(host, format!("{interface} of {host} is down"))
                .proof(format!("{interface} of {host} is not set up")),
        ),
        (true, false) => Some(
            Cause::on(host, format!("{interface} of {host} has no carrier"))
                .proof(format!("{interface} of {host} is set up, and not running")),
        ),
    }
}
