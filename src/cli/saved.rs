//! Saved plans: what `plan --out` writes, and `apply` holds against what it would do now.
//!
//! A plan holds what was shown, and digests of everything that it was made of: the files that were
//! read, and the variables of the command line. So what a task with `no_log` hides is in no plan, and
//! yet no plan is taken for good whose secrets have changed.

use std::io::Write;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::engine::Options;
use crate::input::{Files, digest};
use crate::modules::TextDiff;
use crate::report::Status;

mod compare;
mod record;

pub(super) use record::Record;

/// Goes up when a plan of before cannot be applied any more.
const SCHEMA: u32 = 1;

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// The version of the file's form; first, so that it can be told from everything else.
    lvsmith_plan: u32,
    /// The playbook, as an absolute path.
    pub(super) playbook: PathBuf,
    /// The inventories, if they were named.
    pub(super) inventory: Vec<String>,
    /// What the command line said.
    pub(super) options: Said,
    /// What was read, by path.
    pub(super) files: Files,
    /// What each host's tasks would do.
    pub(super) hosts: IndexMap<String, Vec<Step>>,
    /// The digest of all of this.
    #[serde(default)]
    seal: String,
}

/// What the command line said of which tasks and hosts, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub(super) limit: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) skip_tags: Vec<String>,
    pub(super) start_at_task: Option<String>,
    pub(super) diff: bool,
    /// The digest of the variables of `-e`, whose values are nobody's concern.
    extra_vars: Option<String>,
}

/// A task, or an item of its loop, that is not done already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    task: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    item: Option<String>,
    status: Status,
    /// What only an apply can tell, or why check mode cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    diff: Option<TextDiff>,
}

impl Said {
    pub(super) fn of(options: &Options) -> Self {
        let extra = Value::Object(options.extra.clone());
        Self {
            limit: options.limit.clone(),
            tags: options.tags.clone(),
            skip_tags: options.skip_tags.clone(),
            start_at_task: options.start_at_task.clone(),
            diff: options.diff,
            extra_vars: (!options.extra.is_empty()).then(|| digest(sorted(&extra).as_bytes())),
        }
    }

    /// Whether the variables of `-e` are those of the plan.
    pub(super) fn has_same_variables(&self, other: &Self) -> bool {
        self.extra_vars == other.extra_vars
    }
}

impl Plan {
    pub(super) fn new(
        playbook: &Path,
        inventory: &[String],
        options: &Options,
        files: Files,
        hosts: IndexMap<String, Vec<Step>>,
    ) -> Self {
        let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        // A list of hosts is no path.
        let named = |name: &String| match Path::new(name) {
            path if path.exists() => absolute(path).display().to_string(),
            _ => name.clone(),
        };
        let mut plan = Self {
            lvsmith_plan: SCHEMA,
            playbook: absolute(playbook),
            inventory: inventory.iter().map(named).collect(),
            options: Said::of(options),
            files,
            hosts,
            seal: String::new(),
        };
        plan.seal = plan.sealed();
        plan
    }

    /// Whether a file holds a plan rather than a playbook, which is a list.
    pub(super) fn is_in(path: &Path) -> bool {
        let text = std::fs::read(path).unwrap_or_default();
        text.trim_ascii_start().starts_with(b"{")
    }

    pub(super) fn read(path: &Path) -> Result<Self, Diagnostic> {
        let shown = path.display();
        let failed = |why: &dyn std::fmt::Display| {
            Diagnostic::new(format!("`{shown}` is no plan that can be applied: {why}"))
                .hint("make a new one: `lvsmith plan PLAYBOOK --out FILE`")
        };
        let text = std::fs::read(path).map_err(|error| failed(&error))?;
        let value: Value = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
        match value["lvsmith_plan"].as_u64() {
            Some(version) if version == u64::from(SCHEMA) => {}
            Some(version) => {
                let why = format!("it has version {version}, and this program reads {SCHEMA}");
                return Err(failed(&why));
            }
            None => return Err(failed(&"it does not say its version")),
        }
        let plan: Self = serde_json::from_value(value).map_err(|error| failed(&error))?;
        if plan.seal != plan.sealed() {
            return Err(failed(&"it was changed after it was made, or is damaged"));
        }
        Ok(plan)
    }

    /// Writes it, readable by its owner alone: it shows what is in files.
    pub(super) fn write(&self, path: &Path) -> Result<(), Diagnostic> {
        let failed = |error: &dyn std::fmt::Display| {
            Diagnostic::new(format!("failed to write the plan to `{}`: {error}", path.display()))
        };
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
            .map_err(|error| failed(&error))?;
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed(&error))?;
        text.push(b'\n');
        file.write_all(&text).map_err(|error| failed(&error))?;
        file.persist(path).map_err(|error| failed(&error.error))?;
        Ok(())
    }

    fn sealed(&self) -> String {
        let open = Self { seal: String::new(), ..self.clone() };
        digest(serde_json::to_string(&open).unwrap_or_default().as_bytes())
    }
}

/// A value as text that does not depend on the order of its keys.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), sorted(value)))
                .collect();
            entries.sort();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}
