//! `apt`: packages of Debian and its relatives.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::package::State;
use super::package::job::{Job, are_names};
use super::package::manager::Manager;
use super::shape::{Several, several};
use super::{Action, Error, Host, Mode, Outcome, Refused};

/// Where it shows when the lists were fetched last; the first is of Ubuntu alone.
const FETCHED: [&str; 2] = ["/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists"];

/// Installs packages or removes them, with apt.
///
/// Only what is missing is installed. Where no systemd runs, as in a lab host, an installation starts
/// no service. Settings that were changed by hand are kept. `register` keeps `cache_updated` and
/// `cache_update_time`.
///
/// ```yaml
/// when: ansible_pkg_mgr == 'apt'
/// apt:
///   name: [iproute2]
///   state: present
///   update_cache: true
///   cache_valid_time: 86400
///   install_recommends: false
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apt {
    /// One name, or several; `nginx=1.22.1-9` asks for that version.
    #[serde(default, alias = "pkg", alias = "package", deserialize_with = "several")]
    #[schemars(with = "Several")]
    pub name: Vec<String>,
    /// Whether they are installed.
    #[serde(default)]
    pub state: State,
    /// A package in a file of the host, instead of names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deb: Option<String>,
    /// Whether the lists of packages are fetched before something is installed. An empty
    /// list is fetched in any case; without names that is all that is done.
    #[serde(default, alias = "update-cache")]
    pub update_cache: bool,
    /// For how many seconds fetched lists are new enough. More than 0 implies `update_cache`.
    #[serde(default)]
    pub cache_valid_time: u64,
    /// Whether recommended packages come along; by default as the machine is set up.
    #[serde(default, alias = "install-recommends", skip_serializing_if = "Option::is_none")]
    pub install_recommends: Option<bool>,
    /// With `absent`: whether settings go, too.
    #[serde(default)]
    pub purge: bool,
    /// Whether what came along for other packages goes when nothing needs it any more. Without
    /// names that is all that is done.
    #[serde(default)]
    pub autoremove: bool,
    /// Whether what is not installed is left alone.
    #[serde(default)]
    pub only_upgrade: bool,
    /// The release that packages come from, such as `bookworm-backports`.
    #[serde(default, alias = "default-release", skip_serializing_if = "Option::is_none")]
    pub default_release: Option<String>,
    /// Whether an older version may take the place of a newer one.
    #[serde(
        default,
        alias = "allow-downgrade",
        alias = "allow_downgrades",
        alias = "allow-downgrades"
    )]
    pub allow_downgrade: bool,
    /// Whether packages on hold are changed, too.
    #[serde(default)]
    pub allow_change_held_packages: bool,
    /// Whether packages that nobody signed are installed.
    #[serde(default, alias = "allow-unauthenticated")]
    pub allow_unauthenticated: bool,
    /// How long to wait for another run of apt, in seconds.
    #[serde(default = "a_minute")]
    pub lock_timeout: u64,
}

fn a_minute() -> u64 {
    60
}

impl Action for Apt {
    const REFUSED: &'static [Refused] = &[&[
        ("auto_install_module_deps", "leave it out: nothing else is needed"),
        ("autoclean", "run `command: apt-get -y autoclean` instead"),
        ("clean", "run `command: apt-get clean` instead"),
        ("dpkg_options", "leave it out: it is `force-confdef,force-confold`, as in Ansible"),
        ("fail_on_autoremove", "look at `plan` first: it says what would be removed"),
        ("force", "say what is meant: `allow_downgrade`, `allow_unauthenticated`"),
        ("force_apt_get", "leave it out: it is always apt-get"),
        ("policy_rc_d", "leave it out: services start where systemd runs, and only there"),
        ("update_cache_retries", "set `until` and `retries` on the task"),
        ("update_cache_retry_max_delay", "set `until`, `retries` and `delay` on the task"),
        ("upgrade", "run `command: apt-get -y dist-upgrade` instead, or name the packages"),
    ]];

    fn check(&self) -> Result<(), Error> {
        match &self.deb {
            Some(_) if !self.name.is_empty() => {
                return Err(Error::new("`name` and `deb` exclude each other"));
            }
            Some(path) if !path.starts_with('/') => {
                return Err(Error::new(format!("`deb: {path}` is not a path on the host"))
                    .hint("fetch it first, as with `command: curl --output …` or `copy`"));
            }
            Some(_) if self.state == State::Absent => {
                return Err(Error::new("a package is removed by its `name`, not by `deb`"));
            }
            None if self.name.is_empty() && !self.fetches() && !self.autoremove => {
                return Err(Error::new("`apt` needs a `name`"));
            }
            _ => {}
        }
        if self.default_release.as_ref().is_some_and(|name| name.contains(char::is_whitespace)) {
            return Err(Error::new("a `default_release` is one word"));
        }
        are_names(&self.name)
    }

    fn run(&self, host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        let manager = Manager::Apt.found()?;
        let before = fetched();
        let job = Job {
            names: self.name.clone(),
            state: self.state,
            file: self.deb.clone(),
            update: self.fetches() && self.is_old(before),
            only_upgrade: self.only_upgrade,
            purge: self.purge,
            unused: self.autoremove && self.name.is_empty() && self.deb.is_none(),
            words: self.words(),
            ..Job::new(manager)
        };
        let mut outcome = job.run(host, mode)?;
        let now = fetched();
        outcome.result.insert("cache_updated".into(), (now != before).into());
        let seconds = now.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let seconds = seconds.unwrap_or_default().as_secs();
        outcome.result.insert("cache_update_time".into(), seconds.into());
        Ok(outcome)
    }
}

impl Apt {
    fn fetches(&self) -> bool {
        self.update_cache || self.cache_valid_time > 0
    }

    fn is_old(&self, fetched: Option<SystemTime>) -> bool {
        let valid = Duration::from_secs(self.cache_valid_time);
        let age = fetched.and_then(|time| SystemTime::now().duration_since(time).ok());
        age.is_none_or(|age| age > valid)
    }

    fn words(&self) -> Vec<String> {
        let mut words = vec![format!("-oDPkg::Lock::Timeout={}", self.lock_timeout)];
        if let Some(recommends) = self.install_recommends {
            words.push(format!("-oAPT::Install-Recommends={recommends}"));
        }
        if let Some(release) = &self.default_release {
            words.push(format!("-oAPT::Default-Release={release}"));
        }
        for (asked, word) in [
            (self.only_upgrade, "--only-upgrade"),
            (self.allow_downgrade, "--allow-downgrades"),
            (self.allow_change_held_packages, "--allow-change-held-packages"),
            (self.allow_unauthenticated, "--allow-unauthenticated"),
            (self.autoremove && !self.name.is_empty(), "--auto-remove"),
        ] {
            if asked {
                words.push(word.into());
            }
        }
        words
    }
}

/// When the lists were fetched last.
fn fetched() -> Option<SystemTime> {
    let times =
        FETCHED.iter().filter_map(|path| fs::metadata(Path::new(path)).ok()?.modified().ok());
    times.max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn apt(arguments: serde_json::Value) -> Apt {
        serde_json::from_value(arguments).unwrap()
    }

    #[test]
    fn tells_apt_what_was_asked() {
        let apt = apt(json!({
            "pkg": "nginx", "install_recommends": false, "default_release": "bookworm-backports",
            "only_upgrade": true, "allow_downgrades": true, "autoremove": true, "lock_timeout": 5,
        }));
        apt.check().unwrap();
        assert_eq!(
            apt.words(),
            [
                "-oDPkg::Lock::Timeout=5",
                "-oAPT::Install-Recommends=false",
                "-oAPT::Default-Release=bookworm-backports",
                "--only-upgrade",
                "--allow-downgrades",
                "--auto-remove",
            ]
        );
    }

    #[test]
    fn fetches_lists_that_are_old() {
        let hour = apt(json!({"name": "nginx", "cache_valid_time": 3600}));
        let ago = |seconds| SystemTime::now().checked_sub(Duration::from_secs(seconds));
        assert!(hour.fetches() && hour.is_old(ago(3700)) && !hour.is_old(ago(3500)));
        assert!(hour.is_old(None));
        assert!(apt(json!({"update_cache": true})).is_old(ago(1)));
    }

    #[test]
    fn refuses_contradictions() {
        for wrong in [
            json!({}),
            json!({"name": "a", "deb": "/a.deb"}),
            json!({"deb": "https://x/a.deb"}),
            json!({"deb": "/a.deb", "state": "absent"}),
            json!({"name": "nginx*"}),
            json!({"name": "a", "default_release": "a b"}),
        ] {
            assert!(apt(wrong.clone()).check().is_err(), "{wrong}");
        }
        assert!(apt(json!({"autoremove": true})).check().is_ok());
    }
}
