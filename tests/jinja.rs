//! Jinja as Ansible has it: every expression of `jinja/expressions.yml` against what ansible-core
//! made of it (`jinja/record.py`), the differences that are known and why, and `docs/jinja.md`,
//! which is made of the same tables.

#![expect(clippy::disallowed_methods, reason = "a page of the documentation is written on demand")]

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use lvsmith::diagnostic::{Diagnostic, Source, Span};
use lvsmith::template::Renderer;
use lvsmith::template::jinja::{Kind, table};
use lvsmith::yaml::{self, Node};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Recorded {
    #[serde(rename = "ansible-core")]
    version: String,
    results: Vec<Outcome>,
}

/// What one of the two made of a text.
#[derive(Debug, Deserialize)]
struct Outcome {
    text: String,
    /// Absent where it was refused.
    #[serde(default, deserialize_with = "given")]
    value: Option<Value>,
    #[serde(default)]
    error: Option<String>,
}

/// A value, of which `null` is one.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Where lvsmith does otherwise, in `jinja/differences.yml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    why: String,
    cases: Vec<Outcome>,
}

fn file(name: &str) -> Arc<Source> {
    yaml::source(&Path::new("tests/jinja").join(name)).expect("there")
}

fn recorded() -> Recorded {
    serde_json::from_str(&file("results.json").text).expect("as record.py writes it")
}

fn differences() -> Vec<Difference> {
    yaml::read(&file("differences.yml")).expect("YAML").decode().expect("differences")
}

fn variables() -> Map<String, Value> {
    let document = yaml::read(&file("expressions.yml")).expect("YAML");
    document.get("variables").expect("variables").variables().expect("a mapping")
}

fn rendered(text: &str, variables: &Map<String, Value>) -> Result<Value, Diagnostic> {
    let source = Source { name: "tests/jinja/expressions.yml".into(), text: text.into() };
    let span = Span { start: 0, end: text.len(), source: Arc::new(source) };
    let node = Node { kind: yaml::Kind::String(text.into()), span };
    Renderer::new(variables).node(&node).map(|node| node.to_json())
}

#[test]
fn every_expression_is_what_ansible_makes_of_it() {
    // As in record.py.
    // SAFETY: nothing else in this process reads the environment meanwhile.
    unsafe { std::env::set_var("LVSMITH_RECORDED", "yes") };
    let variables = variables();
    let known: HashMap<String, Outcome> = differences()
        .into_iter()
        .flat_map(|one| one.cases)
        .map(|one| (one.text.clone(), one))
        .collect();
    let recorded = recorded();
    let mut wrong = String::new();
    for ansible in &recorded.results {
        let ours = rendered(&ansible.text, &variables);
        let expected = known.get(&ansible.text).unwrap_or(ansible);
        let same = match (&ours, &expected.value) {
            (Ok(ours), Some(value)) => ours == value,
            (Err(_), None) => true,
            _ => false,
        };
        if !same {
            let expected = expected.value.as_ref().map_or("an error".into(), ToString::to_string);
            let ours = ours.map_or_else(|error| error.to_string(), |value| value.to_string());
            let _ = writeln!(wrong, "{:?}\n  wanted {expected}\n  got    {ours}", ansible.text);
        }
        if let Some(difference) = known.get(&ansible.text) {
            assert!(
                difference.value != ansible.value
                    || difference.error.is_some() != ansible.error.is_some(),
                "no difference any more: {:?}",
                ansible.text
            );
        }
    }
    for text in known.keys() {
        assert!(recorded.results.iter().any(|one| one.text == *text), "not recorded: {text:?}");
    }
    assert!(recorded.results.len() >= 250, "{}", recorded.results.len());
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_results_are_of_these_expressions() {
    let document = yaml::read(&file("expressions.yml")).expect("YAML");
    let groups = document.get("groups").expect("groups").sequence().expect("a list");
    let expressions = groups.iter().flat_map(|group| {
        let list = group.get("expressions").expect("expressions").sequence().expect("a list");
        list.iter().map(|one| one.as_str().expect("a text").to_owned())
    });
    let recorded: Vec<String> = recorded().results.into_iter().map(|one| one.text).collect();
    assert_eq!(expressions.collect::<Vec<_>>(), recorded, "run tests/jinja/record.py again");
}

/// The page, from the table of what there is and the list of what differs.
fn page() -> String {
    let recorded = recorded();
    let mut page = format!(
        "<!-- Made by `LVSMITH_WRITE_DOCS=1 cargo test --test jinja`; do not edit. -->\n\
         # Templates\n\n{INTRODUCTION}\n\
         {} texts are held against what ansible-core {} makes of them (`tests/jinja`).\n",
        recorded.results.len(),
        recorded.version
    );
    page.push_str("\n## What differs\n");
    for difference in differences() {
        let _ = write!(
            page,
            "\n{}\n\n| written | ansible-core | lvsmith |\n|---|---|---|\n",
            difference.why.trim()
        );
        for ours in &difference.cases {
            let theirs =
                recorded.results.iter().find(|one| one.text == ours.text).expect("recorded");
            let _ = writeln!(
                page,
                "| {} | {} | {} |",
                code(&ours.text),
                shown(theirs),
                shown_with_reason(ours)
            );
        }
    }
    let kinds = [
        (Kind::Filter, "Filters"),
        (Kind::Test, "Tests"),
        (Kind::Function, "Functions"),
        (Kind::Method, "Methods"),
    ];
    for (kind, title) in kinds {
        let _ = write!(page, "\n## {title}\n\n| name | arguments | |\n|---|---|---|\n");
        let mut rows: Vec<_> = table().filter(|row| row.kind == kind).collect();
        rows.sort_by_key(|row| row.name);
        for row in rows {
            let names: Vec<String> =
                std::iter::once(&row.name).chain(row.aliases).map(|name| code(name)).collect();
            let signature = row.signature();
            let arguments = if signature.is_empty() { String::new() } else { code(&signature) };
            let _ = writeln!(
                page,
                "| {} | {arguments} | {} |",
                names.join(", "),
                row.doc.replace('|', "\\|")
            );
        }
    }
    page
}

const INTRODUCTION: &str = "\
Templates are written as for Ansible: Jinja's grammar, `trim_blocks` on and `lstrip_blocks` off, and
the filters, tests, functions and methods below. lvsmith makes templates of Tera's of them, its engine;
errors point into what was written. `set`, `if`, `for`, `include`, `raw`, comments and whitespace control
(`-`, `+`) are there; `macro`, `block`, `extends`, `import`, `filter`, `with` and `do` are refused with a
way out. A scalar whose only output is one expression keeps that expression's type. An argument whose
value is `omit` is left out. What is undefined is an error, except where `default` or `is defined` asks.

Tera's own way to give arguments works, too: `default(value=1)`, `join(sep=',')`, `split(pat=' ')`.

A template may run over 4 million items, look 200 things up and include 500 files; a value may have 16
million parts, a `range` 100,000 numbers. Files for `include` and `lookup` are looked for in `templates`
or `files` beside the file that asks, or up to two folders above it, and then right there.
";

fn code(text: &str) -> String {
    let text = text.replace('|', "\\|").replace('\n', "⏎");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

fn shown(outcome: &Outcome) -> String {
    match &outcome.value {
        Some(value) => code(&value.to_string()),
        None => "an error".into(),
    }
}

/// Ours: where it is an error, the way out beside it.
fn shown_with_reason(outcome: &Outcome) -> String {
    match &outcome.error {
        Some(reason) => format!("an error: {}", reason.replace('|', "\\|")),
        None => shown(outcome),
    }
}

#[test]
fn the_page_is_made_of_the_tables() {
    let page = page();
    let path = Path::new("docs/jinja.md");
    if std::env::var_os("LVSMITH_WRITE_DOCS").is_some() {
        std::fs::write(path, &page).expect("written");
    }
    let have = std::fs::read_to_string(path).unwrap_or_default();
    assert!(have == page, "run `LVSMITH_WRITE_DOCS=1 cargo test --test jinja`");
}

#[test]
fn every_row_has_a_documentation_and_a_name_of_its_own() {
    let mut seen = HashMap::new();
    for row in table() {
        assert!(row.doc.ends_with('.'), "{row:?}");
        for name in std::iter::once(&row.name).chain(row.aliases) {
            assert!(seen.insert((row.kind, *name), ()).is_none(), "{row:?}: {name}");
        }
    }
}
