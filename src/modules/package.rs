//! `package`: software that is installed or not, by the distribution's own package manager.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shape::{Several, several};
use super::{Action, Error, Host, Mode, Outcome, Resource, converge};
use manager::Manager;

mod manager;

/// Installs packages or removes them, with apt or dnf.
///
/// Only what is missing is installed; recommended packages are left to the distribution's
/// own setting. Where no systemd runs, as in a lab host, an installation starts no service.
///
/// ```yaml
/// package:
///   name: [iproute2]
///   state: present
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// One name, or several; `nginx=1.22.1-9` asks for that version. None at all, with
    /// `update_cache`, only fetches the lists.
    #[serde(default, alias = "pkg", deserialize_with = "several")]
    #[schemars(with = "Several")]
    pub name: Vec<String>,
    /// Whether they are installed.
    #[serde(default)]
    pub state: State,
    /// Whether the lists of packages are fetched before something is installed. An empty
    /// list is fetched in any case.
    #[serde(default)]
    pub update_cache: bool,
}

/// Whether packages are installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// They are.
    #[default]
    #[serde(alias = "installed")]
    Present,
    /// They are, in the newest version that there is.
    Latest,
    /// They are not.
    #[serde(alias = "removed")]
    Absent,
}

/// What the package manager knows of the packages in question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// Those that are installed, with their versions. What another package provides has an
    /// empty version.
    pub installed: BTreeMap<String, String>,
    /// With `latest`: the newest version of each.
    pub newest: BTreeMap<String, String>,
}

/// One step; a package manager does all of a kind at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Install them.
    Install(Vec<String>),
    /// Install a newer version of them.
    Upgrade(Vec<String>),
    /// Remove them.
    Remove(Vec<String>),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install(names) => write!(f, "install {}", names.join(" ")),
            Self::Upgrade(names) => write!(f, "upgrade {}", names.join(" ")),
            Self::Remove(names) => write!(f, "remove {}", names.join(" ")),
        }
    }
}

/// Fetching lists is no state that holds, so that the module is an action around one.
impl Action for Package {
    fn check(&self) -> Result<(), Error> {
        Resource::check(self)
    }

    fn run(&self, host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        // What is newest is known only afterwards.
        let fetch = self.update_cache && (self.name.is_empty() || self.state == State::Latest);
        if fetch && !mode.check {
            Manager::of_this_machine()?.update()?;
        }
        let mut outcome = converge(host, self, mode)?;
        if self.name.is_empty() {
            outcome.changed = true;
            outcome.changes.push("fetch the lists of packages".into());
        }
        Ok(outcome)
    }
}

impl Resource for Package {
    type Observed = Observed;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "+-._:=~".contains(c);
        let wrong = |name: &&String| {
            name.is_empty() || name.starts_with(['-', '.', '=']) || !name.chars().all(fits)
        };
        match self.name.iter().find(wrong) {
            Some(name) => Err(Error::new(format!("`{name}` cannot be a package's name"))),
            None if self.name.is_empty() && !self.update_cache => {
                Err(Error::new("`package` needs a `name`"))
            }
            None => Ok(()),
        }
    }

    fn observe(&self, _host: &mut Host) -> Result<Observed, Error> {
        Resource::check(self)?;
        if self.name.is_empty() {
            return Ok(Observed::default());
        }
        let manager = Manager::of_this_machine()?;
        let names: Vec<&str> = self.name.iter().map(|name| split(name).0).collect();
        let newest = match self.state {
            State::Latest => manager.newest(&names)?,
            State::Present | State::Absent => BTreeMap::new(),
        };
        Ok(Observed { installed: manager.installed(&names)?, newest })
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        let (mut missing, mut old, mut there) = (Vec::new(), Vec::new(), Vec::new());
        for asked in &self.name {
            let (name, version) = split(asked);
            match observed.installed.get(name) {
                None => missing.push(asked.clone()),
                Some(now) => {
                    there.push(name.to_owned());
                    let wanted = version.or(observed.newest.get(name).map(String::as_str));
                    if wanted.is_some_and(|wanted| wanted != now) && !now.is_empty() {
                        old.push(asked.clone());
                    }
                }
            }
        }
        let change = |names: Vec<String>, change: fn(Vec<String>) -> Change| {
            (!names.is_empty()).then(|| change(names))
        };
        match self.state {
            State::Absent => change(there, Change::Remove).into_iter().collect(),
            State::Present | State::Latest => {
                let changes = [change(missing, Change::Install), change(old, Change::Upgrade)];
                changes.into_iter().flatten().collect()
            }
        }
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        let manager = Manager::of_this_machine()?;
        match change {
            Change::Install(names) => {
                if manager.has_no_lists() || self.update_cache && self.state == State::Present {
                    manager.update()?;
                }
                manager.change(host.kind, "install", names)
            }
            Change::Upgrade(names) => manager.change(host.kind, "install", names),
            Change::Remove(names) => manager.change(host.kind, "remove", names),
        }
    }
}

/// The name and, if one is asked for, the version; an architecture is not part of either.
fn split(asked: &str) -> (&str, Option<&str>) {
    let (name, version) = match asked.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (asked, None),
    };
    (name.split(':').next().unwrap_or(name), version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(state: State, names: &[&str]) -> Package {
        let name = names.iter().map(|name| (*name).to_owned()).collect();
        Package { name, state, update_cache: false }
    }

    fn observed(installed: &[(&str, &str)], newest: &[(&str, &str)]) -> Observed {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, version)| ((*name).into(), (*version).into())).collect()
        };
        Observed { installed: map(installed), newest: map(newest) }
    }

    fn shown(package: &Package, observed: &Observed) -> Vec<String> {
        package.diff(observed).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn installs_what_is_missing_and_removes_what_is_there() {
        let some = observed(&[("nginx", "1.22.1-9")], &[]);
        let names = ["nginx", "curl"];
        assert_eq!(shown(&package(State::Present, &names), &some), ["install curl"]);
        assert_eq!(shown(&package(State::Absent, &names), &some), ["remove nginx"]);
        let all = observed(&[("nginx", "1"), ("curl", "2")], &[]);
        assert!(shown(&package(State::Present, &names), &all).is_empty());
        assert!(shown(&package(State::Absent, &names), &observed(&[], &[])).is_empty());
    }

    #[test]
    fn upgrades_only_what_is_older_than_asked_for() {
        let seen = observed(&[("nginx", "1.22"), ("awk", "")], &[("nginx", "1.24")]);
        assert_eq!(shown(&package(State::Latest, &["nginx", "awk"]), &seen), ["upgrade nginx"]);
        let seen = observed(&[("nginx", "1.22")], &[("nginx", "1.22")]);
        assert!(shown(&package(State::Latest, &["nginx"]), &seen).is_empty());
        assert!(shown(&package(State::Present, &["nginx:amd64=1.22"]), &seen).is_empty());
        let newer = package(State::Present, &["nginx=1.23"]);
        assert_eq!(shown(&newer, &seen), ["upgrade nginx=1.23"]);
    }

    #[test]
    fn takes_one_name_or_several() {
        let decode = |json| serde_json::from_value::<Package>(json).expect("decodes").name;
        assert_eq!(decode(serde_json::json!({"name": "nginx"})), ["nginx"]);
        assert_eq!(decode(serde_json::json!({"name": ["a", "b"]})), ["a", "b"]);
        assert_eq!(decode(serde_json::json!({"pkg": "a, b"})), ["a", "b"]);
    }

    #[test]
    fn refuses_names_that_are_options() {
        for name in ["-y", "", "a b", "$(x)", "=1"] {
            let error = Resource::check(&package(State::Present, &[name]));
            assert!(error.is_err(), "{name}");
        }
        assert!(Resource::check(&package(State::Present, &[])).is_err());
        let lists = Package { update_cache: true, ..package(State::Present, &[]) };
        assert!(Resource::check(&lists).is_ok());
    }
}
