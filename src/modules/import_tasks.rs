//! `import_tasks`: tasks of another file, as the playbook is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::include_tasks::named;
use super::process::free_form;
use super::{Arguments, Error};

/// Puts the tasks of another file in this place, as the playbook is read.
///
/// The file is looked for as that of `include_tasks` is. `when`, `tags` and other keywords are
/// those of each of its tasks. Its name holds no variables, since none is known yet.
///
/// ```yaml
/// import_tasks:
///   file: director.yml
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ImportTasks {
    /// The file; the same as writing it right after `import_tasks:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

free_form!(ImportTasks, file);

impl Arguments for ImportTasks {
    fn check(&self) -> Result<(), Error> {
        named(self.file.as_ref())
    }
}
