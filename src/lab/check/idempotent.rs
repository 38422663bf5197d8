//! `idempotent`: a playbook that was applied changes nothing when it is applied again.
//!
//! ```yaml
//! checks:
//!   - idempotent: {}
//!   - idempotent: {playbook: maintenance.yml, vars: {lvs_drain: rs1}}
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::{self, Action, Apply};
use super::{Cause, Check, Hosts, Roster, Scene, Verdict};
use crate::connection::CallError;
use crate::inventory::Vars;

/// A playbook that must have nothing to do the second time. Where it is another than the lab's
/// own, or has variables, it is applied twice, and the lab's own at the end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Idempotent {
    /// The playbook's file in the lab's folder; the lab's own unless written.
    playbook: Option<String>,
    /// Variables over all others.
    #[serde(default)]
    vars: Vars,
}

/// What the second run changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Second {
    changed: Vec<String>,
}

impl Check for Idempotent {
    type Seen = Second;

    fn title(&self) -> String {
        let name = self.playbook.as_deref().unwrap_or("the playbook");
        format!("{name} changes nothing when it is applied again")
    }

    fn hosts(&self) -> Vec<&str> {
        Vec::new()
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<Second, CallError> {
        let what = Apply { playbook: self.playbook.clone(), vars: self.vars.clone() };
        if what == Apply::default() {
            return action::apply(hosts, &what).map(|changed| Second { changed });
        }
        let action = Action::Apply(what);
        let second = action.act(hosts).and_then(|_| action.act(hosts));
        action.undo(hosts)?;
        second.map(|changed| Second { changed })
    }

    fn judge(&self, seen: &Second, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.expect("nothing changed");
        verdict.see(format!("{} changed", seen.changed.len()));
        for task in &seen.changed {
            verdict.problem(format!("changed again: {task}"));
        }
        verdict
    }

    /// The task that changes something is the cause.
    fn causes(&self, _seen: &Second, _scene: &Scene) -> Vec<Cause> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, lab};
    use super::*;

    #[test]
    fn names_each_task_that_changes_something_again() {
        let check: Idempotent = check("{ vars: { a: 1 } }");
        let judged = |changed: &[&str]| {
            let changed = changed.iter().map(ToString::to_string).collect();
            check.judge(&Second { changed }, &lab()).problems
        };
        assert_eq!(judged(&[]), [""; 0]);
        assert_eq!(judged(&["`date` on rs1"]), ["changed again: `date` on rs1"]);
    }
}
