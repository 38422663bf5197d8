//! The host that ssh connections of a lab leave from: one more clone, in every network that a
//! host is reached by, so that ssh passes the same bridges and cables as everything else.

use std::collections::HashSet;
use std::net::IpAddr;

use super::Error;
use super::topology::{Host, Link, Subnet, Topology, Wire};

/// Its name. A lab that has a host of that name chooses its addresses itself.
pub(super) const NAME: &str = "controller";

/// The host to add to a lab, unless it is declared.
pub(super) fn host(topology: &Topology) -> Result<Option<Host>, Error> {
    if topology.hosts.contains_key(NAME) {
        return Ok(None);
    }
    let links = topology.hosts.values().flat_map(|host| host.networks.values());
    let taken: HashSet<IpAddr> =
        links.flat_map(|link| &link.addresses).map(|own| own.addr()).collect();
    let mut controller = Host::default();
    // A host's first address is the one it is reached by.
    for name in topology.hosts.values().filter_map(|host| host.networks.keys().next()) {
        let Some(network) = topology.networks.get(name) else { continue };
        if controller.networks.contains_key(name) {
            continue;
        }
        let free = |subnet: &Subnet| subnet.free(|address| taken.contains(address));
        let free = network.subnets.first().and_then(free).ok_or_else(|| Error::Environment {
            message: format!("network `{name}` has no address left for ssh to come from"),
            hint: Some(format!(
                "make its subnet larger, or declare a host `{NAME}` with addresses of its own"
            )),
        })?;
        controller
            .networks
            .insert(name.clone(), Link { addresses: vec![free], mtu: None, wire: Wire::default() });
    }
    Ok(Some(controller))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::Source;

    fn added(text: &str) -> Result<Option<String>, Error> {
        let source = Arc::new(Source { name: "lab.yml".into(), text: text.into() });
        let node = crate::yaml::read(&source).unwrap();
        let topology = Topology::decode(&node, PathBuf::from("/labs/x")).unwrap();
        let text = |host: Host| {
            let all = host.networks.iter();
            all.map(|(name, link)| format!("{name} {}", link.addresses[0].addr()))
                .collect::<Vec<_>>()
        };
        Ok(host(&topology)?.map(|host| text(host).join(", ")))
    }

    #[test]
    fn takes_the_highest_address_that_is_free() {
        let lab = "networks: {lan: {subnet: 10.0.0.0/24}, six: {subnet: 'fd00::/64'}, \
                   back: {subnet: 10.1.0.0/24}}\n\
                   hosts: {a: {networks: {lan: 10.0.0.254, back: 10.1.0.1}}, \
                   b: {networks: {six: 'fd00::1'}}}\n";
        let expected = "lan 10.0.0.253, six fd00::ffff:ffff:ffff:ffff";
        assert_eq!(added(lab).unwrap().as_deref(), Some(expected));
    }

    #[test]
    fn leaves_a_declared_one_alone() {
        let lab = "networks: {lan: {subnet: 10.0.0.0/24}}\n\
                   hosts: {controller: {networks: {lan: 10.0.0.9}}}\n";
        assert_eq!(added(lab), Ok(None));
    }

    #[test]
    fn names_a_network_without_room() {
        let lab = "networks: {lan: {subnet: 10.0.0.0/30}}\n\
                   hosts: {a: {networks: {lan: 10.0.0.1}}, b: {networks: {lan: 10.0.0.2}}}\n";
        let error = added(lab).unwrap_err();
        assert!(error.to_string().contains("`lan` has no address left"), "{error}");
    }
}
