//! `import_role`: a role among the tasks, as the playbook is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Arguments;

/// Puts the tasks of a role in this place, as the playbook is read.
///
/// `when`, `tags` and other keywords are those of each of its tasks, `vars` the role's
/// parameters. Its name holds no variables, since none is known yet.
///
/// ```yaml
/// import_role:
///   name: web
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRole {
    /// The role: a folder of `roles`, or one that is built in.
    #[serde(alias = "role")]
    pub name: String,
    /// The file of its tasks, instead of `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_from: Option<String>,
    /// The file of its handlers, instead of `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handlers_from: Option<String>,
    /// The file of its variables, instead of `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vars_from: Option<String>,
    /// The file of its defaults, instead of `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults_from: Option<String>,
    /// Whether the rest of the play sees its variables and defaults; it does unless told not to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Understood and without effect: a role is done each time it is imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_duplicates: Option<bool>,
}

impl Arguments for ImportRole {}
