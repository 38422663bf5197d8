//! Causes on the director: the VIP, the service, its scheduler and its destinations.

use super::{Cause, Scene, Traffic, addresses, mark, resolution};
use crate::lab::probe::{State, VirtualService};
use crate::lint::words;
use crate::netlink::ipvs::{Destination, Forward, ServiceKey};

pub(super) fn causes(traffic: &Traffic, scene: &Scene) -> Vec<Cause> {
    let mut causes = Vec::new();
    for director in scene.active_directors(traffic.service.ip()) {
        let Some(state) = scene.state(director) else { continue };
        causes.extend(no_vip(director, state, traffic, scene));
        for host in scene.lab.0.iter().filter(|host| host.name == director) {
            let interfaces = host.interfaces.iter();
            causes
                .extend(interfaces.filter_map(|one| resolution::down(director, &one.name, state)));
        }
        if let Some(cause) = no_ipvs(director, scene) {
            causes.push(cause);
            continue;
        }
        match scene.service(director, traffic.protocol, traffic.service) {
            Some(service) => {
                causes.extend(mark::unmarked(director, service, scene));
                causes.extend(of_service(director, state, service, traffic, scene));
            }
            None => causes.extend(no_service(director, state, traffic)),
        }
    }
    causes
}

/// The host's kernel has no IPVS.
pub(super) fn no_ipvs(host: &str, scene: &Scene) -> Option<Cause> {
    let state = scene.state(host)?;
    let why = state.unread.iter().find(|line| line.contains("IPVS"))?;
    state.ipvs.is_none().then(|| {
        Cause::on(host, format!("the IPVS table of {host} cannot be read")).proof(why.clone())
    })
}

fn no_vip(director: &str, state: &State, traffic: &Traffic, scene: &Scene) -> Option<Cause> {
    let vip = traffic.service.ip();
    state.holders(vip).next().is_none().then(|| {
        Cause::on(director, format!("{} is on no interface of {director}", scene.called(vip)))
            .proof(addresses(director, state))
            .hint(words::OUTWARD)
    })
}

fn no_service(director: &str, state: &State, traffic: &Traffic) -> Option<Cause> {
    let table = state.ipvs.as_ref()?;
    let keys: Vec<ServiceKey> = table.services.iter().map(|one| one.state.service.key).collect();
    // Requests for an address may be balanced by a mark, which only the firewall knows.
    if keys.iter().any(|key| matches!(key, ServiceKey::Fwmark { .. })) {
        return None;
    }
    let listed = keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let proof = if listed.is_empty() {
        format!("the table of {director} is empty")
    } else {
        format!("services of {director}: {listed}")
    };
    let service = traffic.service;
    Some(
        Cause::on(director, format!("service {service} does not exist on {director}")).proof(proof),
    )
}

fn of_service(
    director: &str,
    state: &State,
    service: &VirtualService,
    traffic: &Traffic,
    scene: &Scene,
) -> Vec<Cause> {
    let mut causes = membership(director, service, traffic, scene);
    if traffic.in_turn {
        causes.extend(not_in_turn(director, service));
    }
    let forwards = state.sysctl("net.ipv4.ip_forward");
    let nat = |one: &Destination| one.forward == Forward::Nat;
    let destinations = || service.destinations.iter().map(|one| one.destination);
    if let Some(example) = destinations().find(nat)
        && forwards == Some(0)
        && traffic.service.is_ipv4()
    {
        causes.push(
            Cause::on(
                director,
                format!("the forwarding method is nat, but net.ipv4.ip_forward is 0 on {director}"),
            )
            .proof(format!("destination {example}"))
            .proof("net.ipv4.ip_forward = 0")
            .hint(words::FORWARDS),
        );
    }
    causes
}

/// Destinations that are missing, too many, or take nothing.
fn membership(
    director: &str,
    service: &VirtualService,
    traffic: &Traffic,
    scene: &Scene,
) -> Vec<Cause> {
    let key = service.state.service.key;
    let rows = || service.destinations.iter().map(|one| one.destination);
    let listed = || {
        let rows: Vec<String> = rows().map(|one| named(&one, scene)).collect();
        match rows.as_slice() {
            [] => format!("{key} has no destinations on {director}"),
            rows => format!("destinations of {key} on {director}: {}", rows.join(", ")),
        }
    };
    let mut causes = Vec::new();
    for server in &traffic.servers {
        let Some(host) = scene.lab.0.iter().find(|host| host.name == **server) else { continue };
        let own = || host.interfaces.iter().flat_map(|one| &one.addresses).map(|own| own.addr());
        let Some(first) = own().next() else { continue };
        if !rows().any(|one| own().any(|address| address == one.key.address)) {
            let message =
                format!("destination {first} ({server}) is missing from {director}'s table");
            causes.push(Cause::on(director, message).proof(listed()));
        }
    }
    for row in rows() {
        if row.weight == 0 {
            let message =
                format!("the weight of {} is 0: it takes nothing new", named(&row, scene));
            causes.push(Cause::on(director, message).proof(format!("destination {row}")));
        }
        let host = scene.owner(row.key.address);
        if !traffic.servers.is_empty() && !host.is_some_and(|host| traffic.servers.contains(&host))
        {
            let message = format!(
                "destination {} is in {director}'s table, and not among the expected real servers",
                named(&row, scene)
            );
            causes.push(Cause::on(director, message).proof(listed()));
        }
    }
    if traffic.servers.is_empty() && service.destinations.is_empty() {
        causes.push(
            Cause::on(director, format!("service {key} has no destinations")).proof(listed()),
        );
    }
    causes
}

/// What keeps connections from going round.
fn not_in_turn(director: &str, service: &VirtualService) -> Vec<Cause> {
    let declared = &service.state.service;
    let mut causes = Vec::new();
    let proof = format!("on {director}: {declared}");
    if let Some(persistence) = &declared.persistence {
        causes.push(
            Cause::on(
                director,
                format!("{} keeps a client on its real server: it is persistent", declared.key),
            )
            .proof(proof.clone())
            .hint(format!(
                "persistence lasts {} s after a client's last connection",
                persistence.timeout
            )),
        );
    }
    let weights = || service.destinations.iter().map(|one| one.destination.weight);
    match declared.scheduler.as_str() {
        "rr" => {}
        "wrr" => {
            if weights().min() != weights().max() {
                let rows = service.destinations.iter().map(|one| one.destination.to_string());
                causes.push(
                    Cause::on(director, "the scheduler is wrr, and the weights differ")
                        .proof(rows.collect::<Vec<_>>().join(", ")),
                );
            }
        }
        other => causes.push(
            Cause::on(director, format!("the scheduler of {} is {other}, not rr", declared.key))
                .proof(proof),
        ),
    }
    causes
}

/// Destinations that take new connections although something is wrong with their hosts.
pub(super) fn staying(
    director: &str,
    service: &VirtualService,
    hosts: &[&str],
    scene: &Scene,
) -> Vec<Cause> {
    let stays = |one: &Destination| {
        let host = scene.owner(one.key.address)?;
        (one.weight > 0 && hosts.contains(&host)).then(|| {
            let (name, weight) = (named(one, scene), one.weight);
            let message = format!("{name} is still in {director}'s table with weight {weight}");
            Cause::on(director, message)
                .proof(format!("destination {one}"))
                .hint("IPVS asks nobody whether he is there; keepalived does, as its role sets up")
        })
    };
    service.destinations.iter().filter_map(|one| stays(&one.destination)).collect()
}

/// A real server that is no destination any more.
pub(super) fn taken_out(
    director: &str,
    service: &VirtualService,
    server: &str,
    scene: &Scene,
) -> Option<Cause> {
    let rows = || service.destinations.iter().map(|one| one.destination);
    if rows().any(|one| scene.owner(one.key.address) == Some(server)) {
        return None;
    }
    let message = format!("{server} is in {director}'s table no more, so what was open is lost");
    let rows: Vec<String> = rows().map(|one| named(&one, scene)).collect();
    Some(
        Cause::on(director, message)
            .proof(format!("destinations on {director}: {}", rows.join(", ")))
            .hint("give it weight 0 first, as `drain` of ipvs_service does"),
    )
}

/// What of a destination is not as it is when it is drained.
pub(super) fn drained(
    director: &str,
    service: &VirtualService,
    server: &str,
    scene: &Scene,
) -> Option<Cause> {
    let mut rows = service.destinations.iter().map(|one| one.destination);
    let Some(one) = rows.find(|one| scene.owner(one.key.address) == Some(server)) else {
        return taken_out(director, service, server, scene);
    };
    (one.weight > 0).then(|| {
        let message = format!("the weight of {} is {}, not 0", named(&one, scene), one.weight);
        Cause::on(director, message).proof(format!("destination {one}"))
    })
}

fn named(one: &Destination, scene: &Scene) -> String {
    match scene.owner(one.key.address) {
        Some(host) => format!("{} ({host})", one.key),
        None => one.key.to_string(),
    }
}
