//! One task on one host: conditions, the loop, the arguments, the module, what to make of
//! its answer. Runs in a worker's thread.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::host::HostState;
use super::identity::{Said, said};
use super::items::Item;
use super::outcome::{Failure, failed, registered, settled};
use super::path::Bindings;
use super::scope::Scope;
use super::workers::Work;
use super::{Done, Flow, Shared, TaskRun, controller, interrupted, items, prepare};
use crate::connection::{AgentClient, Call, Unreachable};
use crate::diagnostic::Diagnostic;
use crate::modules::{Around, Mode, Place};
use crate::playbook::{Contents, Inherited, Play, Task};
use crate::report::{Status, TaskResult, overall};
use crate::template::Renderer;
use crate::yaml::Node;

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

    /// Reads what an include brings, for each of its items.
    fn include(&self, items: Option<&[Value]>) -> Done {
        let mut results = Vec::new();
        let mut brought = Vec::new();
        let mut bring = |item: Option<Item<'_>>| match self.brought(item) {
            Ok(Some((contents, shown))) => {
                let over = self.task().items.as_ref().zip(item);
                let bindings = over.map(|(over, item)| item.bindings(over));
                brought.push((contents, bindings.unwrap_or_default()));
                TaskResult { shown: Some(shown), ..TaskResult::new(Status::Ok) }
            }
            Ok(None) => TaskResult::new(Status::Skipped),
            Err(failure) => self.fell(&failure),
        };
        match items {
            None => results.push(bring(None)),
            Some(items) => {
                for item in Item::of(items) {
                    let result = bring(Some(item));
                    results.push(self.labelled(result, item));
                }
            }
        }
        let done = self.conclude(results, items);
        if brought.is_empty() { done } else { Done { flow: Flow::Into(brought), ..done } }
    }

    /// What an include brings for an item, and how that is told; nothing when it is skipped.
    fn brought(&self, item: Option<Item<'_>>) -> Result<Option<(Arc<Contents>, String)>, Failure> {
        let scope = self.scope(item);
        if !self.holds(&scope)? {
            return Ok(None);
        }
        let task = self.task();
        let rendered = Renderer::new(&scope).node(&task.arguments)?;
        let arguments =
            (task.module.decode)(&rendered).map_err(|error| error.at(&task.module_key.span))?;
        let named = ["name", "file"].iter().find_map(|key| arguments.get(key)?.as_str());
        let shown = format!("included: {}", named.unwrap_or_default());
        let known = task.include.as_ref().and_then(|include| include.contents.clone());
        if let Some(contents) = known {
            return Ok(Some((contents, shown)));
        }
        let key = (std::ptr::from_ref(task).addr(), arguments.to_string());
        let mut kept = self.shared.brought.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(contents) = kept.get(&key) {
            return Ok(Some((Arc::clone(contents), shown)));
        }
        let read = task.bring(&rendered, self.run.trail.play);
        let contents = read.map_err(Failure::Mistakes)?;
        kept.insert(key, Arc::clone(&contents));
        Ok(Some((contents, shown)))
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

    /// What came of one item, or of a task without a loop, that was not repeated.
    pub(super) fn verdict(&self, mut result: TaskResult, item: Option<Item<'_>>) -> TaskResult {
        let scope = self.scope(item);
        self.learn(&result);
        self.judge(&scope, &mut result);
        self.forgive(&scope, &mut result);
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
        let scope = self.scope(None);
        if self.hides(&scope) {
            results.iter_mut().for_each(hide);
        }
        let unseen = self.task().module.name == "meta";
        let mut done = Done { results, unseen, ..Done::default() };
        match overall(&done.results) {
            Status::Changed => match self.notified(&scope) {
                Ok(notified) => done.notified = notified,
                Err(mistake) => done.results.push(self.fell(&mistake.into())),
            },
            Status::Ok => done.flow = self.flow(),
            _ => {}
        }
        if overall(&done.results).ends_host() {
            self.note_failure(&done.results);
            let fatal = self.task().inherited.any_errors_fatal.as_ref();
            done.fatal = said(fatal, &Renderer::new(&scope)).ok().flatten().unwrap_or(false);
        }
        done
    }

    /// Where `meta` leads.
    fn flow(&self) -> Flow {
        let arguments = &self.task().arguments;
        match arguments.get("action").unwrap_or(arguments).as_str() {
            _ if self.task().module.name != "meta" => Flow::On,
            Some("flush_handlers") => Flow::Handlers,
            Some("end_host") => Flow::EndHost,
            Some("end_batch") => Flow::EndBatch,
            Some("end_play") => Flow::EndPlay,
            _ => Flow::On,
        }
    }

    /// What a `rescue` may ask for.
    fn note_failure(&self, results: &[TaskResult]) {
        let failed = results.iter().find(|result| result.status.ends_host());
        let name = self.task().name.as_ref().and_then(Node::as_str).unwrap_or_default();
        let task = json!({"name": name, "action": self.task().module.name});
        let mut learned = self.host.learn();
        learned.registered.insert("ansible_failed_task".into(), task);
        let result = Value::Object(failed.map(registered).unwrap_or_default());
        learned.registered.insert("ansible_failed_result".into(), result);
    }

    fn forgive(&self, scope: &Scope<'_>, result: &mut TaskResult) {
        if result.status != Status::Failed {
            return;
        }
        match said(self.task().inherited.ignore_errors.as_ref(), &Renderer::new(scope)) {
            Ok(Some(true)) => result.status = Status::Ignored,
            Ok(_) => {}
            Err(error) => *result = self.fell(&error.into()),
        }
    }

    /// `set_fact`, `include_vars` and modules that gather facts say what they found, and the host
    /// keeps it.
    fn learn(&self, result: &TaskResult) {
        let Some(Value::Object(facts)) = result.result.get("ansible_facts") else { return };
        facts.keys().for_each(|name| self.host.set_unknown(name, false));
        let mut learned = self.host.learn();
        match self.task().module.name {
            "set_fact" => learned.registered.extend(facts.clone()),
            "include_vars" => learned.included.extend(facts.clone()),
            _ => learned.facts.extend(facts.clone()),
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
        self.task()
            .inherited
            .when
            .iter()
            .try_fold(true, |all, condition| Ok(all && renderer.condition(condition)?))
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
            Some(node) => match all_hold(&renderer, node) {
                Ok(holds) => Some(holds),
                Err(error) => {
                    *result = self.fell(&error.into());
                    None
                }
            },
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

    /// The handlers that are notified; one that nobody wrote is a mistake.
    fn notified(&self, scope: &Scope<'_>) -> Result<Vec<usize>, Diagnostic> {
        let renderer = Renderer::new(scope);
        let mut notified = Vec::new();
        for name in &self.task().inherited.notify {
            for name in renderer.node(name)?.one_or_many() {
                let text = name.decode::<String>()?;
                let handlers = self.run.trail.notified(&text);
                if handlers.is_empty() {
                    let what = format!("no handler is called `{text}`");
                    return Err(Diagnostic::new(what).at(&name.span));
                }
                notified.extend(handlers);
            }
        }
        Ok(notified)
    }

    /// Whether nothing may be shown; where that cannot be told, nothing is.
    fn hides(&self, scope: &Scope<'_>) -> bool {
        let no_log = self.task().inherited.no_log.as_ref();
        said(no_log, &Renderer::new(scope)).unwrap_or(Some(true)).unwrap_or(false)
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
                value.insert(self.task().item_name().to_owned(), item.clone());
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
}

/// Nothing of a `no_log` task is shown but how it ended.
fn hide(result: &mut TaskResult) {
    let hidden = TaskResult { bad_input: result.bad_input, ..TaskResult::new(result.status) };
    *result = match result.status {
        Status::Failed | Status::Ignored | Status::Unreachable => TaskResult {
            message: Some("the output is hidden because of `no_log`".into()),
            ..hidden
        },
        _ => hidden,
    };
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
