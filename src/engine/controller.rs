//! Modules that run in the controller: `debug`, `assert`, `set_fact`. They change nothing; what
//! `set_fact` finds is in its result.

use serde_json::Value;

use super::outcome::Failure;
use crate::diagnostic::Diagnostic;
use crate::modules::Error;
use crate::playbook::{Task, shown};
use crate::report::{Status, TaskResult};
use crate::template::Renderer;
use crate::yaml::{Kind, Node};

pub(super) fn run(
    task: &Task,
    rendered: &Node,
    arguments: Value,
    renderer: &Renderer<'_>,
) -> Result<TaskResult, Failure> {
    match task.module.name {
        "debug" => debug(rendered, &arguments, renderer),
        "assert" => assert(rendered, &arguments, renderer),
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
