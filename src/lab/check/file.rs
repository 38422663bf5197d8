//! `file`: what a file on a host must be like.
//!
//! ```yaml
//! checks:
//!   - file: {on: lb1, path: /etc/lvsmith/ipvs.rules, contains: "-A -t 192.168.0.89:80"}
//!   - file: {on: [rs1, rs2], path: /etc/nginx/nginx.conf, mode: "0644", owner: root}
//!   - file: {on: lb1, path: /etc/keepalived, state: absent}
//! ```

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resolution::{OneOrMany, one_or_many};
use super::{Cause, Check, Hosts, Roster, Scene, Verdict, look};
use crate::connection::CallError;
use crate::lab::probe::{self, CommandOutput};

/// A file, and what it is like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The host, or the hosts.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    on: Vec<String>,
    /// Its path.
    path: String,
    /// What it is: a `file` unless written.
    #[serde(default)]
    state: State,
    /// A text in it.
    contains: Option<String>,
    /// Its permissions in octal digits, such as `"0644"`.
    mode: Option<String>,
    /// Its owner, by name.
    owner: Option<String>,
    /// Its group, by name.
    group: Option<String>,
}

/// What a path is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// A file.
    #[default]
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Link,
    /// Nothing.
    Absent,
}

impl State {
    /// As `stat` says it.
    fn word(self) -> &'static str {
        match self {
            Self::File => "regular file",
            Self::Directory => "directory",
            Self::Link => "symbolic link",
            Self::Absent => "nothing",
        }
    }
}

/// What was found at a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// `regular file`, `directory`, …; `nothing`.
    kind: String,
    /// Octal digits.
    mode: String,
    owner: String,
    group: String,
    content: Option<String>,
}

impl Check for File {
    type Seen = IndexMap<String, Found>;

    fn title(&self) -> String {
        format!("{} on {}", self.path, self.on.join(", "))
    }

    fn hosts(&self) -> Vec<&str> {
        self.on.iter().map(String::as_str).collect()
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Self::Seen, CallError> {
        let mut all = IndexMap::new();
        for host in &self.on {
            all.insert(host.clone(), self.find(hosts, host)?);
        }
        Ok(all)
    }

    fn judge(&self, seen: &Self::Seen, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.expect(self.state.word());
        let traits = [("mode", &self.mode), ("owner", &self.owner), ("group", &self.group)];
        for (name, value) in traits.into_iter().chain([("content with", &self.contains)]) {
            verdict.expected.extend(value.iter().map(|value| format!("{name} `{value}`")));
        }
        for (host, found) in seen {
            let (path, kind) = (&self.path, found.kind.trim_start_matches("regular empty "));
            verdict.see(format!("{host}: {kind}"));
            if kind != self.state.word().trim_start_matches("regular ") && kind != self.state.word()
            {
                verdict.problem(format!("{path} on {host} is {kind}, not {}", self.state.word()));
                continue;
            }
            let octal = |text: &str| u32::from_str_radix(text, 8).ok();
            if let Some(mode) = self.mode.as_ref().filter(|m| octal(m) != octal(&found.mode)) {
                verdict
                    .problem(format!("the mode of {path} on {host} is {}, not {mode}", found.mode));
            }
            for (name, wanted, is) in
                [("owner", &self.owner, &found.owner), ("group", &self.group, &found.group)]
            {
                if wanted.as_ref().is_some_and(|wanted| wanted != is) {
                    verdict.problem(format!("the {name} of {path} on {host} is {is}"));
                }
            }
            let content = found.content.as_deref().unwrap_or_default();
            if self.contains.as_ref().is_some_and(|part| !content.contains(part.as_str())) {
                verdict.problem(format!("{path} on {host} lacks the text"));
            }
        }
        verdict
    }

    /// Who made it so, nobody can tell.
    fn causes(&self, _seen: &Self::Seen, _scene: &Scene) -> Vec<Cause> {
        Vec::new()
    }
}

impl File {
    fn find(&self, hosts: &mut dyn Hosts, host: &str) -> Result<Found, CallError> {
        let timeout = probe::Command::default_timeout();
        let mut run = |argv: [&str; 3]| {
            let argv = argv.map(str::to_owned).to_vec();
            look(hosts, host, probe::Command { argv, timeout })
        };
        let CommandOutput { rc, stdout, .. } = run(["stat", "--format=%F|%a|%U|%G", &self.path])?;
        let mut words = stdout.trim().split('|').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        if rc != 0 {
            return Ok(Found { kind: State::Absent.word().into(), ..Found::default() });
        }
        let mut found =
            Found { kind: word(), mode: word(), owner: word(), group: word(), content: None };
        if self.contains.is_some() {
            found.content = Some(run(["cat", "--", &self.path])?.stdout);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, lab};
    use super::*;

    fn problems(more: &str, kind: &str) -> Vec<String> {
        let check: File = check(&format!("{{ on: rs1, path: /x, {more} }}"));
        let found = Found {
            kind: kind.into(),
            mode: "644".into(),
            owner: "root".into(),
            group: "adm".into(),
            content: Some("one\ntwo\n".into()),
        };
        check.judge(&IndexMap::from([("rs1".into(), found)]), &lab()).problems
    }

    #[test]
    fn compares_what_is_written() {
        assert_eq!(
            problems("mode: '0644', owner: root, group: adm, contains: two", "regular file"),
            [""; 0]
        );
        assert_eq!(problems("", "regular empty file"), [""; 0]);
        assert_eq!(problems("state: absent", "nothing"), [""; 0]);
        assert_eq!(problems("state: directory", "directory"), [""; 0]);
    }

    #[test]
    fn says_what_is_another() {
        assert_eq!(problems("", "nothing"), ["/x on rs1 is nothing, not regular file"]);
        assert_eq!(problems("state: absent", "directory"), ["/x on rs1 is directory, not nothing"]);
        assert_eq!(
            problems("mode: '0600', owner: bin, group: bin, contains: three", "regular file"),
            [
                "the mode of /x on rs1 is 644, not 0600",
                "the owner of /x on rs1 is root",
                "the group of /x on rs1 is adm",
                "/x on rs1 lacks the text",
            ]
        );
    }
}
