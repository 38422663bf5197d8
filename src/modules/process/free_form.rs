//! Arguments that may be written as one plain line (`command: nginx -t`) or as a mapping.

/// Gives a type derived with `#[serde(remote = "Self")]` its serde traits: a plain scalar
/// becomes its field `$line`, a mapping is decoded as derived.
///
/// An untagged enum would do the same and lose the place and the words of every mistake.
macro_rules! free_form {
    ($type:ident, $line:ident) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                // The derived function, which `remote` makes inherent.
                $type::serialize(self, out)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a line of text or a mapping of arguments")
                    }

                    fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<$type, E> {
                        let none = serde_json::Map::new();
                        let mut typed = $type::deserialize(serde_json::Value::Object(none))
                            .map_err(E::custom)?;
                        typed.$line = Some(line.to_owned());
                        Ok(typed)
                    }

                    // `command: true` is a program, too.
                    fn visit_bool<E: serde::de::Error>(self, line: bool) -> Result<$type, E> {
                        self.visit_str(if line { "true" } else { "false" })
                    }

                    fn visit_map<A>(self, map: A) -> Result<$type, A::Error>
                    where
                        A: serde::de::MapAccess<'de>,
                    {
                        $type::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    }
                }

                input.deserialize_any(Visitor)
            }
        }
    };
}

pub(crate) use free_form;
