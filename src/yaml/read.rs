//! Text to [`Node`]s: what `serde_yaml` says it means, laid over where `saphyr-parser` says
//! it stands. The second pass also finds what the first forgives or places badly: keys
//! written twice, several documents, too deep a nesting.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};
use serde::Deserialize;
use serde_json::Number;

use super::{Key, Kind, Node};
use crate::diagnostic::{Diagnostic, Source, Span};

/// How deep lists and mappings may nest; `serde_yaml` has the same limit.
const DEPTH: usize = 128;

/// Where a value stands, without what it is.
struct Place {
    start: usize,
    end: usize,
    parts: Parts,
}

enum Parts {
    Scalar { plain: bool },
    Sequence(Vec<Rc<Place>>),
    Mapping(Vec<(Rc<Place>, Rc<Place>)>),
}

/// A list or mapping that has begun and not ended.
struct Open {
    start: usize,
    anchor: usize,
    mapping: bool,
    items: Vec<Rc<Place>>,
    keys: HashMap<String, usize>,
}

/// Reads a text that holds one document, or nothing.
pub fn read(source: &Arc<Source>) -> Result<Node, Diagnostic> {
    let place = places(source)?;
    let value = serde_yaml::Deserializer::from_str(&source.text)
        .next()
        .map_or(Ok(serde_yaml::Value::Null), serde_yaml::Value::deserialize)
        .map_err(|error| {
            let at = error.location().map_or(0, |location| location.index());
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            Diagnostic::new(message).at(&span(source, at, at + 1))
        })?;
    match place {
        Some(place) => lay_over(source, value, &place),
        None => Ok(Node { span: span(source, 0, 0), kind: Kind::Null }),
    }
}

fn span(source: &Arc<Source>, start: usize, end: usize) -> Span {
    Span { source: Arc::clone(source), start, end }
}

fn places(source: &Arc<Source>) -> Result<Option<Rc<Place>>, Diagnostic> {
    let offsets = Offsets::new(&source.text);
    let mut stack: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Rc<Place>> = HashMap::new();
    let mut root = None;
    for event in Parser::new_from_str(&source.text) {
        let (event, at) = event.map_err(|error| scan_error(source, &offsets, &error))?;
        let (start, end) = (offsets.byte(at.start.index()), offsets.byte(at.end.index()));
        let done = match event {
            Event::DocumentStart(_) if root.is_some() => {
                return Err(Diagnostic::new("a second document in one file")
                    .at(&span(source, start, end))
                    .hint("keep one document a file; plays go into one list"));
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if stack.len() >= DEPTH {
                    return Err(too_deep().at(&span(source, start, end)));
                }
                let mapping = matches!(event, Event::MappingStart(..));
                let keys = HashMap::new();
                stack.push(Open { start, anchor, mapping, items: Vec::new(), keys });
                None
            }
            Event::SequenceEnd | Event::MappingEnd => stack.pop().map(|open| {
                let last = open.items.last().map_or(end, |item| item.end);
                let parts = if open.mapping {
                    let mut items = open.items.into_iter();
                    let mut pairs = Vec::new();
                    while let (Some(key), Some(value)) = (items.next(), items.next()) {
                        pairs.push((key, value));
                    }
                    Parts::Mapping(pairs)
                } else {
                    Parts::Sequence(open.items)
                };
                // A block collection ends where the next thing begins; its last item is nearer.
                let end = if source.text[..end].ends_with([']', '}']) { end } else { last };
                (Rc::new(Place { start: open.start, end, parts }), open.anchor)
            }),
            Event::Scalar(text, style, anchor, _) => {
                refuse_twice(source, &mut stack, &text, start, end)?;
                let plain = style == ScalarStyle::Plain;
                Some((Rc::new(Place { start, end, parts: Parts::Scalar { plain } }), anchor))
            }
            Event::Alias(anchor) => {
                let place = anchors.get(&anchor).cloned().ok_or_else(|| {
                    Diagnostic::new("alias of an anchor that is not complete here")
                        .at(&span(source, start, end))
                })?;
                Some((place, 0))
            }
            _ => None,
        };
        if let Some((place, anchor)) = done {
            if anchor != 0 {
                anchors.insert(anchor, Rc::clone(&place));
            }
            match stack.last_mut() {
                Some(open) => open.items.push(place),
                None => root = Some(place),
            }
        }
    }
    Ok(root)
}

fn too_deep() -> Diagnostic {
    Diagnostic::new(format!("nested deeper than {DEPTH} levels"))
}

/// A scalar in key position that stands there already is a mistake, `<<` excepted.
fn refuse_twice(
    source: &Arc<Source>,
    stack: &mut [Open],
    text: &str,
    start: usize,
    end: usize,
) -> Result<(), Diagnostic> {
    let Some(open) = stack.last_mut().filter(|open| open.mapping && open.items.len() % 2 == 0)
    else {
        return Ok(());
    };
    match open.keys.insert(text.to_owned(), start) {
        Some(first) if text != "<<" => {
            let (line, _) = span(source, first, first).position();
            Err(Diagnostic::new(format!("duplicate key `{text}`"))
                .at(&span(source, start, end))
                .hint(format!("it stands on line {line} already; keep one of the two")))
        }
        _ => Ok(()),
    }
}

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
    Diagnostic::new(format!("not valid YAML: {}", error.info())).at(&span(source, at, at + 1))
}

fn lay_over(
    source: &Arc<Source>,
    value: serde_yaml::Value,
    place: &Place,
) -> Result<Node, Diagnostic> {
    use serde_yaml::Value;
    let span = span(source, place.start, place.end);
    let kind = match (value, &place.parts) {
        (Value::Null, _) => Kind::Null,
        (Value::Bool(value), _) => Kind::Bool(value),
        (Value::Number(number), _) => json_number(&number).map(Kind::Number).ok_or_else(|| {
            Diagnostic::new(format!("`{number}` is not a number that can be used")).at(&span)
        })?,
        (Value::String(text), Parts::Scalar { plain: true }) => match text.as_str() {
            "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Kind::Bool(true),
            "no" | "No" | "NO" | "off" | "Off" | "OFF" => Kind::Bool(false),
            _ => Kind::String(text),
        },
        (Value::String(text), _) => Kind::String(text),
        (Value::Sequence(values), Parts::Sequence(places)) if values.len() == places.len() => {
            let items = values.into_iter().zip(places);
            Kind::Sequence(
                items
                    .map(|(value, place)| lay_over(source, value, place))
                    .collect::<Result<_, _>>()?,
            )
        }
        (Value::Mapping(values), Parts::Mapping(places)) if values.len() == places.len() => {
            let mut own = Vec::with_capacity(values.len());
            let mut merged = Vec::new();
            for ((key, value), (key_place, place)) in values.into_iter().zip(places) {
                let key = key_of(source, key, key_place)?;
                let value = lay_over(source, value, place)?;
                if key.text == "<<" { merged.push(value) } else { own.push((key, value)) }
            }
            for node in merged {
                merge(&mut own, node)?;
            }
            Kind::Mapping(own)
        }
        (Value::Tagged(tagged), _) => {
            return Err(Diagnostic::new(format!("the tag `{}` is not supported", tagged.tag))
                .at(&span)
                .hint("write the value without a tag"));
        }
        _ => return Err(Diagnostic::new("this YAML can be read in two ways").at(&span)),
    };
    Ok(Node { span, kind })
}

fn key_of(source: &Arc<Source>, key: serde_yaml::Value, place: &Place) -> Result<Key, Diagnostic> {
    use serde_yaml::Value;
    let span = span(source, place.start, place.end);
    let text = match key {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => "null".into(),
        _ => {
            return Err(Diagnostic::new("a key must be a single word or number")
                .at(&span)
                .hint("a value that begins with `{{` must stand in quotes"));
        }
    };
    Ok(Key { span, text })
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

fn json_number(number: &serde_yaml::Number) -> Option<Number> {
    if let Some(value) = number.as_u64() {
        Some(value.into())
    } else if let Some(value) = number.as_i64() {
        Some(value.into())
    } else {
        number.as_f64().and_then(Number::from_f64)
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
mod tests {
    use super::*;

    fn node(text: &str) -> Result<Node, Diagnostic> {
        read(&Arc::new(Source { name: "t.yml".into(), text: text.into() }))
    }

    fn json(text: &str) -> String {
        node(text).expect("reads").to_json().to_string()
    }

    fn error(text: &str) -> String {
        node(text).expect_err("must fail").to_string()
    }

    #[test]
    fn every_node_knows_its_place() {
        let root = node("a:\n  - é: x\n    port: 80\n").expect("reads");
        let item = &root.get("a").expect("a").sequence().expect("list")[0];
        let port = item.get("port").expect("port");
        assert_eq!(port.span.to_string(), "t.yml:3:11");
        assert_eq!(&root.span.source.text[port.span.start..port.span.end], "80");
        assert_eq!(item.mapping().expect("map")[0].0.span.to_string(), "t.yml:2:5");
    }

    #[test]
    fn reads_what_ansible_reads() {
        assert_eq!(
            json("[yes, 'yes', off, 0644, 1.5, ~, 10.0.0.1]"),
            r#"[true,"yes",false,"0644",1.5,null,"10.0.0.1"]"#
        );
        assert_eq!(json(""), "null");
        assert_eq!(json("# only a comment\n"), "null");
        assert_eq!(json("80: web"), r#"{"80":"web"}"#);
    }

    #[test]
    fn merges_and_repeats() {
        let text = "base: &b {port: 80, weight: 1}\nweb:\n  <<: *b\n  weight: 2\n";
        assert_eq!(json(text), r#"{"base":{"port":80,"weight":1},"web":{"weight":2,"port":80}}"#);
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        assert_eq!(
            error("a: 1\nb: 2\na: 3\n"),
            "t.yml:3:1: duplicate key `a` (it stands on line 1 already; keep one of the two)"
        );
        assert_eq!(
            error("a:\n\t- b\n"),
            "t.yml:2:1: a tab in the indentation (YAML is indented with spaces)"
        );
        assert!(error("a: b: c").starts_with("t.yml:1:5: not valid YAML"), "{}", error("a: b: c"));
        assert!(error("--- a\n--- b\n").contains("second document"));
        assert!(error("a: {{ b }}").contains("must stand in quotes"), "{}", error("a: {{ b }}"));
        assert!(error("a: !vault x").contains("tag"), "{}", error("a: !vault x"));
    }

    #[test]
    fn deep_and_explosive_texts_end_in_an_error() {
        assert!(error(&"[".repeat(20_000)).contains("nested"), "{}", error(&"[".repeat(20_000)));
        let deep = (0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
        assert!(error(&deep).contains("nested deeper than 128"), "{}", error(&deep));
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(error(&text).contains("repetition limit"), "{}", error(&text));
    }
}
