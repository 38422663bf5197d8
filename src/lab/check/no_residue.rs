//! `no_residue`: what a playbook takes away again leaves nothing behind. The hosts are compared
//! with what they were before it ran first: addresses, routes, rules, interfaces, sysctls, the
//! IPVS table, nftables and `/etc`.
//!
//! ```yaml
//! checks:
//!   - no_residue: {vars: {lvs_state: absent}, ignore: ["file /etc/nginx/*"]}
//! ```

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::{Action, Apply};
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, look};
use crate::connection::CallError;
use crate::inventory::{Vars, glob};
use crate::lab::probe::{Traces, TracesOf};
use crate::modules::Error;

/// What kernel modules bring along, which stay loaded: their settings, and the interface that
/// each kind of tunnel puts into every namespace.
const OF_MODULES: [&str; 13] = [
    "sysctl net.ipv4.vs.*",
    "sysctl net.netfilter.*",
    "sysctl net.nf_conntrack_max",
    "sysctl net.sctp.*",
    "link tunl0",
    "link sit0",
    "link ip6tnl0",
    "link gre0",
    "link gretap0",
    "link erspan0",
    "link ip_vti0",
    "link ip6_vti0",
    "link ip6gre0",
];

/// The kernel makes this key when the first program asks for fast open, and nobody can take it back.
const MADE_ONCE: &str = "sysctl net.ipv4.tcp_fastopen_key";

/// Nothing may be left of what the playbook takes away. Afterwards it is applied again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoResidue {
    /// The playbook's file in the lab's folder; the lab's own unless written.
    playbook: Option<String>,
    /// Variables over all others, such as `lvs_state: absent`.
    #[serde(default)]
    vars: Vars,
    /// What may be left: `file /etc/nginx/*`, `sysctl net.ipv4.ip_forward`, `address …`,
    /// `route …`, `rule …`, `link …`, `service …`, `nftables …`; `*` is any text.
    #[serde(default)]
    ignore: Vec<String>,
    /// The hosts to compare; all unless written.
    #[serde(default)]
    on: Vec<String>,
}

/// What is different on each host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Residue {
    /// What the run that takes away changed.
    changed: Vec<String>,
    /// By host: what is there and was not, what is not there and was, what is another.
    hosts: IndexMap<String, Vec<String>>,
}

impl Check for NoResidue {
    type Seen = Residue;

    fn title(&self) -> String {
        "nothing is left when the playbook takes away what it made".into()
    }

    fn hosts(&self) -> Vec<&str> {
        self.on.iter().map(String::as_str).collect()
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Residue, CallError> {
        let what = Apply { playbook: self.playbook.clone(), vars: self.vars.clone() };
        let action = Action::Apply(what);
        let seen = action.act(hosts).and_then(|changed| {
            let hosts = self.compare(hosts)?;
            Ok(Residue { changed, hosts })
        });
        action.undo(hosts)?;
        seen
    }

    fn judge(&self, seen: &Residue, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.expect("every host as it was before the playbook ran first");
        for (host, different) in &seen.hosts {
            match different.len() {
                0 => verdict.see(format!("{host}: as before")),
                count => verdict.see(format!("{host}: {count} different")),
            }
            for line in different {
                verdict.problem(format!("{host}: {line}"));
            }
        }
        if seen.changed.is_empty() {
            verdict.problem("the playbook took nothing away, which proves nothing");
        }
        verdict
    }

    /// What is left is named; which task forgot it nobody can tell.
    fn causes(&self, _seen: &Residue, _scene: &Scene) -> Vec<Cause> {
        Vec::new()
    }
}

impl NoResidue {
    fn compare(&self, hosts: &mut dyn Hosts) -> Result<IndexMap<String, Vec<String>>, CallError> {
        let before = hosts.stage()?.before().clone();
        let names: Vec<String> = match self.on.as_slice() {
            [] => hosts.hosts().iter().map(|host| host.name.clone()).collect(),
            on => on.to_vec(),
        };
        let mut all = IndexMap::new();
        for name in names {
            let first = before.get(&name).ok_or_else(|| {
                Error::new(format!("what `{name}` was like at first is not known"))
            })?;
            let now = look(hosts, &name, TracesOf {})?;
            all.insert(name, self.differences(first, &now));
        }
        Ok(all)
    }

    fn differences(&self, before: &Traces, now: &Traces) -> Vec<String> {
        let Traces(before) = before;
        let Traces(now) = now;
        let mut lines = Vec::new();
        for (key, value) in now {
            match before.get(key) {
                None => lines.push((key, format!("{} is left", with(key, value)))),
                // A checksum tells nobody anything.
                Some(first) if first != value && key.starts_with("file ") => {
                    lines.push((key, format!("{key} is not what it was")));
                }
                Some(first) if first != value => {
                    lines.push((key, format!("{key} is `{value}`, and was `{first}`")));
                }
                Some(_) => {}
            }
        }
        let gone = before.iter().filter(|(key, _)| !now.contains_key(*key));
        lines.extend(gone.map(|(key, value)| (key, format!("{} is gone", with(key, value)))));
        let lasts = |key: &str| before.contains_key(key) && now.contains_key(key);
        lines.retain(|(key, _)| !self.ignores(key, before) && (lasts(key) || !of_interface(key)));
        lines.into_iter().map(|(_, line)| line).collect()
    }

    fn ignores(&self, key: &str, before: &BTreeMap<String, String>) -> bool {
        let new = !before.contains_key(key);
        key == MADE_ONCE
            || self.ignore.iter().any(|pattern| glob(pattern, key))
            || (new && OF_MODULES.iter().any(|pattern| glob(pattern, key)))
    }
}

/// Whether it is a setting of one interface. Those come and go with it, some only once it is up; the
/// interface is told itself, or is of a module.
fn of_interface(key: &str) -> bool {
    let of = key.strip_prefix("sysctl net.").and_then(|rest| rest.split('.').nth(1));
    matches!(of, Some("conf" | "neigh"))
}

fn with(key: &str, value: &str) -> String {
    if value.is_empty() || key.starts_with("file ") {
        key.to_owned()
    } else {
        format!("{key} ({value})")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, lab};
    use super::*;

    fn traces(lines: &[(&str, &str)]) -> Traces {
        Traces(lines.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect())
    }

    fn differences(ignore: &str) -> Vec<String> {
        let before = traces(&[
            ("address 10.0.0.1/24 on eth0", ""),
            ("sysctl net.ipv4.ip_forward", "0"),
            ("sysctl net.ipv4.conf.lo.arp_ignore", "0"),
            ("file /etc/hosts", "0644 0:0 aa"),
        ]);
        let now = traces(&[
            ("address 10.0.0.1/24 on eth0", ""),
            ("address 10.0.0.89/32 on lo", ""),
            ("sysctl net.ipv4.ip_forward", "1"),
            ("sysctl net.ipv4.vs.conn_reuse_mode", "1"),
            ("sysctl net.ipv4.conf.tunl0.rp_filter", "0"),
            ("file /etc/nginx/nginx.conf", "0644 0:0 bb"),
            ("link tunl0", "ipip down mtu 1480"),
            ("link own.7", "vlan up mtu 1500"),
            ("sysctl net.ipv4.conf.own/7.rp_filter", "0"),
            ("sysctl net.ipv6.conf.eth0.mtu", "1500"),
            ("sysctl net.ipv4.conf.lo.arp_ignore", "1"),
        ]);
        check::<NoResidue>(&format!("{{ ignore: [{ignore}] }}")).differences(&before, &now)
    }

    #[test]
    fn names_what_is_left_what_is_gone_and_what_is_another() {
        assert_eq!(
            differences(""),
            [
                "address 10.0.0.89/32 on lo is left",
                "file /etc/nginx/nginx.conf is left",
                "link own.7 (vlan up mtu 1500) is left",
                "sysctl net.ipv4.conf.lo.arp_ignore is `1`, and was `0`",
                "sysctl net.ipv4.ip_forward is `1`, and was `0`",
                "file /etc/hosts is gone",
            ]
        );
        assert_eq!(
            differences("'file /etc/*', 'address *', 'link own.7'"),
            [
                "sysctl net.ipv4.conf.lo.arp_ignore is `1`, and was `0`",
                "sysctl net.ipv4.ip_forward is `1`, and was `0`",
            ]
        );
    }

    #[test]
    fn does_not_pass_when_nothing_was_taken_away() {
        let hosts = IndexMap::from([("rs1".to_owned(), Vec::new())]);
        let judge = |changed: &[&str]| {
            let changed = changed.iter().map(ToString::to_string).collect();
            let seen = Residue { changed, hosts: hosts.clone() };
            check::<NoResidue>("{}").judge(&seen, &lab()).problems
        };
        assert_eq!(judge(&["x"]), [""; 0]);
        assert_eq!(judge(&[]), ["the playbook took nothing away, which proves nothing"]);
    }
}
