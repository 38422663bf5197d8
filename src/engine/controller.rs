//! Modules that run in the controller: `debug`, `assert`, `fail`, `pause`, `set_fact`. They change
//! nothing; what `set_fact` finds is in its result.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::interrupted;
use super::outcome::Failure;
use super::task::Worker;
use crate::diagnostic::Diagnostic;
use crate::inventory::{self, Vars};
use crate::modules::fail::Fail;
use crate::modules::pause::Pause;
use crate::modules::process::Timestamp;
use crate::modules::{self, Error};
use crate::playbook::shown;
use crate::report::{Status, TaskResult};
use crate::template::Renderer;
use crate::yaml::{Kind, Node};

pub(super) fn run(
    worker: &Worker<'_>,
    rendered: &Node,
    arguments: Value,
    renderer: &Renderer<'_>,
    check: bool,
) -> Result<TaskResult, Failure> {
    match worker.task().module.name {
        "debug" => debug(rendered, &arguments, renderer),
        "assert" => assert(rendered, &arguments, renderer),
        "fail" => Err(Error::new(modules::arguments::<Fail>(arguments)?.msg).into()),
        "pause" if check => Ok(TaskResult {
            message: Some("not waited for in check mode".into()),
            ..TaskResult::new(Status::Skipped)
        }),
        "pause" => Ok(pause(&modules::arguments(arguments)?)?),
        "set_fact" => {
            let Value::Object(facts) = arguments else {
                return Err(rendered.expected("a mapping of facts").into());
            };
            let mut result = TaskResult::new(Status::Ok);
            let facts: serde_json::Map<_, _> =
                facts.into_iter().filter(|(name, _)| name != "cacheable").collect();
            result.result.insert("ansible_facts".into(), Value::Object(facts));
            Ok(result)
        }
        "include_vars" => include_vars(worker, &arguments),
        "meta" => {
            match arguments.get("action").and_then(Value::as_str) {
                Some("clear_facts") => worker.host.learn().facts.clear(),
                Some("reset_connection") => worker.host.disconnect(),
                // The rest is for the host's path.
                _ => {}
            }
            Ok(TaskResult::new(Status::Ok))
        }
        other => Err(Error::new(format!("the controller does not know `{other}`")).into()),
    }
}

fn debug(
    rendered: &Node,
    arguments: &Value,
    renderer: &Renderer<'_>,
) -> Result<TaskResult, Failure> {
    let mut result = TaskResult::new(Status::Ok);
    let (name, value) = match rendered.get("var") {
        Some(variable) => (shown(&variable.to_json()), evaluate(variable, renderer)?),
        None => ("msg".to_owned(), arguments.get("msg").cloned().unwrap_or("Hello world!".into())),
    };
    result.shown = Some(match (&value, name.as_str()) {
        (Value::String(text), "msg") => text.clone(),
        _ => {
            let text = serde_yaml::to_string(&value).unwrap_or_else(|_| value.to_string());
            let nested = matches!(value, Value::Object(_) | Value::Array(_));
            format!("{name}:{}{}", if nested { "\n" } else { " " }, text.trim_end())
        }
    });
    result.result.insert(name, value);
    Ok(result)
}

/// The value of a bare expression.
fn evaluate(node: &Node, renderer: &Renderer<'_>) -> Result<Value, Diagnostic> {
    match &node.kind {
        Kind::String(text) => {
            let expression =
                Node { kind: Kind::String(format!("{{{{ {text} }}}}")), ..node.clone() };
            Ok(renderer.node(&expression)?.to_json())
        }
        _ => Ok(node.to_json()),
    }
}

fn assert(
    rendered: &Node,
    arguments: &Value,
    renderer: &Renderer<'_>,
) -> Result<TaskResult, Failure> {
    let conditions = rendered.get("that").map(Node::one_or_many).unwrap_or_default();
    let message = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::to_owned);
    for condition in conditions {
        if !renderer.condition(condition)? {
            let what = format!("the assertion {} does not hold", condition.described());
            let said = message("fail_msg").or_else(|| message("msg"));
            return Err(Error::new(said.unwrap_or(what)).into());
        }
    }
    let mut result = TaskResult::new(Status::Ok);
    let quiet = arguments.get("quiet").and_then(Value::as_bool).unwrap_or(false);
    if !quiet {
        result.shown = message("success_msg");
    }
    Ok(result)
}

/// What a file of variables says, or all those of a folder.
fn include_vars(worker: &Worker<'_>, arguments: &Value) -> Result<TaskResult, Failure> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let task = worker.task();
    let wanted = text("file").or(text("dir")).unwrap_or_default();
    let role = task.inherited.role.as_ref().and_then(|role| role.folder.clone());
    let folders = role.into_iter().chain([worker.run.trail.play.folder.clone()]);
    let mut candidates =
        folders.flat_map(|folder| [folder.join("vars").join(wanted), folder.join(wanted)]);
    let found = candidates.find(|path| path.exists()).ok_or_else(|| {
        Diagnostic::new(format!("there is no file `{wanted}`"))
            .at(&task.arguments.span)
            .hint("looked in the role's `vars`, then in `vars` beside the playbook")
    })?;
    let mut vars = Vars::new();
    for file in files(&found, text("dir").is_some()) {
        vars.extend(inventory::read_vars(&file)?);
    }
    if let Some(name) = text("name") {
        vars = Vars::from_iter([(name.to_owned(), Value::Object(vars))]);
    }
    let mut result = TaskResult::new(Status::Ok);
    result.result.insert("ansible_facts".into(), Value::Object(vars));
    Ok(result)
}

/// A file, or those of a folder and of folders in it, by their names.
fn files(path: &Path, is_folder: bool) -> Vec<PathBuf> {
    if !is_folder {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    entries.sort();
    let fits = |path: &Path| {
        path.extension().is_some_and(|end| ["yml", "yaml", "json"].iter().any(|one| end == *one))
    };
    entries
        .iter()
        .flat_map(|path| match path.is_dir() {
            true => files(path, true),
            false if fits(path) => vec![path.clone()],
            false => Vec::new(),
        })
        .collect()
}

/// How long an interrupt may go unnoticed.
const STEP: Duration = Duration::from_millis(100);

fn pause(pause: &Pause) -> Result<TaskResult, Error> {
    let (start, clock) = (Timestamp::now(), Instant::now());
    loop {
        if interrupted() {
            return Err(Error::new("the pause was interrupted"));
        }
        let left = pause.duration().saturating_sub(clock.elapsed());
        if left.is_zero() {
            break;
        }
        sleep(left.min(STEP));
    }
    let result = json!({
        "start": start.to_string(),
        "stop": Timestamp::now().to_string(),
        "delta": clock.elapsed().as_secs(),
        "rc": 0,
        "stdout": pause.told(clock.elapsed().as_secs_f64()),
        "stderr": "",
        "echo": pause.echo,
        "user_input": "",
    });
    let result = result.as_object().cloned().unwrap_or_default();
    Ok(TaskResult { shown: pause.prompt.clone(), result, ..TaskResult::new(Status::Ok) })
}
