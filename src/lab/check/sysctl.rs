//! `sysctl`: a setting of the kernel on one host or several.
//!
//! ```yaml
//! checks:
//!   - sysctl: {on: lb1, name: net.ipv4.ip_forward, value: 1}
//!   - sysctl: {on: [rs1, rs2], name: net.ipv4.conf.all.arp_ignore, value: 1}
//! ```

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::resolution::{OneOrMany, one_or_many};
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, look};
use crate::connection::CallError;
use crate::lab::probe::{self, CommandOutput};

/// A setting, and its value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// The host, or the hosts.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    on: Vec<String>,
    /// Its name; a dot within a part of it is written as a slash.
    name: String,
    /// Its value.
    #[schemars(with = "Scalar")]
    value: String,
}

/// A number or a text.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "its shape is what is wanted")]
pub(super) enum Scalar {
    Number(i64),
    Text(String),
}

impl Sysctl {
    /// The file: dots part the name, slashes are dots within a part.
    fn path(&self) -> String {
        let swap = |c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        };
        format!("/proc/sys/{}", self.name.chars().map(swap).collect::<String>())
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Check for Sysctl {
    type Seen = IndexMap<String, CommandOutput>;

    fn title(&self) -> String {
        format!("{} is {} on {}", self.name, self.value, self.on.join(", "))
    }

    fn hosts(&self) -> Vec<&str> {
        self.on.iter().map(String::as_str).collect()
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Self::Seen, CallError> {
        let timeout = probe::Command::default_timeout();
        let read = |host: &String| {
            let argv = vec!["cat".into(), self.path()];
            Ok((host.clone(), look(hosts, host, probe::Command { argv, timeout })?))
        };
        self.on.iter().map(read).collect()
    }

    fn judge(&self, seen: &Self::Seen, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.expect(format!("{} = {}", self.name, self.value));
        for (host, read) in seen {
            if read.rc != 0 {
                verdict.problem(format!("{host} has no {}: {}", self.name, read.stderr.trim()));
                continue;
            }
            let value = words(&read.stdout);
            verdict.see(format!("{host}: {value}"));
            if value != words(&self.value) {
                verdict.problem(format!("{} is {value} on {host}", self.name));
            }
        }
        verdict
    }

    /// Who set it so, nobody can tell.
    fn causes(&self, _seen: &Self::Seen, _scene: &Scene) -> Vec<Cause> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, lab};
    use super::*;

    fn problems(rc: i32, stdout: &str) -> Vec<String> {
        let check: Sysctl = check("{ on: rs1, name: net.ipv4.conf.all.arp_ignore, value: 1 }");
        let output = CommandOutput { rc, stdout: stdout.into(), stderr: "no such file".into() };
        check.judge(&IndexMap::from([("rs1".into(), output)]), &lab()).problems
    }

    #[test]
    fn compares_values_and_knows_what_is_missing() {
        assert_eq!(problems(0, "1\n"), [""; 0]);
        assert_eq!(problems(0, "0\n"), ["net.ipv4.conf.all.arp_ignore is 0 on rs1"]);
        assert_eq!(problems(1, ""), ["rs1 has no net.ipv4.conf.all.arp_ignore: no such file"]);
    }

    #[test]
    fn finds_interfaces_with_a_dot() {
        let check: Sysctl =
            check("{ on: [rs1], name: net.ipv4.conf.eth0/10.rp_filter, value: '0' }");
        assert_eq!(check.path(), "/proc/sys/net/ipv4/conf/eth0.10/rp_filter");
    }
}
