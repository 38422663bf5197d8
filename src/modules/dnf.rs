//! `dnf`: packages of Fedora, Red Hat and their relatives. `yum` is the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::package::State;
use super::package::job::{Job, are_names};
use super::package::manager::Manager;
use super::shape::{Several, several};
use super::{Action, Error, Host, Mode, Outcome, Refused};

/// Installs packages or removes them, with dnf.
///
/// Only what is missing is installed. `register` keeps what was done as `results`.
///
/// ```yaml
/// when: ansible_pkg_mgr == 'dnf'
/// dnf:
///   name: [ipvsadm]
///   state: present
///   install_weak_deps: false
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dnf {
    /// One name, or several; `nginx=1.22.1-9` asks for that version.
    #[serde(default, alias = "pkg", deserialize_with = "several")]
    #[schemars(with = "Several")]
    pub name: Vec<String>,
    /// Whether they are installed.
    #[serde(default)]
    pub state: State,
    /// Whether the lists of packages are fetched before something is installed; without names
    /// that is all that is done.
    #[serde(default, alias = "expire-cache")]
    pub update_cache: bool,
    /// Repositories that count besides those that are enabled.
    #[serde(default, deserialize_with = "several", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several")]
    pub enablerepo: Vec<String>,
    /// Repositories that do not count.
    #[serde(default, deserialize_with = "several", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several")]
    pub disablerepo: Vec<String>,
    /// Packages that are left alone; `*` stands for any letters.
    #[serde(default, deserialize_with = "several", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several")]
    pub exclude: Vec<String>,
    /// Whether recommended packages come along.
    #[serde(default = "super::copy::yes")]
    pub install_weak_deps: bool,
    /// Whether packages are installed that nobody signed.
    #[serde(default)]
    pub disable_gpg_check: bool,
    /// Whether others may be removed to make way.
    #[serde(default)]
    pub allowerasing: bool,
    /// Whether only the best candidate will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<bool>,
    /// Whether another candidate will do, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nobest: Option<bool>,
    /// Whether what cannot be installed is left out.
    #[serde(default)]
    pub skip_broken: bool,
    /// Whether nothing is fetched but what is here already.
    #[serde(default)]
    pub cacheonly: bool,
    /// The release to install from, instead of this machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releasever: Option<String>,
    /// Whether what is not installed is left alone.
    #[serde(default)]
    pub update_only: bool,
}

const BY_HAND: &str = "run `command: dnf …` instead";

impl Action for Dnf {
    const REFUSED: &'static [Refused] = &[&[
        ("allow_downgrade", BY_HAND),
        ("autoremove", "run `command: dnf -y autoremove` instead"),
        ("bugfix", BY_HAND),
        ("conf_file", BY_HAND),
        ("disable_excludes", BY_HAND),
        ("disable_plugin", BY_HAND),
        ("download_dir", BY_HAND),
        ("download_only", BY_HAND),
        ("enable_plugin", BY_HAND),
        ("install_repoquery", "leave it out"),
        ("installroot", BY_HAND),
        ("list", "run `command: dnf list …` with `register` instead"),
        ("lock_timeout", "leave it out: dnf waits for another run of itself"),
        ("security", BY_HAND),
        ("sslverify", "set it in the repository's own file"),
        ("use_backend", "leave it out: it is the program `dnf`"),
        ("validate_certs", "set `sslverify` in the repository's own file"),
    ]];

    fn check(&self) -> Result<(), Error> {
        if self.name.is_empty() && !self.update_cache {
            return Err(Error::new("`dnf` needs a `name`"));
        }
        if self.best.is_some() && self.nobest.is_some() {
            return Err(Error::new("`best` and `nobest` exclude each other"));
        }
        let asides = [&self.enablerepo, &self.disablerepo, &self.exclude];
        let words = asides.into_iter().flatten().chain(&self.releasever);
        if let Some(word) = words.into_iter().find(|word| word.contains(char::is_whitespace)) {
            return Err(Error::new(format!("`{word}` has a blank in it")).hint("write a list"));
        }
        are_names(&self.name)
    }

    fn run(&self, host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        let job = Job {
            names: self.name.clone(),
            state: self.state,
            update: self.update_cache,
            only_upgrade: self.update_only,
            words: self.words(),
            ..Job::new(Manager::Dnf.found()?)
        };
        let mut outcome = job.run(host, mode)?;
        outcome.result.insert("rc".into(), 0.into());
        outcome.result.insert("results".into(), outcome.changes.clone().into());
        let message = if outcome.changed { "" } else { "Nothing to do" };
        outcome.result.insert("msg".into(), message.into());
        Ok(outcome)
    }
}

impl Dnf {
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (option, values) in [
            ("enablerepo", &self.enablerepo),
            ("disablerepo", &self.disablerepo),
            ("exclude", &self.exclude),
        ] {
            words.extend(values.iter().map(|value| format!("--{option}={value}")));
        }
        words.extend(self.releasever.iter().map(|release| format!("--releasever={release}")));
        for (asked, word) in [
            (!self.install_weak_deps, "--setopt=install_weak_deps=False"),
            (self.disable_gpg_check, "--nogpgcheck"),
            (self.allowerasing, "--allowerasing"),
            (self.best == Some(true) || self.nobest == Some(false), "--best"),
            (self.nobest == Some(true) || self.best == Some(false), "--nobest"),
            (self.skip_broken, "--skip-broken"),
            (self.cacheonly, "--cacheonly"),
        ] {
            if asked {
                words.push(word.into());
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_dnf_what_was_asked() {
        let dnf: Dnf = serde_json::from_value(json!({
            "name": "ipvsadm", "enablerepo": "epel,extra", "exclude": ["kernel*"],
            "install_weak_deps": false, "nobest": true,
        }))
        .unwrap();
        dnf.check().unwrap();
        assert_eq!(
            dnf.words(),
            [
                "--enablerepo=epel",
                "--enablerepo=extra",
                "--exclude=kernel*",
                "--setopt=install_weak_deps=False",
                "--nobest",
            ]
        );
    }

    #[test]
    fn refuses_contradictions() {
        for wrong in [
            json!({}),
            json!({"name": "a", "best": true, "nobest": true}),
            json!({"name": "a", "enablerepo": ["a b"]}),
            json!({"name": "-x"}),
        ] {
            let dnf: Dnf = serde_json::from_value(wrong.clone()).unwrap();
            assert!(dnf.check().is_err(), "{wrong}");
        }
    }
}
