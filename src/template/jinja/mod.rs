//! Tera, spoken to in Jinja's accent: what Ansible's users write is parsed by Jinja's own grammar
//! and becomes a template of Tera's, which is compiled once and rendered as often as one likes.
//!
//! `lexer` and `parser` read, `emit` writes Tera's text with a map back to the original, `table`
//! says what may be called, `python` what values do. Every error points into the original.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use tera::{Context, ErrorKind, Tera, Value};

use crate::diagnostic::{Source, nearest};

mod ast;
mod budget;
mod emit;
mod format;
mod lexer;
mod outcome;
mod parser;
mod python;
mod rows;
mod statements;
mod table;
#[cfg(test)]
mod tests;

pub(super) use emit::tera_name;
pub use rows::Question;
pub(super) use rows::answer;
pub use table::{Kind, Row, rows as table};

/// A value as Python prints it.
pub(crate) fn printed(value: &serde_json::Value) -> String {
    python::text(&Value::from_serializable(value))
}

/// A mistake in a text, before it is known where the text stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Which part of the text it is.
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// The included file that it is in, if it is in one.
    pub(super) file: Option<Arc<Source>>,
    /// Whether it is that something is not there.
    pub(super) undefined: bool,
}

impl Mistake {
    fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self { range, message: message.into(), hint: None, file: None, undefined: false }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn did_you_mean<'a>(self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(name, candidates) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    fn within(mut self, file: &Arc<Source>) -> Self {
        self.file.get_or_insert_with(|| Arc::clone(file));
        self
    }
}

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    /// A scalar of YAML: backslashes in its texts are letters, and its type may be kept.
    Scalar,
    /// A template file: texts have Python's escapes.
    File,
    /// A bare expression, as `when:` has it.
    Expression,
}

/// The text of a file that another one includes.
struct Included;

impl Included {
    /// Without the newline at its end, which Jinja drops.
    fn text(source: &Source) -> &str {
        without_last_newline(&source.text)
    }
}

fn without_last_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

static BASE: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::<&str>::new());
    table::register(&mut tera);
    rows::register(&mut tera);
    tera
});

/// The only template of each [`Tera`].
const NAME: &str = "template";

/// A template that is ready to be rendered.
#[derive(Debug)]
pub(super) struct Compiled {
    tera: Tera,
    origins: Vec<emit::Origin>,
    /// Variables that it asks for.
    pub(super) names: BTreeSet<String>,
    /// Those of them that it may have set itself.
    pub(super) set: BTreeSet<String>,
    /// Whether it has to be rendered by way of [`answer`].
    pub(super) looks_up: bool,
    /// Whether it is made of this text alone.
    pub(super) whole: bool,
    mode: Mode,
    /// How many newlines the text ends with.
    newlines: usize,
}

/// What came of a rendering.
#[derive(Debug)]
pub(super) enum Rendered {
    /// The only value that was written, with its type.
    Value(Value),
    /// The text.
    Text(String),
}

/// A file that a template includes, if there is one, or why it cannot be read.
pub(super) type Found = Option<Result<Arc<Source>, String>>;

/// Reads a text and makes a template of it; `find` gives the files that it includes.
pub(super) fn compile(
    text: &str,
    mode: Mode,
    find: &mut dyn FnMut(&str) -> Found,
) -> Result<Compiled, Mistake> {
    let escapes = mode == Mode::File;
    let emitter = emit::Emitter::new(find);
    let emitted = match mode {
        Mode::Expression => emitter.expression(&statements::expression(text, escapes)?)?,
        _ => emitter.template(&statements::template(without_last_newline(text), escapes)?)?,
    };
    let mut tera = BASE.clone();
    let compiled = |tera| Compiled {
        tera,
        origins: emitted.origins,
        names: emitted.names,
        set: emitted.set,
        looks_up: emitted.looks_up,
        whole: !emitted.includes,
        mode,
        newlines: text.len() - text.trim_end_matches('\n').len(),
    };
    match tera.add_raw_template(NAME, &emitted.text) {
        Ok(()) => Ok(compiled(tera)),
        // All that is left for Tera to refuse are its own limits.
        Err(error) => Err(compiled(BASE.clone())
            .mistake(&error)
            .hint("name parts of it with `{% set … %}` or `vars:`")),
    }
}

impl Compiled {
    pub(super) fn render(&self, context: &Context) -> Result<Rendered, Mistake> {
        let typed = self.mode != Mode::File;
        let left = budget::begin();
        let around = outcome::begin(typed);
        let result = self.tera.render(NAME, context);
        let outcome = outcome::end(around);
        budget::end(left);
        let mut text = result.map_err(|error| self.mistake(&error))?;
        let alone = outcome.and_then(|outcome| outcome.alone(&text));
        if let Some(value) = alone.filter(|value| !value.is_string()) {
            return Ok(Rendered::Value(value));
        }
        // Ansible gives back the newlines at the end that Jinja took.
        if self.mode != Mode::Expression {
            let have = text.len() - text.trim_end_matches('\n').len();
            text.push_str(&"\n".repeat(self.newlines.saturating_sub(have)));
        }
        Ok(Rendered::Text(text))
    }

    /// An error of Tera's, at the place it comes from.
    fn mistake(&self, error: &tera::Error) -> Mistake {
        let (report, syntax) = match error.kind() {
            ErrorKind::RenderingError(report) => (report, false),
            ErrorKind::SyntaxError(report) => (report, true),
            other => return Mistake::new(0..0, plain(&other.to_string())),
        };
        let range = &report.span().range;
        let origin = self
            .origins
            .iter()
            .filter(|one| one.emitted.start <= range.start && range.start < one.emitted.end.max(1))
            .min_by_key(|one| (one.emitted.end < range.end, one.emitted.len()));
        let message = report.message();
        let undefined = message == rows::UNDEFINED;
        let message = match syntax {
            true => "the expression is too long or nested too deeply".to_owned(),
            false => plain(message),
        };
        let place = origin.map_or(0..0, |origin| origin.written.clone());
        let file = origin.and_then(|origin| origin.file.clone());
        Mistake { range: place, message, hint: None, file, undefined }
    }
}

/// Tera's words in this program's own style.
fn plain(message: &str) -> String {
    let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or(message).trim();
    let line = line.trim_end_matches('.');
    let mut letters = line.chars();
    match letters.next() {
        Some(first) if !line[first.len_utf8()..].starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        Some(_) => line.to_owned(),
        None => "the template failed".into(),
    }
}
