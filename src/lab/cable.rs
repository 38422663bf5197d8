//! Cables that are pulled and plugged in again, at the keeper's end: the host sees a carrier
//! that is lost, as from a switch that is off, and can do nothing about it.

use std::thread;

use super::connector::Reachable;
use super::{Error, monitor};
use crate::netlink::InterfaceName;
use crate::netlink::route::Handle;

/// What becomes of a cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plug {
    /// It is plugged in.
    In,
    /// It is pulled.
    Out,
}

/// Pulls or plugs in the cable of an interface, or all of a host's.
pub(super) fn plug(
    lab: &dyn Reachable,
    host: &str,
    interface: Option<&str>,
    plug: Plug,
) -> Result<(), Error> {
    let state = lab.state();
    let wired = state.hosts.get(host).ok_or_else(|| Error::NoHost {
        lab: state.name.clone(),
        host: host.into(),
        hosts: state.hosts.keys().cloned().collect(),
    })?;
    let meant = |name: &str| interface.is_none_or(|wanted| wanted == name);
    let ends = wired.interfaces.iter().filter(|one| meant(&one.name));
    let cables: Vec<String> = ends.flat_map(|one| one.cables.clone()).collect();
    if cables.is_empty() {
        let has: Vec<&str> = wired.interfaces.iter().map(|one| one.name.as_str()).collect();
        return Err(Error::Environment {
            message: match interface {
                Some(name) => format!("`{host}` has no cable at `{name}`"),
                None => format!("`{host}` has no cables"),
            },
            hint: Some(format!("it has: {}", has.join(", "))),
        });
    }
    let keeper = lab.keeper().try_clone_to_owned();
    let keeper = keeper.map_err(|error| Error::io("go where the cables end", &error))?;
    // The namespace is for good, so a thread goes there that ends afterwards.
    let work = move || -> Result<(), Error> {
        monitor::enter(&keeper)?;
        let mut route = Handle::new()?;
        for cable in cables {
            let name = InterfaceName::new(&cable)
                .map_err(|error| Error::Environment { message: error.to_string(), hint: None })?;
            match plug {
                Plug::In => route.set_up(&name)?,
                Plug::Out => route.set_down(&name)?,
            }
        }
        Ok(())
    };
    let ended = |_| Error::Environment { message: "a thread ended".into(), hint: None };
    thread::spawn(work).join().map_err(ended)?
}
