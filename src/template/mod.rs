//! The only room that knows Tera: text with `{{ … }}` to values, `when:` to yes or no.
//!
//! Variables are rendered when something asks for them, as in Ansible, so the order in which
//! they are declared does not matter. A scalar that is nothing but `{{ expression }}` keeps
//! the expression's type. Mistakes point into the text the user wrote.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use serde_json::Value;
use tera::{Context, ErrorKind, Tera};

use crate::diagnostic::{Diagnostic, Source, Span};
use crate::yaml::{Key, Kind, Node};
use limit::Limited;

mod filters;
mod limit;
mod scan;

static TERA: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::<&str>::new());
    filters::register(&mut tera);
    tera
});

/// How deep a variable may be declared by way of others.
const DEPTH: usize = 64;

/// Where the renderer finds variables.
pub trait Variables {
    /// The variable as it was declared, and whether its text may hold templates: what came
    /// from a host (facts, registered output) is never rendered.
    fn variable(&self, name: &str) -> Option<Variable>;

    /// Every name, for "did you mean".
    fn names(&self) -> Vec<String>;
}

/// A variable before rendering.
#[derive(Debug, Clone)]
pub enum Variable {
    /// Written by the user; texts in it are templates.
    Template(Value),
    /// Data; texts in it are texts.
    Literal(Value),
}

impl std::fmt::Debug for Renderer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Renderer({} variables rendered)", self.resolved.borrow().len())
    }
}

/// No variables at all, or those of a plain map.
impl Variables for serde_json::Map<String, Value> {
    fn variable(&self, name: &str) -> Option<Variable> {
        self.get(name).cloned().map(Variable::Template)
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// Renders with one set of variables, each of them at most once.
pub struct Renderer<'a> {
    variables: &'a dyn Variables,
    resolved: RefCell<HashMap<String, tera::Value>>,
    resolving: RefCell<Vec<String>>,
    asked: RefCell<HashSet<String>>,
    missed: Cell<bool>,
}

impl<'a> Renderer<'a> {
    /// Starts with nothing rendered yet.
    #[must_use]
    pub fn new(variables: &'a dyn Variables) -> Self {
        Self {
            variables,
            resolved: RefCell::new(HashMap::new()),
            resolving: RefCell::new(Vec::new()),
            asked: RefCell::new(HashSet::new()),
            missed: Cell::new(false),
        }
    }

    /// Whether everything that was asked for so far is there, and none of it is among `late`.
    #[must_use]
    pub fn asked_only_for(&self, late: &HashSet<&str>) -> bool {
        !self.missed.get() && !self.asked.borrow().iter().any(|name| late.contains(name.as_str()))
    }

    /// Renders every text below a node; places stay.
    pub fn node(&self, node: &Node) -> Result<Node, Diagnostic> {
        let kind = match &node.kind {
            Kind::String(text) if has_template(text) => {
                let value = self.text(text, &node.span)?;
                return Ok(Node::from_json(&value, &node.span));
            }
            Kind::Sequence(items) => {
                Kind::Sequence(items.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            Kind::Mapping(entries) => Kind::Mapping(
                entries
                    .iter()
                    .map(|(key, value)| Ok((self.key(key)?, self.node(value)?)))
                    .collect::<Result<_, Diagnostic>>()?,
            ),
            _ => return Ok(node.clone()),
        };
        Ok(Node { span: node.span.clone(), kind })
    }

    /// Renders a node to a text.
    pub fn string(&self, node: &Node) -> Result<String, Diagnostic> {
        self.node(node)?.decode()
    }

    /// Whether a bare expression, as `when:` has it, holds.
    pub fn condition(&self, node: &Node) -> Result<bool, Diagnostic> {
        let text = match &node.kind {
            Kind::Bool(value) => return Ok(*value),
            Kind::String(text) => text.trim(),
            _ => return Err(node.expected("a condition")),
        };
        // Ansible's users sometimes wrap a condition although it is one already.
        let expression = scan::lone_expression(text).unwrap_or(text);
        match self.expression(expression, &node.span)? {
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" => Ok(true),
                "false" | "no" | "" => Ok(false),
                _ => Ok(true),
            },
            value => Ok(truthy(&value)),
        }
    }

    /// Renders the text of a template file.
    pub fn file(&self, source: &Arc<Source>) -> Result<String, Diagnostic> {
        let whole = Span { source: Arc::clone(source), start: 0, end: source.text.len() };
        self.template(&source.text, &source.text, 0, &whole)
    }

    /// The value of a variable, rendered; `None` when there is no such variable.
    pub fn variable(&self, name: &str, span: &Span) -> Result<Option<Value>, Diagnostic> {
        match self.resolve(name, span)? {
            Some(value) => to_json(&value, span).map(Some),
            None => Ok(None),
        }
    }

    fn key(&self, key: &Key) -> Result<Key, Diagnostic> {
        if !has_template(&key.text) {
            return Ok(key.clone());
        }
        let text = match self.text(&key.text, &key.span)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(Key { span: key.span.clone(), text })
    }

    fn value(&self, value: &Value, span: &Span) -> Result<Value, Diagnostic> {
        Ok(match value {
            Value::String(text) if has_template(text) => self.text(text, span)?,
            Value::Array(items) => Value::Array(
                items.iter().map(|item| self.value(item, span)).collect::<Result<_, _>>()?,
            ),
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, value)| Ok((key.clone(), self.value(value, span)?)))
                    .collect::<Result<_, Diagnostic>>()?,
            ),
            other => other.clone(),
        })
    }

    fn text(&self, text: &str, span: &Span) -> Result<Value, Diagnostic> {
        match scan::lone_expression(text) {
            Some(expression) => self.expression(expression, span),
            None => self.template(text, text, 0, span).map(Value::String),
        }
    }

    fn expression(&self, expression: &str, span: &Span) -> Result<Value, Diagnostic> {
        const BEFORE: &str = "{{ hand_out(value=(";
        let expression = scan::loosen(expression);
        let expression = expression.as_ref();
        let template = format!("{BEFORE}{expression})) }}}}");
        filters::take_handed_out();
        self.template(&template, expression, BEFORE.len(), span)?;
        let value = filters::take_handed_out()
            .ok_or_else(|| Diagnostic::new("the expression has no value").at(span))?;
        if value.is_undefined() {
            let shown = expression.trim();
            let place = scan::place(span, shown, 0, shown.len());
            return Err(self.undefined(shown, Diagnostic::new("").at(&place)));
        }
        to_json(&value, span)
    }

    /// Renders `template`, in which `shown` (what the user wrote) begins at `offset`.
    fn template(
        &self,
        template: &str,
        shown: &str,
        offset: usize,
        span: &Span,
    ) -> Result<String, Diagnostic> {
        let mut context = Context::new();
        for name in scan::names(template) {
            match self.resolve(name, span)? {
                Some(value) => context.insert_value(name.to_owned(), value),
                None => self.missed.set(true),
            }
        }
        let mut out = Limited::new(Vec::new());
        let rendered = TERA.render_str_to(template, &context, false, &mut out);
        if out.exceeded() {
            return Err(too_large("the template renders to").at(span));
        }
        rendered.map_err(|error| self.diagnose(&error, shown, offset, span))?;
        String::from_utf8(out.into_inner())
            .map_err(|error| Diagnostic::new(error.to_string()).at(span))
    }

    fn resolve(&self, name: &str, span: &Span) -> Result<Option<tera::Value>, Diagnostic> {
        if let Some(value) = self.resolved.borrow().get(name) {
            return Ok(Some(value.clone()));
        }
        self.asked.borrow_mut().insert(name.to_owned());
        let value = match self.variables.variable(name) {
            None => return Ok(None),
            Some(Variable::Literal(value)) => value,
            Some(Variable::Template(value)) if !holds_template(&value) => value,
            Some(Variable::Template(value)) => {
                let depth = self.resolving.borrow().len();
                if depth >= DEPTH || self.resolving.borrow().iter().any(|one| one == name) {
                    let mut chain = self.resolving.borrow().clone();
                    chain.push(name.to_owned());
                    return Err(Diagnostic::new(format!(
                        "the variable `{name}` is defined by itself"
                    ))
                    .at(span)
                    .hint(chain.join(" -> ")));
                }
                self.resolving.borrow_mut().push(name.to_owned());
                let rendered = self.value(&value, span).map_err(|mut error| {
                    error.message = format!("in the variable `{name}`: {}", error.message);
                    error
                });
                self.resolving.borrow_mut().pop();
                let rendered = rendered?;
                if !limit::fits(&rendered) {
                    let what = format!("the variable `{name}` is");
                    return Err(too_large(&what).at(span));
                }
                rendered
            }
        };
        let value = tera::Value::from_serializable(&value);
        self.resolved.borrow_mut().insert(name.to_owned(), value.clone());
        Ok(Some(value))
    }

    fn diagnose(&self, error: &tera::Error, shown: &str, offset: usize, span: &Span) -> Diagnostic {
        let (report, kind) = match error.kind() {
            ErrorKind::SyntaxError(report) => (report, "template syntax: "),
            ErrorKind::RenderingError(report) => (report, ""),
            other => return Diagnostic::new(plain(&other.to_string())).at(span),
        };
        let range = &report.span().range;
        let (start, end) = (range.start.saturating_sub(offset), range.end.saturating_sub(offset));
        let end = end.min(shown.len());
        let diagnostic = Diagnostic::new(format!("{kind}{}", plain(report.message())))
            .at(&scan::place(span, shown, start.min(end), end));
        let words = shown.get(start..end).unwrap_or_default();
        let undefined =
            report.message().contains("not defined") || report.message().contains("undefined");
        let root = words.split(['.', '[', ' ', '|']).next().unwrap_or_default();
        if undefined && !root.is_empty() && self.variables.variable(root).is_none() {
            return self.undefined(root, diagnostic);
        }
        diagnostic
    }

    /// Says that what `words` begins with is not there, and what may have been meant.
    fn undefined(&self, words: &str, diagnostic: Diagnostic) -> Diagnostic {
        let root = words.split(['.', '[', ' ', '|', '(']).next().unwrap_or_default();
        if self.variables.variable(root).is_some() {
            let message = format!("`{words}` is undefined, though `{root}` is there");
            return Diagnostic { message, ..diagnostic };
        }
        let names = self.variables.names();
        let diagnostic =
            Diagnostic { message: format!("undefined variable `{root}`"), ..diagnostic };
        match crate::diagnostic::nearest(root, names.iter().map(String::as_str)) {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None => diagnostic
                .hint("declare it in group_vars, host_vars or `vars:`, or pass it with -e"),
        }
    }
}

/// Whether a text needs rendering at all.
#[must_use]
pub fn has_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Whether any text below a node needs rendering.
#[must_use]
pub fn node_has_template(node: &Node) -> bool {
    match &node.kind {
        Kind::String(text) => has_template(text),
        Kind::Sequence(items) => items.iter().any(node_has_template),
        Kind::Mapping(entries) => {
            entries.iter().any(|(key, value)| has_template(&key.text) || node_has_template(value))
        }
        _ => false,
    }
}

/// What counts as yes: not nothing, not zero, not empty.
#[must_use]
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => has_template(text),
        Value::Array(items) => items.iter().any(holds_template),
        Value::Object(map) => map.values().any(holds_template),
        _ => false,
    }
}

fn too_large(what: &str) -> Diagnostic {
    Diagnostic::new(format!("{what} more than {} MiB", limit::LARGEST >> 20))
}

fn to_json(value: &tera::Value, span: &Span) -> Result<Value, Diagnostic> {
    if !limit::fits(value) {
        return Err(too_large("the value has").at(span));
    }
    serde_json::to_value(value).map_err(|error| Diagnostic::new(error.to_string()).at(span))
}

/// Tera's first line, in this program's own style.
fn plain(message: &str) -> String {
    let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or(message).trim();
    let line = line.trim_start_matches("error: ").trim_end_matches('.');
    let mut letters = line.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "the template failed".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn span(text: &str) -> Span {
        let source = Arc::new(Source { name: "t.yml".into(), text: text.into() });
        Span { start: 0, end: text.len(), source }
    }

    fn render(text: &str, variables: Value) -> Result<Value, Diagnostic> {
        let Value::Object(map) = variables else { panic!("not a map") };
        let span = span(text);
        let node = Node { kind: Kind::String(text.into()), span };
        Renderer::new(&map).node(&node).map(|node| node.to_json())
    }

    fn condition(text: &str, variables: Value) -> Result<bool, Diagnostic> {
        let Value::Object(map) = variables else { panic!("not a map") };
        Renderer::new(&map).condition(&Node { kind: Kind::String(text.into()), span: span(text) })
    }

    #[test]
    fn a_lone_expression_keeps_its_type() {
        assert_eq!(render("{{ n }}", json!({"n": 80})), Ok(json!(80)));
        assert_eq!(render("{{ [1, 'a'] }}", json!({})), Ok(json!([1, "a"])));
        assert_eq!(render("{{ {'a': {'b': 1}} }}", json!({})), Ok(json!({"a": {"b": 1}})));
        assert_eq!(render("{{ '}}' }}", json!({})), Ok(json!("}}")));
        assert_eq!(render("{{ n }}:{{ n }}", json!({"n": 80})), Ok(json!("80:80")));
    }

    #[test]
    fn variables_are_rendered_when_asked_for() {
        let variables =
            json!({"a": "{{ b }}", "b": ["{{ c }}", 2], "c": "x", "broken": "{{ nope }}"});
        assert_eq!(render("{{ a }}", variables.clone()), Ok(json!(["x", 2])));
        assert_eq!(render("{{ a | join(sep='-') }}!", variables), Ok(json!("x-2!")));
    }

    #[test]
    fn conditions_are_bare_expressions() {
        let variables = || json!({"groups": {"lb": ["lb1"]}, "me": "lb1", "r": {"changed": true}});
        assert_eq!(condition("me in groups['lb']", variables()), Ok(true));
        assert_eq!(condition("r is changed and not (me == 'x')", variables()), Ok(true));
        assert_eq!(condition("nope is defined", variables()), Ok(false));
        assert_eq!(condition("'no'", variables()), Ok(false));
    }

    #[test]
    fn undefined_variables_are_named_at_their_place() {
        let error = render("port {{ portt }}", json!({"port": 1})).expect_err("must fail");
        assert_eq!(
            error.to_string(),
            "t.yml:1:9: undefined variable `portt` (did you mean `port`?)"
        );
        assert_eq!(render("{{ n }}\n", json!({"n": 1})), Ok(json!("1\n")));
        let error = render("{{ portt }}", json!({"port": 1})).expect_err("must fail");
        assert_eq!(
            error.to_string(),
            "t.yml:1:4: undefined variable `portt` (did you mean `port`?)"
        );
        let error = render("{{ web.port }}", json!({})).expect_err("must fail");
        assert!(error.to_string().starts_with("t.yml:1:4: undefined variable `web`"), "{error}");
    }

    #[test]
    fn what_doubles_with_each_variable_has_an_end() {
        for twice in ["{{ NEXT }}{{ NEXT }}", "{{ [NEXT, NEXT] }}"] {
            let variable =
                |n: u32| (format!("v{n}"), twice.replace("NEXT", &format!("v{}", n + 1)));
            let mut variables: serde_json::Map<String, Value> =
                (0..50).map(variable).map(|(name, text)| (name, text.into())).collect();
            variables.insert("v50".into(), "ha".into());
            let error = render("{{ v0 }}", Value::Object(variables)).expect_err("must fail");
            assert!(error.to_string().contains("more than 16 MiB"), "{error}");
        }
        let list = |n: u32| (format!("v{n}"), json!(vec![format!("{{{{ v{} }}}}", n + 1); 2]));
        let mut variables: serde_json::Map<String, Value> = (0..50).map(list).collect();
        variables.insert("v50".into(), "ha".into());
        let error = render("{{ v0 }}", Value::Object(variables)).expect_err("must fail");
        assert!(error.to_string().contains("is more than 16 MiB"), "{error}");
        let line = "x".repeat(1000);
        let text = format!("{{% for a in range(end=99999) %}}{line}{{% endfor %}}");
        let error = render(&text, json!({})).expect_err("must fail");
        assert!(error.to_string().contains("renders to more"), "{error}");
    }

    #[test]
    fn mistakes_in_a_template_stay_mistakes() {
        let error = render("{{ a | nofilter }}", json!({"a": 1})).expect_err("must fail");
        assert!(error.to_string().contains("nofilter"), "{error}");
        let error = render("{{ a + }}", json!({"a": 1})).expect_err("must fail");
        assert!(error.to_string().starts_with("t.yml:1:"), "{error}");
        let error =
            render("{{ a }}", json!({"a": "{{ b }}", "b": "{{ a }}"})).expect_err("must fail");
        assert!(error.to_string().contains("a -> b -> a"), "{error}");
    }
}
