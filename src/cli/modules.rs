//! `lvsmith modules`: what modules there are, and what each takes; made of their table.

use std::io::Write;

use anstyle::Style;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{Exit, complain};
use crate::diagnostic::Diagnostic;
use crate::modules::{self, TABLE};
use crate::schema::{Argument, Doc};

mod wrap;

use wrap::wrapped;

const BOLD: Style = Style::new().bold();

/// List the modules that tasks can use, or say what one of them takes
#[derive(Debug, Args)]
pub(super) struct Modules {
    /// A module, by its name or Ansible's
    name: Option<String>,
    /// How it is told
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Modules {
    pub(super) fn run(self) -> Exit {
        let Some(name) = &self.name else {
            let docs: Vec<Doc> = TABLE.iter().map(Doc::of).collect();
            say(match self.format {
                Format::Text => list(&docs, width()),
                Format::Json => text_of(&json!(docs)),
            });
            return Exit::Declared;
        };
        let Some(module) = modules::find(name) else {
            let known = TABLE.iter().flat_map(|one| [&[one.name], one.aliases].concat());
            let mistake = Diagnostic::new(format!("there is no module `{name}`"));
            complain(&match crate::diagnostic::nearest(name, known) {
                Some(near) => mistake.hint(format!("did you mean `{near}`?")),
                None => mistake.hint("`lvsmith modules` lists them all"),
            });
            return Exit::BadInput;
        };
        let doc = Doc::of(module);
        say(match self.format {
            Format::Text => page(&doc, width()),
            Format::Json => text_of(&json!(doc)),
        });
        Exit::Declared
    }
}

fn text_of(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Says something on standard output; who closed it does not want to hear it.
fn say(text: String) {
    let _ = anstream::stdout().write_all(text.as_bytes());
}

/// Lines are as wide as the terminal, but no wider than is read with ease.
fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)).clamp(40, 100)
}

fn list(docs: &[Doc], width: usize) -> String {
    let column = docs.iter().map(|doc| doc.name.len()).max().unwrap_or_default() + 2;
    let mut text = String::new();
    for doc in docs {
        let first = doc.summary.split_inclusive(". ").next().unwrap_or_default();
        let summary = wrapped(first, column, width);
        let (name, rest) = (doc.name, summary.trim_start());
        text.push_str(&format!("{BOLD}{name}{BOLD:#}{:1$}{rest}\n", "", column - name.len()));
    }
    text.push_str("\n`lvsmith modules NAME` says what one takes.\n");
    text
}

fn page(doc: &Doc, width: usize) -> String {
    let mut text = format!("{BOLD}{}{BOLD:#}\n{}\n", doc.name, wrapped(&doc.summary, 0, width));
    if !doc.text.is_empty() {
        text.push_str(&format!("\n{}\n", wrapped(&doc.text, 0, width)));
    }
    if !doc.aliases.is_empty() {
        let names = format!("Also written {}.", doc.aliases.join(", "));
        text.push_str(&format!("\n{}\n", wrapped(&names, 0, width)));
    }
    text.push_str(&format!("\n{BOLD}Arguments{BOLD:#}\n"));
    if doc.takes_a_line {
        let line = "One plain line may stand for all of them.";
        text.push_str(&format!("{}\n", wrapped(line, 2, width)));
    }
    if doc.takes_any_argument {
        text.push_str(&format!("{}\n", wrapped("Any name is one.", 2, width)));
    }
    doc.arguments.iter().for_each(|one| argument(one, 2, width, &mut text));
    text.push_str(&format!("\n{BOLD}Example{BOLD:#}\n"));
    for line in doc.example.lines() {
        text.push_str(format!("  {line}").trim_end());
        text.push('\n');
    }
    text
}

fn argument(one: &Argument, indent: usize, width: usize, text: &mut String) {
    let words: Vec<String> = one.choices.iter().map(|choice| shown(&choice.value)).collect();
    let mut about = match words.is_empty() {
        true => vec![one.kind.clone()],
        false => vec![one.kind.replace("choice", &words.join(" | "))],
    };
    about.extend(one.required.then(|| "required".to_owned()));
    about.extend(one.default.as_ref().map(|value| format!("default {}", shown(value))));
    if !one.aliases.is_empty() {
        about.push(format!("also {}", one.aliases.join(", ")));
    }
    let head = wrapped(&format!("{} ({})", one.name, about.join("; ")), indent, width);
    let head = head.replacen(&one.name, &format!("{BOLD}{}{BOLD:#}", one.name), 1);
    text.push_str(&format!("{head}\n{}\n", wrapped(&one.text, indent + 4, width)));
    for choice in one.choices.iter().filter(|choice| !choice.text.is_empty()) {
        let line = format!("{}: {}", shown(&choice.value), choice.text);
        text.push_str(&format!("{}\n", wrapped(&line, indent + 6, width)));
    }
    one.keys.iter().for_each(|key| argument(key, indent + 4, width, text));
}

fn shown(value: &Value) -> String {
    match value {
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) if !text.is_empty() => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn fits_into_every_width_but_for_examples_and_long_words() {
        for doc in TABLE.iter().map(Doc::of) {
            for width in [40, 80, 100] {
                let page = plain(&page(&doc, width));
                let prose = page.split("\nExample\n").next().unwrap_or_default();
                for line in prose.lines().filter(|line| line.trim().contains(' ')) {
                    let long = line.split_whitespace().any(|word| word.len() > 28);
                    assert!(long || line.chars().count() <= width, "{}: {line}", doc.name);
                }
            }
        }
    }

    #[test]
    fn shows_what_a_module_takes() {
        let doc = Doc::of(modules::find("ansible.posix.sysctl").unwrap());
        insta::assert_snapshot!(plain(&page(&doc, 80)));
    }

    #[test]
    fn shows_what_stands_inside_an_argument() {
        let doc = Doc::of(modules::find("ipvs_service").unwrap());
        insta::assert_snapshot!(plain(&page(&doc, 80)));
    }

    #[test]
    fn lists_every_module_once() {
        let docs: Vec<Doc> = TABLE.iter().map(Doc::of).collect();
        let text = plain(&list(&docs, 100));
        for module in TABLE {
            let lines = text.lines().filter(|line| line.split(' ').next() == Some(module.name));
            assert_eq!(lines.count(), 1, "{}", module.name);
        }
        assert!(docs.iter().all(|doc| doc.summary.ends_with('.')), "a summary is a sentence");
    }

    /// A name that no argument answers to would be one that nobody can look up.
    #[test]
    fn knows_for_which_argument_an_alias_stands() {
        for module in TABLE.iter().filter(|module| !module.takes_any_argument()) {
            let doc = Doc::of(module);
            for name in module.names() {
                let known = |one: &Argument| {
                    one.name == *name || one.aliases.iter().any(|other| other == name)
                };
                assert!(doc.arguments.iter().any(known), "{}: `{name}`", module.name);
            }
        }
    }
}
