//! What a package manager is to do: `package`, `apt` and `dnf` are made of this.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::State;
use super::manager::Manager;
use crate::modules::{Error, Host, Mode, Outcome, Resource, converge};

/// Packages that are to be there or not, and how that comes about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(in crate::modules) struct Job {
    pub(in crate::modules) manager: Manager,
    pub(in crate::modules) names: Vec<String>,
    pub(in crate::modules) state: State,
    /// A package in a file of the host.
    pub(in crate::modules) file: Option<String>,
    /// Whether the lists are fetched before something is installed.
    pub(in crate::modules) update: bool,
    /// Whether what is not installed is left alone.
    pub(in crate::modules) only_upgrade: bool,
    /// Whether settings of removed packages go, too.
    pub(in crate::modules) purge: bool,
    /// Without names: whether what came along for other packages goes when those are gone.
    pub(in crate::modules) unused: bool,
    /// Further words for the package manager.
    pub(in crate::modules) words: Vec<String>,
}

/// What the package manager knows of the packages in question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(in crate::modules) struct Observed {
    /// Those that are installed, with their versions. What another package provides has an
    /// empty version.
    pub(in crate::modules) installed: BTreeMap<String, String>,
    /// With `latest`: the newest version of each.
    pub(in crate::modules) newest: BTreeMap<String, String>,
    /// With `purge`: those that are gone but for their settings.
    pub(in crate::modules) settings: Vec<String>,
    /// With `unused`: what nothing needs.
    pub(in crate::modules) unused: Vec<String>,
    /// Whether the file's package is installed, in its version.
    pub(in crate::modules) file_installed: bool,
}

/// One step; a package manager does all of a kind at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::modules) enum Change {
    /// Install them.
    Install(Vec<String>),
    /// Install the package in a file.
    InstallFile(String),
    /// Install a newer version of them.
    Upgrade(Vec<String>),
    /// Remove them.
    Remove(Vec<String>),
    /// Remove what nothing needs.
    RemoveUnused(Vec<String>),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install(names) => write!(f, "install {}", names.join(" ")),
            Self::InstallFile(path) => write!(f, "install `{path}`"),
            Self::Upgrade(names) => write!(f, "upgrade {}", names.join(" ")),
            Self::Remove(names) => write!(f, "remove {}", names.join(" ")),
            Self::RemoveUnused(names) => write!(f, "remove the unused {}", names.join(" ")),
        }
    }
}

impl Job {
    pub(in crate::modules) fn new(manager: Manager) -> Self {
        Self {
            manager,
            names: Vec::new(),
            state: State::default(),
            file: None,
            update: false,
            only_upgrade: false,
            purge: false,
            unused: false,
            words: Vec::new(),
        }
    }

    /// Fetching lists is no state that holds, so that this is an action around one that does.
    pub(in crate::modules) fn run(&self, host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        let only_lists = self.names.is_empty() && self.file.is_none() && !self.unused;
        // What is newest is known only afterwards.
        let fetch = self.update && (only_lists || self.state == State::Latest);
        if fetch && !mode.check {
            self.manager.update(&self.words)?;
        }
        let mut outcome = converge(host, self, mode)?;
        if only_lists && self.update {
            outcome.changed = true;
            outcome.changes.push("fetch the lists of packages".into());
        }
        Ok(outcome)
    }
}

/// Refuses what is no package's name, or would be an option.
pub(in crate::modules) fn are_names(names: &[String]) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-._:=~".contains(c);
    let wrong = |name: &&String| {
        name.is_empty() || name.starts_with(['-', '.', '=']) || !name.chars().all(fits)
    };
    match names.iter().find(wrong) {
        Some(name) if name.contains('*') => {
            Err(Error::new(format!("`{name}` stands for several packages"))
                .hint("name each of them"))
        }
        Some(name) => Err(Error::new(format!("`{name}` cannot be a package's name"))),
        None => Ok(()),
    }
}

impl Resource for Job {
    type Observed = Observed;
    type Change = Change;

    fn observe(&self, _host: &mut Host) -> Result<Observed, Error> {
        let unused = if self.unused { self.manager.unused()? } else { Vec::new() };
        let file_installed = match &self.file {
            // A plan shows that it would be installed: an earlier task may bring the file.
            Some(path) if !Path::new(path).exists() => false,
            Some(path) => self.manager.has_installed(path)?,
            None => true,
        };
        let names: Vec<&str> = self.names.iter().map(|name| split(name).0).collect();
        if names.is_empty() {
            return Ok(Observed { unused, file_installed, ..Observed::default() });
        }
        let newest = match self.state {
            State::Latest => self.manager.newest(&names, &self.words)?,
            State::Present | State::Absent => BTreeMap::new(),
        };
        let settings = if self.purge { self.manager.settings(&names)? } else { Vec::new() };
        let installed = self.manager.installed(&names)?;
        Ok(Observed { installed, newest, settings, unused, file_installed })
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        let (mut missing, mut old, mut there) = (Vec::new(), Vec::new(), Vec::new());
        for asked in &self.names {
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
        let unused = change(observed.unused.clone(), Change::RemoveUnused);
        let changes = match self.state {
            State::Absent => {
                there.extend(observed.settings.iter().cloned());
                [None, None, change(there, Change::Remove), unused]
            }
            State::Present | State::Latest => {
                let file = self.file.clone().filter(|_| !observed.file_installed);
                let missing = if self.only_upgrade { Vec::new() } else { missing };
                [
                    file.map(Change::InstallFile),
                    change(missing, Change::Install),
                    change(old, Change::Upgrade),
                    unused,
                ]
            }
        };
        changes.into_iter().flatten().collect()
    }

    fn apply(&self, host: &mut Host, change: &Change) -> Result<(), Error> {
        let manager = self.manager;
        let words = |more: &[&str]| -> Vec<String> {
            let more = more.iter().map(|word| (*word).to_owned());
            self.words.iter().cloned().chain(more).collect()
        };
        match change {
            Change::Install(names) => {
                if manager.has_no_lists() || self.update && self.state == State::Present {
                    manager.update(&self.words)?;
                }
                manager.change(host.kind, "install", &words(&[]), names)
            }
            Change::InstallFile(path) => {
                let names = std::slice::from_ref(path);
                manager.change(host.kind, "install", &words(&[]), names)
            }
            Change::Upgrade(names) => manager.change(host.kind, "install", &words(&[]), names),
            Change::Remove(names) => {
                let purge: &[&str] = if self.purge { &["--purge"] } else { &[] };
                manager.change(host.kind, "remove", &words(purge), names)
            }
            Change::RemoveUnused(_) => {
                let purge: &[&str] = if self.purge { &["--purge"] } else { &[] };
                manager.change(host.kind, "autoremove", &words(purge), &[])
            }
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

    fn job(state: State, names: &[&str]) -> Job {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Job { names, state, ..Job::new(Manager::Apt) }
    }

    fn observed(installed: &[(&str, &str)], newest: &[(&str, &str)]) -> Observed {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, version)| ((*name).into(), (*version).into())).collect()
        };
        Observed {
            installed: map(installed),
            newest: map(newest),
            file_installed: true,
            ..Observed::default()
        }
    }

    fn shown(job: &Job, observed: &Observed) -> Vec<String> {
        job.diff(observed).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn installs_what_is_missing_and_removes_what_is_there() {
        let some = observed(&[("nginx", "1.22.1-9")], &[]);
        let names = ["nginx", "curl"];
        assert_eq!(shown(&job(State::Present, &names), &some), ["install curl"]);
        assert_eq!(shown(&job(State::Absent, &names), &some), ["remove nginx"]);
        let all = observed(&[("nginx", "1"), ("curl", "2")], &[]);
        assert!(shown(&job(State::Present, &names), &all).is_empty());
        assert!(shown(&job(State::Absent, &names), &observed(&[], &[])).is_empty());
    }

    #[test]
    fn upgrades_only_what_is_older_than_asked_for() {
        let seen = observed(&[("nginx", "1.22"), ("awk", "")], &[("nginx", "1.24")]);
        assert_eq!(shown(&job(State::Latest, &["nginx", "awk"]), &seen), ["upgrade nginx"]);
        let seen = observed(&[("nginx", "1.22")], &[("nginx", "1.22")]);
        assert!(shown(&job(State::Latest, &["nginx"]), &seen).is_empty());
        assert!(shown(&job(State::Present, &["nginx:amd64=1.22"]), &seen).is_empty());
        let newer = job(State::Present, &["nginx=1.23"]);
        assert_eq!(shown(&newer, &seen), ["upgrade nginx=1.23"]);
    }

    #[test]
    fn leaves_alone_what_is_not_asked_for() {
        let seen = observed(&[("nginx", "1.22")], &[("nginx", "1.24"), ("curl", "8")]);
        let upgrade = Job { only_upgrade: true, ..job(State::Latest, &["nginx", "curl"]) };
        assert_eq!(shown(&upgrade, &seen), ["upgrade nginx"]);
        let settings = Observed { settings: vec!["curl".into()], ..seen.clone() };
        let purge = Job { purge: true, ..job(State::Absent, &["nginx", "curl"]) };
        assert_eq!(shown(&purge, &settings), ["remove nginx curl"]);
        let unused = Observed { unused: vec!["libx".into()], ..seen.clone() };
        assert_eq!(shown(&job(State::Present, &[]), &unused), ["remove the unused libx"]);
        let file = Job { file: Some("/tmp/a.deb".into()), ..job(State::Present, &[]) };
        let missing = Observed { file_installed: false, ..seen.clone() };
        assert_eq!(shown(&file, &missing), ["install `/tmp/a.deb`"]);
        assert!(shown(&file, &seen).is_empty());
    }
}
