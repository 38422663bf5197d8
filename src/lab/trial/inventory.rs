//! The inventory that a lab file is.

use super::relative;
use crate::diagnostic::Diagnostics;
use crate::inventory::{Inventory, Vars};
use crate::lab::Topology;

/// A lab file is the inventory; `group_vars` and `host_vars` stand beside it and the playbook.
pub fn inventory(topology: &Topology) -> Result<Inventory, Diagnostics> {
    let mut inventory = Inventory::default();
    for (name, host) in &topology.hosts {
        let groups: Vec<String> = host.groups.iter().map(ToString::to_string).collect();
        let mut vars = Vars::new();
        if let Some(own) = host.networks.values().find_map(|link| link.addresses.first()) {
            vars.insert("ansible_host".into(), own.addr().to_string().into());
        }
        vars.insert("ansible_connection".into(), topology.connection.as_str().into());
        inventory.place(name.as_str(), &groups, vars);
    }
    inventory.complete();
    inventory.read_vars_beside(&relative(topology.folder.clone()))?;
    let playbook = topology.playbook.as_ref().and_then(|playbook| playbook.parent());
    if let Some(folder) = playbook.filter(|folder| !folder.as_os_str().is_empty()) {
        inventory.read_vars_beside(&relative(topology.folder.join(folder)))?;
    }
    Ok(inventory)
}
