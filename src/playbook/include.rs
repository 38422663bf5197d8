//! What `include_tasks` and `include_role` bring: read with the playbook where their names are
//! plain, and during the run where these are templates.

use std::sync::Arc;

use super::steps::Reader;
use super::{Inherited, Play, Step, Task};
use crate::diagnostic::Diagnostics;
use crate::yaml::Node;

/// An include before it is done.
#[derive(Debug)]
pub struct Include {
    /// What its tasks inherit: what is around the include, its variables, and `apply`.
    pub(super) around: Inherited,
    /// What it brings, when that is known already.
    pub contents: Option<Arc<Contents>>,
}

/// What an include brings.
#[derive(Debug)]
pub struct Contents {
    /// Tasks and blocks.
    pub steps: Arc<[Step]>,
    /// Handlers of the role.
    pub handlers: Vec<Arc<Task>>,
}

impl Include {
    pub(super) fn new(task: &Task, around: &Inherited, mistakes: &mut Diagnostics) -> Self {
        let vars = task.inherited.vars.clone();
        let mut around = Inherited { vars, ..around.clone() };
        if let Some(apply) = task.arguments.get("apply") {
            around = around.within(apply, mistakes);
        }
        Self { around, contents: None }
    }
}

impl Task {
    /// Reads what an include brings, now that its arguments are rendered.
    pub fn bring(&self, arguments: &Node, play: &Play) -> Result<Arc<Contents>, Diagnostics> {
        let mut mistakes = Diagnostics::default();
        let mut reader = Reader::new(&play.folder, &mut mistakes);
        reader.done.clone_from(&play.done_roles);
        let around = self.include.as_ref().map(|include| &include.around);
        let contents = around.and_then(|around| reader.brought(self, arguments, around));
        mistakes.finish(())?;
        Ok(contents
            .unwrap_or_else(|| Arc::new(Contents { steps: [].into(), handlers: Vec::new() })))
    }
}
