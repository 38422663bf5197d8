//! What came of a task: what the host keeps of it, whether it counts as changed or failed, whom
//! it notifies, and where the host goes from there.

use serde_json::{Map, Value, json};

use super::{Worker, all_hold};
use crate::diagnostic::Diagnostic;
use crate::engine::identity::said;
use crate::engine::items::Item;
use crate::engine::outcome::registered;
use crate::engine::scope::Scope;
use crate::engine::{Done, Flow};
use crate::report::{Status, TaskResult, overall};
use crate::template::Renderer;
use crate::yaml::Node;

impl Worker<'_> {
    /// What came of one item, or of a task without a loop, that was not repeated.
    pub(in crate::engine) fn verdict(
        &self,
        mut result: TaskResult,
        item: Option<Item<'_>>,
    ) -> TaskResult {
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
    pub(in crate::engine) fn conclude(
        &self,
        mut results: Vec<TaskResult>,
        items: Option<&[Value]>,
    ) -> Done {
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

    pub(super) fn forgive(&self, scope: &Scope<'_>, result: &mut TaskResult) {
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
    pub(super) fn learn(&self, result: &TaskResult) {
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

    /// Lets `changed_when` and `failed_when` overrule the module.
    pub(super) fn judge(&self, scope: &Scope<'_>, result: &mut TaskResult) {
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
    pub(super) fn hides(&self, scope: &Scope<'_>) -> bool {
        let no_log = self.task().inherited.no_log.as_ref();
        said(no_log, &Renderer::new(scope)).unwrap_or(Some(true)).unwrap_or(false)
    }

    pub(super) fn register(&self, result: &TaskResult, more: Option<Map<String, Value>>) {
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
