//! What the translator itself calls: operators, subscripts, what a `for` runs over, and how a
//! value is written into the text. No template can name these.

use std::cmp::Ordering;

use tera::value::Key;
use tera::{Kwargs, State, Tera, TeraResult, Value};

use super::super::budget;
use super::super::python::{self, arithmetic, compare, concatenated, contains, equal, error, text};
use super::super::table::Given;

type Operator = fn(&Value, &Given) -> TeraResult<Value>;

const OPERATORS: &[(&str, Operator)] = &[
    ("op_add", |left, given| arithmetic("+", left, &given.need("with")?)),
    ("op_sub", |left, given| arithmetic("-", left, &given.need("with")?)),
    ("op_mul", |left, given| arithmetic("*", left, &given.need("with")?)),
    ("op_div", |left, given| arithmetic("/", left, &given.need("with")?)),
    ("op_floor", |left, given| arithmetic("//", left, &given.need("with")?)),
    ("op_mod", |left, given| arithmetic("%", left, &given.need("with")?)),
    ("op_pow", |left, given| arithmetic("**", left, &given.need("with")?)),
    ("op_concat", |left, given| concatenated(&text(left), &text(&given.need("with")?))),
    ("op_eq", |left, given| Ok(equal(left, &given.need("with")?).into())),
    ("op_ne", |left, given| Ok((!equal(left, &given.need("with")?)).into())),
    ("op_lt", |left, given| Ok((compare(left, &given.need("with")?)? == Ordering::Less).into())),
    ("op_le", |left, given| Ok((compare(left, &given.need("with")?)? != Ordering::Greater).into())),
    ("op_gt", |left, given| Ok((compare(left, &given.need("with")?)? == Ordering::Greater).into())),
    ("op_ge", |left, given| Ok((compare(left, &given.need("with")?)? != Ordering::Less).into())),
    ("op_in", |left, given| Ok(contains(&given.need("with")?, left)?.into())),
    ("op_not_in", |left, given| Ok((!contains(&given.need("with")?, left)?).into())),
    ("op_neg", |value, _| arithmetic("-", &Value::from(0), value)),
    ("op_pos", |value, _| arithmetic("+", &Value::from(0), value)),
    ("op_item", |value, given| Ok(python::item(value, &given.need("key")?))),
    ("op_attr", |value, given| Ok(attribute(value, &given.need("key")?))),
    ("op_slice", |value, given| {
        let part = |name| given.integer(name);
        python::slice(value, [part("start")?, part("end")?, part("step")?])
    }),
    ("op_number", |value, _| {
        let parsed = value.as_str().unwrap_or_default().parse::<f64>();
        parsed.map(Value::from).map_err(error)
    }),
    ("op_list", |_, given| {
        Ok(given.0.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>().into())
    }),
    ("op_dict", dict),
    ("op_with", |value, given| {
        let mut map = value
            .as_map()
            .cloned()
            .ok_or_else(|| error("only a `namespace` has attributes to set"))?;
        map.insert(python::key(&given.need("key")?)?, given.need("value")?);
        Ok(Value::from(map))
    }),
    ("op_iterate", |value, _| {
        let items = python::iterate(value)?;
        budget::spend(items.len())?;
        Ok(items.into())
    }),
    ("op_parts", |value, given| {
        let count = given.integer("count")?.and_then(|count| usize::try_from(count).ok());
        parts(value, count.unwrap_or_default())
    }),
    ("op_each", |value, given| {
        let count = given.integer("count")?.and_then(|count| usize::try_from(count).ok());
        let items = value.as_array().unwrap_or_default();
        let each = items.iter().map(|item| parts(item, count.unwrap_or_default()));
        each.collect::<TeraResult<Vec<_>>>().map(Value::from)
    }),
    ("op_undefined", |_, _| Ok(Value::undefined())),
    ("op_must", |value, _| match value.is_undefined() {
        true => Err(error(UNDEFINED)),
        false => Ok(value.clone()),
    }),
    ("op_show", |value, _| {
        let shown = match value.is_none() {
            true => String::new(),
            false => text(value),
        };
        budget::spend(shown.len() / 16)?;
        super::super::outcome::wrote(value, &shown);
        Ok(shown.into())
    }),
];

/// What a value that is asked for and not there is reported as.
pub(in super::super) const UNDEFINED: &str = "\u{1}undefined";

pub(in super::super) fn register(tera: &mut Tera) {
    for (name, call) in OPERATORS {
        tera.register_filter(*name, move |value: Value, given: Kwargs, _: &State| {
            call(&value, &Given(given))
        });
    }
}

/// `value.name`: of a mapping only, and what is not there is undefined.
fn attribute(value: &Value, name: &Value) -> Value {
    match value.as_map() {
        Some(_) => python::item(value, name),
        None => Value::undefined(),
    }
}

/// A mapping of `k000`, `v000`, `k001`, …
fn dict(_: &Value, given: &Given) -> TeraResult<Value> {
    let mut entries: Vec<(Key<'static>, Value)> = Vec::new();
    for (name, key) in given.0.iter() {
        let Some(at) = name.as_str().and_then(|name| name.strip_prefix('k')) else { continue };
        entries.push((python::key(key)?, given.need(&format!("v{at}"))?));
    }
    Ok(python::mapping(entries))
}

/// The parts of a value that is given to so many names.
fn parts(value: &Value, count: usize) -> TeraResult<Value> {
    let parts = python::iterate(value)?;
    match parts.len() == count {
        true => Ok(parts.into()),
        false => Err(error(format!("{count} names are given a value of {} parts", parts.len()))),
    }
}
