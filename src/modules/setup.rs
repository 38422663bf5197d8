//! `setup`: gathers facts, now.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::shape::{Several, several};
use super::{Action, Error, Host, Mode, Outcome, Refused};
use crate::agent::facts;

/// Gathers facts about the host, as the beginning of a play does unless it has
/// `gather_facts: false`.
///
/// The host keeps them as `ansible_NAME` and in `ansible_facts`. They are read from the kernel
/// within milliseconds.
///
/// ```yaml
/// setup:
///   gather_subset: [network]
///   filter: ansible_default_ipv*
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Which facts: `all`, `min`, `hardware`, `network`, `virtual`, `lvs`, or one of the parts of
    /// these, such as `mounts`; with `!` in front, not those. `min` come along unless `!min` is
    /// there, too.
    #[serde(default = "all", deserialize_with = "several")]
    #[schemars(with = "Several")]
    pub gather_subset: Vec<String>,
    /// Patterns of names, with or without `ansible_`: `*` stands for any letters, `?` for one.
    #[serde(default, deserialize_with = "several", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several")]
    pub filter: Vec<String>,
    /// Without effect, since nothing that is read can hang.
    #[serde(default = "ten")]
    pub gather_timeout: u64,
}

fn all() -> Vec<String> {
    vec!["all".into()]
}

fn ten() -> u64 {
    10
}

impl Action for Setup {
    const REFUSED: &'static [Refused] =
        &[&[("fact_path", "local facts are read from `/etc/ansible/facts.d`, and nowhere else")]];

    fn check(&self) -> Result<(), Error> {
        facts::check(&self.gather_subset)
    }

    fn run(&self, _host: &mut Host, _mode: Mode) -> Result<Outcome, Error> {
        let facts = match facts::gather(&self.gather_subset, &self.filter)? {
            Value::Object(facts) => facts,
            _ => Map::new(),
        };
        let facts: Map<String, Value> =
            facts.into_iter().map(|(name, value)| (format!("ansible_{name}"), value)).collect();
        let result = Map::from_iter([("ansible_facts".to_owned(), facts.into())]);
        Ok(Outcome { result, ..Outcome::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(arguments: Value) -> Vec<String> {
        let setup: Setup = serde_json::from_value(arguments).unwrap();
        setup.check().unwrap();
        let outcome = setup.run(&mut Host::default(), Mode::default()).unwrap();
        outcome.result["ansible_facts"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn keeps_what_was_asked_for() {
        let all = gathered(serde_json::json!({}));
        for name in ["ansible_kernel", "ansible_lo", "ansible_memtotal_mb", "ansible_lvs"] {
            assert!(all.iter().any(|known| known == name), "{name}");
        }
        let network = gathered(serde_json::json!({"gather_subset": "!all,network"}));
        assert!(
            network.contains(&"ansible_lo".into()) && network.contains(&"ansible_kernel".into())
        );
        assert!(!network.contains(&"ansible_memtotal_mb".into()));
        let only = serde_json::json!({"gather_subset": ["!all", "!min", "network"]});
        assert!(!gathered(only).contains(&"ansible_kernel".into()));
        let least = gathered(serde_json::json!({"gather_subset": ["!all"]}));
        assert!(least.contains(&"ansible_kernel".into()) && !least.contains(&"ansible_lo".into()));
    }

    #[test]
    fn filters_by_name() {
        for filter in ["kernel", "ansible_kernel", "ansible_kern?l", "kernel,nothing"] {
            assert_eq!(gathered(serde_json::json!({"filter": filter})), ["ansible_kernel"]);
        }
        let several = gathered(serde_json::json!({"filter": ["mem*"]}));
        assert_eq!(several, ["ansible_memtotal_mb", "ansible_memfree_mb", "ansible_memory_mb"]);
    }

    #[test]
    fn names_the_subset_that_is_none() {
        let setup: Setup =
            serde_json::from_value(serde_json::json!({"gather_subset": "netwrk"})).unwrap();
        let error = setup.check().unwrap_err();
        assert_eq!(error.message, "there are no facts called `netwrk`");
        assert_eq!(error.hint.as_deref(), Some("did you mean `network`?"));
    }
}
