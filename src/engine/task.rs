//! One task on one host: conditions, the loop, the arguments, the module. Runs in a worker's
//! thread.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::host::HostState;
use super::identity::{Said, said};
use super::items::Item;
use super::outcome::{Failure, failed, settled};
use super::path::Bindings;
use super::scope::Scope;
use super::workers::Work;
use super::{Done, Shared, TaskRun, controller, interrupted, items, prepare};
use crate::connection::{AgentClient, Call, Unreachable};
use crate::diagnostic::Diagnostic;
use crate::modules::{Around, Mode, Place};
use crate::playbook::{Inherited, Play, Task};
use crate::report::{Status, TaskResult};
use crate::template::Renderer;
use crate::yaml::Node;

mod include;
mod verdict;

pub(super) fn run(shared: &Shared<'_>, host: usize, work: &Work<'_>) -> Done {
    let host = &shared.hosts[host];
    match work {
        Work::Facts(play) => facts(shared, host, play),
        Work::Task(run, bindings) => {
            let worker = Worker { shared, host, run, bindings };
            match (worker.items(), worker.task().include.is_some()) {
                (Items::Known(result), _) => worker.conclude(vec![*result], None),
                (Items::None, true) => worker.include(None),
                (Items::Each(items), true) => worker.include(Some(&items)),
                (Items::None, false) => worker.conclude(vec![worker.one(None)], None),
                (Items::Each(items), false) => worker.conclude(worker.each(&items), Some(&items)),
            }
        }
    }
}

/// What a task says of how many hosts do it.
#[derive(Default)]
pub(super) struct Once {
    pub(super) run_once: bool,
    pub(super) throttle: Option<usize>,
}

/// Asks with the variables of a host; a mistake in it shows when the task is done.
pub(super) fn once(
    shared: &Shared<'_>,
    host: usize,
    run: &TaskRun<'_>,
    bindings: &Bindings,
) -> Once {
    let Inherited { run_once, throttle, .. } = &run.task.inherited;
    if run_once.is_none() && throttle.is_none() {
        return Once::default();
    }
    let worker = Worker { shared, host: &shared.hosts[host], run, bindings };
    let scope = worker.scope(None);
    let renderer = Renderer::new(&scope);
    Once {
        run_once: said(run_once.as_ref(), &renderer).ok().flatten().unwrap_or(false),
        throttle: said(throttle.as_ref(), &renderer).ok().flatten().filter(|most| *most > 0),
    }
}

fn facts(shared: &Shared<'_>, host: &HostState, play: &Play) -> Done {
    let mut vars = host.declared.clone();
    vars.extend(play.vars.clone());
    vars.extend(play.file_vars.clone());
    vars.extend(shared.options.extra.clone());
    let gathered = Said::of(&play.inherited, &Renderer::new(&vars)).map_err(Failure::from);
    let gathered =
        gathered.and_then(|said| Ok(host.with_agent(shared, &said, AgentClient::facts)?));
    let result = match gathered {
        Ok(Value::Object(facts)) => {
            let mut learned = host.learn();
            for (name, value) in facts {
                learned.facts.insert(format!("ansible_{name}"), value);
            }
            TaskResult::new(Status::Ok)
        }
        Ok(_) => failed(&Unreachable::new("the agent's facts are not a mapping").into(), false),
        Err(error) => failed(&error, shared.options.color),
    };
    Done { results: vec![result], ..Done::default() }
}

/// A task on a host.
#[derive(Clone, Copy)]
pub(super) struct Worker<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) host: &'a HostState,
    pub(super) run: &'a TaskRun<'a>,
    /// What the loops around it bind.
    pub(super) bindings: &'a Bindings,
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
    Call(Errand),
}

/// A call, and who is to do it.
pub(super) struct Errand {
    pub(super) call: Call,
    pub(super) said: Said,
    /// The host that does it instead.
    pub(super) delegate: Option<String>,
}

impl<'a> Worker<'a> {
    pub(super) fn task(&self) -> &'a Task {
        &self.run.task
    }

    fn scope<'s>(&'s self, item: Option<Item<'s>>) -> Scope<'s> {
        let Self { shared, host, run, bindings } = *self;
        Scope { shared, run, host, bindings, item }
    }

    pub(super) fn items(&self) -> Items {
        self.host.asked_for_unknown();
        let Some(over) = &self.task().items else { return Items::None };
        let scope = self.scope(None);
        let rendered = Renderer::new(&scope).node(&over.over);
        let known = match rendered.and_then(|node| items::items(over, &node)) {
            Ok(items) => return Items::Each(items),
            // With nothing to loop over, conditions on the loop itself still count.
            Err(error) => match self.holds(&scope) {
                Ok(false) => TaskResult::new(Status::Skipped),
                _ => self.fell(&error.into()),
            },
        };
        Items::Known(Box::new(known))
    }

    fn each(&self, items: &[Value]) -> Vec<TaskResult> {
        let mut results = Vec::new();
        for item in Item::of(items) {
            if item.index > 0
                && let Err(error) = self.pause(item)
            {
                results.push(failed(&error.into(), self.shared.options.color));
                break;
            }
            results.push(self.labelled(self.one(Some(item)), item));
        }
        results
    }

    fn pause(&self, item: Item<'_>) -> Result<(), Diagnostic> {
        let pause = self.task().items.as_ref().and_then(|over| over.pause.as_ref());
        let seconds = said(pause, &Renderer::new(&self.scope(Some(item))))?;
        std::thread::sleep(Duration::from_secs_f64(seconds.unwrap_or(0.0).clamp(0.0, 3600.0)));
        Ok(())
    }

    fn labelled(&self, mut result: TaskResult, item: Item<'_>) -> TaskResult {
        let label = self.task().items.as_ref().and_then(|over| over.label.as_ref());
        let label =
            label.and_then(|label| Renderer::new(&self.scope(Some(item))).string(label).ok());
        result.item = Some(label.unwrap_or_else(|| crate::playbook::shown(item.value())));
        result
    }

    /// The task once, for one item or without a loop.
    fn one(&self, item: Option<Item<'_>>) -> TaskResult {
        let scope = self.scope(item);
        let mut result = match self.repeated(&scope, item) {
            Ok(result) => result,
            Err(error) => self.fell(&error.into()),
        };
        self.forgive(&scope, &mut result);
        result
    }

    /// The task until it ends well, where it says what that is, or how often to try.
    fn repeated(
        &self,
        scope: &Scope<'_>,
        item: Option<Item<'_>>,
    ) -> Result<TaskResult, Diagnostic> {
        let task = self.task();
        let renderer = Renderer::new(scope);
        let tries = match (&task.until, &task.retries) {
            (None, None) => 1,
            // As ever in Ansible: three tries when nothing is said, and one more than is said.
            (_, retries) => {
                said(retries.as_ref(), &renderer)?.map_or(3, |more| more.saturating_add(1))
            }
        };
        let delay = if tries > 1 { said(task.delay.as_ref(), &renderer)? } else { None };
        let delay = Duration::from_secs_f64(delay.unwrap_or(5.0).clamp(0.0, 3600.0));
        let mut attempt = 1;
        loop {
            let mut result = match self.attempt(item) {
                Ok(result) => result,
                Err(failure) => self.fell(&failure),
            };
            self.judge(scope, &mut result);
            // What was skipped is not tried again.
            if tries == 1 || matches!(result.status, Status::Skipped | Status::Unreachable) {
                return Ok(result);
            }
            self.register(&result, None);
            let holds = match &task.until {
                Some(until) => all_hold(&Renderer::new(scope), until)?,
                None => result.status != Status::Failed,
            };
            if holds || attempt >= tries || interrupted() {
                if let (false, Some(until)) = (holds, &task.until) {
                    result.status = Status::Failed;
                    let until = until.described();
                    let what = format!("`until` did not hold after {attempt} tries: {until}");
                    result.message = Some(what);
                }
                let counted = if holds { attempt } else { attempt - 1 };
                result.result.insert("attempts".into(), counted.into());
                return Ok(result);
            }
            attempt += 1;
            std::thread::sleep(delay);
        }
    }

    fn attempt(&self, item: Option<Item<'_>>) -> Result<TaskResult, Failure> {
        let result = match self.ready(item)? {
            Ready::Known(result) => result,
            Ready::Call(errand) => {
                let Errand { call, said, delegate } = errand;
                let run = |agent: &mut AgentClient| agent.run(call);
                settled(match delegate {
                    None => self.host.with_agent(self.shared, &said, run)?,
                    Some(name) => self.shared.other(&name)?.with_guest(self.shared, &said, run)?,
                })
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
    pub(super) fn ready(&self, item: Option<Item<'_>>) -> Result<Ready, Failure> {
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
        let check = said(task.inherited.check_mode.as_ref(), &renderer)?;
        let check = check.unwrap_or(self.shared.options.check);
        let Place::Agent(_) = task.module.place else {
            return controller::run(self, &rendered, arguments, &renderer, check).map(Ready::Known);
        };
        let Inherited { diff, delegate_to, timeout, run_once, throttle, .. } = &task.inherited;
        // What they come to has been asked already; a mistake in them shows here.
        said(run_once.as_ref(), &renderer)?;
        said(throttle.as_ref(), &renderer)?;
        let options = self.shared.options;
        let mode = Mode {
            check,
            diff: said(diff.as_ref(), &renderer)?.unwrap_or(options.diff) && !self.hides(&scope),
        };
        let around = Around {
            environment: environment(&task.inherited.environment, &renderer)?,
            timeout: said(timeout.as_ref(), &renderer)?.filter(|seconds| *seconds > 0),
        };
        let call = Call::new(task.module.name, arguments, mode).around(around);
        let call = prepare::call(task, call, &renderer, &self.run.trail.play.folder)?;
        let said_of = Said::of(&task.inherited, &renderer)?;
        let delegate = said(delegate_to.as_ref(), &renderer)?;
        let delegate = delegate.filter(|name| *name != self.host.name);
        Ok(Ready::Call(Errand { call, said: said_of, delegate }))
    }

    fn holds(&self, scope: &Scope<'_>) -> Result<bool, Diagnostic> {
        let renderer = Renderer::new(scope);
        self.task()
            .inherited
            .when
            .iter()
            .try_fold(true, |all, condition| Ok(all && renderer.condition(condition)?))
    }
}

/// Whether a condition holds, or all of a list of them.
fn all_hold(renderer: &Renderer<'_>, conditions: &Node) -> Result<bool, Diagnostic> {
    conditions.one_or_many().iter().try_fold(true, |all, one| Ok(all && renderer.condition(one)?))
}

/// What programs find in their environment: inner mappings over outer ones.
fn environment(
    said: &[Node],
    renderer: &Renderer<'_>,
) -> Result<BTreeMap<String, String>, Diagnostic> {
    let mut environment = BTreeMap::new();
    for node in said {
        for one in renderer.node(node)?.one_or_many() {
            for (name, value) in one.mapping()? {
                environment.insert(name.text.clone(), value.decode()?);
            }
        }
    }
    Ok(environment)
}
