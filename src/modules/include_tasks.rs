//! `include_tasks`: tasks of another file, while the playbook runs. The controller does it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::process::free_form;
use super::{Arguments, Error};

/// Does the tasks of another file, which is found when the task's turn comes.
///
/// The file is looked for beside the one that names it, in the `tasks` folder of the role, then
/// beside the playbook. Its name may hold variables and facts, and with `loop` it is done for
/// each item. `when` and `tags` decide whether it is included; the tasks in it have their own,
/// and those under `apply`. `vars` are theirs, too.
///
/// ```yaml
/// include_tasks:
///   file: drain.yml
///   apply:
///     tags: [drain]
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct IncludeTasks {
    /// The file; the same as writing it right after `include_tasks:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Keywords for each of the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<Map<String, Value>>,
}

free_form!(IncludeTasks, file);

impl Arguments for IncludeTasks {
    fn check(&self) -> Result<(), Error> {
        named(self.file.as_ref())
    }
}

/// Refuses what names no file.
pub(super) fn named(file: Option<&String>) -> Result<(), Error> {
    match file {
        Some(file) if !file.is_empty() => Ok(()),
        _ => Err(Error::new("no file is named").hint("write its name behind the colon")),
    }
}
