//! `include_role`: a role among the tasks, while the playbook runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Arguments;

/// What it and `import_role` say of a role.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct RoleArguments {
    /// The role.
    pub name: String,
    /// Another file than `main`, of its tasks.
    pub tasks_from: Option<String>,
    /// Another file than `main`, of its handlers.
    pub handlers_from: Option<String>,
    /// Another file than `main`, of its variables.
    pub vars_from: Option<String>,
    /// Another file than `main`, of its defaults.
    pub defaults_from: Option<String>,
    /// Whether the rest of the play sees its variables.
    pub public: Option<bool>,
}

/// Does the tasks of a role, which is found when the task's turn comes.
///
/// Its name may hold variables, and with `loop` it is done for each item. `when` and `tags`
/// decide whether it is included; its tasks have their own, and those under `apply`. `vars` are
/// the role's parameters.
///
/// ```yaml
/// include_role:
///   name: web
///   tasks_from: drain
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncludeRole {
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
    /// Whether the rest of the play sees its variables and defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Understood and without effect: a role is done each time it is included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_duplicates: Option<bool>,
    /// Keywords for each of the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<Map<String, Value>>,
}

impl Arguments for IncludeRole {}
