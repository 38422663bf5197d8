//! Causes in neighbour discovery, where they are others than with ARP: an address is answered for
//! on the interface that has it and on no other, and is no address before it is known that nobody
//! else has it.

use super::{Cause, addresses};
use crate::lab::probe::{Address, State, conf_name_v6};

fn setting(state: &State, interface: &str, key: &str) -> String {
    let name = conf_name_v6(interface, key);
    let value = state.sysctls.get(&name).map_or("?", String::as_str);
    format!("{name} = {value}")
}

/// Why a host answers for an address that its interface does not have.
pub(super) fn stands_in(host: &str, state: &State, says: &str, interface: &str) -> Option<Cause> {
    let on = |scope| state.sysctl(&conf_name_v6(scope, "proxy_ndp")).is_some_and(|value| value > 0);
    (on("all") || on(interface)).then(|| {
        Cause::on(host, format!("{says}: proxy_ndp is on, and it was told to stand in for it"))
            .proof(setting(state, "all", "proxy_ndp"))
            .proof(setting(state, interface, "proxy_ndp"))
            .hint("`ip -6 neigh show proxy` lists whom it stands in for")
    })
}

/// Why a host does not answer for an address that it has somewhere.
pub(super) fn is_silent(
    host: &str,
    state: &State,
    vip: &str,
    interface: &str,
    holders: &[&Address],
) -> Option<Cause> {
    let says = format!("{host} does not answer NDP for {vip}");
    let Some(holder) = holders.iter().find(|one| one.interface == interface) else {
        let elsewhere = &holders.first()?.interface;
        let why = format!("it has it on {elsewhere} alone, and requests come in on {interface}");
        return Some(Cause::on(host, format!("{says}: {why}")).proof(addresses(host, state)));
    };
    let held = format!("{}/{} on {interface} of {host}", holder.address, holder.prefix);
    if holder.duplicate {
        return Some(
            Cause::on(host, format!("{says}: another host had it already when {host} took it"))
                .proof(format!("{held} is marked `dadfailed`"))
                .hint("once nobody else has it, take it away and set it again"),
        );
    }
    holder.tentative.then(|| {
        Cause::on(host, format!("{says}: {host} is looking for duplicates of it still"))
            .proof(format!("{held} is marked `tentative`"))
    })
}
