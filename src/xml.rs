//! As much of XML as reports and pictures need: elements, attributes, text, and nothing in them
//! that XML has no room for. What is written as HTML is XML as well, so that tests can read it.

use std::fmt::Write;

/// A document as it is written.
#[derive(Debug)]
pub(crate) struct Xml {
    text: String,
    open: Vec<&'static str>,
    html: bool,
}

/// Elements of HTML that have no end tag; all others have one there, also when they are empty.
const VOID: [&str; 5] = ["br", "hr", "img", "link", "meta"];

impl Xml {
    /// A document.
    pub(crate) fn new() -> Self {
        Self::starting("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", false)
    }

    /// A part of another document, or one that needs no prologue.
    pub(crate) fn part() -> Self {
        Self::starting("", false)
    }

    /// A page of HTML.
    pub(crate) fn page() -> Self {
        Self::starting("<!DOCTYPE html>\n", true)
    }

    fn starting(prologue: &str, html: bool) -> Self {
        Self { text: prologue.into(), open: Vec::new(), html }
    }

    /// Begins an element with elements in it.
    pub(crate) fn begin(&mut self, name: &'static str, attributes: &[(&str, String)]) {
        self.tag(name, attributes);
        self.text.push_str(">\n");
        self.open.push(name);
    }

    /// Ends the one that was begun last.
    pub(crate) fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            let _ = writeln!(self.text, "</{name}>");
        }
    }

    /// An element with a text in it, or with nothing.
    pub(crate) fn leaf(&mut self, name: &'static str, attributes: &[(&str, String)], text: &str) {
        self.tag(name, attributes);
        if text.is_empty() && (!self.html || VOID.contains(&name)) {
            self.text.push_str("/>\n");
        } else {
            let _ = writeln!(self.text, ">{}</{name}>", escaped(text, false));
        }
    }

    /// Puts in what is markup already.
    pub(crate) fn markup(&mut self, markup: &str) {
        self.text.push_str(markup);
        if !markup.ends_with('\n') {
            self.text.push('\n');
        }
    }

    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.text
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, String)]) {
        self.indent();
        let _ = write!(self.text, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.text, " {key}=\"{}\"", escaped(value, true));
        }
    }

    fn indent(&mut self) {
        self.text.push_str(&"  ".repeat(self.open.len()));
    }
}

/// A text that XML takes. Colours and their like are left out; a character that no document may
/// hold, however it is written, becomes U+FFFD.
pub(crate) fn escaped(text: &str, attribute: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\u{1b}' if control_sequence(rest).is_some() => {
                rest = control_sequence(rest).unwrap_or(rest);
            }
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' if attribute => escaped.push_str("&quot;"),
            // A reader makes spaces or line feeds of them where they stand plainly.
            '\r' => escaped.push_str("&#13;"),
            '\n' if attribute => escaped.push_str("&#10;"),
            '\t' if attribute => escaped.push_str("&#9;"),
            '\n' | '\t' => escaped.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// What follows a control sequence whose escape character went before (ECMA-48, 5.4).
fn control_sequence(text: &str) -> Option<&str> {
    let text = text.strip_prefix('[')?;
    let text = text.trim_start_matches(|c| ('0'..='?').contains(&c));
    let text = text.trim_start_matches(|c| (' '..='/').contains(&c));
    text.strip_prefix(|c| ('@'..='~').contains(&c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a host said, a reader takes the document, and finds what XML can hold of it.
        #[test]
        fn is_read_again(text in "\\PC*|(.|\\n|\\r|[\\x00-\\x08\\x0b-\\x1a\\x1c-\\x1f\u{fffe}\u{ffff}]){0,40}|[<>&\"' \\]]{0,9}") {
            let mut xml = Xml::new();
            xml.begin("all", &[]);
            xml.leaf("one", &[("name", text.clone())], &format!("[{text}]"));
            let document = xml.finish();
            let tree = roxmltree::Document::parse(&document)
                .unwrap_or_else(|error| panic!("{error}: {document}"));
            let one = tree.descendants().find(|node| node.has_tag_name("one")).unwrap();
            let plain = regex_lite::Regex::new("\x1b\\[[0-?]*[ -/]*[@-~]").unwrap();
            let kept = |text: &str| -> String {
                plain.replace_all(text, "").chars()
                    .map(|c| match c {
                        '\n' | '\r' | '\t' => c,
                        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
                        _ => c,
                    })
                    .collect()
            };
            prop_assert_eq!(one.attribute("name").map(str::to_owned), Some(kept(&text)));
            prop_assert_eq!(one.text().map(str::to_owned), Some(kept(&format!("[{text}]"))));
        }
    }
}
