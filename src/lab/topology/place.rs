//! Where in a lab file something stands.

use crate::diagnostic::Span;
use crate::yaml::Node;

/// Where the value at the end of a path of keys stands, or the nearest thing above it.
pub(super) fn value_at(node: &Node, path: &[&str]) -> Span {
    node_at(node, path).span.clone()
}

/// Where the last key of a path stands, or the nearest thing above it.
pub(super) fn key_at(node: &Node, path: &[&str]) -> Span {
    let entries = node.mapping().unwrap_or_default();
    match path.split_first() {
        Some((key, rest)) => match entries.iter().find(|(have, _)| have.text == **key) {
            Some((found, _)) if rest.is_empty() => found.span.clone(),
            Some((_, value)) => key_at(value, rest),
            None => node.span.clone(),
        },
        None => node.span.clone(),
    }
}

/// Where one of several values stands, which a single value or a mapping's `address` may be, too.
pub(super) fn nth(node: &Node, path: &[&str], number: usize) -> Span {
    let value = node_at(node, path);
    let value = value.get("address").unwrap_or(value);
    value.one_or_many().get(number).unwrap_or(value).span.clone()
}

fn node_at<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
    match path.split_first().and_then(|(key, rest)| Some((node.get(key)?, rest))) {
        Some((value, rest)) => node_at(value, rest),
        None => node,
    }
}
