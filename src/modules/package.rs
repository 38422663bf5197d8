//! `package`: software that is installed or not, by the distribution's own package manager.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::process::{Program, which};
use super::{Error, Host, Resource};

/// Installs packages or removes them, with apt or dnf.
///
/// Only what is missing is installed; recommended packages are left to the distribution's
/// own setting.
///
/// ```yaml
/// package:
///   name: [iproute2]
///   state: present
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// One name, or several.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    pub name: Vec<String>,
    /// Whether they are installed.
    #[serde(default)]
    pub state: State,
    /// Whether the lists of packages are fetched before something is installed.
    #[serde(default)]
    pub update_cache: bool,
}

/// Whether a package is installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    #[default]
    #[serde(alias = "installed")]
    Present,
    /// It is not.
    #[serde(alias = "removed")]
    Absent,
}

/// One name, or a list of them.
#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "it stands for the shape in the schema")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    struct Names;
    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name of a package, or a list of names")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(text.split(',').map(|name| name.trim().to_owned()).collect())
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            self,
            mut names: A,
        ) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(name) = names.next_element()? {
                all.push(name);
            }
            Ok(all)
        }
    }
    input.deserialize_any(Names)
}

/// Which packages are installed, by name, with their versions.
pub type Observed = BTreeMap<String, String>;

/// One step; a package manager does all of a kind at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Install them.
    Install(Vec<String>),
    /// Remove them.
    Remove(Vec<String>),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install(names) => write!(f, "install {}", names.join(" ")),
            Self::Remove(names) => write!(f, "remove {}", names.join(" ")),
        }
    }
}

#[derive(Clone, Copy)]
enum Manager {
    Apt,
    Dnf,
}

impl Resource for Package {
    type Observed = Observed;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "+-._:".contains(c);
        match self
            .name
            .iter()
            .find(|name| name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(fits))
        {
            Some(name) => Err(Error::new(format!("`{name}` cannot be a package's name"))),
            None if self.name.is_empty() => Err(Error::new("`package` needs a name")),
            None => Ok(()),
        }
    }

    fn observe(&self, _host: &mut Host) -> Result<Observed, Error> {
        self.check()?;
        Manager::of_this_machine()?.installed(&self.name)
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        let installed = |name: &&String| observed.contains_key(name.as_str());
        let (there, missing): (Vec<&String>, Vec<&String>) = self.name.iter().partition(installed);
        let owned = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
        match self.state {
            State::Present if !missing.is_empty() => vec![Change::Install(owned(missing))],
            State::Absent if !there.is_empty() => vec![Change::Remove(owned(there))],
            _ => Vec::new(),
        }
    }

    fn apply(&self, _host: &mut Host, change: &Change) -> Result<(), Error> {
        let manager = Manager::of_this_machine()?;
        match change {
            Change::Install(names) => {
                if self.update_cache {
                    manager.run(&["update"], &[])?;
                }
                manager.run(&["install", "-y"], names)
            }
            Change::Remove(names) => manager.run(&["remove", "-y"], names),
        }
    }
}

impl Manager {
    fn of_this_machine() -> Result<Self, Error> {
        if which("apt-get").is_some() {
            Ok(Self::Apt)
        } else if which("dnf").is_some() {
            Ok(Self::Dnf)
        } else {
            Err(Error::new("neither apt-get nor dnf is on this machine")
                .hint("install the package by hand, or with `command`"))
        }
    }

    fn installed(self, names: &[String]) -> Result<Observed, Error> {
        let query: &[&str] = match self {
            Self::Apt => {
                &["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\\n", "--"]
            }
            Self::Dnf => &["rpm", "-q", "--qf", "ii %{NAME} %{VERSION}-%{RELEASE}\\n", "--"],
        };
        let argv = query.iter().map(|word| (*word).to_owned()).chain(names.iter().cloned());
        // An exit code other than 0 only says that some of them are not known.
        let output = Program::new(argv).plain_language().run()?;
        Ok(parse(&output.stdout))
    }

    fn run(self, verb: &[&str], names: &[String]) -> Result<(), Error> {
        let (program, quiet): (&str, &[&str]) = match self {
            Self::Apt => ("apt-get", &["-q", "-o", "Dpkg::Options::=--force-confold"]),
            Self::Dnf => ("dnf", &["-q"]),
        };
        let words =
            std::iter::once(&program).chain(quiet).chain(verb).map(|word| (*word).to_owned());
        let output = Program::new(words.chain(names.iter().cloned()))
            .plain_language()
            .environment("DEBIAN_FRONTEND", "noninteractive")
            .run()?;
        if output.success() {
            return Ok(());
        }
        let error = output.error(&format!("{program} {} {}", verb[0], names.join(" ")));
        let words = &error.message;
        Err(if words.contains("Unable to locate package") {
            error.hint("check the name, or set `update_cache: true`")
        } else if words.contains("Temporary failure resolving") || words.contains("Unable to fetch")
        {
            error.hint(
                "the host has no way to a mirror; a lab host has the packages of this machine",
            )
        } else {
            error
        })
    }
}

fn parse(text: &str) -> Observed {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            // The first letter is what is wanted, the second what is: `i` is installed.
            let installed = words.next()?.chars().nth(1)? == 'i';
            let (name, version) = (words.next()?, words.next()?);
            installed.then(|| (name.to_owned(), version.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(state: State) -> Package {
        Package { name: vec!["nginx".into(), "curl".into()], state, update_cache: false }
    }

    #[test]
    fn installs_what_is_missing_and_removes_what_is_there() {
        let observed = parse("ii  nginx 1.22.1-9\nrc  curl 7.88\n");
        assert_eq!(package(State::Present).diff(&observed), [Change::Install(vec!["curl".into()])]);
        assert_eq!(package(State::Absent).diff(&observed), [Change::Remove(vec!["nginx".into()])]);
        let all = parse("ii nginx 1\nhi curl 2\n");
        assert_eq!(package(State::Present).diff(&all), []);
        assert_eq!(package(State::Absent).diff(&Observed::new()), []);
    }

    #[test]
    fn takes_one_name_or_several() {
        let decode = |json| serde_json::from_value::<Package>(json).expect("decodes").name;
        assert_eq!(decode(serde_json::json!({"name": "nginx"})), ["nginx"]);
        assert_eq!(decode(serde_json::json!({"name": ["a", "b"]})), ["a", "b"]);
    }

    #[test]
    fn refuses_names_that_are_options() {
        for name in ["-y", "", "a b", "$(x)"] {
            assert!(
                Package { name: vec![name.into()], ..package(State::Present) }.check().is_err()
            );
        }
    }
}
