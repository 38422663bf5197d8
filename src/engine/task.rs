//! One task on one host: conditions, the loop, the arguments, the module, what to make of
//! its answer. Runs in a worker's thread.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::host::HostState;
use super::scope::Scope;
use super::workers::Work;
use super::{Done, Shared, TaskRun, controller, interrupted, prepare};
use crate::connection::{AgentClient, Call, CallError, Unreachable};
use crate::diagnostic::Diagnostic;
use crate::modules::{Error, Mode, Outcome, Place};
use crate::playbook::{Play, Task};
use crate::report::{Status, TaskResult};
use crate::template::Renderer;
use crate::yaml::{Kind, Node};

/// Why a task did not end well.
pub(super) enum Failure {
    /// What the playbook says is wrong.
    Mistake(Diagnostic),
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

pub(super) fn run(shared: &Shared<'_>, host: usize, work: &Work<'_>) -> Done {
    let host = &shared.hosts[host];
    match work {
        Work::Facts(play) => facts(shared, host, play),
        Work::Task(run) => {
            let worker = Worker { shared, host, run };
            let results = worker.results();
            let changed = results.iter().any(|result| result.status == Status::Changed);
            let notified = if changed { worker.notified() } else { Vec::new() };
            Done { results, notified }
        }
    }
}

fn facts(shared: &Shared<'_>, host: &HostState<'_>, play: &Play) -> Done {
    let gathered = host.with_agent(shared, &play.inherited, AgentClient::facts);
    let result = match gathered {
        Ok(Value::Object(facts)) => {
            let mut learned = host.learn();
            for (name, value) in facts {
                learned.facts.insert(format!("ansible_{name}"), value);
            }
            TaskResult::new(Status::Ok)
        }
        Ok(_) => failed(&Unreachable::new("the agent's facts are not a mapping").into(), false),
        Err(error) => failed(&error.into(), shared.options.color),
    };
    Done { results: vec![result], notified: Vec::new() }
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    host: &'a HostState<'a>,
    run: &'a TaskRun<'a>,
}

impl<'a> Worker<'a> {
    fn task(&self) -> &'a Task {
        self.run.task
    }

    fn scope(&self, item: Option<&'a Value>) -> Scope<'a> {
        let item = item.map(|item| (self.run.task.loop_var.as_str(), item));
        Scope { shared: self.shared, run: self.run, host: self.host, item }
    }

    fn results(&self) -> Vec<TaskResult> {
        let color = self.shared.options.color;
        let Some(items) = &self.task().items else {
            let scope = self.scope(None);
            let mut result = self.one(&scope);
            self.register(&result, None);
            self.hide(&mut result);
            return vec![result];
        };
        let scope = self.scope(None);
        let rendered = match Renderer::new(&scope).node(items) {
            Ok(Node { kind: Kind::Sequence(items), .. }) => items,
            // With nothing to loop over, conditions on the loop itself still count.
            Ok(_) if !self.holds(&scope).unwrap_or(true) => {
                return vec![TaskResult::new(Status::Skipped)];
            }
            Ok(other) => return vec![failed(&other.expected("a list to loop over").into(), color)],
            Err(error) => {
                return match self.holds(&scope) {
                    Ok(false) => vec![TaskResult::new(Status::Skipped)],
                    _ => vec![failed(&error.into(), color)],
                };
            }
        };
        let values: Vec<Value> = rendered.iter().map(Node::to_json).collect();
        let mut results = Vec::new();
        for item in &values {
            // The item outlives its scope, but not the worker's lifetime: run it in its own.
            let worker = Worker { shared: self.shared, host: self.host, run: self.run };
            results.push(worker.item(item));
        }
        self.register_loop(&results, &values);
        if results.is_empty() {
            results.push(TaskResult::new(Status::Skipped));
        }
        results.iter_mut().for_each(|result| self.hide(result));
        results
    }

    fn item(&self, item: &Value) -> TaskResult {
        let named = Some((self.run.task.loop_var.as_str(), item));
        let scope = Scope { shared: self.shared, run: self.run, host: self.host, item: named };
        let mut result = self.one(&scope);
        let label = self.task().loop_label.as_ref();
        let label = label.and_then(|label| Renderer::new(&scope).string(label).ok());
        result.item = Some(label.unwrap_or_else(|| crate::playbook::shown(item)));
        result
    }

    /// The task once, for one item or without a loop.
    fn one(&self, scope: &Scope<'_>) -> TaskResult {
        let tries = if self.task().until.is_some() { self.task().retries.max(1) } else { 1 };
        let mut result = TaskResult::new(Status::Skipped);
        for attempt in 1..=tries {
            result = match self.attempt(scope) {
                Ok(result) => result,
                Err(failure) => failed(&failure, self.shared.options.color),
            };
            self.judge(scope, &mut result);
            let Some(until) = &self.task().until else { break };
            self.register(&result, None);
            let scope = Scope { item: scope.item, ..*scope };
            match Renderer::new(&scope).condition(until) {
                Ok(true) => break,
                Ok(false) if attempt < tries && !interrupted() => {
                    std::thread::sleep(Duration::from_secs_f64(
                        self.task().delay.clamp(0.0, 3600.0),
                    ));
                }
                Ok(false) => {
                    result.status = Status::Failed;
                    result.message = Some(format!(
                        "`until` did not hold after {attempt} tries: {}",
                        until.described()
                    ));
                }
                Err(error) => {
                    result = failed(&error.into(), self.shared.options.color);
                    break;
                }
            }
        }
        if result.status == Status::Failed && self.task().ignore_errors {
            result.status = Status::Ignored;
        }
        result
    }

    fn attempt(&self, scope: &Scope<'_>) -> Result<TaskResult, Failure> {
        if !self.holds(scope)? {
            return Ok(TaskResult::new(Status::Skipped));
        }
        let task = self.task();
        let renderer = Renderer::new(scope);
        let rendered = renderer.node(&task.arguments)?;
        let arguments =
            (task.module.decode)(&rendered).map_err(|error| error.at(&task.module_key.span))?;
        let Place::Agent(_) = task.module.place else {
            return controller::run(task, &rendered, arguments, &renderer, self.host);
        };
        let mode = Mode {
            check: task.check_mode.unwrap_or(self.shared.options.check),
            diff: self.shared.options.diff && !task.no_log,
        };
        let call = Call::new(task.module.name, arguments, mode);
        let call = prepare::call(task, call, &renderer, self.shared.playbook.folder())?;
        let outcome =
            self.host.with_agent(self.shared, &task.inherited, |agent| agent.run(call))?;
        Ok(settled(outcome))
    }

    fn holds(&self, scope: &Scope<'_>) -> Result<bool, Diagnostic> {
        let renderer = Renderer::new(scope);
        for condition in &self.task().inherited.when {
            if !renderer.condition(condition)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lets `changed_when` and `failed_when` overrule the module.
    fn judge(&self, scope: &Scope<'_>, result: &mut TaskResult) {
        let task = self.task();
        if matches!(result.status, Status::Skipped | Status::Unreachable) || result.bad_input {
            return;
        }
        if task.changed_when.is_none() && task.failed_when.is_none() {
            return;
        }
        self.register(result, None);
        let renderer = Renderer::new(scope);
        let mut verdict = |condition: &Option<Node>| match condition {
            None => None,
            Some(node) => {
                let holds = node.one_or_many().iter().try_fold(true, |all, one| {
                    Ok::<_, Diagnostic>(all && renderer.condition(one)?)
                });
                match holds {
                    Ok(holds) => Some(holds),
                    Err(error) => {
                        *result = failed(&error.into(), self.shared.options.color);
                        None
                    }
                }
            }
        };
        let (failed_when, changed_when) = (verdict(&task.failed_when), verdict(&task.changed_when));
        match failed_when {
            Some(true) => {
                result.status = Status::Failed;
                result.message.get_or_insert_with(|| "`failed_when` holds".into());
            }
            Some(false) if result.status == Status::Failed && !result.bad_input => {
                result.status = Status::Ok;
            }
            _ => {}
        }
        match changed_when {
            Some(true) if result.status == Status::Ok => result.status = Status::Changed,
            Some(false) if result.status == Status::Changed => result.status = Status::Ok,
            _ => {}
        }
    }

    fn notified(&self) -> Vec<String> {
        let scope = self.scope(None);
        let renderer = Renderer::new(&scope);
        self.task().notify.iter().filter_map(|name| renderer.string(name).ok()).collect()
    }

    fn register(&self, result: &TaskResult, more: Option<Map<String, Value>>) {
        if let Some(name) = &self.task().register {
            let mut value = registered(result);
            value.extend(more.unwrap_or_default());
            self.host.learn().registered.insert(name.clone(), Value::Object(value));
        }
    }

    fn register_loop(&self, results: &[TaskResult], items: &[Value]) {
        let each: Vec<Value> = results
            .iter()
            .zip(items)
            .map(|(result, item)| {
                let mut value = registered(result);
                value.insert(self.task().loop_var.clone(), item.clone());
                Value::Object(value)
            })
            .collect();
        let any = |status: &[Status]| results.iter().any(|result| status.contains(&result.status));
        let mut more = Map::new();
        more.insert("results".into(), Value::Array(each));
        more.insert("changed".into(), any(&[Status::Changed]).into());
        more.insert("failed".into(), any(&[Status::Failed, Status::Ignored]).into());
        more.insert(
            "skipped".into(),
            results.iter().all(|one| one.status == Status::Skipped).into(),
        );
        self.register(&TaskResult::new(Status::Ok), Some(more));
    }

    /// Nothing of a `no_log` task is shown but how it ended.
    fn hide(&self, result: &mut TaskResult) {
        if self.task().no_log {
            let hidden = TaskResult::new(result.status);
            let hidden = TaskResult { bad_input: result.bad_input, ..hidden };
            *result = match result.status {
                Status::Failed | Status::Ignored | Status::Unreachable => TaskResult {
                    message: Some("the output is hidden because of `no_log`".into()),
                    ..hidden
                },
                _ => hidden,
            };
        }
    }
}

fn registered(result: &TaskResult) -> Map<String, Value> {
    let mut value = result.result.clone();
    value.insert("changed".into(), (result.status == Status::Changed).into());
    value.insert("failed".into(), matches!(result.status, Status::Failed | Status::Ignored).into());
    value.insert("skipped".into(), (result.status == Status::Skipped).into());
    if let Some(message) = &result.message {
        value.insert("msg".into(), json!(message));
    }
    value
}

fn settled(outcome: Outcome) -> TaskResult {
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

fn failed(failure: &Failure, color: bool) -> TaskResult {
    match failure {
        Failure::Mistake(diagnostic) => TaskResult {
            message: Some(diagnostic.render(color)),
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
