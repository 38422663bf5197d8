//! As much of JSON Schema's draft 7 as the schemas use; a word that is not known here is an error,
//! so that none is passed over in silence.

use regex_lite::Regex;
use serde_json::{Map, Value};

/// What is wrong with a value, each with its place.
pub fn mistakes(schema: &Value, value: &Value) -> Vec<String> {
    let mut mistakes = Vec::new();
    check(schema, value, schema, "", &mut mistakes);
    mistakes
}

fn fits(schema: &Value, value: &Value, root: &Value) -> bool {
    let mut mistakes = Vec::new();
    check(schema, value, root, "", &mut mistakes);
    mistakes.is_empty()
}

fn check(schema: &Value, value: &Value, root: &Value, at: &str, mistakes: &mut Vec<String>) {
    let rules = match schema {
        Value::Bool(true) => return,
        Value::Bool(false) => return mistakes.push(format!("{at}: nothing may stand here")),
        Value::Object(rules) => rules,
        other => panic!("no schema: {other}"),
    };
    for (word, rule) in rules {
        let mut wrong = |what: String| mistakes.push(format!("{at}: {what}, but it is {value}"));
        match (word.as_str(), rule) {
            ("$schema" | "title" | "description" | "default" | "definitions" | "format", _) => {}
            ("type", rule) => {
                let names = list(rule);
                if !names.iter().any(|name| is_of(value, name.as_str().unwrap())) {
                    wrong(format!("expected {rule}"));
                }
            }
            ("const", rule) if value == rule => {}
            ("enum", Value::Array(values)) if values.contains(value) => {}
            ("const" | "enum", rule) => wrong(format!("expected {rule}")),
            ("pattern", Value::String(pattern)) => {
                let text = value.as_str();
                if text.is_some_and(|text| !Regex::new(pattern).unwrap().is_match(text)) {
                    wrong(format!("expected a match of {pattern}"));
                }
            }
            ("minimum", rule) if value.as_f64() < rule.as_f64() && value.is_number() => {
                wrong(format!("expected {rule} or more"));
            }
            ("exclusiveMinimum", rule) if value.as_f64() <= rule.as_f64() && value.is_number() => {
                wrong(format!("expected more than {rule}"));
            }
            ("maximum", rule) if value.as_f64() > rule.as_f64() => {
                wrong(format!("expected {rule} or less"));
            }
            ("minItems", rule) if shorter(value.as_array().map(Vec::len), rule) => {
                wrong(format!("expected {rule} items or more"));
            }
            ("minProperties", rule) if shorter(value.as_object().map(Map::len), rule) => {
                wrong(format!("expected {rule} keys or more"));
            }
            ("minimum" | "exclusiveMinimum" | "maximum" | "minItems" | "minProperties", _) => {}
            ("required", Value::Array(names)) => {
                let missing = |name: &&Value| value.get(name.as_str().unwrap()).is_none();
                if value.is_object() && names.iter().any(|name| missing(&name)) {
                    wrong(format!("expected {rule}"));
                }
            }
            ("anyOf", Value::Array(any)) if any.iter().any(|one| fits(one, value, root)) => {}
            ("oneOf", Value::Array(one))
                if one.iter().filter(|one| fits(one, value, root)).count() == 1 => {}
            ("anyOf" | "oneOf", _) => wrong(format!("fits no alternative of {word}")),
            (word, rule) => inner(word, rule, rules, value, root, at, mistakes),
        }
    }
}

/// Rules of what is inside.
fn inner(
    word: &str,
    rule: &Value,
    rules: &Map<String, Value>,
    value: &Value,
    root: &Value,
    at: &str,
    mistakes: &mut Vec<String>,
) {
    let entries = value.as_object().into_iter().flatten();
    match (word, rule) {
        ("$ref", Value::String(target)) => {
            let target = root.pointer(target.strip_prefix('#').unwrap());
            check(target.unwrap_or_else(|| panic!("{rule}")), value, root, at, mistakes);
        }
        ("allOf", Value::Array(all)) => {
            all.iter().for_each(|one| check(one, value, root, at, mistakes));
        }
        ("if", rule) => {
            let branch = if fits(rule, value, root) { "then" } else { "else" };
            check(&rules[branch], value, root, at, mistakes);
        }
        ("then" | "else", _) => {}
        ("items", rule) => {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                check(rule, item, root, &format!("{at}[{index}]"), mistakes);
            }
        }
        ("properties", rule) => {
            for (key, value) in entries {
                if let Some(rule) = rule.get(key) {
                    check(rule, value, root, &format!("{at}.{key}"), mistakes);
                }
            }
        }
        ("additionalProperties", rule) => {
            let known =
                |key: &str| rules.get("properties").is_some_and(|all| all.get(key).is_some());
            for (key, value) in entries.filter(|(key, _)| !known(key)) {
                check(rule, value, root, &format!("{at}.{key}"), mistakes);
            }
        }
        ("propertyNames", rule) => {
            for (key, _) in entries {
                check(rule, &Value::String(key.clone()), root, at, mistakes);
            }
        }
        (word, _) => panic!("`{word}` is not known here"),
    }
}

fn list(rule: &Value) -> &[Value] {
    rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice)
}

fn shorter(length: Option<usize>, least: &Value) -> bool {
    length.is_some_and(|length| (length as u64) < least.as_u64().unwrap())
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other}"),
    }
}
