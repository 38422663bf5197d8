//! `'%s:%d' % (host, port)` and `'{}:{}'.format(host, port)`, as far as they are plain.

use tera::{TeraResult, Value};

use super::python::{Number, error, item, repr, text, type_name};

/// Flags, width and precision of one place in a format.
#[derive(Default)]
struct Place {
    left: bool,
    zero: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

/// No column is wider than this.
const WIDEST: usize = 10_000;

/// `format % given`.
pub(super) fn percent(format: &str, given: &Value) -> TeraResult<String> {
    let many = given.as_array();
    let mut values = many.unwrap_or(std::slice::from_ref(given)).iter();
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let mut named = None;
        if let Some(after) = rest.strip_prefix('(') {
            let Some((name, after)) = after.split_once(')') else {
                return Err(error("a name in the format has no `)`"));
            };
            named = Some(item(given, &Value::from(name)));
            rest = after;
        }
        let place = Place::read(&mut rest)?;
        let Some(kind) = rest.chars().next() else {
            return Err(error("the format ends in the middle of a place"));
        };
        rest = &rest[kind.len_utf8()..];
        let value = match &named {
            Some(value) if value.is_undefined() => {
                return Err(error("a name of the format is not given"));
            }
            Some(value) => value,
            None => values.next().ok_or_else(|| error("the format has more places than values"))?,
        };
        out.push_str(&place.written(kind, value)?);
    }
    out.push_str(rest);
    if many.is_some() && values.next().is_some() && !format.contains("%(") {
        return Err(error("the format has fewer places than values"));
    }
    Ok(out)
}

/// `format.format(*positional, **named)`.
pub(super) fn braces(format: &str, positional: &[Value], named: &Value) -> TeraResult<String> {
    let mut out = String::new();
    let mut rest = format;
    let mut next = 0;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let open = rest[at..].starts_with('{');
        rest = &rest[at + 1..];
        if rest.starts_with(if open { '{' } else { '}' }) {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
            continue;
        }
        let (field, after) = match open.then(|| rest.split_once('}')).flatten() {
            Some(parts) => parts,
            None => return Err(error("a brace in the format stands alone; double it")),
        };
        rest = after;
        let (name, mut spec) = field.split_once(':').unwrap_or((field, ""));
        let value = match name {
            "" => {
                next += 1;
                positional.get(next - 1).cloned()
            }
            name => match name.parse::<usize>() {
                Ok(at) => positional.get(at).cloned(),
                Err(_) => {
                    Some(item(named, &Value::from(name))).filter(|found| !found.is_undefined())
                }
            },
        };
        let value = value.ok_or_else(|| error(format!("`{{{name}}}` is not given")))?;
        let right = spec.starts_with('>');
        let left = spec.starts_with('<');
        spec = spec.trim_start_matches(['<', '>']);
        let mut place = Place::read(&mut spec)?;
        let number = Number::of(&value).is_some() && value.as_bool().is_none();
        place.left = left || (!right && !number);
        let kind = spec.chars().next().unwrap_or('s');
        if spec.chars().count() > 1 {
            return Err(error(format!("the format `{field}` is not supported")));
        }
        out.push_str(&place.written(kind, &value)?);
    }
    out.push_str(rest);
    Ok(out)
}

impl Place {
    fn read(rest: &mut &str) -> TeraResult<Self> {
        let mut place = Self::default();
        while let Some(flag) =
            rest.chars().next().filter(|c| matches!(c, '-' | '0' | '+' | ' ' | '#'))
        {
            match flag {
                '-' => place.left = true,
                '0' => place.zero = true,
                '+' => place.plus = true,
                _ => {}
            }
            *rest = &rest[1..];
        }
        place.width = digits(rest)?.unwrap_or(0);
        if let Some(after) = rest.strip_prefix('.') {
            *rest = after;
            place.precision = Some(digits(rest)?.unwrap_or(0));
        }
        Ok(place)
    }

    fn written(&self, kind: char, value: &Value) -> TeraResult<String> {
        let number = || {
            Number::of(value).ok_or_else(|| {
                error(format!(
                    "`%{kind}` wants a number, not a value of type `{}`",
                    type_name(value)
                ))
            })
        };
        let mut shown = match kind {
            's' => text(value),
            'r' => repr(value),
            'd' | 'i' | 'u' => match number()? {
                Number::Integer(value) => value.to_string(),
                #[expect(clippy::cast_possible_truncation, reason = "as Python's `%d` does")]
                Number::Float(value) => (value as i128).to_string(),
            },
            'x' | 'X' | 'o' => {
                let Number::Integer(value) = number()? else {
                    return Err(error(format!("`%{kind}` wants a whole number")));
                };
                let sign = if value < 0 { "-" } else { "" };
                let size = value.unsigned_abs();
                match kind {
                    'x' => format!("{sign}{size:x}"),
                    'X' => format!("{sign}{size:X}"),
                    _ => format!("{sign}{size:o}"),
                }
            }
            'f' | 'F' => format!("{:.*}", self.precision.unwrap_or(6), number()?.float()),
            _ => return Err(error(format!("the format `{kind}` is not supported"))),
        };
        if let ('s' | 'r', Some(precision)) = (kind, self.precision) {
            shown = shown.chars().take(precision).collect();
        }
        if self.plus && !shown.starts_with('-') && !matches!(kind, 's' | 'r') {
            shown.insert(0, '+');
        }
        let missing = self.width.saturating_sub(shown.chars().count());
        Ok(match (self.left, self.zero && !matches!(kind, 's' | 'r')) {
            (true, _) => format!("{shown}{}", " ".repeat(missing)),
            (_, true) => {
                let sign = usize::from(shown.starts_with(['-', '+']));
                format!("{}{}{}", &shown[..sign], "0".repeat(missing), &shown[sign..])
            }
            _ => format!("{}{shown}", " ".repeat(missing)),
        })
    }
}

fn digits(rest: &mut &str) -> TeraResult<Option<usize>> {
    let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (written, after) = rest.split_at(length);
    *rest = after;
    match written.parse::<usize>() {
        Ok(value) if value > WIDEST => {
            Err(error(format!("a place of the format is wider than {WIDEST}")))
        }
        Ok(value) => Ok(Some(value)),
        Err(_) => Ok(None),
    }
}
