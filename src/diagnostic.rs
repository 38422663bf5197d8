//! Errors shown at their place: file, line and column, the line itself with a caret, a hint.
//!
//! Every room that reads text (playbook, inventory, lab file, template) reports through
//! [`Diagnostic`]; nothing else knows how one is drawn.

use std::fmt;
use std::sync::{Arc, LazyLock};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, Title};
use serde::{Serialize, Serializer};

mod remark;

pub use remark::Remark;

/// A text somebody wrote, and the name they know it by.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the user gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A stretch of a source, in bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    /// Where the stretch lies.
    pub source: Arc<Source>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The place of a value that nobody wrote.
    #[must_use]
    pub fn nowhere() -> Self {
        static NOWHERE: LazyLock<Arc<Source>> =
            LazyLock::new(|| Arc::new(Source { name: String::new(), text: String::new() }));
        Self { source: Arc::clone(&NOWHERE), start: 0, end: 0 }
    }

    /// Line and column of the first byte, both counted from 1, the column in characters.
    #[must_use]
    pub fn position(&self) -> (usize, usize) {
        let before = &self.source.text[..floor_boundary(&self.source.text, self.start)];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (line, column)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `file:line:column`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

/// One mistake: what happened, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong: lower case, no final period, values in backticks.
    pub message: String,
    /// Where it is, when it is anywhere.
    pub span: Option<Span>,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Starts a diagnostic that has no place yet.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: shortened(message.into()), span: None, hint: None }
    }

    /// Says where; a place already known, which is nearer to the cause, is kept.
    #[must_use]
    pub fn at(mut self, span: &Span) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Hints at the candidate that `name` resembles, or else lists them when they are few.
    #[must_use]
    pub fn did_you_mean<'a>(
        self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let candidates: Vec<&str> = candidates.into_iter().collect();
        match nearest(name, candidates.iter().copied()) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None if !candidates.is_empty() && candidates.len() <= 16 => {
                self.hint(format!("known here: {}", candidates.join(", ")))
            }
            None => self,
        }
    }

    /// Draws the diagnostic over several lines, with colour when `color` is true.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        self.draw(Level::ERROR.primary_title(&self.message), color)
    }

    /// Draws it as a warning that has a name, which need not keep anybody from going on.
    #[must_use]
    pub fn render_warning(&self, name: &str, color: bool) -> String {
        self.draw(Level::WARNING.primary_title(&self.message).id(name), color)
    }

    fn draw<'a>(&'a self, title: Title<'a>, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut group = match &self.span {
            Some(span) => {
                // One line of context is enough, and keeps a 50 MB file from being laid out.
                let text = &span.source.text;
                let (window, offset, first_line) = window(text, span.start, span.end);
                // A line's end is no part of the window, and may be what is wrong.
                let start = (floor_boundary(text, span.start) - offset).min(window.len());
                let end = floor_boundary(text, span.end).saturating_sub(offset).min(window.len());
                Group::with_title(title).element(
                    Snippet::source(window)
                        .path(&span.source.name)
                        .line_start(first_line)
                        .annotation(AnnotationKind::Primary.span(start..end.max(start))),
                )
            }
            None => Group::with_title(title),
        };
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint));
        }
        renderer.render(&[group]).to_string()
    }
}

/// `file:line:column: message (hint)`, for logs and one-line places.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = &self.span {
            write!(f, "{span}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// `message`, `hint`, and where it is anywhere `file`, `line` and `column`.
impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            file: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            line: Option<usize>,
            #[serde(skip_serializing_if = "Option::is_none")]
            column: Option<usize>,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
        }
        let (file, position) =
            self.span.as_ref().map(|span| (span.source.name.as_str(), span.position())).unzip();
        let (line, column) = position.unzip();
        Shown { message: &self.message, file, line, column, hint: self.hint.as_deref() }
            .serialize(output)
    }
}

/// Several mistakes found in one go; never empty when it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Keeps the value of a result, or notes its error and gives nothing.
    pub fn keep<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// The value, unless a mistake was noted.
    pub fn finish<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Draws them all, an empty line between two.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        self.0.iter().map(|one| one.render(color)).collect::<Vec<_>>().join("\n\n")
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, one) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{one}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// The candidate that is most like `name`, if one is like it at all.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .filter(|candidate| {
            let edits = strsim::damerau_levenshtein(name, candidate);
            edits <= 1 + name.chars().count() / 5 && edits < candidate.chars().count()
                || strsim::jaro_winkler(name, candidate) > 0.88
        })
        .min_by_key(|candidate| strsim::damerau_levenshtein(name, candidate))
}

/// A message may repeat a value of any length; its beginning and its end will do.
fn shortened(message: String) -> String {
    const LONGEST: usize = 4000;
    if message.len() <= LONGEST {
        return message;
    }
    let end = floor_boundary(&message, message.len() - LONGEST / 2);
    format!("{} … {}", &message[..floor_boundary(&message, LONGEST / 2)], &message[end..])
}

/// So many bytes are looked at from the beginning of a span.
const SEEN: usize = 2000;

/// The lines that hold `start..end`, where they begin, and the number of the first.
fn window(text: &str, start: usize, end: usize) -> (&str, usize, usize) {
    let start = floor_boundary(text, start);
    // A screen is not that wide or high, and laying out 10 MB takes its time.
    let seen = floor_boundary(text, start.saturating_add(SEEN));
    let end = floor_boundary(text, end).clamp(start, seen);
    let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let to = text[end..seen].find('\n').map_or(seen, |at| end + at);
    let to = from + text[from..to].trim_end_matches('\r').len();
    let line = text[..from].bytes().filter(|byte| *byte == b'\n').count() + 1;
    (&text[from..to], from, line)
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str, start: usize, end: usize) -> Span {
        let source = Source { name: "site.yml".into(), text: text.into() };
        Span { source: Arc::new(source), start, end }
    }

    #[test]
    fn shows_file_line_column_caret_and_hint() {
        let text = "- hosts: all\n  tasks:\n    - sysctll:\n";
        let drawn = Diagnostic::new("unknown module `sysctll`")
            .at(&span(text, 28, 35))
            .did_you_mean("sysctll", ["sysctl", "copy"])
            .render(false);
        insta::assert_snapshot!(drawn, @r"
        error: unknown module `sysctll`
         --> site.yml:3:7
          |
        3 |     - sysctll:
          |       ^^^^^^^
          |
          = help: did you mean `sysctl`?
        ");
    }

    #[test]
    fn shortens_a_message_that_repeats_a_long_value() {
        let message = format!("`{}` is no port", "é".repeat(1_000_000));
        let shown = Diagnostic::new(message).message;
        assert!(shown.len() < 4_100 && shown.ends_with("é` is no port"), "{}", shown.len());
    }

    #[test]
    fn survives_a_span_past_the_end_and_inside_a_character() {
        let drawn = Diagnostic::new("odd").at(&span("é", 1, 9)).render(false);
        assert!(drawn.contains("site.yml:1:"), "{drawn}");
    }

    #[test]
    fn survives_a_span_behind_the_end_of_its_line() {
        let drawn = Diagnostic::new("odd").at(&span("a\r\r\r", 4, 4)).render(false);
        assert!(drawn.contains("site.yml:1:"), "{drawn}");
    }

    #[test]
    fn keeps_the_place_that_is_nearer() {
        let inner = span("abc", 1, 2);
        let outer = span("abc", 0, 3);
        assert_eq!(Diagnostic::new("x").at(&inner).at(&outer).span, Some(inner));
    }
}
