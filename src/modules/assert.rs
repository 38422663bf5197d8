//! `assert`: stops a host unless conditions hold. The controller does it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Arguments, Error};

/// Fails the host unless every condition holds. Changes nothing.
///
/// The conditions are expressions, written like those of `when:`, without braces.
///
/// ```yaml
/// assert:
///   that:
///     - lvs_virtual_services | length > 0
///     - ansible_os_family in ['Debian', 'RedHat']
///   fail_msg: no services, or not a system these roles know
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assert {
    /// The conditions: a list, or a single one.
    pub that: Conditions,
    /// What is said when one does not hold.
    #[serde(default, alias = "msg", skip_serializing_if = "Option::is_none")]
    pub fail_msg: Option<String>,
    /// What is said when all hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_msg: Option<String>,
    /// Whether nothing is said when all hold.
    #[serde(default)]
    pub quiet: bool,
}

impl Arguments for Assert {
    fn check(&self) -> Result<(), Error> {
        match self.that.0.is_empty() {
            true => Err(Error::new("`that` has no condition")),
            false => Ok(()),
        }
    }
}

/// Expressions that must all hold. One alone need not be in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Conditions(pub Vec<String>);

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Conditions;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a condition or a list of conditions")
            }

            fn visit_str<E: de::Error>(self, one: &str) -> Result<Conditions, E> {
                Ok(Conditions(vec![one.to_owned()]))
            }

            fn visit_bool<E: de::Error>(self, one: bool) -> Result<Conditions, E> {
                self.visit_str(if one { "true" } else { "false" })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, many: A) -> Result<Conditions, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(many)).map(Conditions)
            }
        }

        input.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for Conditions {
    fn schema_name() -> Cow<'static, str> {
        "Conditions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": ["string", "boolean"] },
                { "type": "array", "items": { "type": ["string", "boolean"] } }
            ]
        })
    }
}
