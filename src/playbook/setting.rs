//! A keyword's value, which may be a template.

use serde::de::DeserializeOwned;

use crate::diagnostic::Diagnostic;
use crate::template::{self, Renderer};
use crate::yaml::Node;

/// What a keyword says: known as it is read, or only once it is rendered for a host.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting<T> {
    /// This.
    Known(T),
    /// What comes of the template.
    Late(Node),
}

impl<T: DeserializeOwned + Clone> Setting<T> {
    pub(super) fn decode(node: &Node) -> Result<Self, Diagnostic> {
        match template::node_has_template(node) {
            true => Ok(Self::Late(node.clone())),
            false => node.decode().map(Self::Known),
        }
    }

    /// The value where a renderer's variables hold; nothing, as `omit` leaves it, is the default.
    pub fn value(&self, renderer: &Renderer<'_>) -> Result<Option<T>, Diagnostic> {
        match self {
            Self::Known(value) => Ok(Some(value.clone())),
            Self::Late(node) => match renderer.node(node)? {
                nothing if nothing.is_null() => Ok(None),
                rendered => rendered.decode().map(Some),
            },
        }
    }
}
