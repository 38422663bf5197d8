//! Causes on the way out of the client: no route, or a neighbour table that points past the
//! director.

use std::net::IpAddr;

use super::{Cause, Scene, Traffic, resolution};
use crate::lab::probe::{State, Trouble};

/// The client knows no way to the address.
pub(super) fn no_route(traffic: &Traffic, scene: &Scene) -> Option<Cause> {
    let state = scene.state(traffic.client)?;
    let (client, to) = (traffic.client, traffic.service.ip());
    let unreachable =
        traffic.seen.requests.iter().any(|one| {
            one.failure().is_some_and(|failure| failure.trouble == Trouble::Unreachable)
        });
    let nowhere = state.route(to).is_none_or(|route| route.drops.is_some());
    (unreachable && nowhere).then(|| {
        Cause::on(client, format!("{client} has no route to {to}")).proof(routes(client, to, state))
    })
}

/// The client sends what is meant for the VIP to somebody else, who answered its ARP request.
pub(super) fn past_the_director(traffic: &Traffic, scene: &Scene) -> Vec<Cause> {
    let Some(state) = scene.state(traffic.client) else { return Vec::new() };
    let IpAddr::V4(vip) = traffic.service.ip() else { return Vec::new() };
    let directors = scene.directors();
    let wrong = state.neighbours.iter().filter(|one| one.address == vip).find_map(|one| {
        let host = scene.lab.by_mac(one.mac)?;
        (!directors.is_empty() && !directors.contains(&host)).then_some((one, host))
    });
    let Some((neighbour, host)) = wrong else { return Vec::new() };
    let client = traffic.client;
    let passed = Cause::on(
        client,
        format!(
            "{client} sends what is for {} to {host}, past the director {}",
            scene.called(vip.into()),
            directors.join(", ")
        ),
    )
    .proof(format!(
        "neighbour of {client}: {vip} at {} on {}",
        scene.lab.mac(neighbour.mac),
        neighbour.interface
    ));
    // Why that host answers explains more than that it does.
    resolution::answers(host, vip.into(), scene).into_iter().chain([passed]).collect()
}

/// The routes of a host in the family of an address, as evidence.
pub(super) fn routes(host: &str, to: IpAddr, state: &State) -> String {
    let listed: Vec<String> = state
        .routes
        .iter()
        .filter(|route| route.destination.addr().is_ipv4() == to.is_ipv4())
        .map(ToString::to_string)
        .collect();
    if listed.is_empty() {
        return format!("{host} has no routes");
    }
    format!("routes of {host}: {}", listed.join(", "))
}
