//! Arguments on one line: `sysctl: name=net.ipv4.ip_forward value=1`, and the options that may
//! stand in a command line, `command: creates=/etc/done prepare.sh`.

use crate::diagnostic::{Diagnostic, Span};
use crate::modules::Module;
use crate::template;
use crate::yaml::{Key, Kind, Node};

/// Options that may stand anywhere in the line of a module that takes a plain line.
const OPTIONS: &[&str] = &["chdir", "creates", "executable", "removes", "stdin"];

/// The arguments as a mapping, where they stand on a line and are more than that line.
pub(super) fn arguments(module: &Module, node: &Node) -> Result<Node, Diagnostic> {
    let Kind::String(line) = &node.kind else { return Ok(node.clone()) };
    let words = words(line);
    let entry = |name: &str, value: &str| (key(name, &node.span), text(&unquoted(value), node));
    // One template may give all the arguments at once.
    let whole = words.len() == 1 && words[0].pair().is_none() && template::has_template(line);
    if !module.takes_a_line() && whole {
        return Ok(node.clone());
    }
    if !module.takes_a_line() {
        let pairs = words.iter().map(|word| {
            word.pair().ok_or_else(|| {
                Diagnostic::new(format!("expected `name=value`, found `{}`", word.text))
                    .at(&word.span(line, node))
                    .hint(format!("`{}` takes arguments, not a line of text", module.name))
            })
        });
        let entries: Vec<_> = pairs
            .map(|pair| pair.map(|(name, value)| entry(name, value)))
            .collect::<Result<_, _>>()?;
        return Ok(Node { kind: Kind::Mapping(entries), span: node.span.clone() });
    }
    let mut entries: Vec<_> = words
        .iter()
        .filter_map(|word| word.option(module))
        .map(|(name, value)| entry(name, value))
        .collect();
    if entries.is_empty() {
        return Ok(node.clone());
    }
    let mut rest = String::new();
    let mut from = 0;
    for word in words.iter().filter(|word| word.option(module).is_some()) {
        rest += &line[from..word.start];
        from = word.start + word.text.len();
    }
    rest += &line[from..];
    entries.push((key("cmd", &node.span), text(rest.trim(), node)));
    Ok(Node { kind: Kind::Mapping(entries), span: node.span.clone() })
}

fn key(name: &str, span: &Span) -> Key {
    Key { span: span.clone(), text: name.into() }
}

fn text(value: &str, node: &Node) -> Node {
    Node { kind: Kind::String(value.into()), span: node.span.clone() }
}

/// A stretch of the line without blanks, but for those in quotes and in templates.
struct Word<'a> {
    start: usize,
    text: &'a str,
}

impl<'a> Word<'a> {
    fn pair(&self) -> Option<(&'a str, &'a str)> {
        let (name, value) = self.text.split_once('=')?;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (!name.is_empty() && name.chars().all(fits)).then_some((name, value))
    }

    fn option(&self, module: &Module) -> Option<(&'a str, &'a str)> {
        self.pair().filter(|(name, _)| OPTIONS.contains(name) && module.takes(name))
    }

    /// Its place, where the line stands in the file as it is.
    fn span(&self, line: &str, node: &Node) -> Span {
        let Span { source, start, end } = &node.span;
        match source.text.get(*start..*end).is_some_and(|written| written == line) {
            true => {
                let start = start + self.start;
                Span { source: source.clone(), start, end: start + self.text.len() }
            }
            false => node.span.clone(),
        }
    }
}

fn words(line: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut begun, mut quote, mut depth): (Option<usize>, Option<char>, usize) = (None, None, 0);
    let mut rest = line.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let next = rest.peek().map(|(_, next)| *next);
        match (c, next) {
            ('{', Some('{' | '%')) => depth += 1,
            ('}' | '%', Some('}')) => depth = depth.saturating_sub(1),
            ('\\', Some(_)) if quote.is_some() => {
                rest.next();
            }
            ('"' | '\'', _) if quote == Some(c) => quote = None,
            ('"' | '\'', _) if quote.is_none() && depth == 0 => quote = Some(c),
            _ => {}
        }
        let between = c.is_whitespace() && quote.is_none() && depth == 0;
        match (between, begun) {
            (true, Some(start)) => {
                words.push(Word { start, text: &line[start..at] });
                begun = None;
            }
            (false, None) => begun = Some(at),
            _ => {}
        }
    }
    words.extend(begun.map(|start| Word { start, text: &line[start..] }));
    words
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.replace(&format!("\\{quote}"), &quote.to_string());
        }
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::modules;

    fn read(module: &str, line: &str) -> Result<Value, Diagnostic> {
        let node = Node::from_json(&line.into(), &Span::nowhere());
        Ok(arguments(modules::find(module).unwrap(), &node)?.to_json())
    }

    #[rstest]
    #[case("sysctl", "name=a.b value=1", &json!({"name": "a.b", "value": "1"}))]
    #[case("copy", "dest=/x content='a b=c'", &json!({"dest": "/x", "content": "a b=c"}))]
    #[case("copy", "src={{ a | default('x y') }}/z dest=/x",
        &json!({"src": "{{ a | default('x y') }}/z", "dest": "/x"}))]
    #[case("modprobe", "{{ item }}", &json!("{{ item }}"))]
    #[case("command", "nginx -t", &json!("nginx -t"))]
    #[case("command", "a=1 env", &json!("a=1 env"))]
    #[case("command", "make chdir=/src creates=\"/a b\" all",
        &json!({"chdir": "/src", "creates": "/a b", "cmd": "make   all"}))]
    fn reads(#[case] module: &str, #[case] line: &str, #[case] expected: &Value) {
        assert_eq!(read(module, line).unwrap(), *expected);
    }

    #[test]
    fn what_is_no_pair_is_a_mistake() {
        let error = read("sysctl", "name=a oops").unwrap_err();
        assert!(error.message.contains("`name=value`, found `oops`"), "{error}");
    }
}
