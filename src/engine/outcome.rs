//! What came of a task: why it did not end well, and what `register` keeps of it.

use serde_json::{Map, Value, json};

use crate::connection::{CallError, Unreachable};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::modules::{Error, Outcome};
use crate::report::{Status, TaskResult};

/// Why a task did not end well.
pub(super) enum Failure {
    /// What the playbook says is wrong.
    Mistake(Diagnostic),
    /// What a file says that it includes.
    Mistakes(Diagnostics),
    /// The module or the host.
    Call(CallError),
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Mistake(diagnostic)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(error.into())
    }
}

impl From<Unreachable> for Failure {
    fn from(error: Unreachable) -> Self {
        Self::Call(error.into())
    }
}

pub(super) fn registered(result: &TaskResult) -> Map<String, Value> {
    let mut value = result.result.clone();
    value.insert("changed".into(), result.has_changed().into());
    value.insert("failed".into(), matches!(result.status, Status::Failed | Status::Ignored).into());
    value.insert("skipped".into(), (result.status == Status::Skipped).into());
    if let Some(message) = &result.message {
        value.insert("msg".into(), json!(message));
    }
    value
}

pub(super) fn settled(outcome: Outcome) -> TaskResult {
    let status = match (&outcome.skipped, outcome.changed) {
        (Some(_), _) => Status::Skipped,
        (None, true) => Status::Changed,
        (None, false) => Status::Ok,
    };
    TaskResult {
        message: outcome.skipped,
        changes: outcome.changes,
        diff: outcome.diff,
        result: outcome.result,
        ..TaskResult::new(status)
    }
}

pub(super) fn failed(failure: &Failure, color: bool) -> TaskResult {
    match failure {
        Failure::Mistake(diagnostic) => TaskResult {
            message: Some(diagnostic.render(color)),
            bad_input: true,
            ..TaskResult::new(Status::Failed)
        },
        Failure::Mistakes(mistakes) => TaskResult {
            message: Some(mistakes.render(color)),
            bad_input: true,
            ..TaskResult::new(Status::Failed)
        },
        Failure::Call(CallError::Failed(error)) => TaskResult {
            message: Some(error.message.clone()),
            hint: error.hint.clone(),
            result: error.result.clone(),
            ..TaskResult::new(Status::Failed)
        },
        Failure::Call(CallError::Unreachable(error)) => TaskResult {
            message: Some(error.message.clone()),
            hint: error.hint.clone(),
            ..TaskResult::new(Status::Unreachable)
        },
    }
}
