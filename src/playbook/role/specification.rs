//! What a role says of its variables in `meta/argument_specs.yml`, with Ansible's meaning: types
//! convert where Ansible converts them, and a mapping with `options` has no other keys.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, nearest};
use crate::playbook::shown;
use crate::yaml::Node;

/// The variables of a role, by name.
#[derive(Debug, Clone, Default)]
pub struct Specification(pub(crate) IndexMap<String, Argument>);

/// What is said of one variable, or of one key of a mapping.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Argument {
    #[serde(default, rename = "type")]
    kind: Kind,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    choices: Option<Vec<Value>>,
    #[serde(default)]
    elements: Option<Kind>,
    #[serde(default)]
    options: Option<IndexMap<String, Argument>>,
    #[serde(default)]
    aliases: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Str,
    Int,
    Float,
    Bool,
    List,
    Dict,
    #[serde(alias = "any", alias = "json", alias = "jsonarg", alias = "bytes", alias = "bits")]
    Raw,
    Path,
}

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Item(usize),
    Key(String),
}

/// What is wrong with a value, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) path: Vec<Part>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Whether it is about the last key itself, not about its value.
    pub(crate) unknown: bool,
}

impl Specification {
    /// The specification of a role's `main`, in its own file or in `meta/main.yml`.
    pub(super) fn decode(node: &Node) -> Result<Option<Self>, Diagnostic> {
        let main = node.get("argument_specs").and_then(|all| all.get("main"));
        let options = main.and_then(|main| main.get("options"));
        options.map(|options| options.decode().map(Self)).transpose()
    }
}

impl Argument {
    /// What is wrong with a value.
    pub(crate) fn check(&self, value: &Value) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        self.look(value, &mut Vec::new(), &mut complaints);
        complaints
    }

    fn look(&self, value: &Value, path: &mut Vec<Part>, complaints: &mut Vec<Complaint>) {
        let complain = |path: &[Part], message: String, hint| Complaint {
            path: path.to_vec(),
            message,
            hint,
            unknown: false,
        };
        if !self.kind.takes(value) {
            let message = format!("must be {}, and is `{}`", self.kind.words(), shown(value));
            complaints.push(complain(path, message, None));
            return;
        }
        if let Some(choices) = &self.choices {
            let chosen = |value: &Value| choices.iter().any(|one| shown(one) == shown(value));
            let well = match value {
                Value::Array(items) if self.kind == Kind::List => items.iter().all(chosen),
                value => chosen(value),
            };
            if !well {
                let names: Vec<String> = choices.iter().map(shown).collect();
                let message = format!("cannot be `{}`", shown(value));
                let hint = format!("known here: {}", names.join(", "));
                complaints.push(complain(path, message, Some(hint)));
            }
        }
        match value {
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    path.push(Part::Item(at));
                    match self.elements.filter(|kind| !kind.takes(item)) {
                        Some(kind) => {
                            let message =
                                format!("must be {}, and is `{}`", kind.words(), shown(item));
                            complaints.push(complain(path, message, None));
                        }
                        None => self.look_into(item, path, complaints),
                    }
                    path.pop();
                }
            }
            value => self.look_into(value, path, complaints),
        }
    }

    /// Looks at a mapping's keys, where it is said which there are.
    fn look_into(&self, value: &Value, path: &mut Vec<Part>, complaints: &mut Vec<Complaint>) {
        let (Some(options), Value::Object(entries)) = (&self.options, value) else { return };
        let find = |name: &str| {
            options.iter().find(|(known, argument)| {
                *known == name || argument.aliases.iter().any(|alias| alias == name)
            })
        };
        for (name, value) in entries {
            path.push(Part::Key(name.clone()));
            match find(name) {
                Some((_, argument)) => argument.look(value, path, complaints),
                None => {
                    let names = options.keys().map(String::as_str);
                    let hint = match nearest(name, names.clone()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("known here: {}", names.collect::<Vec<_>>().join(", ")),
                    };
                    let message = "is not known".to_owned();
                    complaints.push(Complaint {
                        path: path.clone(),
                        message,
                        hint: Some(hint),
                        unknown: true,
                    });
                }
            }
            path.pop();
        }
        for (name, argument) in options.iter().filter(|(_, argument)| argument.required) {
            let given = |name: &String| entries.contains_key(name);
            if !given(name) && !argument.aliases.iter().any(given) {
                let message = format!("lacks `{name}`");
                complaints.push(Complaint {
                    path: path.clone(),
                    message,
                    hint: None,
                    unknown: false,
                });
            }
        }
    }
}

impl Kind {
    /// Whether a value is of this type, or is made so.
    fn takes(self, value: &Value) -> bool {
        let scalar = !matches!(value, Value::Array(_) | Value::Object(_));
        match (self, value) {
            // What is nothing counts as not given.
            (_, Value::Null) | (Self::Raw, _) => true,
            (Self::Str | Self::Path, _) => scalar,
            (Self::Int, Value::Number(number)) => {
                number.is_i64()
                    || number.is_u64()
                    || number.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            (Self::Int, Value::String(text)) => text.trim().parse::<i64>().is_ok(),
            (Self::Float, Value::Number(_)) => true,
            (Self::Float, Value::String(text)) => text.trim().parse::<f64>().is_ok(),
            (Self::Bool, Value::Bool(_)) => true,
            (Self::Bool, Value::Number(number)) => matches!(number.as_i64(), Some(0 | 1)),
            (Self::Bool, Value::String(text)) => matches!(
                text.to_lowercase().as_str(),
                "yes" | "no" | "on" | "off" | "true" | "false" | "1" | "0" | "y" | "n" | "t" | "f"
            ),
            (Self::List, Value::Array(_)) => true,
            (Self::List, _) => scalar,
            (Self::Dict, Value::Object(_)) => true,
            (Self::Dict, Value::String(text)) => text.contains('=') || text.starts_with('{'),
            _ => false,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Str => "a text",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Bool => "true or false",
            Self::List => "a list",
            Self::Dict => "a mapping",
            Self::Raw => "anything",
            Self::Path => "a path",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diagnostic::Span;

    fn complaints(argument: &Value, value: &Value) -> Vec<String> {
        let node = Node::from_json(argument, &Span::nowhere());
        let argument: Argument = node.decode().expect("an argument");
        argument
            .check(value)
            .into_iter()
            .map(|one| format!("{:?} {}", one.path, one.message))
            .collect()
    }

    /// What ansible-core 2.19 says of the same, in other words.
    #[test]
    fn takes_what_ansible_takes() {
        let cases = [
            (json!({"type": "int"}), json!("80"), true),
            (json!({"type": "int"}), json!("80x"), false),
            (json!({"type": "int"}), json!(1.5), false),
            (json!({"type": "bool"}), json!("yes"), true),
            (json!({"type": "bool"}), json!("perhaps"), false),
            (json!({"type": "str"}), json!(80), true),
            (json!({}), json!([1]), false),
            (json!({"type": "list"}), json!("a,b"), true),
            (json!({"type": "list", "elements": "int"}), json!([1, "2"]), true),
            (json!({"type": "list", "elements": "int"}), json!([1, "x"]), false),
            (json!({"type": "dict"}), json!({"any": 1}), true),
            (json!({"type": "dict"}), json!([1]), false),
            (json!({"type": "str", "choices": ["tcp", "udp"]}), json!("udp"), true),
            (json!({"type": "str", "choices": ["tcp", "udp"]}), json!("sctp"), false),
            (json!({"type": "raw"}), json!([{"a": 1}]), true),
        ];
        for (argument, value, well) in cases {
            let said = complaints(&argument, &value);
            assert_eq!(said.is_empty(), well, "{argument} {value}: {said:?}");
        }
    }

    #[test]
    fn a_mapping_with_options_has_no_other_keys() {
        let argument = json!({"type": "list", "elements": "dict", "options": {
            "vip": {"required": true}, "protocol": {"choices": ["tcp"]},
        }});
        let said = complaints(&argument, &json!([{"vip": "a"}, {"protocl": "tcp"}]));
        assert_eq!(said, ["[Item(1), Key(\"protocl\")] is not known", "[Item(1)] lacks `vip`"]);
    }
}
