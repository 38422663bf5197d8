//! A module's documentation, made of its row in the table: what its rustdoc says, and what its
//! schema knows of its arguments.

use serde::Serialize;
use serde_json::Value;

use crate::modules::Module;

/// What there is to know of a module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Doc {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: String,
    /// What else there is to say; paragraphs with an empty line between them.
    pub text: String,
    /// Other names that it is known by, Ansible's fully qualified one among them.
    pub aliases: &'static [&'static str],
    /// Whether the arguments may be one plain line: `command: nginx -t`.
    pub takes_a_line: bool,
    /// Whether any name is an argument.
    pub takes_any_argument: bool,
    /// Its arguments, in the order of their importance.
    pub arguments: Vec<Argument>,
    /// An example that works.
    pub example: String,
}

/// An argument, or a key of one that is a mapping.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Other names for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What it is: `text`, `number`, `yes or no`, `list of texts`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// What holds when it is not given, where that is one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The words that it can be, where these are all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// What it says.
    pub text: String,
    /// What it holds, when it is a mapping, or a list of mappings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Argument>,
}

/// One of the words that an argument can be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// The word.
    pub value: Value,
    /// What it means.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl Doc {
    /// Of a module of the table.
    #[must_use]
    pub fn of(module: &'static Module) -> Self {
        let schema = (module.schema)().to_value();
        let described = schema["description"].as_str().unwrap_or_default();
        let (prose, example) = parted(described);
        let (summary, text) = prose.split_once("\n\n").unwrap_or((&prose, ""));
        let mut arguments = arguments(&schema, &schema);
        for (alias, argument) in super::aliases(module) {
            let of = arguments.iter_mut().find(|one| one.name == argument);
            of.into_iter().for_each(|one| one.aliases.push(alias.clone()));
        }
        Self {
            name: module.name,
            summary: summary.replace('\n', " "),
            text: text.trim().to_owned(),
            aliases: module.aliases,
            takes_a_line: module.takes_a_line(),
            takes_any_argument: module.takes_any_argument(),
            arguments,
            example,
        }
    }
}

/// What a description says, and the examples in it.
fn parted(described: &str) -> (String, String) {
    let (mut prose, mut example) = (String::new(), String::new());
    for (index, part) in described.split("```").enumerate() {
        match part.strip_prefix("yaml\n").filter(|_| index % 2 == 1) {
            Some(block) if example.is_empty() => block.clone_into(&mut example),
            Some(block) => example.push_str(&format!("\n{block}")),
            None => prose.push_str(part),
        }
    }
    (prose.trim().to_owned(), example)
}

fn arguments(schema: &Value, root: &Value) -> Vec<Argument> {
    let required = schema["required"].as_array();
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
    let properties = schema["properties"].as_object();
    let argument = |(name, own): (&String, &Value)| {
        let target = resolved(own, root);
        let item =
            if target["type"] == "array" { resolved(&target["items"], root) } else { target };
        let text = own["description"].as_str().or(target["description"].as_str());
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Argument {
            name: name.clone(),
            aliases: own["x-aliases"].as_array().into_iter().flatten().map(word).collect(),
            kind: kind(own, root),
            required: is_required(name),
            default: own.get("default").filter(|value| !value.is_null()).cloned(),
            choices: choices(item, root),
            text: text.unwrap_or_default().to_owned(),
            keys: arguments(item, root),
        }
    };
    properties.into_iter().flatten().map(argument).collect()
}

/// What a schema refers to, and without the `null` that stands for nothing.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").unwrap_or_default();
        return resolved(&root["$defs"][name], root);
    }
    match schema["anyOf"].as_array().map(|any| any.iter().filter(|one| one["type"] != "null")) {
        Some(mut others) => match (others.next(), others.next()) {
            (Some(only), None) => resolved(only, root),
            _ => schema,
        },
        None => schema,
    }
}

/// The words that a value can be.
pub(super) fn choices(schema: &Value, root: &Value) -> Vec<Choice> {
    let schema = resolved(schema, root);
    let text = |value: &Value| value["description"].as_str().unwrap_or_default().to_owned();
    let words = schema["enum"].as_array().into_iter().flatten();
    let words = words.map(|value| Choice { value: value.clone(), text: String::new() });
    let alternatives = schema["oneOf"].as_array().into_iter().flatten();
    let alternatives = alternatives.flat_map(|one| match one.get("const") {
        Some(value) => vec![Choice { value: value.clone(), text: text(one) }],
        None => choices(one, root),
    });
    words.chain(alternatives).filter(|choice| !choice.value.is_null()).collect()
}

/// What a value is, in a word or two.
fn kind(schema: &Value, root: &Value) -> String {
    let schema = resolved(schema, root);
    if !choices(schema, root).is_empty() {
        return "choice".into();
    }
    let alternatives = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    if let Some(alternatives) = alternatives {
        let kinds = alternatives.iter().filter(|one| one["type"] != "null");
        return joined(kinds.map(|one| kind(one, root)));
    }
    let named = |name: &str| match name {
        "string" => "text".to_owned(),
        "integer" | "number" => "number".to_owned(),
        "boolean" => "yes or no".to_owned(),
        "array" => match kind(&schema["items"], root).as_str() {
            "anything" => "list".to_owned(),
            inner => format!("list of {}", several(inner)),
        },
        "object" => "mapping".to_owned(),
        _ => "anything".to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => named(name),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            joined(names.map(named))
        }
        _ => "anything".into(),
    }
}

fn several(kind: &str) -> String {
    match kind {
        "text" | "number" | "mapping" | "choice" => format!("{kind}s"),
        other => other.to_owned(),
    }
}

fn joined(kinds: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for kind in kinds {
        if !all.contains(&kind) {
            all.push(kind);
        }
    }
    all.join(" or ")
}
