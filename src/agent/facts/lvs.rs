//! Whether this kernel balances load, and how.

use std::collections::BTreeSet;
use std::fs;

use nix::sys::utsname::uname;
use serde_json::json;

use super::Facts;

/// Whether IPVS is there (`available`) or could be (`loadable`), its `version` and `table_size`
/// (the connections' hash table), and its `schedulers`: all of them, and those that are built in,
/// loaded, or loadable.
pub(super) fn add(facts: &mut Facts) {
    // Of this thread's namespace: `/proc/net` would be that of the main thread.
    let head = fs::read_to_string("/proc/thread-self/net/ip_vs").ok();
    let (version, table_size) = head.as_deref().and_then(headline).unzip();
    let modules = Modules::look();
    let schedulers = |modules: &BTreeSet<String>| -> BTreeSet<String> {
        modules.iter().filter_map(|module| scheduler(module)).collect()
    };
    let (built_in, loaded) = (schedulers(&modules.built_in), schedulers(&modules.loaded));
    let loadable = schedulers(&modules.loadable);
    let all: BTreeSet<&String> = built_in.iter().chain(&loaded).chain(&loadable).collect();
    let told = json!({
        "available": head.is_some(),
        "loadable": head.is_some() || modules.loadable.contains("ip_vs"),
        "version": version,
        "table_size": table_size,
        "schedulers": all,
        "schedulers_built_in": built_in,
        "schedulers_loaded": loaded,
        "schedulers_loadable": loadable,
    });
    facts.insert("lvs".into(), told);
}

/// Names of modules.
struct Modules {
    built_in: BTreeSet<String>,
    loaded: BTreeSet<String>,
    /// On disk, loaded or not.
    loadable: BTreeSet<String>,
}

impl Modules {
    fn look() -> Self {
        let names = uname().map(|names| names.release().to_string_lossy().into_owned());
        let folder = format!("/lib/modules/{}", names.unwrap_or_default());
        let listed = |name: &str| -> BTreeSet<String> {
            let text = fs::read_to_string(format!("{folder}/{name}")).unwrap_or_default();
            text.lines().filter_map(module_of).collect()
        };
        let loaded = fs::read_to_string("/proc/modules").unwrap_or_default();
        let loaded: BTreeSet<String> =
            loaded.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect();
        let mut built_in = listed("modules.builtin");
        // A kernel without a list still shows what was compiled in.
        let shown = fs::read_dir("/sys/module").into_iter().flatten().flatten();
        let shown = shown.map(|entry| entry.file_name().to_string_lossy().into_owned());
        built_in.extend(shown.filter(|name| !loaded.contains(name)));
        Self { built_in, loaded, loadable: listed("modules.dep") }
    }
}

/// `IP Virtual Server version 1.2.1 (size=4096)`.
fn headline(text: &str) -> Option<(String, u64)> {
    let line = text.lines().next()?.strip_prefix("IP Virtual Server version ")?;
    let (version, size) = line.split_once(" (size=")?;
    Some((version.to_owned(), size.trim_end_matches(')').parse().ok()?))
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
