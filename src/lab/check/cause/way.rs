//! Causes on the way of a packet from one host to an address, and of its answer.

use std::net::IpAddr;

use super::{Cause, Scene, addresses, client, resolution};

pub(super) fn causes(from: &str, to: IpAddr, local: Option<IpAddr>, scene: &Scene) -> Vec<Cause> {
    let mut causes: Vec<Cause> = no_route(from, to, scene).into_iter().collect();
    let Some(owner) = scene.owner(to) else {
        if scene.lab.0.iter().all(|host| scene.states.contains_key(&host.name)) {
            let message = format!("no host of this lab has {to}");
            causes.push(Cause { host: None, message, evidence: Vec::new(), hint: None });
        }
        return causes;
    };
    let Some(state) = scene.state(owner) else { return causes };
    if state.holders(to).next().is_none() {
        let message = format!("{to} is on no interface of {owner}");
        causes.push(Cause::on(owner, message).proof(addresses(owner, state)));
    }
    for host in scene.lab.0.iter().filter(|host| host.name == owner || host.name == from) {
        let Some(state) = scene.state(&host.name) else { continue };
        let interfaces = host.interfaces.iter();
        causes.extend(interfaces.filter_map(|one| resolution::down(&host.name, &one.name, state)));
    }
    causes.extend(local.and_then(|local| no_route(owner, local, scene)));
    causes
}

/// The host knows no way to an address.
fn no_route(host: &str, to: IpAddr, scene: &Scene) -> Option<Cause> {
    let state = scene.state(host)?;
    let own = state.holders(to).next().is_some();
    let nowhere = !own && state.route(to).is_none_or(|route| route.drops.is_some());
    nowhere.then(|| {
        Cause::on(host, format!("{host} has no route to {to}"))
            .proof(client::routes(host, to, state))
    })
}
