//! The schema of a playbook: the keywords that reading goes by, and the table of modules.

use serde_json::{Map, Value, json};

use super::lenient::{lenient, template};
use super::{aliases, document, lowered};
use crate::modules::{Module, TABLE};
use crate::playbook;

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
    /// Values by name, or several such mappings.
    Variables,
    /// Whatever it is, nothing can be said of it here.
    Anything,
    /// One of these words.
    Words(&'static [&'static str]),
    /// What is defined under that name.
    Defined(&'static str),
}

use Shape::{
    Anything, Conditions, Defined, Mapping, Number, Switch, Text, Texts, Variables, Words,
};

/// Keywords, what may stand behind each, and what it is for.
const KEYWORDS: &[(&str, Shape, &str)] = &[
    ("always", Defined("tasks"), "What is done in any case."),
    ("any_errors_fatal", Switch, "Whether the run ends when a host fails."),
    ("args", Mapping, "More arguments for the module."),
    ("become", Switch, "Whether to act as another user."),
    ("become_method", Words(&["sudo", "su", "doas"]), "By which program."),
    ("become_user", Text, "As which user; `root` unless it is said."),
    ("block", Defined("tasks"), "Tasks that stand or fall together."),
    ("changed_when", Conditions, "Whether it counts as changed."),
    ("check_mode", Switch, "Check mode for this task, whatever the run's."),
    ("collections", Texts, "Understood, and without effect."),
    ("delay", Number, "Seconds between two tries."),
    (
        "delegate_facts",
        Switch,
        "`false` and nothing else: facts are those of the host that the task is for.",
    ),
    ("delegate_to", Text, "The host to do it on instead."),
    ("diff", Switch, "Whether texts are shown before and after, whatever the run does."),
    ("environment", Variables, "What programs find in their environment."),
    ("failed_when", Conditions, "Whether it counts as failed."),
    ("force_handlers", Switch, "Whether handlers run on a host that failed, too."),
    ("gather_facts", Switch, "Whether facts are gathered first."),
    ("handlers", Defined("tasks"), "What runs when it is notified of a change."),
    ("hosts", Texts, "Which hosts: names, groups, `a:b`, `a:&b`, `a:!b`, `web*`."),
    ("ignore_errors", Switch, "Whether to go on when it fails."),
    ("listen", Texts, "Names that a handler answers to besides its own."),
    ("loop", Anything, "Do it for each of these; `item` is the one at hand."),
    ("loop_control", Mapping, "What an item is called, and what is shown of it."),
    ("max_fail_percentage", Number, "How many of a hundred hosts may fail before the run ends."),
    ("module_defaults", Variables, "Arguments by the module's name, where tasks do not give them."),
    ("name", Text, "What it is called."),
    ("no_log", Switch, "Whether arguments and results are kept from every output."),
    ("notify", Texts, "Handlers to run when it changed something."),
    ("post_tasks", Defined("tasks"), "What runs last."),
    ("pre_tasks", Defined("tasks"), "What runs before the roles."),
    ("register", Text, "The variable that keeps the result."),
    ("rescue", Defined("tasks"), "What is done when one of the tasks fails."),
    ("retries", Number, "How often to try, with `until`."),
    ("roles", Defined("roles"), "Roles, before the tasks."),
    ("run_once", Switch, "Do it on the first host only; the result holds for all."),
    ("serial", Anything, "How many hosts at a time: a number, a percentage, or a list of them."),
    ("strategy", Words(&["linear", "free", "host_pinned"]), "How hosts keep step."),
    ("tags", Texts, "What `--tags` and `--skip-tags` choose by."),
    ("tasks", Defined("tasks"), "What is to hold, in order."),
    ("throttle", Number, "How many hosts at a time do it."),
    ("timeout", Number, "How many seconds it may take."),
    ("until", Conditions, "Repeat until this holds."),
    ("vars", Mapping, "Variables by name."),
    ("vars_files", Anything, "Files with variables; of a list in it, the first that is there."),
    ("when", Conditions, "Do it only if this holds."),
    ("with_dict", Anything, "Do it for each entry; `item.key` and `item.value` are at hand."),
    ("with_items", Anything, "Do it for each of these, lists in it laid out."),
    ("with_list", Anything, "Do it for each of these."),
    ("with_sequence", Anything, "Do it for numbers: `start=1 end=9`."),
];

/// JSON Schema of a playbook.
#[must_use]
pub fn playbook() -> Value {
    let mut definitions = Map::new();
    let [play, block, task] = playbook::keywords();
    let mut task = described(&task);
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
    definitions.insert(
        "block".into(),
        json!({
            "description": "Tasks that stand or fall together.",
            "type": "object",
            "properties": described(&block),
            "additionalProperties": false,
            "required": ["block"],
        }),
    );
    definitions.insert(
        "tasks".into(),
        json!({
            "type": ["array", "null"],
            "items": {
                "if": { "required": ["block"] },
                "then": { "$ref": "#/definitions/block" },
                "else": { "$ref": "#/definitions/task" },
            },
        }),
    );
    definitions.insert("roles".into(), roles());
    definitions.insert(
        "play".into(),
        json!({
            "description": "Some hosts, and what is to hold on them.",
            "type": "object",
            "properties": described(&play),
            "additionalProperties": false,
            "required": ["hosts"],
        }),
    );
    let plays = json!({
        "description": "Plays, one after the other.",
        "type": "array",
        "minItems": 1,
        "items": {
            "if": { "anyOf": [
                { "required": ["import_playbook"] },
                { "required": ["ansible.builtin.import_playbook"] },
            ] },
            "then": { "type": "object" },
            "else": { "$ref": "#/definitions/play" },
        },
    });
    document("A playbook of lvsmith", plays, definitions)
}

fn described(names: &[&str]) -> Map<String, Value> {
    let keyword = |name: &&str| {
        let row = KEYWORDS.iter().find(|(keyword, ..)| keyword == name);
        let (shape, text) = row.map_or((Anything, ""), |(_, shape, text)| (*shape, *text));
        let mut schema = shape.schema();
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".into(), text.into());
        }
        ((*name).to_owned(), schema)
    };
    names.iter().map(keyword).collect()
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
            Variables => several(&json!({ "anyOf": [{ "type": ["object", "null"] }, template()] })),
            Anything => json!({}),
            Words(words) => json!({ "anyOf": [{ "enum": words }, template()] }),
            Defined(name) => json!({ "allOf": [{ "$ref": format!("#/definitions/{name}") }] }),
        }
    }
}

/// Names of roles, or mappings; what is no keyword there is a variable of the role.
fn roles() -> Value {
    let own = ["tags", "when", "become", "become_user", "become_method", "vars"];
    let mut keys = described(&own);
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
    }
    // It may stand under `args` or `module_defaults`, or have another of its names.
    if let Value::Object(schema) = &mut schema {
        schema.remove("required");
    }
    definitions.extend(own.into_iter().map(|(name, one)| (name, lenient(&one))));
    let mut lenient = lenient(&schema);
    lenient["description"] = about;
    if let Value::Array(forms) = &mut lenient["anyOf"] {
        if module.takes_a_line() {
            forms.push(json!({ "type": ["string", "boolean"] }));
        }
        forms.push(json!({ "type": "null" }));
        // The old way: `copy: src=a dest=/b`.
        forms.push(json!({ "type": "string", "pattern": "^\\s*\\w+=" }));
    }
    lenient
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_a_row_for_every_keyword_and_none_besides() {
        let known: Vec<&str> = playbook::keywords().concat();
        for name in &known {
            assert!(KEYWORDS.iter().any(|(keyword, ..)| keyword == name), "`{name}` has no row");
        }
        for (name, ..) in KEYWORDS {
            assert!(known.contains(name), "`{name}` is no keyword");
        }
        assert!(KEYWORDS.is_sorted_by_key(|(name, ..)| *name));
    }
}
