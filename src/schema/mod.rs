//! What can be written, told from the tables that reading goes by: documentation of modules for
//! people, JSON Schema for editors. Nothing is said here that a table does not say.

use schemars::Schema;
use serde_json::{Map, Value, json};

use crate::modules::Module;
use crate::yaml::Node;

mod doc;
mod inventory;
mod lab;
mod lenient;
mod playbook;

pub use doc::{Argument, Choice, Doc};
pub use inventory::inventory;
pub use lab::lab;
pub use playbook::playbook;

/// The dialect: what `yaml-language-server`, and with it most editors, read best.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// A document of its own, of a root and what it refers to.
fn document(title: &str, root: Value, definitions: Map<String, Value>) -> Value {
    let mut document = json!({ "$schema": DIALECT, "title": title });
    if let (Value::Object(document), Value::Object(root)) = (&mut document, root) {
        document.extend(root);
        document.insert("definitions".into(), Value::Object(definitions));
    }
    document
}

/// A schema of draft 7 of one by `schemars`; what it refers to goes to `definitions`, each under
/// a name that begins with `prefix`.
fn lowered(schema: Schema, prefix: &str, definitions: &mut Map<String, Value>) -> Value {
    let mut value = schema.to_value();
    let mut own = Map::new();
    if let Value::Object(object) = &mut value {
        object.remove("$schema");
        object.remove("title");
        if let Some(Value::Object(found)) = object.remove("$defs") {
            own = found;
        }
    }
    refer(&mut value, prefix);
    for (name, mut one) in own {
        refer(&mut one, prefix);
        definitions.insert(format!("{prefix}{name}"), one);
    }
    value
}

/// Has every `$ref` lead to where it is in draft 7, which wants it alone.
fn refer(value: &mut Value, prefix: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, prefix)),
        Value::Object(object) => {
            object.values_mut().for_each(|value| refer(value, prefix));
            let target = object.get("$ref").and_then(Value::as_str);
            let target = target.and_then(|target| target.strip_prefix("#/$defs/"));
            if let Some(target) = target {
                let target = format!("#/definitions/{prefix}{target}");
                object.remove("$ref");
                let reference = json!([{ "$ref": target }]);
                object.insert("allOf".into(), reference);
            }
        }
        _ => {}
    }
}

/// Other names of a module's arguments: the name, and which argument it stands for.
fn aliases(module: &Module) -> Vec<(String, String)> {
    let arguments = module.arguments();
    let schema = (module.schema)().to_value();
    let others = module.names().iter().filter(|name| !arguments.iter().any(|one| one == *name));
    let found = others.filter_map(|alias| {
        let stands_for = |argument: &&String| {
            let samples = samples(&schema["properties"][argument.as_str()], &schema);
            samples.iter().any(|sample| is_written_twice(module, alias, argument, sample))
        };
        let argument = arguments.iter().find(stands_for)?.clone();
        Some(((*alias).to_owned(), argument))
    });
    found.collect()
}

/// Whether two names are two for one argument: only then is the second one too much.
fn is_written_twice(module: &Module, one: &str, other: &str, sample: &Value) -> bool {
    let mut both = Map::new();
    both.insert(one.to_owned(), sample.clone());
    both.insert(other.to_owned(), sample.clone());
    let node = Node::from_json(&Value::Object(both), &crate::diagnostic::Span::nowhere());
    (module.decode)(&node).is_err_and(|error| error.message.starts_with("duplicate key"))
}

/// Values of which one is likely to be taken.
fn samples(schema: &Value, root: &Value) -> Vec<Value> {
    let mut samples: Vec<Value> = doc::choices(schema, root)
        .into_iter()
        .map(|choice| choice.value)
        .chain(schema.get("default").cloned())
        .collect();
    samples.extend([
        json!("1"),
        json!("10.0.0.1"),
        json!("0644"),
        json!("a"),
        json!(["a"]),
        json!(["10.0.0.1"]),
        json!({}),
    ]);
    samples
}
