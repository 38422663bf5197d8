//! `meta`: says how a play goes on. The controller does it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::process::free_form;
use super::{Arguments, Error};
use crate::diagnostic;

/// Says how the play goes on: runs handlers now, or ends something early.
/// `meta: flush_handlers` is the same as the example.
///
/// ```yaml
/// meta:
///   action: flush_handlers
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Meta {
    /// What to do; the same as writing it right after `meta:`. `flush_handlers` runs the handlers
    /// that were notified so far. `end_host` ends the play for a host, `end_batch` for the hosts
    /// of its batch, `end_play` for all hosts, and none of them counts as failed. `clear_facts`
    /// forgets what was gathered and set. `reset_connection` makes a new one for the next task.
    /// `noop` does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

free_form!(Meta, action);

/// What `meta` can do.
pub const ACTIONS: &[&str] = &[
    "clear_facts",
    "end_batch",
    "end_host",
    "end_play",
    "flush_handlers",
    "noop",
    "reset_connection",
];

/// What Ansible's can do besides, with what to do instead.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    ("clear_host_errors", "use a block with `rescue`, or `ignore_errors`"),
    ("end_role", "put `when:` on a block of the tasks that are left"),
    ("refresh_inventory", "an inventory is read once; run another playbook after this one"),
];

impl Arguments for Meta {
    fn check(&self) -> Result<(), Error> {
        let action = self.action.as_deref().unwrap_or_default();
        if ACTIONS.contains(&action) {
            return Ok(());
        }
        if let Some((_, instead)) = REFUSED.iter().find(|(name, _)| *name == action) {
            return Err(Error::new(format!("`meta: {action}` is not supported")).hint(*instead));
        }
        let error = Error::new(format!("`meta` has no action `{action}`"));
        Err(match diagnostic::nearest(action, ACTIONS.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("it has {}", ACTIONS.join(", "))),
        })
    }
}
