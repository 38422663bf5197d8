//! As much of XML as a report needs: elements, attributes, text, and nothing in them that XML has
//! no room for.

use std::fmt::Write;

/// A document as it is written.
#[derive(Debug)]
pub(super) struct Xml {
    text: String,
    open: Vec<&'static str>,
}

impl Xml {
    pub(super) fn new() -> Self {
        Self { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".into(), open: Vec::new() }
    }

    /// Begins an element with elements in it.
    pub(super) fn begin(&mut self, name: &'static str, attributes: &[(&str, String)]) {
        self.tag(name, attributes);
        self.text.push_str(">\n");
        self.open.push(name);
    }

    /// Ends the one that was begun last.
    pub(super) fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            let _ = writeln!(self.text, "</{name}>");
        }
    }

    /// An element with a text in it, or with nothing.
    pub(super) fn leaf(&mut self, name: &'static str, attributes: &[(&str, String)], text: &str) {
        self.tag(name, attributes);
        if text.is_empty() {
            self.text.push_str("/>\n");
        } else {
            let _ = writeln!(self.text, ">{}</{name}>", escaped(text, false));
        }
    }

    pub(super) fn finish(mut self) -> String {
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

/// A text that XML takes. Escapes of a terminal are left out; a character that no document may
/// hold, however it is written, becomes U+FFFD.
fn escaped(text: &str, attribute: bool) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
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
            let kept: String = anstream::adapter::strip_str(&text).to_string().chars()
                .map(|c| match c {
                    '\n' | '\r' | '\t' => c,
                    '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
                    _ => c,
                })
                .collect();
            let kept_text = format!("[{kept}]");
            prop_assert_eq!(one.attribute("name"), Some(kept.as_str()));
            prop_assert_eq!(one.text(), Some(kept_text.as_str()));
        }
    }
}
