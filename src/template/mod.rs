//! The only room that knows Tera: text with `{{ … }}` to values, `when:` to yes or no.
//!
//! What is written is Jinja, as Ansible has it; [`jinja`] makes Tera's templates of it. Variables
//! are rendered when something asks for them, as in Ansible, so the order in which they are
//! declared does not matter. A scalar that is nothing but `{{ expression }}` keeps the
//! expression's type. Mistakes point into the text the user wrote.

use std::cell::{Cell, Ref, RefCell};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tera::Context;

use crate::diagnostic::{Diagnostic, Source, Span};
use crate::yaml::{Key, Kind, Node};

mod cache;
pub mod jinja;
mod limit;
mod lookup;
mod place;
mod trouble;

use jinja::{Compiled, Mode, Rendered};
use trouble::{Trouble, shown};

/// How deep a variable may be declared by way of others.
const DEPTH: usize = 64;

/// Where the renderer finds variables.
pub trait Variables {
    /// The variable as it was declared, and whether its text may hold templates: what came
    /// from a host (facts, registered output) is never rendered.
    fn variable(&self, name: &str) -> Option<Variable>;

    /// Every name, for "did you mean".
    fn names(&self) -> Vec<String>;

    /// Where files that templates ask for are looked for first; each may have `templates` and
    /// `files` in it.
    fn folders(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// A variable before rendering.
#[derive(Debug, Clone)]
pub enum Variable {
    /// Written by the user; texts in it are templates.
    Template(Value),
    /// Data; texts in it are texts.
    Literal(Value),
    /// The same, made ready for many renderings.
    Prepared(Prepared),
}

/// Data as templates take it, which is dear to make and cheap to hand out.
#[derive(Debug, Clone)]
pub struct Prepared {
    value: tera::Value,
    fits: bool,
}

impl From<&Value> for Prepared {
    fn from(value: &Value) -> Self {
        Self { value: tera::Value::from_serializable(value), fits: limit::fits(value) }
    }
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
    /// Names that nothing is known of.
    missed: RefCell<HashSet<String>>,
    /// Something that a variable was asked for is not in it.
    lacked: Cell<bool>,
    /// Variables whose text asks for something that is not there, and how that was said.
    incomplete: RefCell<HashMap<String, Diagnostic>>,
}

/// The value of `omit`; what has it is left out of a module's arguments.
const OMIT: &str = "__omit_place_holder__b2f6a4d08c5e4b0e";

impl<'a> Renderer<'a> {
    /// Starts with nothing rendered yet.
    #[must_use]
    pub fn new(variables: &'a dyn Variables) -> Self {
        Self {
            variables,
            resolved: RefCell::new(HashMap::new()),
            resolving: RefCell::new(Vec::new()),
            asked: RefCell::new(HashSet::new()),
            missed: RefCell::new(HashSet::new()),
            lacked: Cell::new(false),
            incomplete: RefCell::new(HashMap::new()),
        }
    }

    /// The names that were asked for so far, also by way of others.
    #[must_use]
    pub fn asked(&self) -> Ref<'_, HashSet<String>> {
        self.asked.borrow()
    }

    /// Those of them that nothing is known of.
    #[must_use]
    pub fn missed(&self) -> Ref<'_, HashSet<String>> {
        self.missed.borrow()
    }

    /// Whether everything that was asked for so far is there, and none of it is among `late`.
    #[must_use]
    pub fn asked_only_for(&self, late: &HashSet<&str>) -> bool {
        self.missed.borrow().is_empty()
            && !self.asked.borrow().iter().any(|name| late.contains(name.as_str()))
    }

    /// Whether a mistake so far is that something is not in a variable, and it will not be there
    /// later either, when none of those asked for is among `late`.
    #[must_use]
    pub fn lacks_for_good(&self, late: &HashSet<&str>) -> bool {
        // What `hostvars` has of other hosts grows.
        let grows = self.asked.borrow().contains("hostvars");
        self.lacked.get() && !grows && self.asked_only_for(late)
    }

    /// Renders every text below a node; places stay, and what is `omit` goes.
    pub fn node(&self, node: &Node) -> Result<Node, Diagnostic> {
        let kind = match &node.kind {
            Kind::String(text) if has_template(text) => {
                let value = self.text(text, &node.span)?;
                return Ok(Node::from_json(&without_omitted(value), &node.span));
            }
            Kind::Sequence(items) => Kind::Sequence(
                items
                    .iter()
                    .filter_map(|item| self.unless_omitted(item).transpose())
                    .collect::<Result<_, _>>()?,
            ),
            Kind::Mapping(entries) => Kind::Mapping(
                entries
                    .iter()
                    .filter_map(|(key, value)| match self.unless_omitted(value) {
                        Ok(None) => None,
                        Ok(Some(value)) => Some(self.key(key).map(|key| (key, value))),
                        Err(error) => Some(Err(error)),
                    })
                    .collect::<Result<_, Diagnostic>>()?,
            ),
            _ => return Ok(node.clone()),
        };
        Ok(Node { span: node.span.clone(), kind })
    }

    /// The rendered node, unless it is `omit`.
    fn unless_omitted(&self, node: &Node) -> Result<Option<Node>, Diagnostic> {
        match &node.kind {
            Kind::String(text) if has_template(text) => match self.text(text, &node.span)? {
                Value::String(text) if text == OMIT => Ok(None),
                value => Ok(Some(Node::from_json(&without_omitted(value), &node.span))),
            },
            _ => self.node(node).map(Some),
        }
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
        let mode = if has_template(text) { Mode::Scalar } else { Mode::Expression };
        match self.run(text, mode, &node.span)? {
            Value::String(value) => match value.to_ascii_lowercase().as_str() {
                "true" | "yes" => Ok(true),
                "false" | "no" | "" => Ok(false),
                _ if mode == Mode::Scalar => Err(wrapped_condition(&node.span)),
                _ => Err(Diagnostic::new("the condition is a text, neither yes nor no")
                    .at(&node.span)
                    .hint("compare it, as in `name == 'x'`, or ask `name | length > 0`")),
            },
            value => Ok(truthy(&value)),
        }
    }

    /// Renders the text of a template file.
    pub fn file(&self, source: &Arc<Source>) -> Result<String, Diagnostic> {
        let whole = Span { source: Arc::clone(source), start: 0, end: source.text.len() };
        match self.run(&source.text, Mode::File, &whole)? {
            Value::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
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

    fn value(&self, value: &Value, span: &Span) -> Result<Value, Trouble> {
        Ok(match value {
            Value::String(text) if has_template(text) => self.text(text, span)?,
            Value::Array(items) => Value::Array(
                items.iter().map(|item| self.value(item, span)).collect::<Result<_, _>>()?,
            ),
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, value)| Ok((key.clone(), self.value(value, span)?)))
                    .collect::<Result<_, Trouble>>()?,
            ),
            other => other.clone(),
        })
    }

    fn text(&self, text: &str, span: &Span) -> Result<Value, Trouble> {
        self.run(text, Mode::Scalar, span)
    }

    /// Finds what is wrong with the texts below a node, whatever the variables in them may be.
    #[must_use]
    pub fn grammar(&self, node: &Node) -> Vec<Diagnostic> {
        match &node.kind {
            Kind::String(text) if has_template(text) => self.mistake(text, Mode::Scalar, node),
            Kind::Sequence(items) => items.iter().flat_map(|item| self.grammar(item)).collect(),
            Kind::Mapping(entries) => {
                entries.iter().flat_map(|(_, value)| self.grammar(value)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The same of a bare expression, or several, as `when:` has it.
    #[must_use]
    pub fn grammar_of_condition(&self, node: &Node) -> Vec<Diagnostic> {
        let one = |one: &Node| match &one.kind {
            Kind::String(text) if is_partly_wrapped(text.trim()) => {
                vec![wrapped_condition(&one.span)]
            }
            Kind::String(text) if has_template(text) => self.grammar(one),
            Kind::String(text) => self.mistake(text.trim(), Mode::Expression, one),
            _ => Vec::new(),
        };
        node.one_or_many().iter().flat_map(one).collect()
    }

    fn mistake(&self, text: &str, mode: Mode, node: &Node) -> Vec<Diagnostic> {
        let compiled = self.compiled(text, mode, &node.span);
        compiled.err().map(|trouble| trouble.diagnostic).into_iter().collect()
    }

    /// A text as it is rendered.
    fn compiled(&self, text: &str, mode: Mode, span: &Span) -> Result<Arc<Compiled>, Trouble> {
        if let Some(compiled) = cache::get(mode, text) {
            return Ok(compiled);
        }
        let compiled = jinja::compile(text, mode, &mut |name| self.included(name, span))
            .map_err(|mistake| Trouble::from(shown(&mistake, text, span)))?;
        let compiled = Arc::new(compiled);
        // Included files may change, so what has them is read again.
        if compiled.whole {
            cache::keep(mode, text, &compiled);
        }
        Ok(compiled)
    }

    /// Compiles a text, unless that was done before, and renders it.
    fn run(&self, text: &str, mode: Mode, span: &Span) -> Result<Value, Trouble> {
        let compiled = self.compiled(text, mode, span)?;
        let context = self.context(&compiled, span)?;
        match lookup::rendered(self, &compiled, &context, span) {
            Ok(Rendered::Text(text)) => Ok(Value::String(text)),
            Ok(Rendered::Value(value)) => Ok(to_json(&value, span)?),
            Err(mistake) => Err(self.trouble(&mistake, &compiled, text, span)),
        }
    }

    /// The variables that a template asks for.
    fn context(&self, compiled: &Compiled, span: &Span) -> Result<Context, Trouble> {
        let mut context = Context::new();
        for name in &compiled.names {
            let value = match self.resolve(name, span) {
                Ok(value) => value,
                // It may not be needed: `is defined` and `default` make do without it.
                Err(Trouble { diagnostic, undefined: true }) => {
                    self.incomplete.borrow_mut().insert(name.clone(), diagnostic);
                    None
                }
                Err(trouble) => return Err(trouble),
            };
            match value {
                Some(value) => context.insert_value(jinja::tera_name(name).into_owned(), value),
                None if name == "omit" => context.insert_value("omit", OMIT.into()),
                None if compiled.set.contains(name) => {}
                None => {
                    self.missed.borrow_mut().insert(name.clone());
                }
            }
        }
        Ok(context)
    }

    fn resolve(&self, name: &str, span: &Span) -> Result<Option<tera::Value>, Trouble> {
        if let Some(value) = self.resolved.borrow().get(name) {
            return Ok(Some(value.clone()));
        }
        self.asked.borrow_mut().insert(name.to_owned());
        let value = match self.variables.variable(name) {
            None => return Ok(None),
            Some(Variable::Prepared(prepared)) => prepared,
            Some(Variable::Literal(value)) => Prepared::from(&value),
            Some(Variable::Template(value)) if !holds_template(&value) => Prepared::from(&value),
            Some(Variable::Template(value)) => Prepared::from(&self.once(name, span, || {
                self.value(&value, span).map_err(|mut trouble| {
                    let message = trouble.diagnostic.message;
                    trouble.diagnostic.message = format!("in the variable `{name}`: {message}");
                    trouble
                })
            })?),
        };
        let Prepared { value, fits: true } = value else {
            let message = format!("the variable `{name}` is more than 16 MiB");
            let hint = "write less, or let a command make it on the host";
            return Err(Diagnostic::new(message).at(span).hint(hint).into());
        };
        self.resolved.borrow_mut().insert(name.to_owned(), value.clone());
        Ok(Some(value))
    }

    /// Does what `name` asks for, unless that is being done already.
    fn once<V, E: From<Diagnostic>>(
        &self,
        name: &str,
        span: &Span,
        inner: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        let depth = self.resolving.borrow().len();
        if depth >= DEPTH || self.resolving.borrow().iter().any(|one| one == name) {
            let mut chain = self.resolving.borrow().clone();
            chain.push(name.to_owned());
            let what = if name.contains('(') { "asks for itself" } else { "is defined by itself" };
            let kind = if name.contains('(') { "" } else { "the variable " };
            let message = format!("{kind}`{name}` {what}");
            return Err(Diagnostic::new(message).at(span).hint(chain.join(" -> ")).into());
        }
        self.resolving.borrow_mut().push(name.to_owned());
        let result = inner();
        self.resolving.borrow_mut().pop();
        result
    }
}

/// A value without the parts that are `omit`; nothing when it is that itself.
fn without_omitted(value: Value) -> Value {
    let omitted = |value: &Value| value.as_str() == Some(OMIT);
    match value {
        value if omitted(&value) => Value::Null,
        Value::Array(items) => Value::Array(
            items.into_iter().filter(|item| !omitted(item)).map(without_omitted).collect(),
        ),
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !omitted(value))
                .map(|(key, value)| (key, without_omitted(value)))
                .collect(),
        ),
        other => other,
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

fn to_json(value: &tera::Value, span: &Span) -> Result<Value, Diagnostic> {
    serde_json::to_value(value).map_err(|error| Diagnostic::new(error.to_string()).at(span))
}

/// Whether a condition has templates, and something around them.
fn is_partly_wrapped(condition: &str) -> bool {
    let begins = condition.starts_with("{{") || condition.starts_with("{%");
    let ends = condition.ends_with("}}") || condition.ends_with("%}");
    has_template(condition) && !(begins && ends)
}

/// What comes of a template in a condition would be read as a text, and a text is no answer.
fn wrapped_condition(span: &Span) -> Diagnostic {
    Diagnostic::new("a condition is an expression already")
        .at(span)
        .hint("write it without `{{ }}`, as in `name == 'x'`")
}

#[cfg(test)]
mod tests;
