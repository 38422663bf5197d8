//! `matrix:` of a lab file: the trial runs once for each combination of these values.
//!
//! `kernel` says which kernel a micro-VM runs. Every other key is a variable of the playbook.
//! Templates in the lab file itself know all of them.

use std::fmt;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Vars;
use crate::template::Renderer;
use crate::yaml::{Kind, Node};

/// The key that is no variable.
const KERNEL: &str = "kernel";

/// The keys of a lab file in which templates are rendered.
const RENDERED: [&str; 5] = ["networks", "hosts", "requires", "checks", "playbook"];

/// The most combinations.
const LIMIT: usize = 256;

/// One value for each key of a matrix; of a lab without a matrix, nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Combination(Vars);

impl Combination {
    /// The kernel that is asked for, by how its release begins.
    #[must_use]
    pub fn kernel(&self) -> Option<&str> {
        self.0.get(KERNEL)?.as_str()
    }

    /// What the playbook knows of it.
    #[must_use]
    pub fn variables(&self) -> Vars {
        let mut variables = self.0.clone();
        variables.remove(KERNEL);
        variables
    }

    /// All of it, for programs.
    #[must_use]
    pub fn all(&self) -> &Vars {
        &self.0
    }

    /// The words of a command line that pick it.
    pub fn words(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(key, value)| format!("{key}={}", text(value)))
    }
}

/// `scheduler=rr forward=nat`.
impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(" "))
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The combinations in a lab file, the last key's values changing first; one that is empty where
/// there is no matrix. `only` holds what is wanted of some keys, `scheduler=rr`.
pub(super) fn combinations(file: &Node, only: &[String]) -> Result<Vec<Combination>, Diagnostics> {
    let mut mistakes = Diagnostics::default();
    let mut all = vec![Combination::default()];
    let matrix = file.get("matrix");
    let entries = matrix.map_or(Ok(&[][..]), Node::mapping)?;
    let wanted = only.iter().filter_map(|word| mistakes.keep(wanted(word, file, entries)));
    let wanted: Vec<(&str, &str)> = wanted.collect();
    for (key, node) in entries {
        if !is_variable(&key.text) {
            mistakes.push(
                Diagnostic::new(format!("`{}` cannot be the name of a variable", key.text))
                    .at(&key.span)
                    .hint("letters, digits and `_`, such as `scheduler`"),
            );
        }
        let Some(mut values) = mistakes.keep(values(&key.text, node)) else { continue };
        let of_key: Vec<&str> =
            wanted.iter().filter(|(name, _)| *name == key.text).map(|(_, value)| *value).collect();
        values.retain(|value| of_key.is_empty() || of_key.contains(&text(value).as_str()));
        if all.len() * values.len() > LIMIT {
            let message = format!("the matrix has more than {LIMIT} combinations");
            mistakes.push(Diagnostic::new(message).at(&node.span));
            break;
        }
        let with = |old: &Combination, value: &Value| {
            let mut new = old.clone();
            new.0.insert(key.text.clone(), value.clone());
            new
        };
        all = all.iter().flat_map(|old| values.iter().map(|value| with(old, value))).collect();
    }
    mistakes.finish(all)
}

/// What `--only` says, held against the matrix.
fn wanted<'a>(
    word: &'a str,
    file: &Node,
    entries: &[(crate::yaml::Key, Node)],
) -> Result<(&'a str, &'a str), Diagnostic> {
    let Some((key, value)) = word.split_once('=') else {
        return Err(Diagnostic::new(format!("`{word}` says not what is to be what"))
            .hint("write it like `--only scheduler=rr`"));
    };
    let Some((_, node)) = entries.iter().find(|(have, _)| have.text == key) else {
        let keys = entries.iter().map(|(key, _)| key.text.as_str());
        return Err(Diagnostic::new(format!("the matrix of the lab has no `{key}`"))
            .at(&file.get("matrix").unwrap_or(file).span)
            .did_you_mean(key, keys));
    };
    let known: Vec<String> = values(key, node)?.iter().map(text).collect();
    match known.iter().any(|known| known == value) {
        true => Ok((key, value)),
        false => Err(Diagnostic::new(format!("`{key}` is never `{value}` in this lab"))
            .at(&node.span)
            .did_you_mean(value, known.iter().map(String::as_str))),
    }
}

fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn values(key: &str, node: &Node) -> Result<Vec<Value>, Diagnostic> {
    let mut values = Vec::new();
    for item in node.sequence()? {
        let value = match &item.kind {
            // A release is no number: 6.10 is not 6.1.
            Kind::Number(_) if key == KERNEL => {
                let span = &item.span;
                let written = span.source.text.get(span.start..span.end).unwrap_or_default();
                Value::String(written.trim().to_owned())
            }
            Kind::String(_) | Kind::Number(_) | Kind::Bool(_) => item.to_json(),
            _ => return Err(item.expected("a text or a number")),
        };
        if values.contains(&value) {
            return Err(
                Diagnostic::new(format!("{} is there twice", item.described())).at(&item.span)
            );
        }
        values.push(value);
    }
    match values.is_empty() {
        true => Err(Diagnostic::new(format!("`{key}` has no values"))
            .at(&node.span)
            .hint("leave it out, or give it a list of them")),
        false => Ok(values),
    }
}

/// The lab file with that combination in its templates.
pub(super) fn rendered(file: Node, combination: &Combination) -> Result<Node, Diagnostics> {
    let mut mistakes = Diagnostics::default();
    let renderer = Renderer::new(combination.all());
    let Node { span, kind: Kind::Mapping(entries) } = file else { return Ok(file) };
    let entries = entries.into_iter().map(|(key, node)| {
        if !RENDERED.contains(&key.text.as_str()) {
            return (key, node);
        }
        let new = renderer.node(&node).map_err(|error| match error.message.as_str() {
            message if message.starts_with("undefined variable") => {
                error.hint("templates of a lab file know what its `matrix` says, and nothing else")
            }
            _ => error,
        });
        let new = mistakes.keep(new);
        (key, new.unwrap_or(node))
    });
    let entries = entries.collect();
    mistakes.finish(Node { span, kind: Kind::Mapping(entries) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::Source;

    fn file(text: &str) -> Node {
        crate::yaml::read(&Arc::new(Source { name: "lab.yml".into(), text: text.into() })).unwrap()
    }

    fn shown(text: &str, only: &[&str]) -> Result<Vec<String>, String> {
        let only: Vec<String> = only.iter().map(ToString::to_string).collect();
        let all = combinations(&file(text), &only).map_err(|error| error.to_string())?;
        Ok(all.iter().map(ToString::to_string).collect())
    }

    const TWO: &str = "matrix: {kernel: [6.1, 6.10], scheduler: [rr, wrr]}\n";

    #[test]
    fn every_value_meets_every_other() {
        let all = ["kernel=6.1 scheduler=rr", "kernel=6.1 scheduler=wrr"];
        assert_eq!(shown(TWO, &["kernel=6.1"]).unwrap(), all);
        assert_eq!(
            shown(TWO, &["scheduler=rr", "kernel=6.10"]).unwrap(),
            ["kernel=6.10 scheduler=rr"]
        );
        assert_eq!(shown(TWO, &[]).unwrap().len(), 4);
        assert_eq!(shown("hosts: {a: }", &[]).unwrap(), [""]);
    }

    #[test]
    fn says_what_is_no_matrix() {
        let cases = [
            (
                "matrix: {kernel: []}",
                "lab.yml:1:18: `kernel` has no values (leave it out, or give it a list of them)",
            ),
            (
                "matrix: {a-b: [1]}",
                "lab.yml:1:10: `a-b` cannot be the name of a variable (letters, digits and `_`, such as `scheduler`)",
            ),
            ("matrix: {a: [1, 1]}", "lab.yml:1:17: `1` is there twice"),
            ("matrix: {a: [[1]]}", "lab.yml:1:14: expected a text or a number, found a list"),
            ("matrix: {a: 1}", "lab.yml:1:13: expected a list, found `1`"),
            ("matrix: [1]", "lab.yml:1:9: expected a mapping, found a list"),
        ];
        for (text, message) in cases {
            assert_eq!(shown(text, &[]).unwrap_err(), message, "{text}");
        }
        let many = "[1, 2, 3, 4, 5, 6, 7]";
        let text = format!("matrix: {{a: {many}, b: {many}, c: {many}}}");
        assert!(shown(&text, &[]).unwrap_err().contains("more than 256 combinations"));
        let refused = |only: &str| shown(TWO, &[only]).unwrap_err();
        assert!(refused("sheduler=rr").contains("did you mean `scheduler`?"));
        assert!(refused("scheduler=rrr").contains("`scheduler` is never `rrr` in this lab"));
        assert!(refused("rr").contains("--only scheduler=rr"));
    }

    #[test]
    fn templates_know_the_combination() {
        let text = "matrix: {scheduler: [rr], n: [3]}\nname: '{{ x }}'\n\
                    checks: [{http: {requests: '{{ n }}', s: 'is {{ scheduler }}'}}]\n";
        let node = file(text);
        let all = combinations(&node, &[]).unwrap();
        let node = rendered(node, &all[0]).unwrap().to_json();
        assert_eq!(node["checks"][0]["http"]["requests"], 3);
        assert_eq!(node["checks"][0]["http"]["s"], "is rr");
        assert_eq!(node["name"], "{{ x }}");
        let node = file("matrix: {kernel: [6.10]}\nchecks: ['{{ kernel }}']\n");
        let all = combinations(&node, &[]).unwrap();
        let checks = rendered(node, &all[0]).unwrap().to_json();
        assert_eq!(checks["checks"][0], "6.10");
        assert!(all[0].variables().is_empty(), "the playbook has facts for that");
        let node = file("matrix: {a: [1]}\nchecks: ['{{ b }}']\n");
        let all = combinations(&node, &[]).unwrap();
        let error = rendered(node, &all[0]).unwrap_err().to_string();
        assert!(
            error.starts_with("lab.yml:2:14: undefined variable `b` (templates of a lab"),
            "{error}"
        );
    }
}
