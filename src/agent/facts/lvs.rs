//! Whether this kernel balances load, and how.

use std::collections::BTreeSet;
use std::fs;

use nix::sys::utsname::uname;
use serde_json::{Value, json};

/// `available`, `version`, `table_size`, and the `schedulers` that are loaded or can be.
pub(super) fn facts() -> Value {
    // Of this thread's namespace: `/proc/net` would be that of the main thread.
    let head = fs::read_to_string("/proc/thread-self/net/ip_vs").ok();
    let (version, table_size) = head.as_deref().and_then(headline).unzip();
    json!({
        "available": head.is_some(),
        "version": version,
        "table_size": table_size,
        "schedulers": schedulers(),
    })
}

/// `IP Virtual Server version 1.2.1 (size=4096)`.
fn headline(text: &str) -> Option<(String, u64)> {
    let line = text.lines().next()?.strip_prefix("IP Virtual Server version ")?;
    let (version, size) = line.split_once(" (size=")?;
    Some((version.to_owned(), size.trim_end_matches(')').parse().ok()?))
}

fn schedulers() -> BTreeSet<String> {
    let mut modules: Vec<String> = fs::read_dir("/sys/module")
        .map(|entries| {
            entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    if let Ok(names) = uname() {
        let folder = format!("/lib/modules/{}", names.release().to_string_lossy());
        for list in ["modules.dep", "modules.builtin"] {
            let text = fs::read_to_string(format!("{folder}/{list}")).unwrap_or_default();
            modules.extend(text.lines().filter_map(module_of));
        }
    }
    modules.iter().filter_map(|module| scheduler(module)).collect()
}

/// The module's name in a line such as `kernel/net/netfilter/ipvs/ip_vs_rr.ko.xz: ...`.
fn module_of(line: &str) -> Option<String> {
    let path = line.split(':').next()?;
    let name = path.rsplit('/').next()?;
    Some(name.split(".ko").next()?.replace('-', "_"))
}

/// The rest of `ip_vs_`, less the two modules that are no schedulers.
fn scheduler(module: &str) -> Option<String> {
    let name = module.strip_prefix("ip_vs_")?;
    (!matches!(name, "ftp" | "pe_sip")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_version_and_size_from_the_first_line() {
        let text = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port\n";
        assert_eq!(headline(text), Some(("1.2.1".into(), 4096)));
        assert_eq!(headline(""), None);
    }

    #[test]
    fn takes_schedulers_out_of_the_modules() {
        let lines = [
            "kernel/net/netfilter/ipvs/ip_vs_rr.ko.xz: kernel/net/netfilter/ipvs/ip_vs.ko.xz",
            "kernel/net/netfilter/ipvs/ip_vs.ko:",
            "kernel/net/netfilter/ipvs/ip_vs_pe_sip.ko:",
            "kernel/net/netfilter/ipvs/ip_vs_wlc.ko",
        ];
        let found: Vec<_> = lines.iter().filter_map(|line| scheduler(&module_of(line)?)).collect();
        assert_eq!(found, ["rr", "wlc"]);
    }
}
