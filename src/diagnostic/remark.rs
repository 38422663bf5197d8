//! A mistake on its way through serde, which carries nothing but a text.

use std::fmt;

/// A mistake in an argument, on its way through serde: the YAML room takes message and hint
/// apart again and shows them at the scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    message: String,
    hint: Option<String>,
}

impl Remark {
    /// What is wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// What to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Hints at the candidate that was probably meant, or else lists them.
    #[must_use]
    pub fn did_you_mean(self, name: &str, candidates: &[&str]) -> Self {
        match super::nearest(name, candidates.iter().copied()) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self.hint(format!("known here: {}", candidates.join(", "))),
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}
