//! `debug`: shows a message or a variable. The controller does it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Arguments, Error};

/// Shows a message, or the value of a variable or expression. Changes nothing.
///
/// ```yaml
/// debug:
///   msg: "the VIP is {{ vip }}"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Debug {
    /// The message: a text, or any other value. `Hello world!` when nothing is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg: Option<Value>,
    /// A variable or an expression, without braces, whose value is shown under its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub var: Option<String>,
    /// From how many `-v` on it is shown.
    #[serde(default)]
    pub verbosity: u8,
}

impl Arguments for Debug {
    fn check(&self) -> Result<(), Error> {
        match (&self.msg, &self.var) {
            (Some(_), Some(_)) => Err(Error::new("`msg` and `var` exclude each other")),
            _ => Ok(()),
        }
    }
}
