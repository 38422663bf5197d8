//! YAML whose every node knows its place.
use crate::diagnostic::{Diagnostic, Span};
#[derive(Debug, Clone)]
pub struct Node {
    pub span: Span,
}
impl Node {
    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, Diagnostic> {
        Err(Diagnostic::new("todo"))
    }
}
