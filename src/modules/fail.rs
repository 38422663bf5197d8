//! `fail`: ends a host with a message. The controller does it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Arguments;

/// Fails the host with a message. Meant for a task with a `when:`.
///
/// ```yaml
/// when: lvs_virtual_services | length == 0
/// fail:
///   msg: no virtual service is declared
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    /// The message.
    #[serde(default = "requested")]
    pub msg: String,
}

fn requested() -> String {
    "Failed as requested from task".into()
}

impl Arguments for Fail {}
