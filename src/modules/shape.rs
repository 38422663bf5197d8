//! The names of a module's arguments, as its documentation and as its decoder have them.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::{Module, TABLE};
use crate::diagnostic::Diagnostic;
use crate::yaml::Key;

struct Shape {
    documented: Vec<String>,
    /// Other names of theirs among them.
    decoded: &'static [&'static str],
    takes_any: bool,
}

static SHAPES: LazyLock<HashMap<&str, Shape>> = LazyLock::new(|| {
    let shape = |module: &'static Module| {
        let schema = (module.schema)();
        let properties = schema.get("properties").and_then(Value::as_object);
        let documented = properties.map(|all| all.keys().cloned().collect()).unwrap_or_default();
        let more = schema.get("additionalProperties");
        let takes_any = !matches!(more, None | Some(Value::Bool(false)));
        (module.name, Shape { documented, decoded: (module.fields)(), takes_any })
    };
    TABLE.iter().map(shape).collect()
});

impl Module {
    /// The names of the arguments, as they are documented.
    #[must_use]
    pub fn arguments(&self) -> &'static [String] {
        SHAPES.get(self.name).map_or(&[], |shape| &shape.documented)
    }

    /// Whether any name is an argument, as `set_fact` has it.
    #[must_use]
    pub fn takes_any_argument(&self) -> bool {
        SHAPES.get(self.name).is_some_and(|shape| shape.takes_any)
    }

    /// Whether a name is one of an argument.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        SHAPES.get(self.name).is_some_and(|shape| {
            let documented = || shape.documented.iter().any(|known| known == name);
            shape.takes_any || documented() || shape.decoded.contains(&name)
        })
    }

    /// The mistake that an argument is none of the module's.
    #[must_use]
    pub fn lacks(&self, argument: &Key) -> Diagnostic {
        Diagnostic::new(format!("`{}` has no argument `{}`", self.name, argument.text))
            .at(&argument.span)
            .did_you_mean(&argument.text, self.arguments().iter().map(String::as_str))
    }
}

/// The names that a type's decoder knows, where it is made of named fields.
pub(super) fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It always fails, once it has said what it wants.
    drop(T::deserialize(Asked(&mut fields)));
    fields
}

struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only the names of fields are wanted"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::modules;

    #[rstest]
    #[case("file", "path", true)]
    #[case("file", "dest", true)]
    #[case("package", "pkg", true)]
    #[case("file", "pth", false)]
    #[case("command", "chdir", true)]
    #[case("set_fact", "whatever", true)]
    fn knows_other_names_of_arguments(
        #[case] module: &str,
        #[case] argument: &str,
        #[case] taken: bool,
    ) {
        assert_eq!(modules::find(module).unwrap().takes(argument), taken);
    }
}
