//! TOML whose every value knows its place: the same nodes as YAML's, so that mistakes look alike.

use std::sync::Arc;

use serde_json::Number;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use crate::yaml::{Key, Kind, Node};

/// Reads a document; every mistake in its grammar is found.
pub(super) fn read(source: &Arc<Source>) -> Result<Node, Diagnostics> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let whole = Span { source: Arc::clone(source), start: 0, end: source.text.len() };
    let mut mistakes = Diagnostics::default();
    for error in errors {
        let place = error.span().unwrap_or(0..0);
        let span = Span { start: place.start, end: place.end, ..whole.clone() };
        mistakes.push(Diagnostic::new(error.message().to_owned()).at(&span));
    }
    if !mistakes.0.is_empty() {
        return Err(mistakes);
    }
    let kind = mapping(table.get_ref(), &whole)?;
    Ok(Node { span: whole, kind })
}

fn mapping(table: &DeTable<'_>, whole: &Span) -> Result<Kind, Diagnostic> {
    let entries = table.iter().map(|(key, value)| {
        let text = key.get_ref().to_string();
        Ok((Key { span: at(key, whole), text }, node(value, whole)?))
    });
    Ok(Kind::Mapping(entries.collect::<Result<_, Diagnostic>>()?))
}

fn node(value: &Spanned<DeValue<'_>>, whole: &Span) -> Result<Node, Diagnostic> {
    let span = at(value, whole);
    let too_large = |text: &str| Diagnostic::new(format!("`{text}` is too large")).at(&span);
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::String(text.to_string()),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(time) => Kind::String(time.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            Kind::Number(parsed.map_err(|_| too_large(number.as_str()))?.into())
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().parse().ok().and_then(Number::from_f64);
            Kind::Number(parsed.ok_or_else(|| too_large(number.as_str()))?)
        }
        DeValue::Array(items) => Kind::Sequence(
            items.iter().map(|item| node(item, whole)).collect::<Result<_, Diagnostic>>()?,
        ),
        DeValue::Table(table) => mapping(table, whole)?,
    };
    Ok(Node { span, kind })
}

fn at<T>(value: &Spanned<T>, whole: &Span) -> Span {
    let place = value.span();
    Span { start: place.start, end: place.end, ..whole.clone() }
}
