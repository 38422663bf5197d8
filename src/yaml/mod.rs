//! YAML whose every node knows its place.
//!
//! [`read`] makes a tree of [`Node`]s of `saphyr-parser`'s events. The tree is itself a serde
//! deserializer, so that a typed value can be asked of any node and a mistake is shown at the
//! very scalar that holds it.

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::diagnostic::{Diagnostic, Source, Span};

mod decode;
mod read;
mod scalar;

pub use read::read;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `false`, and YAML 1.1's `yes`, `no`, `on`, `off`.
    Bool(bool),
    /// A whole number or a fraction.
    Number(Number),
    /// A text.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order written; no key stands twice.
    Mapping(Vec<(Key, Node)>),
}

/// The key of a mapping's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where it stands.
    pub span: Span,
    /// Its text; a number or a boolean is spelled out.
    pub text: String,
}

impl Node {
    /// Reads a file.
    pub fn read_file(path: &Path) -> Result<Self, Diagnostic> {
        read(&source(path)?)
    }

    /// Wraps a value that stands at `span`, or that came from what stands there.
    #[must_use]
    pub fn from_json(value: &Value, span: &Span) -> Self {
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(number) => Kind::Number(number.clone()),
            Value::String(text) => Kind::String(text.clone()),
            Value::Array(items) => {
                Kind::Sequence(items.iter().map(|item| Self::from_json(item, span)).collect())
            }
            Value::Object(map) => Kind::Mapping(
                map.iter()
                    .map(|(key, value)| {
                        let key = Key { span: span.clone(), text: key.clone() };
                        (key, Self::from_json(value, span))
                    })
                    .collect(),
            ),
        };
        Self { span: span.clone(), kind }
    }

    /// The value without its places.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::String(text) => Value::String(text.clone()),
            Kind::Sequence(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Mapping(entries) => Value::Object(
                entries.iter().map(|(key, value)| (key.text.clone(), value.to_json())).collect(),
            ),
        }
    }

    /// The typed value, or the mistake at its place.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Diagnostic> {
        T::deserialize(self).map_err(|error| error.at(&self.span))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }

    /// The value of a key, when this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Mapping(entries) => {
                entries.iter().find(|(have, _)| have.text == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The text, when this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The entries; nothing counts as an empty mapping.
    pub fn mapping(&self) -> Result<&[(Key, Self)], Diagnostic> {
        match &self.kind {
            Kind::Mapping(entries) => Ok(entries),
            Kind::Null => Ok(&[]),
            _ => Err(self.expected("a mapping")),
        }
    }

    /// The items; nothing counts as an empty list.
    pub fn sequence(&self) -> Result<&[Self], Diagnostic> {
        match &self.kind {
            Kind::Sequence(items) => Ok(items),
            Kind::Null => Ok(&[]),
            _ => Err(self.expected("a list")),
        }
    }

    /// The items, where a single value stands for a list of one.
    #[must_use]
    pub fn one_or_many(&self) -> &[Self] {
        match &self.kind {
            Kind::Sequence(items) => items,
            Kind::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The variables this mapping declares.
    pub fn variables(&self) -> Result<Map<String, Value>, Diagnostic> {
        Ok(self.mapping()?.iter().map(|(key, value)| (key.text.clone(), value.to_json())).collect())
    }

    /// The mistake that something else was wanted here.
    #[must_use]
    pub fn expected(&self, what: &str) -> Diagnostic {
        Diagnostic::new(format!("expected {what}, found {}", self.described())).at(&self.span)
    }

    /// The value in words, short.
    #[must_use]
    pub fn described(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".into(),
            Kind::Bool(value) => format!("`{value}`"),
            Kind::Number(number) => format!("`{number}`"),
            Kind::String(text) if text.chars().count() > 40 => "a long text".into(),
            Kind::String(text) => format!("`{text}`"),
            Kind::Sequence(_) => "a list".into(),
            Kind::Mapping(_) => "a mapping".into(),
        }
    }
}

/// The most bytes of a text: what is larger was not written by hand, or never ends.
pub const LARGEST: usize = 32 << 20;

/// Reads a file into a source; what is not UTF-8 is an error at its place.
pub fn source(path: &Path) -> Result<Arc<Source>, Diagnostic> {
    let name = path.display().to_string();
    // One byte more tells that there are more.
    let bytes = crate::input::read_at_most(path, LARGEST as u64 + 1)
        .map_err(|error| Diagnostic::new(format!("failed to read `{name}`: {error}")))?;
    if bytes.len() > LARGEST {
        let message = format!("`{name}` has more than {} MiB", LARGEST >> 20);
        return Err(Diagnostic::new(message).hint("part it into several files"));
    }
    source_of(name, bytes)
}

/// A source of what was read already; what is not UTF-8 is an error at its place.
pub fn source_of(name: String, bytes: Vec<u8>) -> Result<Arc<Source>, Diagnostic> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Arc::new(Source { name, text })),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let source = Arc::new(Source { name, text });
            let span = Span { source, start: at, end: at + 1 };
            Err(Diagnostic::new("not valid UTF-8")
                .at(&span)
                .hint("save the file in the UTF-8 encoding"))
        }
    }
}
