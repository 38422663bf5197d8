//! `package`: software that is installed or not, by the distribution's own package manager.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shape::{Several, several};
use super::{Action, Error, Host, Mode, Outcome, Refused};
use job::Job;
use manager::Manager;

pub(super) mod job;
pub(super) mod manager;

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

/// Those of the packages that this machine lacks, and the command that installs some.
pub fn missing<'a>(names: &[&'a str]) -> Result<(Vec<&'a str>, &'static str), Error> {
    let manager = Manager::of_this_machine()?;
    let installed = manager.installed(names)?;
    let missing = names.iter().copied().filter(|name| !installed.contains_key(*name)).collect();
    let how = match manager {
        Manager::Apt => "apt-get install",
        Manager::Dnf => "dnf install",
    };
    Ok((missing, how))
}

impl Action for Package {
    const REFUSED: &'static [Refused] =
        &[&[("use", "leave it out, or use the module `apt` or `dnf`")]];

    fn check(&self) -> Result<(), Error> {
        if self.name.is_empty() && !self.update_cache {
            return Err(Error::new("`package` needs a `name`"));
        }
        job::are_names(&self.name)
    }

    fn run(&self, host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        let job = Job {
            names: self.name.clone(),
            state: self.state,
            update: self.update_cache,
            ..Job::new(Manager::of_this_machine()?)
        };
        job.run(host, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_name_or_several() {
        let decode = |json| serde_json::from_value::<Package>(json).expect("decodes").name;
        assert_eq!(decode(serde_json::json!({"name": "nginx"})), ["nginx"]);
        assert_eq!(decode(serde_json::json!({"name": ["a", "b"]})), ["a", "b"]);
        assert_eq!(decode(serde_json::json!({"pkg": "a, b"})), ["a", "b"]);
    }

    #[test]
    fn refuses_names_that_are_options() {
        let package = |name: &[&str], update_cache| Package {
            name: name.iter().map(|name| (*name).to_owned()).collect(),
            state: State::Present,
            update_cache,
        };
        for name in ["-y", "", "a b", "$(x)", "=1"] {
            assert!(package(&[name], false).check().is_err(), "{name}");
        }
        assert!(package(&[], false).check().is_err());
        assert!(package(&[], true).check().is_ok());
    }
}
