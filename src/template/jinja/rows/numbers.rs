//! Filters of numbers.

use tera::{TeraResult, Value};

use super::super::python::{Number, error, type_name};
use super::super::table::{Given, Row};

pub(super) const ROWS: &[Row] = &[
    Row::filter("abs", |value, _| match number(value)? {
        Number::Integer(value) => super::super::python::integer(value.abs()),
        Number::Float(value) => Ok(value.abs().into()),
    })
    .doc("Without its sign."),
    Row::filter("round", round)
        .takes(&["precision?", "method?"])
        .doc("Rounded to so many digits after the point; `method` is `common`, `ceil` or `floor`."),
    Row::filter("pow", |value, given| {
        Ok(number(value)?.float().powf(number(&given.need("y")?)?.float()).into())
    })
    .takes(&["y"])
    .doc("To the power of."),
    Row::filter("root", |value, given| {
        let base = given.get("base").as_ref().and_then(Number::of).map_or(2.0, Number::float);
        let value = number(value)?.float();
        Ok(if base == 2.0 { value.sqrt() } else { value.powf(1.0 / base) }.into())
    })
    .takes(&["base?"])
    .doc("The root, the second unless another is asked for."),
];

fn number(value: &Value) -> TeraResult<Number> {
    Number::of(value).ok_or_else(|| {
        error(format!("a number is wanted, not a value of type `{}`", type_name(value)))
    })
}

fn round(value: &Value, given: &Given) -> TeraResult<Value> {
    let digits = given.integer("precision")?.unwrap_or(0).clamp(-300, 300);
    let method = given.text("method").unwrap_or_else(|| "common".into());
    let number = number(value)?;
    let factor = 10_f64.powi(i32::try_from(digits).unwrap_or(0));
    let float = number.float();
    let rounded = match (method.as_str(), number) {
        // A whole number stays one.
        ("common", Number::Integer(_)) if digits >= 0 => return Ok(value.clone()),
        ("common", _) if digits >= 0 => {
            // As Python does it: the nearest decimal, which printing finds; ties go to even.
            let places = usize::try_from(digits).unwrap_or(0);
            format!("{float:.places$}").parse().map_err(error)?
        }
        ("common", _) => (float * factor).round_ties_even() / factor,
        ("ceil", _) => (float * factor).ceil() / factor,
        ("floor", _) => (float * factor).floor() / factor,
        _ => return Err(error("`method` is `common`, `ceil` or `floor`")),
    };
    Ok(rounded.into())
}
