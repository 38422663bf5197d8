//! The functions: `range`, `dict`, `namespace`, `lookup`.

use std::cell::RefCell;

use tera::value::Map;
use tera::{TeraResult, Value};

use super::super::budget;
use super::super::python::{error, iterate, key, text};
use super::super::table::{Given, Row};

pub(super) const ROWS: &[Row] = &[
    Row::function("range", range)
        .takes(&["start", "stop?", "step?"])
        .doc("Whole numbers from 0, or from the first of two arguments, up to but without the last; at most 100,000."),
    Row::function("dict", |_, given| {
        let mut map = given.rest().first().map_or_else(|| Ok(Map::new()), mapping)?;
        map.extend(given.named());
        Ok(map.into())
    })
    .takes(&["*", "**"])
    .doc("A mapping of pairs, `dict(names | zip(values))`, or of a mapping; and of the named arguments."),
    Row::function("namespace", |_, given| Ok(given.named().into()))
        .takes(&["**"])
        .doc("A value whose attributes a loop may set: `{% set ns.found = true %}`."),
    Row::function("lookup", lookup)
        .takes(&["name", "*", "**"])
        .maybe()
        .doc("`'file'`, `'template'` or `'first_found'` of the controller's files, or `'env'` of its environment."),
];

/// The longest `range`, which is Jinja's own limit in its sandbox.
const LONGEST: usize = 100_000;

/// What a mapping is made of: another one, or pairs.
fn mapping(value: &Value) -> TeraResult<Map> {
    if let Some(map) = value.as_map() {
        return Ok(map.clone());
    }
    let pair = |item: Value| match iterate(&item)?.as_slice() {
        [name, value] => Ok((key(name)?, value.clone())),
        other => Err(error(format!("`dict` wants pairs, and one item has {}", other.len()))),
    };
    iterate(value)?.into_iter().map(pair).collect()
}

fn range(_: &Value, given: &Given) -> TeraResult<Value> {
    let first = given.integer("start")?.unwrap_or(0);
    let (start, stop) = match given.integer("stop")? {
        Some(stop) => (first, stop),
        None => (0, first),
    };
    let step = given.integer("step")?.unwrap_or(1);
    if step == 0 {
        return Err(error("the step of a range cannot be 0"));
    }
    let distance = i128::from(stop) - i128::from(start);
    let step = i128::from(step);
    let count = if distance.signum() == step.signum() {
        (distance.abs() + step.abs() - 1) / step.abs()
    } else {
        0
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > LONGEST {
        return Err(error("the range has more than 100,000 numbers"));
    }
    budget::spend(count)?;
    let numbers = (0..count).map(|at| i128::from(start) + step * i128::try_from(at).unwrap_or(0));
    numbers.map(super::super::python::integer).collect::<TeraResult<Vec<_>>>().map(Value::from)
}

/// What a template wants to look up, and what was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The kind: `file`, `env`, …
    pub name: String,
    /// What is looked up.
    pub terms: Vec<Value>,
    /// Further options.
    pub options: Map,
}

#[derive(Default)]
struct Answers {
    known: Vec<(Question, Value)>,
    asked: Option<Question>,
}

thread_local! {
    static ANSWERS: RefCell<Answers> = RefCell::default();
}

/// Runs a rendering that may look things up. A template cannot reach files itself: what it asks
/// for is looked up by `find`, and the template is rendered again with the answer at hand.
pub(in crate::template) fn answer<V, E>(
    mut render: impl FnMut() -> Result<V, E>,
    mut find: impl FnMut(&Question) -> Result<Value, String>,
    mut failed: impl FnMut(E, String) -> E,
) -> Result<V, E> {
    let around = ANSWERS.take();
    let result = loop {
        let result = render();
        let Some(question) = ANSWERS.with_borrow_mut(|answers| answers.asked.take()) else {
            break result;
        };
        let Err(stopped) = result else { break result };
        let many = ANSWERS.with_borrow(|answers| answers.known.len() >= MOST);
        match find(&question) {
            _ if many => {
                break Err(failed(stopped, format!("more than {MOST} lookups in one template")));
            }
            Ok(value) => ANSWERS.with_borrow_mut(|answers| answers.known.push((question, value))),
            Err(message) => break Err(failed(stopped, message)),
        }
    };
    ANSWERS.set(around);
    result
}

/// So many lookups are for one template.
const MOST: usize = 200;

fn lookup(_: &Value, given: &Given) -> TeraResult<Value> {
    let name = text(&given.need("name")?);
    let name = name.strip_prefix("ansible.builtin.").unwrap_or(&name).to_owned();
    let question = Question { name, terms: given.rest(), options: given.named() };
    let known = ANSWERS.with_borrow(|answers| {
        answers.known.iter().find(|(one, _)| *one == question).map(|(_, value)| value.clone())
    });
    known.map_or_else(
        || {
            ANSWERS.with_borrow_mut(|answers| answers.asked = Some(question));
            Err(error("looked up"))
        },
        Ok,
    )
}
