//! The schema of `lab.yml`, from the types that it is decoded to.

use serde_json::{Map, Value, json};

use super::{document, lowered};
use crate::lab::{check, topology};

/// JSON Schema of a lab file.
#[must_use]
pub fn lab() -> Value {
    let mut definitions = Map::new();
    let mut root = lowered(topology::schema(), "", &mut definitions);
    let kinds: Vec<(&str, Value)> = check::schemas()
        .map(|(name, schema)| (name, lowered(schema, &format!("{name}."), &mut definitions)))
        .collect();
    let one_of: Vec<Value> = kinds.iter().map(|(name, _)| json!({ "required": [name] })).collect();
    let mut properties: Map<String, Value> =
        kinds.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    properties.insert(
        "name".into(),
        json!({
            "description": "What the check is called; without it, what it does.",
            "type": "string",
        }),
    );
    properties.insert(
        "tags".into(),
        json!({
            "description": "What `lab test --tags` and `--skip-tags` pick it by.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        }),
    );
    properties.insert(
        "timeout".into(),
        json!({
            "description": "How long it may take, in seconds.",
            "type": "number", "exclusiveMinimum": 0,
        }),
    );
    root["properties"]["checks"] = json!({
        "description": "What must be seen once the playbook has run.",
        "type": ["array", "null"],
        "items": {
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
            "oneOf": one_of,
        },
    });
    document("A lab of lvsmith", root, definitions)
}
