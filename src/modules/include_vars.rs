//! `include_vars`: variables of a file, or of all files of a folder. The controller does it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::process::free_form;
use super::{Arguments, Error};

/// Gives a host the variables of a file, or of all files of a folder in the order of their names.
///
/// They are looked for in the role's `vars` folder, then beside the playbook in `vars`, then
/// right beside it. They win over variables of the play and its roles, and give way to `set_fact`.
///
/// ```yaml
/// include_vars:
///   file: debian.yml
///   name: distribution
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct IncludeVars {
    /// The file; the same as writing it right after `include_vars:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The folder, with files that end in `.yml`, `.yaml` or `.json`; folders in it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// One variable to hold them all, rather than each by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

free_form!(IncludeVars, file);

impl Arguments for IncludeVars {
    fn check(&self) -> Result<(), Error> {
        match (&self.file, &self.dir) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (Some(_), Some(_)) => Err(Error::new("`file` and `dir` exclude each other")),
            (None, None) => {
                Err(Error::new("no file is named").hint("write `include_vars: FILE.yml`"))
            }
        }
    }
}
