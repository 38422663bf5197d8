//! A schema as reading takes it: a template may stand wherever a value does, and scalars give way
//! to one another, since a template renders to text. What serde takes and `schemars` does not tell is
//! said beside a type: `x-aliases` for a key's other names, `x-line` for a mapping that may be a text.

use serde_json::{Map, Value, json};

/// Words that YAML 1.1 takes for booleans, and editors for texts.
const BOOLEAN: &str = "^([Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF|[Tt]rue|TRUE|[Ff]alse|FALSE|0|1)$";

const NUMBER: &str = "^[-+]?[0-9]+(\\.[0-9]+)?$";

/// A text with a template in it.
pub(super) fn template() -> Value {
    json!({ "type": "string", "pattern": "\\{\\{|\\{%" })
}

/// The schema, and what a user may write instead.
pub(super) fn lenient(schema: &Value) -> Value {
    let Value::Object(object) = schema else { return schema.clone() };
    let mut lenient = Map::new();
    for key in ["title", "description", "default"] {
        if let Some(value) = object.get(key) {
            lenient.insert(key.into(), value.clone());
        }
    }
    if let Some(target) = object.get("allOf") {
        // What it refers to is made lenient where it stands.
        lenient.insert("allOf".into(), target.clone());
        return Value::Object(lenient);
    }
    lenient.insert("anyOf".into(), Value::Array(alternatives(object)));
    Value::Object(lenient)
}

fn alternatives(object: &Map<String, Value>) -> Vec<Value> {
    let nested = ["anyOf", "oneOf"].iter().find_map(|key| object.get(*key)?.as_array());
    let mut all: Vec<Value> = match nested {
        Some(nested) if nested.iter().any(|one| one.get("const").is_none()) => {
            nested.iter().map(lenient).collect()
        }
        // Words with what each means, which editors show.
        Some(words) => vec![json!({ "oneOf": words })],
        None => Vec::new(),
    };
    if let Some(words) = object.get("enum") {
        all.push(json!({ "enum": words }));
    } else if nested.is_none() {
        let names = match object.get("type") {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => return vec![json!(true)],
        };
        all.extend(names.into_iter().flat_map(|name| of_type(name, object)));
    }
    if !all.contains(&template()) {
        all.push(template());
    }
    all
}

fn of_type(name: &str, object: &Map<String, Value>) -> Vec<Value> {
    let keep = |keys: &[&str]| {
        let kept =
            keys.iter().filter_map(|key| Some(((*key).to_owned(), object.get(*key)?.clone())));
        let mut kept: Map<String, Value> = kept.collect();
        kept.insert("type".into(), name.into());
        Value::Object(kept)
    };
    match name {
        "boolean" => vec![keep(&[]), json!({ "type": "string", "pattern": BOOLEAN })],
        "integer" | "number" => {
            let number = keep(&["minimum", "maximum", "exclusiveMinimum", "multipleOf"]);
            vec![number, json!({ "type": "string", "pattern": NUMBER })]
        }
        "string" if object.contains_key("pattern") => vec![keep(&["pattern", "format"])],
        "string" => vec![json!({ "type": ["string", "number", "boolean"] })],
        "array" => {
            let mut list = keep(&["minItems"]);
            if let Some(items) = object.get("items") {
                list["items"] = lenient(items);
            }
            vec![list]
        }
        "object" => {
            let mut mapping = keep(&["required", "additionalProperties", "patternProperties"]);
            if let Some(Value::Object(properties)) = object.get("properties") {
                let each = properties.iter().flat_map(|(name, own)| {
                    let aliases = own["x-aliases"].as_array().into_iter().flatten();
                    let aliases = aliases.filter_map(Value::as_str).map(str::to_owned);
                    let names = std::iter::once(name.clone()).chain(aliases);
                    names.map(|name| (name, lenient(own)))
                });
                mapping["properties"] = Value::Object(each.collect());
            }
            match object.get("x-line") {
                Some(_) => vec![mapping, json!({ "type": "string" })],
                None => vec![mapping],
            }
        }
        _ => vec![keep(&[])],
    }
}
