//! Why connections go elsewhere than a model says: the table is another one than was thought.

use indexmap::IndexMap;

use super::{Cause, Scene};
use crate::lab::model::Server;
use crate::netlink::ipvs::{DestinationKey, Service};

/// What a model was asked about.
pub(in crate::lab::check) struct Scheduled<'a> {
    /// The director.
    pub(in crate::lab::check) director: &'a str,
    /// The service, if it is there.
    pub(in crate::lab::check) service: Option<&'a Service>,
    /// The scheduler that was named.
    pub(in crate::lab::check) model: Option<&'a str>,
    /// The weights that were named, by host.
    pub(in crate::lab::check) weights: &'a IndexMap<String, u32>,
    /// The destinations as they were at first.
    pub(in crate::lab::check) servers: &'a [Server],
    /// Weights that changed meanwhile: whose, from, to, and before which connection.
    pub(in crate::lab::check) edits: Vec<(DestinationKey, u32, u32, usize)>,
}

pub(super) fn causes(asked: &Scheduled, scene: &Scene) -> Vec<Cause> {
    let Some(service) = asked.service else { return Vec::new() };
    let on = asked.director;
    let proof = format!("on {on}: {service}");
    let mut causes = Vec::new();
    let (key, is) = (service.key, service.scheduler.as_str());
    if let Some(model) = asked.model.filter(|model| *model != is) {
        let message = format!("the scheduler of {key} is {is}, not {model}");
        causes.push(Cause::on(on, message).proof(proof.clone()));
    }
    let called = |key: DestinationKey| match scene.owner(key.address) {
        Some(host) => format!("{key} ({host})"),
        None => key.to_string(),
    };
    for server in asked.servers {
        let host = scene.owner(server.key.address);
        let wanted = host.and_then(|host| asked.weights.get(host));
        if let Some(wanted) = wanted.filter(|wanted| **wanted != server.weight) {
            let (name, is) = (called(server.key), server.weight);
            let message = format!("the weight of {name} is {is}, not {wanted}");
            causes.push(Cause::on(on, message).proof(proof.clone()));
        }
    }
    for host in asked.weights.keys() {
        if !asked.servers.iter().any(|one| scene.owner(one.key.address) == Some(host)) {
            let message = format!("{host} is no destination of {key} on {on}");
            causes.push(Cause::on(on, message).proof(proof.clone()));
        }
    }
    for (key, was, is, number) in &asked.edits {
        let name = called(*key);
        let message = format!(
            "the weight of {name} was changed from {was} to {is} before connection {number}"
        );
        causes.push(Cause::on(on, message));
    }
    if service.one_packet {
        let message = format!("{key} schedules each packet by itself, and keeps no record of it");
        causes.push(Cause::on(on, message).proof(proof.clone()));
    }
    if let Some(engine) = &service.engine {
        let message = format!("{key} tells clients apart by `{engine}`, which the model cannot");
        causes.push(Cause::on(on, message).proof(proof));
    }
    causes
}
