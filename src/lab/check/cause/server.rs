//! Causes on the real servers: the VIP, the listener, the way back, and what nginx says.

use std::net::{IpAddr, SocketAddr};

use super::{Cause, Scene, Traffic, addresses, client, resolution, tunnel};
use crate::lab::probe::State;
use crate::lint::words;
use crate::netlink::ipvs::{Destination, Forward, Protocol};

pub(super) fn causes(traffic: &Traffic, scene: &Scene) -> Vec<Cause> {
    let mut causes = Vec::new();
    for director in scene.active_directors(traffic.service.ip()) {
        let Some(service) = scene.service(director, traffic.protocol, traffic.service) else {
            continue;
        };
        for row in &service.destinations {
            let destination = &row.destination;
            let Some(host) = scene.owner(destination.key.address) else { continue };
            let Some(state) = scene.state(host) else { continue };
            let at = At { host, state, director, destination, traffic, scene };
            causes.extend(at.causes());
        }
    }
    causes.extend(complaints(traffic, scene));
    causes
}

/// A host that was asked itself, past every director.
pub(super) fn alone(host: &str, traffic: &Traffic, scene: &Scene) -> Vec<Cause> {
    let Some(state) = scene.state(host) else { return Vec::new() };
    let mut causes: Vec<Cause> =
        unreachable(host, state, traffic.service.ip()).into_iter().collect();
    causes.extend(deaf(host, state, traffic.service, traffic.protocol));
    causes.extend(complaints(traffic, scene));
    causes
}

/// A real server as a destination of a director.
struct At<'a> {
    host: &'a str,
    state: &'a State,
    director: &'a str,
    destination: &'a Destination,
    traffic: &'a Traffic<'a>,
    scene: &'a Scene<'a>,
}

impl At<'_> {
    fn causes(&self) -> Vec<Cause> {
        let mut causes = Vec::new();
        causes.extend(unreachable(self.host, self.state, self.destination.key.address));
        // Where the packet arrives as it is, it is for the VIP; with masquerading for the RIP.
        let (target, as_it_is) = match self.destination.forward {
            Forward::Direct | Forward::Tunnel(_) => (self.traffic.service, true),
            Forward::Nat => {
                // A service by a mark has port 0 there, for the one that was asked.
                let port = Some(self.destination.key.port).filter(|port| *port != 0);
                let port = port.unwrap_or(self.traffic.service.port());
                (SocketAddr::new(self.destination.key.address, port), false)
            }
            Forward::Other(_) => return causes,
        };
        if as_it_is {
            causes.extend(self.no_vip());
        }
        causes.extend(deaf(self.host, self.state, target, self.traffic.protocol));
        match self.destination.forward {
            Forward::Nat => causes.extend(self.way_back()),
            Forward::Tunnel(kind) => {
                let (vip, rip) = (self.traffic.service.ip(), self.destination.key.address);
                causes.extend(tunnel::causes(self.host, self.state, kind, vip, rip));
            }
            _ => {}
        }
        causes
    }

    fn no_vip(&self) -> Option<Cause> {
        let (host, vip) = (self.host, self.traffic.service.ip());
        self.state.holders(vip).next().is_none().then(|| {
            let place = match self.destination.forward {
                Forward::Tunnel(_) => "any interface of HOST",
                _ => "HOST's lo",
            };
            let message = format!(
                "{} is not bound on {}, so {host} drops what {} forwards to it",
                self.scene.called(vip),
                place.replace("HOST", host),
                self.director
            );
            Cause::on(host, message)
                .proof(addresses(host, self.state))
                .proof(format!("destination {} on {}", self.destination, self.director))
        })
    }

    /// Replies of a masqueraded connection must pass the director to be written back. Where it may be
    /// the source itself, nothing is known of whom the real server answers.
    fn way_back(&self) -> Option<Cause> {
        let client = self.traffic.seen.requests.iter().map(|one| one.local.ip());
        let client = client.into_iter().find(|address| !address.is_unspecified())?;
        let director = self.scene.state(self.director)?;
        let known = director.sysctls.get("net.ipv4.vs.conntrack").is_some_and(|value| value == "1");
        if known && !director.sources.is_empty() {
            return None;
        }
        let route = self.state.route(client);
        let passes = |gateway: IpAddr| director.holders(gateway).next().is_some();
        let (host, by) = (self.host, self.director);
        let message = match route {
            Some(route) if route.gateway.is_some_and(passes) => return None,
            Some(_) => {
                format!("{host} answers {client} past {by}, so its replies are not translated")
            }
            None => format!("{host} has no route back to {client}"),
        };
        Some(
            Cause::on(host, message)
                .proof(client::routes(host, client, self.state))
                .hint(words::route_back(host, by)),
        )
    }
}

/// The address, or the interface it is on, is not there to be reached.
fn unreachable(host: &str, state: &State, address: IpAddr) -> Option<Cause> {
    let Some(holder) = state.holders(address).next() else {
        return Some(
            Cause::on(host, format!("{address} is on no interface of {host}"))
                .proof(addresses(host, state)),
        );
    };
    resolution::down(host, &holder.interface, state)
}

/// Nobody takes connections, or datagrams, to the address and port.
fn deaf(host: &str, state: &State, target: SocketAddr, protocol: Protocol) -> Option<Cause> {
    let port = target.port();
    let sockets = match protocol {
        Protocol::Tcp => &state.listening,
        Protocol::Udp => &state.bound,
        Protocol::Sctp => state.endpoints.as_ref()?,
        Protocol::Other(_) => return None,
    };
    let listeners: Vec<_> = sockets.iter().filter(|one| one.port == port).collect();
    if listeners.iter().any(|one| one.takes(target.ip())) {
        return None;
    }
    if !listeners.is_empty() {
        let heard: Vec<String> = listeners.iter().map(ToString::to_string).collect();
        let message = format!("{host} listens on port {port}, but not for {}", target.ip());
        return Some(
            Cause::on(host, message).proof(format!("{host} listens on {}", heard.join(", "))),
        );
    }
    let web = protocol == Protocol::Tcp;
    let without = web && !state.processes.contains_key("nginx");
    let nginx = if without { " (nginx is not running)" } else { "" };
    let ports: Vec<String> = sockets.iter().map(ToString::to_string).collect();
    let mut cause = Cause::on(host, format!("nothing listens on port {port} on {host}{nginx}"))
        .proof(match ports.as_slice() {
            [] => format!("{host} listens nowhere"),
            ports => format!("{host} listens on {}", ports.join(", ")),
        });
    if let Some(last) = state.nginx_errors.last().filter(|_| web) {
        cause = cause.proof(format!("nginx's error log on {host}: {last}"));
    }
    Some(cause)
}

/// What a server's log says to an answer that is an error.
fn complaints(traffic: &Traffic, scene: &Scene) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for response in traffic.seen.requests.iter().filter_map(|one| one.response()) {
        let Some(status) = response.status.filter(|status| *status >= 400) else { continue };
        let Some(host) = response.real_server() else { continue };
        let Some(last) = scene.state(host).and_then(|state| state.nginx_errors.last()) else {
            continue;
        };
        let cause = Cause::on(host, format!("{host} answers with status {status}"))
            .proof(format!("nginx's error log on {host}: {last}"));
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}
