//! Sync daemons, declared by us and listed by the real ipvsadm, and the other way round.

use anyhow::{Result, ensure};

use crate::namespace::Namespace;
use crate::support::told;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[Case { name: "ipvs_daemon", needs: Needs::Ipvs, run: daemon }];

fn task(declared: &str) -> String {
    format!("    - ipvs_daemon: {{{declared}}}\n")
}

/// The lines of the listing, without what is only the program's way to write.
fn listed(namespace: &Namespace) -> Result<Vec<String>> {
    let listing = namespace.shell("ipvsadm -L --daemon")?;
    Ok(listing.lines().map(|line| line.trim().to_owned()).collect())
}

fn daemon() -> Result<()> {
    let namespace = Namespace::new("daemon")?;
    namespace.shell(
        "ip link add v0 type veth peer name v1 && ip addr add 10.8.0.1/24 dev v0 && \
         ip link set v0 up && ip link set v1 up",
    )?;
    let master = task("state: master, interface: v0, sync_id: 7");
    namespace.applied(&master)?;
    let lines = listed(&namespace)?;
    let sends =
        "master sync daemon (mcast=v0, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)";
    ensure!(lines == [sends], "{lines:#?}");
    namespace.is_so_already(&master)?;

    // The other one beside it, with everything that can be said.
    let backup = task(
        "state: backup, interface: v0, sync_id: 3, max_length: 1400, group: 239.1.1.1, port: 9999, ttl: 2",
    );
    namespace.applied(&backup)?;
    let lines = listed(&namespace)?;
    let receives =
        "backup sync daemon (mcast=v0, syncid=3, maxlen=1400, group=239.1.1.1, port=9999, ttl=2)";
    ensure!(lines == [sends, receives], "{lines:#?}");
    namespace.is_so_already(&format!("{master}{backup}"))?;

    // What differs is restarted, and the other one is not touched.
    let other = task("state: master, interface: v0, sync_id: 8");
    let said = namespace.applied(&other)?;
    ensure!(said.contains("stop master sync daemon") && !said.contains("backup"), "{said}");
    ensure!(listed(&namespace)?[0].contains("syncid=8"), "{:#?}", listed(&namespace)?);

    namespace.applied(&task("state: absent, role: master"))?;
    ensure!(listed(&namespace)? == [receives], "{:#?}", listed(&namespace)?);
    namespace.applied(&task("state: absent"))?;
    ensure!(listed(&namespace)?.is_empty(), "{:#?}", listed(&namespace)?);
    namespace.is_so_already(&task("state: absent"))?;

    namespace.shell("ipvsadm --start-daemon master --mcast-interface v0 --syncid 7")?;
    namespace.is_so_already(&master)?;

    let nowhere = told(&namespace.lvsmith("apply", &task("state: backup, interface: none0"))?);
    ensure!(nowhere.contains("there is no interface `none0`"), "{nowhere}");
    Ok(())
}
