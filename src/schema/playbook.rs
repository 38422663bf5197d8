//! The schema of a playbook: the keywords that reading goes by, and the table of modules.

use serde_json::{Map, Value, json};

use super::lenient::{lenient, template};
use super::{aliases, document, lowered, takes_a_line};
use crate::modules::{Module, TABLE};
use crate::playbook::{PLAY_KEYWORDS, TASK_KEYWORDS};

/// What may stand behind a keyword.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// One text.
    Text,
    /// One text, or a list of them.
    Texts,
    /// A condition, or several that must all hold.
    Conditions,
    /// Yes or no.
    Switch,
    /// A number, or a percentage.
    Number,
    /// Values by name.
    Mapping,
    /// Whatever it is, nothing can be said of it here.
    Anything,
    /// One of these words.
    Words(&'static [&'static str]),
    /// What is defined under that name.
    Defined(&'static str),
}

use Shape::{Anything, Conditions, Defined, Mapping, Number, Switch, Text, Texts, Words};

/// Keywords, what may stand behind each, and what it is for.
const KEYWORDS: &[(&str, Shape, &str)] = &[
    ("any_errors_fatal", Switch, "Whether the run ends when a host fails."),
    ("args", Mapping, "More arguments for the module."),
    ("become", Switch, "Whether to act as another user."),
    ("become_method", Words(&["sudo", "su", "doas"]), "By which program."),
    ("become_user", Text, "As which user; `root` unless it is said."),
    ("changed_when", Conditions, "Whether it counts as changed."),
    ("check_mode", Switch, "Check mode for this task, whatever the run's."),
    ("delay", Number, "Seconds between two tries."),
    ("failed_when", Conditions, "Whether it counts as failed."),
    ("gather_facts", Switch, "Whether facts are gathered first."),
    ("handlers", Defined("tasks"), "What runs when it is notified of a change."),
    ("hosts", Texts, "Which hosts: names, groups, `a:b`, `a:&b`, `a:!b`, `web*`."),
    ("ignore_errors", Switch, "Whether to go on when it fails."),
    ("listen", Texts, "Names that a handler answers to besides its own."),
    ("loop", Anything, "Do it for each of these; `item` is the one at hand."),
    ("loop_control", Mapping, "What an item is called, and what is shown of it."),
    ("max_fail_percentage", Number, "How many of a hundred hosts may fail before the run ends."),
    ("name", Text, "What it is called."),
    ("no_log", Switch, "Whether arguments and results are kept from every output."),
    ("notify", Texts, "Handlers to run when it changed something."),
    ("post_tasks", Defined("tasks"), "What runs last."),
    ("pre_tasks", Defined("tasks"), "What runs before the roles."),
    ("register", Text, "The variable that keeps the result."),
    ("retries", Number, "How often to try, with `until`."),
    ("roles", Defined("roles"), "Roles, before the tasks."),
    ("run_once", Switch, "Do it on the first host only; the result holds for all."),
    ("serial", Anything, "How many hosts at a time: a number, a percentage, or a list of them."),
    ("strategy", Words(&["linear", "free", "host_pinned"]), "How hosts keep step."),
    ("tags", Texts, "What `--tags` and `--skip-tags` choose by."),
    ("tasks", Defined("tasks"), "What is to hold, in order."),
    ("until", Conditions, "Repeat until this holds."),
    ("vars", Mapping, "Variables by name."),
    ("vars_files", Texts, "Files with variables."),
    ("when", Conditions, "Do it only if this holds."),
    ("with_items", Anything, "Do it for each of these; `item` is the one at hand."),
];

/// JSON Schema of a playbook.
#[must_use]
pub fn playbook() -> Value {
    let mut definitions = Map::new();
    let mut task = keywords(TASK_KEYWORDS);
    for module in TABLE {
        let name = format!("module.{}", module.name);
        let arguments = arguments(module, &mut definitions);
        definitions.insert(name.clone(), arguments);
        for alias in std::iter::once(&module.name).chain(module.aliases) {
            task.insert((*alias).to_owned(), json!({ "$ref": format!("#/definitions/{name}") }));
        }
    }
    definitions.insert(
        "task".into(),
        json!({
            "description": "A module and its arguments, with keywords around it.",
            "type": "object",
            "properties": task,
            "additionalProperties": false,
            "minProperties": 1,
        }),
    );
    let each = json!({ "type": ["array", "null"], "items": { "$ref": "#/definitions/task" } });
    definitions.insert("tasks".into(), each);
    definitions.insert("roles".into(), roles());
    definitions.insert(
        "play".into(),
        json!({
            "description": "Some hosts, and what is to hold on them.",
            "type": "object",
            "properties": keywords(PLAY_KEYWORDS),
            "additionalProperties": false,
            "required": ["hosts"],
        }),
    );
    let plays = json!({
        "description": "Plays, one after the other.",
        "type": "array",
        "minItems": 1,
        "items": { "$ref": "#/definitions/play" },
    });
    document("A playbook of lvsmith", plays, definitions)
}

fn keywords(names: &[&str]) -> Map<String, Value> {
    let described = |name: &&str| {
        let row = KEYWORDS.iter().find(|(keyword, ..)| keyword == name);
        let (shape, text) = row.map_or((Anything, ""), |(_, shape, text)| (*shape, *text));
        let mut schema = shape.schema();
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".into(), text.into());
        }
        ((*name).to_owned(), schema)
    };
    names.iter().map(described).collect()
}

impl Shape {
    fn schema(self) -> Value {
        let text = json!({ "type": ["string", "number", "boolean"] });
        let several = |one: &Value| json!({ "anyOf": [one, { "type": "array", "items": one }] });
        match self {
            Text => text,
            Texts | Conditions => several(&text),
            Switch => lenient(&json!({ "type": "boolean" })),
            Number => json!({ "anyOf": [
                { "type": "number" },
                { "type": "string", "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*%?\\s*$" },
                template(),
            ] }),
            Mapping => json!({ "anyOf": [{ "type": ["object", "null"] }, template()] }),
            Anything => json!({}),
            Words(words) => json!({ "anyOf": [{ "enum": words }, template()] }),
            Defined(name) => json!({ "allOf": [{ "$ref": format!("#/definitions/{name}") }] }),
        }
    }
}

/// Names of roles, or mappings; what is no keyword there is a variable of the role.
fn roles() -> Value {
    let own = ["tags", "when", "become", "become_user", "become_method", "vars"];
    let mut keys = keywords(&own);
    keys.insert("role".into(), json!({ "type": "string", "description": "Which role." }));
    keys.insert("name".into(), json!({ "type": "string", "description": "Which role." }));
    let role = json!({ "anyOf": [
        { "type": "string" },
        { "type": "object", "properties": keys, "anyOf": [{ "required": ["role"] }, { "required": ["name"] }] },
    ] });
    json!({ "anyOf": [{ "type": ["array", "null"], "items": role }, { "type": "string" }] })
}

/// What stands behind a module's name.
fn arguments(module: &Module, definitions: &mut Map<String, Value>) -> Value {
    let mut own = Map::new();
    let mut schema = lowered((module.schema)(), &format!("{}.", module.name), &mut own);
    let about = schema["description"].clone();
    for (alias, argument) in aliases(module) {
        let same = schema["properties"][&argument].clone();
        schema["properties"][alias] = same;
        if let Value::Array(required) = &mut schema["required"] {
            // Under one of its names; which, no schema can say in a way that is understood.
            required.retain(|name| name != argument.as_str());
        }
    }
    definitions.extend(own.into_iter().map(|(name, one)| (name, lenient(&one))));
    let mut lenient = lenient(&schema);
    lenient["description"] = about;
    if let Value::Array(forms) = &mut lenient["anyOf"] {
        if takes_a_line(module) {
            forms.push(json!({ "type": ["string", "boolean"] }));
        }
        if !schema["required"].as_array().is_some_and(|required| !required.is_empty()) {
            forms.push(json!({ "type": "null" }));
        }
    }
    lenient
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_a_row_for_every_keyword_and_none_besides() {
        let known: Vec<&str> = [PLAY_KEYWORDS, TASK_KEYWORDS].concat();
        for name in &known {
            assert!(KEYWORDS.iter().any(|(keyword, ..)| keyword == name), "`{name}` has no row");
        }
        for (name, ..) in KEYWORDS {
            assert!(known.contains(name), "`{name}` is no keyword");
        }
        assert!(KEYWORDS.is_sorted_by_key(|(name, ..)| *name));
    }
}
