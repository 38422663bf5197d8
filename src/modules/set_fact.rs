//! `set_fact`: gives a host variables. The controller does it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Arguments, Error};

/// Gives the host variables, for the tasks that follow and for other hosts to read.
///
/// ```yaml
/// set_fact:
///   vip: 192.168.0.89
///   lvs_ports: [80, 443]
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SetFact(Map<String, Value>);

impl SetFact {
    /// The variables.
    pub fn facts(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().filter(|(name, _)| *name != "cacheable")
    }
}

impl Arguments for SetFact {
    fn check(&self) -> Result<(), Error> {
        if self.facts().next().is_none() {
            return Err(Error::new("`set_fact` sets nothing").hint("write it as `NAME: VALUE`"));
        }
        match self.facts().find(|(name, _)| !is_identifier(name)) {
            Some((name, _)) => Err(Error::new(format!("`{name}` cannot be a variable's name"))
                .hint("letters, digits and `_`, and no digit first")),
            None => Ok(()),
        }
    }
}

fn is_identifier(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit())
}

impl JsonSchema for SetFact {
    fn schema_name() -> Cow<'static, str> {
        "SetFact".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // No rustdoc reaches a schema written by hand, so that it is said once more.
        json_schema!({
            "type": "object",
            "description": "Gives the host variables, for the tasks that follow and for other \
                hosts to read.\n\n```yaml\nset_fact:\n  vip: 192.168.0.89\n  lvs_ports: \
                [80, 443]\n```",
            "properties": {
                "cacheable": {
                    "type": "boolean",
                    "description": "Understood and without effect: facts live as long as a run."
                }
            },
            "additionalProperties": true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn takes_any_name_but_what_no_expression_could_say() {
        let set: SetFact = serde_json::from_value(json!({"a_1": [1], "cacheable": true})).unwrap();
        assert!(set.check().is_ok());
        assert_eq!(set.facts().count(), 1);
        for wrong in [json!({}), json!({"cacheable": true}), json!({"a-b": 1}), json!({"1a": 1})] {
            let set: SetFact = serde_json::from_value(wrong.clone()).unwrap();
            assert!(set.check().is_err(), "{wrong}");
        }
    }
}
