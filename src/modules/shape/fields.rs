//! Which arguments a type takes, by every name: serde knows, and schemas leave aliases out.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// The names of `T`'s fields, aliases included; none for a type that takes other forms.
pub(in crate::modules) fn of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut heard: &[&str] = &[];
    // It never succeeds: all that is wanted is what it asks for.
    let _ = T::deserialize(Listener(&mut heard));
    heard
}

struct Listener<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("only listening"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("only listening"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use crate::modules::{file::File, set_fact::SetFact};

    #[test]
    fn hears_of_aliases() {
        let names = super::of::<File>();
        assert!(["path", "dest", "name", "mode"].iter().all(|name| names.contains(name)));
        assert!(super::of::<SetFact>().is_empty());
    }
}
