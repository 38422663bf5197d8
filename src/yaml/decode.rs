//! A [`Node`] as a serde deserializer. Mistakes come out as diagnostics at the innermost node
//! that holds them, and unknown names with the name that was probably meant.
//!
//! Scalars give way to the type that is asked for, as they do in Ansible: a template renders
//! to text, so `"80"` is a port and `"yes"` a boolean where one is wanted.

use serde::de::{
    self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Key, Kind, Node};
use crate::diagnostic::Diagnostic;

/// A hint may follow a custom message after this.
const HINT: &str = "\nhint: ";

impl de::Error for Diagnostic {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        match text.split_once(HINT) {
            Some((message, hint)) => Self::new(message).hint(hint),
            None => Self::new(text),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown key `{field}`"))
            .did_you_mean(field, expected.iter().copied().filter(|name| !name.starts_with('_')))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("`{variant}` is not known here"))
            .did_you_mean(variant, expected.iter().copied())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("duplicate key `{field}`"))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        mismatch(&found, expected)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        mismatch(&found, expected)
    }
}

fn mismatch(found: &Unexpected<'_>, expected: &dyn de::Expected) -> Diagnostic {
    let expected = match expected.to_string().as_str() {
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" | "u64" | "usize" => "a whole number, 0 or more".into(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a string" => "a text".into(),
        "a boolean" => "yes or no".into(),
        "a sequence" => "a list".into(),
        "a map" => "a mapping".into(),
        other => other.replacen("struct ", "a mapping for ", 1),
    };
    Diagnostic::new(format!("expected {expected}, found {}", words(found)))
}

/// The standard library's parsers say "invalid IPv4 address syntax", and not of what.
fn naming(mut error: Diagnostic, text: &str) -> Diagnostic {
    let what = error.message.strip_prefix("invalid ").and_then(|m| m.strip_suffix(" syntax"));
    if let Some(what) = what {
        error.message = format!("`{text}` is no {what}");
    }
    error
}

fn words(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Str(text) => format!("`{text}`"),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a mapping".into(),
        other => other.to_string(),
    }
}

/// YAML 1.1's booleans, which is what Ansible's users write.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Some(true),
        "false" | "no" | "off" | "0" | "n" | "f" => Some(false),
        _ => None,
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Diagnostic> {
            self.integer(visitor)
        }
    )*};
}

impl<'de> Node {
    fn integer<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Diagnostic> {
        match &self.kind {
            Kind::String(text) => match (text.trim().parse::<u64>(), text.trim().parse::<i64>()) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                _ => Err(de::Error::invalid_type(Unexpected::Str(text), &visitor)),
            },
            Kind::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), ..) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (.., value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            _ => self.any(visitor),
        }
        .map_err(|error: Diagnostic| error.at(&self.span))
    }

    fn any<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Diagnostic> {
        match &self.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), ..) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (.., value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            Kind::String(text) => visitor.visit_str(text).map_err(|error| naming(error, text)),
            Kind::Sequence(items) => visitor.visit_seq(Items(items.iter())),
            Kind::Mapping(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None })
            }
        }
        .map_err(|error: Diagnostic| error.at(&self.span))
    }
}

impl<'de> de::Deserializer<'de> for &Node {
    type Error = Diagnostic;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Diagnostic> {
        self.any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Diagnostic> {
        let value = match &self.kind {
            Kind::String(text) => boolean(text),
            Kind::Number(number) => boolean(&number.to_string()),
            _ => None,
        };
        match value {
            Some(value) => visitor.visit_bool(value),
            None => self.any(visitor),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Diagnostic> {
        match &self.kind {
            Kind::String(text) => match text.trim().parse() {
                Ok(value) => visitor.visit_f64(value),
                Err(_) => self.any(visitor),
            },
            _ => self.any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Diagnostic> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Diagnostic> {
        match &self.kind {
            Kind::Number(number) => visitor.visit_string(number.to_string()),
            Kind::Bool(value) => visitor.visit_string(value.to_string()),
            _ => return self.any(visitor),
        }
        .map_err(|error: Diagnostic| error.at(&self.span))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Diagnostic> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Diagnostic> {
        match self.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Diagnostic> {
        visitor.visit_newtype_struct(self).map_err(|error: Diagnostic| error.at(&self.span))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Diagnostic> {
        match &self.kind {
            // A section with nothing in it is an empty section: what is missing gets named.
            Kind::Null => visitor
                .visit_map(Entries { entries: [].iter(), value: None })
                .map_err(|error: Diagnostic| error.at(&self.span)),
            Kind::Mapping(_) => self.any(visitor),
            _ => Err(self.expected("a mapping")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Diagnostic> {
        match &self.kind {
            Kind::Mapping(entries) => match entries.as_slice() {
                [(key, value)] => visitor.visit_enum(Variant { key, value: Some(value) }),
                _ => Err(self.expected("a mapping with exactly one key")),
            },
            Kind::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Kind::Bool(_) | Kind::Number(_) => {
                let text = self.to_json().to_string();
                visitor.visit_enum(text.into_deserializer())
            }
            _ => Err(self.expected("a word")),
        }
        .map_err(|error: Diagnostic| error.at(&self.span))
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
        ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Diagnostic> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Diagnostic;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Diagnostic> {
        self.0
            .next()
            .map(|item| seed.deserialize(item).map_err(|error| error.at(&item.span)))
            .transpose()
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, (Key, Node)>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Diagnostic;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Diagnostic> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(key.text.as_str().into_deserializer())
            .map(Some)
            .map_err(|error: Diagnostic| error.at(&key.span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Diagnostic> {
        let value = self
            .value
            .take()
            .ok_or_else(|| Diagnostic::new("a value was asked for before its key"))?;
        seed.deserialize(value).map_err(|error| error.at(&value.span))
    }
}

struct Variant<'a> {
    key: &'a Key,
    value: Option<&'a Node>,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Diagnostic;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), Diagnostic> {
        let variant = seed
            .deserialize(self.key.text.as_str().into_deserializer())
            .map_err(|error: Diagnostic| error.at(&self.key.span))?;
        Ok((variant, self))
    }
}

impl Variant<'_> {
    fn value(&self) -> Result<&Node, Diagnostic> {
        self.value.ok_or_else(|| {
            Diagnostic::new(format!("`{}` needs a value", self.key.text)).at(&self.key.span)
        })
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Diagnostic;

    fn unit_variant(self) -> Result<(), Diagnostic> {
        match self.value {
            Some(value) if !value.is_null() => Err(value.expected("nothing")),
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Diagnostic> {
        let value = self.value()?;
        seed.deserialize(value).map_err(|error| error.at(&value.span))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Diagnostic> {
        self.value()?.any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Diagnostic> {
        de::Deserializer::deserialize_struct(self.value()?, "", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use serde::Deserialize;

    use crate::diagnostic::{Diagnostic, Source};

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum State {
        Present,
        Absent,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Service {
        port: u16,
        #[serde(default)]
        weight: Option<u32>,
        #[serde(default)]
        name: String,
        #[serde(default)]
        on: bool,
        #[serde(default)]
        state: Option<State>,
        #[serde(default)]
        vip: Option<Ipv4Addr>,
    }

    fn decode(text: &str) -> Result<Service, Diagnostic> {
        let source = Arc::new(Source { name: "t.yml".into(), text: text.into() });
        crate::yaml::read(&source).expect("reads").decode()
    }

    #[test]
    fn scalars_give_way_to_the_type_asked_for() {
        let service = decode("port: '80'\nname: 7\n'on': 'yes'\nstate: absent\n").expect("decodes");
        assert_eq!((service.port, service.name.as_str(), service.on), (80, "7", true));
        assert_eq!((service.weight, service.state), (None, Some(State::Absent)));
    }

    #[test]
    fn mistakes_name_the_scalar_that_holds_them() {
        let error = |text: &str| decode(text).expect_err("must fail").to_string();
        assert_eq!(
            error("port: 70000"),
            "t.yml:1:7: expected a whole number from 0 to 65535, found `70000`"
        );
        assert_eq!(
            error("port: 80\nwieght: 1"),
            "t.yml:2:1: unknown key `wieght` (did you mean `weight`?)"
        );
        assert_eq!(
            error("port: 80\nstate: abset"),
            "t.yml:2:8: `abset` is not known here (did you mean `absent`?)"
        );
        assert_eq!(error("weight: 1"), "t.yml:1:1: `port` is missing");
        assert!(error("port: 80\nvip: 10.0.0.300").starts_with("t.yml:2:6: "));
        assert_eq!(error("[1]"), "t.yml:1:1: expected a mapping, found a list");
    }
}
