//! One task on one host: conditions, the loop, the arguments, the module, what to make of
//! its answer. Runs in a worker's thread.

use std::time::Duration;

use serde_json::{Map, Value};

use super::host::HostState;
use super::outcome::{Failure, failed, registered, settled};
use super::scope::Scope;
use super::workers::Work;
use super::{Done, Shared, TaskRun, controller, interrupted, prepare};
use crate::connection::{AgentClient, Call, Unreachable};
use crate::diagnostic::Diagnostic;
use crate::modules::{Mode, Place};
use crate::playbook::{Play, Task};
use crate::report::{Status, TaskResult};
use crate::template::Renderer;
use crate::yaml::{Kind, Node};

pub(super) fn run(shared: &Shared<'_>, host: usize, work: &Work<'_>) -> Done {
    let host = &shared.hosts[host];
    match work {
        Work::Facts(play) => facts(shared, host, play),
        Work::Task(run) => {
            let worker = Worker { shared, host, run };
            match worker.items() {
                Items::None => worker.conclude(vec![worker.one(None)], None),
                Items::Known(result) => Done { results: vec![*result], notified: Vec::new() },
                Items::Each(items) => {
                    let each = items.iter().map(|item| worker.item(item)).collect();
                    worker.conclude(each, Some(&items))
                }
            }
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

/// A task on a host.
#[derive(Clone, Copy)]
pub(super) struct Worker<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) host: &'a HostState<'a>,
    pub(super) run: &'a TaskRun<'a>,
}

/// What a task loops over.
pub(super) enum Items {
    /// It has no loop.
    None,
    /// These.
    Each(Vec<Value>),
    /// There is no telling, and this is what it came to.
    Known(Box<TaskResult>),
}

/// A task whose arguments are known, or that needs none.
pub(super) enum Ready {
    Known(TaskResult),
    Call(Call),
}

impl Worker<'_> {
    fn task(&self) -> &Task {
        self.run.task
    }

    fn scope<'s>(&'s self, item: Option<&'s Value>) -> Scope<'s> {
        let item = item.map(|item| (self.run.task.loop_var.as_str(), item));
        Scope { shared: self.shared, run: self.run, host: self.host, item }
    }

    pub(super) fn items(&self) -> Items {
        self.host.asked_for_unknown();
        let Some(items) = &self.task().items else { return Items::None };
        let scope = self.scope(None);
        let known = match Renderer::new(&scope).node(items) {
            Ok(Node { kind: Kind::Sequence(items), .. }) => {
                return Items::Each(items.iter().map(Node::to_json).collect());
            }
            // With nothing to loop over, conditions on the loop itself still count.
            Ok(_) if !self.holds(&scope).unwrap_or(true) => TaskResult::new(Status::Skipped),
            Ok(other) => self.fell(&other.expected("a list to loop over").into()),
            Err(error) => match self.holds(&scope) {
                Ok(false) => TaskResult::new(Status::Skipped),
                _ => self.fell(&error.into()),
            },
        };
        Items::Known(Box::new(known))
    }

    fn item(&self, item: &Value) -> TaskResult {
        self.labelled(self.one(Some(item)), item)
    }

    fn labelled(&self, mut result: TaskResult, item: &Value) -> TaskResult {
        let label = self.task().loop_label.as_ref();
        let label =
            label.and_then(|label| Renderer::new(&self.scope(Some(item))).string(label).ok());
        result.item = Some(label.unwrap_or_else(|| crate::playbook::shown(item)));
        result
    }

    /// The task once, for one item or without a loop.
    fn one(&self, item: Option<&Value>) -> TaskResult {
        let scope = self.scope(item);
        let tries = if self.task().until.is_some() { self.task().retries.max(1) } else { 1 };
        let mut result = TaskResult::new(Status::Skipped);
        for attempt in 1..=tries {
            result = match self.attempt(item) {
                Ok(result) => result,
                Err(failure) => self.fell(&failure),
            };
            self.judge(&scope, &mut result);
            let Some(until) = &self.task().until else { break };
            self.register(&result, None);
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
                    result = self.fell(&error.into());
                    break;
                }
            }
        }
        self.forgive(&mut result);
        result
    }

    fn attempt(&self, item: Option<&Value>) -> Result<TaskResult, Failure> {
        let result = match self.ready(item)? {
            Ready::Known(result) => result,
            Ready::Call(call) => {
                let inherited = &self.task().inherited;
                settled(self.host.with_agent(self.shared, inherited, |agent| agent.run(call))?)
            }
        };
        self.learn(&result);
        Ok(result)
    }

    /// What a failure is to the host: nothing yet, when check mode cannot know what the task
    /// asks for.
    pub(super) fn fell(&self, failure: &Failure) -> TaskResult {
        let unknown = self.host.asked_for_unknown();
        match unknown.filter(|_| matches!(failure, Failure::Mistake(_))) {
            Some(name) => TaskResult {
                shown: Some(format!("unknown until apply: it asks for `{name}`")),
                ..TaskResult::new(Status::Skipped)
            },
            None => failed(failure, self.shared.options.color),
        }
    }

    /// Renders the task as far as it goes without a host. Changes nothing.
    pub(super) fn ready(&self, item: Option<&Value>) -> Result<Ready, Failure> {
        self.host.asked_for_unknown();
        let scope = self.scope(item);
        if !self.holds(&scope)? {
            return Ok(Ready::Known(TaskResult::new(Status::Skipped)));
        }
        let task = self.task();
        let renderer = Renderer::new(&scope);
        let rendered = renderer.node(&task.arguments)?;
        let arguments =
            (task.module.decode)(&rendered).map_err(|error| error.at(&task.module_key.span))?;
        let check = task.check_mode.unwrap_or(self.shared.options.check);
        let Place::Agent(_) = task.module.place else {
            return controller::run(task, &rendered, arguments, &renderer, check).map(Ready::Known);
        };
        let mode = Mode { check, diff: self.shared.options.diff && !task.no_log };
        let call = Call::new(task.module.name, arguments, mode);
        prepare::call(task, call, &renderer, self.shared.playbook.folder()).map(Ready::Call)
    }

    /// What came of one item, or of a task without a loop, that was not repeated.
    pub(super) fn verdict(&self, mut result: TaskResult, item: Option<&Value>) -> TaskResult {
        self.learn(&result);
        self.judge(&self.scope(item), &mut result);
        self.forgive(&mut result);
        match item {
            Some(item) => self.labelled(result, item),
            None => result,
        }
    }

    /// What came of it all.
    pub(super) fn conclude(&self, mut results: Vec<TaskResult>, items: Option<&[Value]>) -> Done {
        match items {
            None => results.iter().for_each(|result| self.register(result, None)),
            Some(items) => self.register_loop(&results, items),
        }
        if results.is_empty() {
            results.push(TaskResult::new(Status::Skipped));
        }
        for result in &results {
            self.leave_unknown(result);
        }
        results.iter_mut().for_each(|result| self.hide(result));
        let changed = results.iter().any(|result| result.status == Status::Changed);
        let notified = if changed { self.notified() } else { Vec::new() };
        Done { results, notified }
    }

    fn forgive(&self, result: &mut TaskResult) {
        if result.status == Status::Failed && self.task().ignore_errors {
            result.status = Status::Ignored;
        }
    }

    /// `set_fact` says what it found, and the host keeps it; so do modules that gather facts,
    /// which are then what a play's beginning would have gathered.
    fn learn(&self, result: &TaskResult) {
        let Some(Value::Object(facts)) = result.result.get("ansible_facts") else { return };
        if self.task().module.name == "set_fact" {
            facts.keys().for_each(|name| self.host.set_unknown(name, false));
            self.host.learn().registered.extend(facts.clone());
        } else {
            self.host.learn().facts.extend(facts.clone());
        }
    }

    /// In check mode: what the task would have given a value to, had it run.
    fn leave_unknown(&self, result: &TaskResult) {
        let unrun = result.status == Status::Skipped
            && (result.message.is_some() || result.shown.is_some());
        let unknown = self.shared.options.check && unrun;
        if let Some(name) = &self.task().register {
            self.host.set_unknown(name, unknown);
        }
        if unknown && self.task().module.name == "set_fact" {
            let names = self.task().arguments.mapping().unwrap_or_default();
            names.iter().for_each(|(name, _)| self.host.set_unknown(&name.text, true));
        }
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
                        *result = self.fell(&error.into());
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
