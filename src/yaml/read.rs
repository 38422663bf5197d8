//! Text to [`Node`]s, in one pass over `saphyr-parser`'s events: what they mean and where they
//! stand. What the parser forgives is a mistake here: keys written twice, several documents, too
//! deep a nesting, a few lines that stand for billions.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::scalar;
use super::{Key, Kind, Node};
use crate::diagnostic::{Diagnostic, Source, Span};

/// How deep lists and mappings may nest, those behind an alias too.
const DEPTH: usize = 128;

/// How many nodes anchors and aliases may make copies of, in all.
const COPIES: usize = 1 << 20;

/// How many nodes a text may have, each of which is larger than what stands for it.
const NODES: usize = 2 << 20;

/// How many commas, colons and brackets a text may have in lists and mappings between brackets:
/// the parser keeps all of such a one until it knows that it is no key.
const SIGNS: usize = 800_000;

/// Reads a text that holds one document, or nothing.
pub fn read(source: &Arc<Source>) -> Result<Node, Diagnostic> {
    refuse_large_brackets(source)?;
    let offsets = Offsets::new(&source.text);
    let mut reading = Reading { text: without_blank_end(&source.text), ..Reading::default() };
    for event in Parser::new_from_str(reading.text) {
        let (event, at) = event.map_err(|error| scan_error(source, &offsets, &error))?;
        let (start, end) = (offsets.byte(at.start.index()), offsets.byte(at.end.index()));
        reading.take(event, span(source, start, end))?;
    }
    Ok(reading.root.unwrap_or_else(|| Node { span: span(source, 0, 0), kind: Kind::Null }))
}

fn refuse_large_brackets(source: &Arc<Source>) -> Result<(), Diagnostic> {
    let count = |line: &str, signs: &[u8]| line.bytes().filter(|byte| signs.contains(byte)).count();
    let (mut signs, mut start) = (0, 0);
    for line in source.text.split_inclusive('\n') {
        let here = count(line, b",[]{}");
        signs += if here > 0 { here + count(line, b":") } else { 0 };
        if signs > SIGNS {
            let message = format!("more than {SIGNS} commas, colons and brackets in one file");
            return Err(Diagnostic::new(message).at(&span(source, start, start + 1)).hint(
                "write large lists and mappings with `-` and indentation, or part the file",
            ));
        }
        start += line.len();
    }
    Ok(())
}

/// Drops a last line of nothing but spaces, which the parser takes for a line of a block scalar.
fn without_blank_end(text: &str) -> &str {
    let shorter = text.trim_end_matches(' ');
    if shorter.ends_with('\n') { shorter } else { text }
}

fn span(source: &Arc<Source>, start: usize, end: usize) -> Span {
    Span { source: Arc::clone(source), start, end }
}

/// What was read so far.
#[derive(Default)]
struct Reading<'a> {
    text: &'a str,
    /// From the outermost to the innermost.
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    /// How many nodes there are.
    nodes: usize,
    /// How many nodes are copies.
    copies: usize,
    root: Option<Node>,
}

/// A list or mapping that has begun and not ended.
struct Open {
    span: Span,
    anchor: usize,
    /// Where its last item ends.
    last: usize,
    parts: Parts,
}

enum Parts {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Key, Node)>,
        /// The values of `<<`.
        merged: Vec<Node>,
        /// The key whose value comes next.
        key: Option<Key>,
    },
}

/// What an alias stands for.
struct Anchored {
    node: Node,
    count: usize,
    depth: usize,
}

impl Reading<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Diagnostic::new("a second document in one file")
                    .at(&span)
                    .hint("keep one document a file; plays go into one list"))
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(span, anchor, tag.as_deref(), Parts::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let parts = Parts::Mapping { entries: Vec::new(), merged: Vec::new(), key: None };
                self.begin(span, anchor, tag.as_deref(), parts)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&span),
            Event::Scalar(text, style, anchor, tag) => {
                let text = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => self.block(text, span.end),
                    _ => text,
                };
                let kind = match (tag, style) {
                    (Some(tag), _) => tagged(text, &tag),
                    (None, ScalarStyle::Plain) if self.wants_key() => scalar::plain(text),
                    (None, ScalarStyle::Plain) => scalar::plain_value(text),
                    (None, _) => Ok(Kind::String(text.into_owned())),
                };
                let kind = kind.map_err(|mistake| mistake.at(&span))?;
                let end = span.end;
                self.place(Node { span, kind }, anchor, end)
            }
            Event::Alias(anchor) => {
                let node = self.copy_of(anchor).map_err(|mistake| mistake.at(&span))?;
                self.place(node, 0, span.end)
            }
            _ => Ok(()),
        }
    }

    /// A block scalar that ends at `end`. The parser ends each with a line feed, also where the
    /// text ends without one.
    fn block<'b>(&self, mut text: Cow<'b, str>, end: usize) -> Cow<'b, str> {
        if end == self.text.len() && !self.text.ends_with('\n') && text.ends_with('\n') {
            text.to_mut().pop();
        }
        text
    }

    fn begin(
        &mut self,
        span: Span,
        anchor: usize,
        tag: Option<&Tag>,
        parts: Parts,
    ) -> Result<(), Diagnostic> {
        if self.open.len() >= DEPTH {
            return Err(too_deep().at(&span));
        }
        tag.map_or(Ok(""), core_type).map_err(|mistake| mistake.at(&span))?;
        let last = span.end;
        self.open.push(Open { span, anchor, last, parts });
        Ok(())
    }

    fn end(&mut self, at: &Span) -> Result<(), Diagnostic> {
        let Some(Open { mut span, anchor, last, parts }) = self.open.pop() else { return Ok(()) };
        // A block collection ends where the next thing begins; its last item is nearer.
        let brackets = self.text.get(..at.end).is_some_and(|text| text.ends_with([']', '}']));
        span.end = if brackets { at.end } else { last };
        let kind = match parts {
            Parts::Sequence(items) => Kind::Sequence(items),
            Parts::Mapping { mut entries, merged, .. } => {
                refuse_twice(&entries)?;
                for node in merged {
                    merge(&mut entries, node)?;
                }
                Kind::Mapping(entries)
            }
        };
        let end = span.end;
        self.place(Node { span, kind }, anchor, end)
    }

    /// Whether what comes next is a key.
    fn wants_key(&self) -> bool {
        let innermost = self.open.last().map(|open| &open.parts);
        matches!(innermost, Some(Parts::Mapping { key: None, .. }))
    }

    /// Puts a node that ends at `end` where it belongs.
    fn place(&mut self, node: Node, anchor: usize, end: usize) -> Result<(), Diagnostic> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(Diagnostic::new(format!("more than {NODES} values in one file"))
                .at(&node.span)
                .hint("part it into several files"));
        }
        if anchor != 0 {
            let (count, depth) = extent(&node);
            self.count_copies(count).map_err(|mistake| mistake.at(&node.span))?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), count, depth });
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.last = end;
        match &mut open.parts {
            Parts::Sequence(items) => items.push(node),
            Parts::Mapping { entries, merged, key } => match key.take() {
                None => *key = Some(key_of(node)?),
                Some(key) if key.text == "<<" => merged.push(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }

    fn copy_of(&mut self, anchor: usize) -> Result<Node, Diagnostic> {
        let anchored = self.anchors.get(&anchor);
        let Some(Anchored { node, count, depth }) = anchored else {
            return Err(Diagnostic::new("alias of an anchor that is not complete here"));
        };
        if self.open.len() + depth > DEPTH {
            return Err(too_deep());
        }
        let (node, count) = (node.clone(), *count);
        self.count_copies(count)?;
        Ok(node)
    }

    fn count_copies(&mut self, count: usize) -> Result<(), Diagnostic> {
        self.copies += count;
        if self.copies <= COPIES {
            return Ok(());
        }
        Err(Diagnostic::new("repetition limit exceeded")
            .hint(format!("anchors and aliases may repeat {COPIES} values, keys aside")))
    }
}

/// How many nodes there are in one, itself included, and how deep lists and mappings nest in it.
fn extent(node: &Node) -> (usize, usize) {
    let sum = |nodes: &mut dyn Iterator<Item = &Node>| {
        nodes
            .map(extent)
            .fold((1, 1), |(count, depth), (inner, below)| (count + inner, depth.max(below + 1)))
    };
    match &node.kind {
        Kind::Sequence(items) => sum(&mut items.iter()),
        Kind::Mapping(entries) => sum(&mut entries.iter().map(|(_, value)| value)),
        _ => (1, 0),
    }
}

fn too_deep() -> Diagnostic {
    Diagnostic::new(format!("nested deeper than {DEPTH} levels"))
}

fn tagged(text: Cow<'_, str>, tag: &Tag) -> Result<Kind, Diagnostic> {
    scalar::of_type(text, core_type(tag)?)
}

/// The name of a type that YAML itself has, such as `int` for `!!int`; there are no others.
fn core_type(tag: &Tag) -> Result<&str, Diagnostic> {
    let whole = || tag.suffix.strip_prefix("tag:yaml.org,2002:");
    let name = if tag.is_yaml_core_schema() { Some(&*tag.suffix) } else { whole() };
    name.ok_or_else(|| {
        Diagnostic::new(format!("the tag `{}{}` is not supported", tag.handle, tag.suffix))
            .hint("write the value without a tag")
    })
}

/// A key that stands there already is a mistake; `<<` is none of the entries.
fn refuse_twice(entries: &[(Key, Node)]) -> Result<(), Diagnostic> {
    let mut keys: Vec<&Key> = entries.iter().map(|(key, _)| key).collect();
    keys.sort_by(|one, other| one.text.cmp(&other.text));
    let twice = keys.windows(2).filter_map(|pair| match pair {
        [first, second] if first.text == second.text => Some((first, second)),
        _ => None,
    });
    let Some((first, second)) = twice.min_by_key(|(_, second)| second.span.start) else {
        return Ok(());
    };
    let (line, _) = first.span.position();
    Err(Diagnostic::new(format!("duplicate key `{}`", second.text))
        .at(&second.span)
        .hint(format!("it stands on line {line} already; keep one of the two")))
}

/// What the parser says where a line is indented otherwise than those it belongs to.
const MISPLACED: &[&str] = &[
    "mapping values are not allowed in this context",
    "did not find expected key",
    "did not find expected '-' indicator",
];

fn scan_error(source: &Arc<Source>, offsets: &Offsets, error: &ScanError) -> Diagnostic {
    let at = offsets.byte(error.marker().index());
    if error.info() == "recursion limit exceeded" {
        return too_deep().at(&span(source, at, at + 1));
    }
    let line_start = source.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = source.text[line_start..].lines().next().unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    let tab = match line[..indent].find('\t') {
        Some(tab) => Some(line_start + tab),
        None if error.info().contains("tab") => {
            source.text[at..].find("\n\t").map(|tab| at + tab + 1)
        }
        None => None,
    };
    if let Some(tab) = tab {
        return Diagnostic::new("a tab in the indentation")
            .at(&span(source, tab, tab + 1))
            .hint("YAML is indented with spaces");
    }
    let invalid =
        Diagnostic::new(format!("not valid YAML: {}", error.info())).at(&span(source, at, at + 1));
    match MISPLACED.iter().any(|said| error.info().contains(said)) {
        true => invalid.hint("keys of one mapping, and `-` of one list, begin in the same column"),
        false => invalid,
    }
}

fn key_of(node: Node) -> Result<Key, Diagnostic> {
    let text = match node.kind {
        Kind::String(text) => text,
        Kind::Number(number) => number.to_string(),
        Kind::Bool(value) => value.to_string(),
        Kind::Null if node.span.start == node.span.end => {
            return Err(Diagnostic::new("there is no key before the colon").at(&node.span));
        }
        Kind::Null => "null".into(),
        Kind::Sequence(_) | Kind::Mapping(_) => {
            return Err(Diagnostic::new("a key must be a single word or number")
                .at(&node.span)
                .hint("a value that begins with `{{` must stand in quotes"));
        }
    };
    Ok(Key { span: node.span, text })
}

/// Takes over the entries of `<<` whose keys are not there yet.
fn merge(own: &mut Vec<(Key, Node)>, node: Node) -> Result<(), Diagnostic> {
    match node.kind {
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                if own.iter().all(|(have, _)| have.text != key.text) {
                    own.push((key, value));
                }
            }
            Ok(())
        }
        Kind::Sequence(nodes) => nodes.into_iter().try_for_each(|node| merge(own, node)),
        _ => Err(node.expected("a mapping or a list of mappings to merge")),
    }
}

/// Turns the parser's character counts into byte offsets.
struct Offsets(Option<Vec<u32>>, usize);

impl Offsets {
    fn new(text: &str) -> Self {
        let table = (!text.is_ascii()).then(|| {
            text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
        });
        Self(table, text.len())
    }

    fn byte(&self, character: usize) -> usize {
        match &self.0 {
            Some(table) => table.get(character).map_or(self.1, |at| *at as usize),
            None => character.min(self.1),
        }
    }
}

#[cfg(test)]
mod tests;
