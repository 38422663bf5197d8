//! The arguments of `uri` that are written in several ways.

use schemars::JsonSchema;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// How a body is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BodyFormat {
    /// As it is.
    #[default]
    Raw,
    /// As JSON; a text is taken to be JSON already.
    Json,
    /// As a form's fields.
    FormUrlencoded,
}

/// Which redirects are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Follow {
    /// Those of `GET` and `HEAD`.
    #[default]
    #[serde(alias = "urllib2")]
    Safe,
    /// All.
    #[serde(alias = "yes", alias = "true")]
    All,
    /// None.
    #[serde(alias = "no", alias = "false")]
    None,
}

/// Status codes: one, a list, or one text with commas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Codes(#[schemars(with = "OneOrMany")] pub Vec<u16>);

impl Default for Codes {
    fn default() -> Self {
        Self(vec![200])
    }
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it stands for the shape in the schema")]
enum OneOrMany {
    One(u16),
    Text(String),
    Many(Vec<u16>),
}

impl<'de> Deserialize<'de> for Codes {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Codes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a status code, or a list of them")
            }

            fn visit_u64<E: Error>(self, one: u64) -> Result<Codes, E> {
                let code = u16::try_from(one).ok().filter(|code| (100..1000).contains(code));
                let code = code.ok_or_else(|| E::custom(format!("`{one}` is no status code")))?;
                Ok(Codes(vec![code]))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Codes, E> {
                let codes = text.split(',').map(|one| {
                    let one = one.trim();
                    one.parse().map_err(|_| E::custom(format!("`{one}` is no status code")))
                });
                codes.collect::<Result<_, _>>().map(Codes)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, many: A) -> Result<Codes, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(many)).map(Codes)
            }
        }
        input.deserialize_any(Numbers)
    }
}
