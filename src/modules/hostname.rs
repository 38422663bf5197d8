//! `hostname`: what the machine is called, now and after a boot.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use nix::unistd::{gethostname, sethostname};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::filesystem::{Accounts, Attributes, Owned, Replacement};
use super::{Error, Host, Refused, Resource, TextDiff};

/// Where the name is kept for the next boot, by systemd and without.
const FILE: &str = "/etc/hostname";

/// As long as the kernel takes.
const LONGEST: usize = 64;

/// Gives the machine its name, at once and for the next boot.
///
/// The kernel is told, and `/etc/hostname` is written; `/etc/hosts` is left alone. The facts
/// `ansible_hostname`, `ansible_nodename`, `ansible_fqdn` and `ansible_domain` follow.
///
/// ```yaml
/// hostname:
///   name: lb1.example.com
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hostname {
    /// The name, with its domain or without.
    pub name: String,
}

/// The name in both places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// What the kernel says.
    pub now: String,
    /// What the file says, if there is one.
    pub kept: Option<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Tell the kernel; from and to.
    Set(String, String),
    /// Write the file.
    Keep(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(from, to) => write!(f, "hostname {from} -> {to}"),
            Self::Keep(name) => write!(f, "keep `{name}` in `{FILE}`"),
        }
    }
}

impl Resource for Hostname {
    const REFUSED: &'static [Refused] = &[&[(
        "use",
        "leave it out: the kernel is told, and `/etc/hostname` written, on any Linux",
    )]];

    type Observed = Observed;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        let fits = |label: &str| {
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
            !label.is_empty() && !label.starts_with('-') && label.chars().all(inner)
        };
        if self.name.len() > LONGEST {
            return Err(Error::new(format!("`{}` is longer than {LONGEST} bytes", self.name)));
        }
        if !self.name.split('.').all(fits) {
            return Err(Error::new(format!("`{}` cannot be a machine's name", self.name))
                .hint("letters, digits and `-`, parted by dots"));
        }
        Ok(())
    }

    fn observe(&self, _host: &mut Host) -> Result<Observed, Error> {
        let now = gethostname()
            .map_err(|error| Error::io("failed to ask for the hostname", &error.into()))?;
        let kept = match fs::read_to_string(FILE) {
            Ok(text) => Some(kept(&text).to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io(format!("failed to read `{FILE}`"), &error)),
        };
        Ok(Observed { now: now.to_string_lossy().into_owned(), kept })
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        let set = observed.now != self.name;
        let keep = observed.kept.as_ref() != Some(&self.name);
        let set = set.then(|| Change::Set(observed.now.clone(), self.name.clone()));
        set.into_iter().chain(keep.then(|| Change::Keep(self.name.clone()))).collect()
    }

    fn apply(&self, _host: &mut Host, change: &Change) -> Result<(), Error> {
        match change {
            Change::Set(_, to) => sethostname(to)
                .map_err(|error| Error::io("failed to set the hostname", &error.into())),
            Change::Keep(name) => {
                let now = fs::metadata(FILE).ok();
                let now = now.map(|metadata| Owned::of(&metadata, &Accounts::read()));
                Replacement {
                    path: Path::new(FILE),
                    content: format!("{name}\n").as_bytes(),
                    now: now.as_ref(),
                    attributes: Attributes::default(),
                    validate: None,
                    backup: false,
                }
                .write()
                .map(drop)
            }
        }
    }

    fn preview(&self, observed: &Observed) -> Option<TextDiff> {
        let before = match &observed.kept {
            Some(kept) if *kept != self.name => kept,
            _ => &observed.now,
        };
        let shown = |name: &str| format!("hostname = {name}\n");
        Some(TextDiff { name: "hostname".into(), before: shown(before), after: shown(&self.name) })
    }

    fn report(&self, _observed: &Observed) -> Map<String, Value> {
        let (short, domain) = self.name.split_once('.').unwrap_or((&self.name, ""));
        let facts = json!({
            "ansible_hostname": short,
            "ansible_nodename": self.name,
            "ansible_fqdn": self.name,
            "ansible_domain": domain,
        });
        Map::from_iter([
            ("name".to_owned(), self.name.clone().into()),
            ("ansible_facts".to_owned(), facts),
        ])
    }
}

/// The name in the file, which may have comments before it.
fn kept(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostname(name: &str) -> Hostname {
        Hostname { name: name.into() }
    }

    #[test]
    fn changes_where_it_differs() {
        let seen = |now: &str, kept: Option<&str>| Observed {
            now: now.into(),
            kept: kept.map(str::to_owned),
        };
        let shown = |seen: &Observed| -> Vec<String> {
            hostname("lb1").diff(seen).iter().map(ToString::to_string).collect()
        };
        assert!(shown(&seen("lb1", Some("lb1"))).is_empty());
        assert_eq!(shown(&seen("lb1", None)), ["keep `lb1` in `/etc/hostname`"]);
        assert_eq!(shown(&seen("old", Some("lb1"))), ["hostname old -> lb1"]);
        let diff = hostname("lb1").preview(&seen("lb1", Some("old"))).unwrap();
        assert_eq!(
            (diff.before.as_str(), diff.after.as_str()),
            ("hostname = old\n", "hostname = lb1\n")
        );
        assert_eq!(kept("# made by hand\n\nlb1\n"), "lb1");
    }

    #[test]
    fn tells_facts_of_the_new_name() {
        let facts = hostname("lb1.example.com")
            .report(&Observed { now: String::new(), kept: None })
            .remove("ansible_facts")
            .unwrap();
        assert_eq!(facts["ansible_hostname"], "lb1");
        assert_eq!(facts["ansible_domain"], "example.com");
    }

    #[test]
    fn refuses_names_that_are_none() {
        assert!(Resource::check(&hostname("lb-1.example.com")).is_ok());
        for name in ["", "a b", "-a", "a..b", "a_b", &"x".repeat(65)] {
            assert!(Resource::check(&hostname(name)).is_err(), "{name}");
        }
    }
}
