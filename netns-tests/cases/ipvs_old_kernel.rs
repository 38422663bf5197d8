//! What only newer kernels have, on whatever kernel this runs: it works, or the error says since
//! when it would. `LVSMITH_TEST_KERNEL=4.15` runs it on a kernel of the cache that lacks most.

use std::fs;
use std::num::NonZeroU16;

use anyhow::{Context, Result, bail, ensure};
use lvsmith::netlink::ipvs::{
    Checksum, Destination, Error, Forward, Handle, Release, Scheduler, Service, ServiceKey, Tunnel,
};

use crate::namespace::Namespace;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[Case {
    name: "ipvs_old_kernel::says_since_when_there_are_tunnels",
    needs: Needs::Ipvs,
    run: tunnels,
}];

fn tunnels() -> Result<()> {
    let namespace = Namespace::new("old")?;
    namespace.inside(|| {
        let running = Release::parse(fs::read_to_string("/proc/sys/kernel/osrelease")?.trim());
        let mut ipvs = Handle::open()?;
        let key: ServiceKey = "tcp://10.0.0.1:80".parse()?;
        ipvs.add_service(&Service::new(key, Scheduler::new("rr")?))?;
        let gue = |checksum| {
            let port = NonZeroU16::new(6080).expect("it is not 0");
            Tunnel::Gue { port, checksum }
        };
        for (last, tunnel, first_kernel) in [
            (2, Tunnel::Ipip, Release(0, 0, 0)),
            (3, gue(Checksum::None), Release(5, 2, 0)),
            (4, gue(Checksum::Remote), Release(5, 3, 0)),
            (5, Tunnel::Gre { checksum: false }, Release(5, 3, 0)),
            (6, Tunnel::Gre { checksum: true }, Release(5, 3, 0)),
        ] {
            let wanted = Destination::new([10, 9, 0, last], 80, Forward::Tunnel(tunnel));
            let added = ipvs.add_destination(key, &wanted);
            let found = ipvs.destinations(&key)?;
            let found = found.iter().find(|state| state.destination.key == wanted.key);
            match added {
                Ok(()) => {
                    ensure!(running >= first_kernel, "{tunnel:?} on {running}");
                    let found = found.with_context(|| format!("{tunnel:?} is not there"))?;
                    ensure!(found.destination == wanted, "{:?}", found.destination);
                }
                Err(Error::TooOld { since, running: told, .. }) => {
                    ensure!(running < first_kernel && told == running, "{tunnel:?}: {told}");
                    ensure!(running < since && since <= first_kernel, "{tunnel:?} since {since}");
                    ensure!(found.is_none(), "{tunnel:?} was made something else: {found:?}");
                }
                Err(other) => bail!("{tunnel:?}: {other}"),
            }
        }
        Ok(())
    })
}
