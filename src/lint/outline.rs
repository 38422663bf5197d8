//! What a playbook will make of each host, as far as it is known before a run: for pictures.

use std::net::IpAddr;

use indexmap::IndexMap;

use super::site::{Bound, Cluster, Site};
use crate::diagnostic::Diagnostics;
use crate::engine::Options;
use crate::inventory::Inventory;
use crate::netlink::ipvs::VirtualService;
use crate::playbook::Playbook;

/// What a host will have of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// The services that it balances.
    pub services: Vec<VirtualService>,
    /// Whether a service of any host sends to it.
    pub serves: bool,
    /// Addresses that tasks put onto its interfaces, each with the interface.
    pub addresses: Vec<(IpAddr, String)>,
}

/// Looks at a playbook for every host that it is for. What is wrong with it is an error.
pub fn outline(
    playbook: &Playbook,
    inventory: &Inventory,
    options: &Options,
) -> Result<IndexMap<String, Outline>, Diagnostics> {
    let cluster = Cluster::read(playbook, inventory, options)?;
    if !cluster.mistakes.0.is_empty() {
        return Err(cluster.mistakes);
    }
    let of = |site: &Site| Outline {
        services: site.services().map(|one| one.service.clone()).collect(),
        serves: cluster.roles_of(site).next().is_some(),
        addresses: addresses(site.bound().map(|(_, bound)| bound)),
    };
    Ok(cluster.sites.iter().map(|(name, site)| (name.clone(), of(site))).collect())
}

/// Each once, though several services may be at one address.
fn addresses<'a>(bound: impl Iterator<Item = &'a Bound>) -> Vec<(IpAddr, String)> {
    let mut addresses = Vec::new();
    for one in bound {
        let pair = (one.address, one.interface.clone());
        if !addresses.contains(&pair) {
            addresses.push(pair);
        }
    }
    addresses
}
