//! An argument that is one text with commas, or a list of texts.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// One text, or a list of them.
#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "it stands for the shape in the schema")]
pub(in crate::modules) enum Several {
    One(String),
    Many(Vec<String>),
}

/// Reads either form, as Ansible does: commas part what is in one text.
pub(in crate::modules) fn several<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Vec<String>, D::Error> {
    struct Texts;
    impl<'de> Visitor<'de> for Texts {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name, or a list of names")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(text.split(',').map(|name| name.trim().to_owned()).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(name) = names.next_element()? {
                all.push(name);
            }
            Ok(all)
        }
    }
    input.deserialize_any(Texts)
}
