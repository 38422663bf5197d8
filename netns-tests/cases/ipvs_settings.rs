//! The table of parameters, held against those of the kernel that this runs on.

use std::fs;

use anyhow::{Context, Result, ensure};
use lvsmith::netlink::ipvs::{Handle, Release, SETTINGS, setting};

use crate::namespace::Namespace;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] =
    &[Case { name: "ipvs_settings", needs: Needs::Ipvs, run: settings }];

fn settings() -> Result<()> {
    let namespace = Namespace::new("settings")?;
    namespace.inside(|| {
        Handle::open()?;
        let running = Release::parse(fs::read_to_string("/proc/sys/kernel/osrelease")?.trim());
        let folder = "/proc/sys/net/ipv4/vs";
        let mut count = 0;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let known = setting(&name).with_context(|| format!("`{name}` is not in the table"))?;
            ensure!(running >= known.since, "`{name}` is in {running}, not since {}", known.since);
            let value = fs::read_to_string(entry.path())?;
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            if let Some(default) = known.default {
                ensure!(value == default, "`{name}` begins with {value}, not {default}");
            }
            known.check(&value)?;
            count += 1;
        }
        ensure!(count > 20, "there are but {count}");
        for missing in SETTINGS.iter().filter(|one| one.needs.is_none()) {
            let there = fs::exists(format!("{folder}/{}", missing.name))?;
            let name = missing.name;
            ensure!(there || running < missing.since, "`{name}` is not in {running}");
        }
        // What the table refuses the kernel does not take either.
        for (name, bad) in [("drop_entry", "4"), ("sync_ports", "3"), ("sync_retries", "4")] {
            ensure!(setting(name).context("known")?.check(bad).is_err(), "{name} {bad}");
            let path = format!("{folder}/{name}");
            let before = fs::read_to_string(&path)?;
            let _ = fs::write(&path, bad);
            ensure!(fs::read_to_string(&path)? == before, "the kernel took {name} {bad}");
        }
        Ok(())
    })
}
