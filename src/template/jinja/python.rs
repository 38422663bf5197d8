//! What Python makes of values: how they print, when two are equal, which is less, and what the
//! operators do. Templates are written with Python in mind.

use std::cmp::Ordering;
use std::fmt::Write;

use tera::value::{Key, Map, ValueKind};
use tera::{Error, TeraResult, Value};

/// No text and no list grows beyond this in a template.
pub(super) const LONGEST: usize = 1 << 24;

/// A number, of which a boolean is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value.kind() {
            ValueKind::Bool => Some(Self::Integer(value.as_bool()?.into())),
            ValueKind::F64 => Some(Self::Float(value.as_f64()?)),
            _ => value.as_i128().map(Self::Integer),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "as Python's float() does")]
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    pub(super) fn value(self) -> TeraResult<Value> {
        match self {
            Self::Integer(value) => integer(value),
            Self::Float(value) => Ok(Value::from(value)),
        }
    }
}

/// A whole number as a value; those beyond 64 bits are an error.
pub(super) fn integer(value: i128) -> TeraResult<Value> {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => Ok(Value::from(value)),
        (_, Ok(value)) => Ok(Value::from(value)),
        _ => Err(error("the number has more than 64 bits")),
    }
}

pub(super) fn error(message: impl std::fmt::Display) -> Error {
    Error::message(message)
}

/// The type as Python names it.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "Undefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::F64 => "float",
        ValueKind::String => "str",
        ValueKind::Array => "list",
        ValueKind::Map => "dict",
        ValueKind::Bytes => "bytes",
        _ => "int",
    }
}

/// `str(value)`.
pub(super) fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => repr(value),
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(value, &mut out);
    out
}

fn write_repr(value: &Value, out: &mut String) {
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_truthy() { "True" } else { "False" }),
        ValueKind::F64 => out.push_str(&float(value.as_f64().unwrap_or(f64::NAN))),
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Array => {
            out.push('[');
            for (at, item) in value.as_array().unwrap_or_default().iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_repr(item, out);
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (at, (key, item)) in value.as_map().into_iter().flatten().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_repr(&key.as_value(), out);
                out.push_str(": ");
                write_repr(item, out);
            }
            out.push('}');
        }
        _ => {
            let _ = write!(out, "{value}");
        }
    }
}

/// A float as Python prints it: `1.0`, `0.1`, `1e+16`, `1e-05`.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// `left == right`.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        return match (left, right) {
            (Number::Integer(left), Number::Integer(right)) => left == right,
            (left, right) => left.float() == right.float(),
        };
    }
    match (left.as_array(), right.as_array(), left.as_map(), right.as_map()) {
        (Some(left), Some(right), ..) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| equal(a, b))
        }
        (.., Some(left), Some(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, a)| right.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => left == right,
    }
}

/// Which is less; an error where Python has none.
pub(super) fn compare(left: &Value, right: &Value) -> TeraResult<Ordering> {
    if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        return Ok(match (left, right) {
            (Number::Integer(left), Number::Integer(right)) => left.cmp(&right),
            (left, right) => left.float().partial_cmp(&right.float()).unwrap_or(Ordering::Equal),
        });
    }
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return Ok(left.cmp(right));
    }
    if let (Some(left), Some(right)) = (left.as_array(), right.as_array()) {
        for (left, right) in left.iter().zip(right) {
            if !equal(left, right) {
                return compare(left, right);
            }
        }
        return Ok(left.len().cmp(&right.len()));
    }
    Err(error(format!(
        "a value of type `{}` cannot be compared with one of type `{}`",
        type_name(left),
        type_name(right)
    )))
}

/// `needle in container`.
pub(super) fn contains(container: &Value, needle: &Value) -> TeraResult<bool> {
    if let Some(text) = container.as_str() {
        return match needle.as_str() {
            Some(needle) => Ok(text.contains(needle)),
            None => {
                Err(error(format!("a text cannot contain a value of type `{}`", type_name(needle))))
            }
        };
    }
    if let Some(map) = container.as_map() {
        return Ok(key(needle).is_ok_and(|key| map.contains_key(&key)));
    }
    match container.as_array() {
        Some(items) => Ok(items.iter().any(|item| equal(item, needle))),
        None => Err(error(format!(
            "a value of type `{}` contains nothing; `in` wants a list, a text or a mapping",
            type_name(container)
        ))),
    }
}

/// A value as the key of a mapping.
pub(super) fn key(value: &Value) -> TeraResult<Key<'static>> {
    if let Some(text) = value.as_str() {
        return Ok(Key::from(text.to_owned()));
    }
    match (value.as_bool(), value.as_i64()) {
        (Some(value), _) => Ok(Key::Bool(value)),
        (_, Some(value)) => Ok(Key::I64(value)),
        _ => Err(error(format!("a value of type `{}` cannot be a key", type_name(value)))),
    }
}

/// `value[key]` as Jinja has it: what is not there is undefined.
pub(super) fn item(value: &Value, at: &Value) -> Value {
    let found = match (value.as_map(), value.as_array(), value.as_str()) {
        (Some(map), ..) => key(at).ok().and_then(|key| map.get(&key).cloned()),
        (_, Some(items), _) => {
            position(at, items.len()).and_then(|position| items.get(position).cloned())
        }
        (.., Some(text)) => {
            let position = position(at, text.chars().count());
            position.and_then(|position| text.chars().nth(position)).map(Value::from)
        }
        _ => None,
    };
    found.unwrap_or_else(Value::undefined)
}

fn position(at: &Value, length: usize) -> Option<usize> {
    let at = at.as_i128()?;
    let length = i128::try_from(length).ok()?;
    let at = if at < 0 { at + length } else { at };
    usize::try_from(at).ok().filter(|_| at < length)
}

/// What a value consists of: items, keys or letters.
pub(super) fn iterate(value: &Value) -> TeraResult<Vec<Value>> {
    if let Some(items) = value.as_array() {
        return Ok(items.to_vec());
    }
    if let Some(map) = value.as_map() {
        return Ok(map.keys().map(Key::as_value).collect());
    }
    match value.as_str() {
        Some(text) => Ok(text.chars().map(Value::from).collect()),
        None => Err(error(format!(
            "a value of type `{}` has no items; a list is wanted here",
            type_name(value)
        ))),
    }
}

/// `value[start:end:step]`.
pub(super) fn slice(value: &Value, parts: [Option<i64>; 3]) -> TeraResult<Value> {
    let letters = value.as_str().is_some();
    let items = match value.as_map() {
        Some(_) => return Err(error("a mapping has no order to slice it by")),
        None => iterate(value)?,
    };
    let step = parts[2].unwrap_or(1);
    if step == 0 {
        return Err(error("the step of a slice cannot be 0"));
    }
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound = |part: Option<i64>, unless: i64| match part {
        None => unless,
        Some(at) if at < 0 => (at.saturating_add(length)).clamp(low, high),
        Some(at) => at.clamp(low, high),
    };
    let (start, end) = if step > 0 { (low, high) } else { (high, low) };
    let (mut at, end) = (bound(parts[0], start), bound(parts[1], end));
    let mut taken = Vec::new();
    while if step > 0 { at < end } else { at > end } {
        taken.extend(usize::try_from(at).ok().and_then(|at| items.get(at).cloned()));
        at = at.saturating_add(step);
    }
    Ok(match letters {
        true => Value::from(taken.iter().filter_map(Value::as_str).collect::<String>()),
        false => Value::from(taken),
    })
}

/// `left operator right` for `+ - * / // % **`.
pub(super) fn arithmetic(operator: &str, left: &Value, right: &Value) -> TeraResult<Value> {
    if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        return calculate(operator, left, right)?.value();
    }
    match (operator, left.as_str(), right.as_str(), left.as_array(), right.as_array()) {
        ("+", Some(left), Some(right), ..) => concatenated(left, right),
        ("+", _, _, Some(left), Some(right)) => {
            limited(left.len() + right.len())?;
            Ok(Value::from([left, right].concat()))
        }
        ("%", Some(format), ..) => super::format::percent(format, right).map(Value::from),
        ("*", ..) => match (Number::of(left), Number::of(right)) {
            (_, Some(Number::Integer(times))) => repeated(left, times, right),
            (Some(Number::Integer(times)), _) => repeated(right, times, left),
            _ => Err(unsupported(operator, left, right)),
        },
        _ => Err(unsupported(operator, left, right)),
    }
}

fn unsupported(operator: &str, left: &Value, right: &Value) -> Error {
    error(format!("`{operator}` is not for `{}` and `{}`", type_name(left), type_name(right)))
}

pub(super) fn concatenated(left: &str, right: &str) -> TeraResult<Value> {
    limited(left.len() + right.len())?;
    Ok(Value::from([left, right].concat()))
}

/// Refuses what no template of a site needs, and what would fill the memory.
pub(super) fn limited(length: usize) -> TeraResult<()> {
    match length > LONGEST {
        true => Err(error("the value grows beyond 16 million parts")),
        false => Ok(()),
    }
}

fn repeated(value: &Value, times: i128, other: &Value) -> TeraResult<Value> {
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    if let Some(text) = value.as_str() {
        limited(text.len().saturating_mul(times))?;
        return Ok(Value::from(text.repeat(times)));
    }
    let Some(items) = value.as_array() else { return Err(unsupported("*", value, other)) };
    limited(items.len().saturating_mul(times))?;
    Ok(Value::from(std::iter::repeat_n(items, times).flatten().cloned().collect::<Vec<_>>()))
}

fn calculate(operator: &str, left: Number, right: Number) -> TeraResult<Number> {
    use Number::{Float, Integer};
    let by_zero = || error("division by zero");
    let zero = right.float() == 0.0;
    let too_long = || error("the number has more than 64 bits");
    Ok(match (operator, left, right) {
        ("/" | "//" | "%", ..) if zero => return Err(by_zero()),
        ("+", Integer(a), Integer(b)) => Integer(a.checked_add(b).ok_or_else(too_long)?),
        ("-", Integer(a), Integer(b)) => Integer(a.checked_sub(b).ok_or_else(too_long)?),
        ("*", Integer(a), Integer(b)) => Integer(a.checked_mul(b).ok_or_else(too_long)?),
        ("//", Integer(a), Integer(b)) => Integer(floor_divide(a, b)),
        ("%", Integer(a), Integer(b)) => Integer(a - b * floor_divide(a, b)),
        ("**", Integer(a), Integer(b)) if b >= 0 => {
            let power = u32::try_from(b).map_err(|_| too_long());
            // 0, 1 and -1 stay small whatever the power.
            match a {
                0 | 1 => Integer(if b == 0 { 1 } else { a }),
                -1 => Integer(if b % 2 == 0 { 1 } else { -1 }),
                _ => Integer(a.checked_pow(power?).ok_or_else(too_long)?),
            }
        }
        ("**", ..) if left.float() == 0.0 && right.float() < 0.0 => return Err(by_zero()),
        ("+", ..) => Float(left.float() + right.float()),
        ("-", ..) => Float(left.float() - right.float()),
        ("*", ..) => Float(left.float() * right.float()),
        ("/", ..) => Float(left.float() / right.float()),
        ("//", ..) => Float((left.float() / right.float()).floor()),
        ("%", ..) => {
            let rest = left.float() % right.float();
            let other_side = rest != 0.0 && (rest < 0.0) != (right.float() < 0.0);
            Float(if other_side { rest + right.float() } else { rest })
        }
        ("**", ..) => Float(left.float().powf(right.float())),
        _ => return Err(error(format!("there is no operator `{operator}`"))),
    })
}

fn floor_divide(left: i128, right: i128) -> i128 {
    let quotient = left / right;
    if left % right != 0 && (left < 0) != (right < 0) { quotient - 1 } else { quotient }
}

/// A mapping of these entries.
pub(super) fn mapping(entries: impl IntoIterator<Item = (Key<'static>, Value)>) -> Value {
    Value::from(entries.into_iter().collect::<Map>())
}
