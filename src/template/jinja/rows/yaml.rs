//! YAML as Python's library writes it, which is what files made by Ansible look like.

use tera::value::ValueKind;
use tera::{TeraResult, Value};

use super::super::python::{float, text};
use super::super::table::Given;

struct Writer {
    indent: usize,
    /// In one line always, never, or where nothing is nested.
    flow: Option<bool>,
    sorted: bool,
    out: String,
}

pub(super) fn written(
    value: &Value,
    given: &Given,
    indent: usize,
    flow: Option<bool>,
) -> TeraResult<Value> {
    let asked = given.integer("indent")?.and_then(|one| usize::try_from(one).ok());
    let mut writer = Writer {
        // The library takes nothing else.
        indent: asked.filter(|one| (2..10).contains(one)).unwrap_or(indent),
        flow: given.flag("default_flow_style").or(flow),
        sorted: given.flag("sort_keys").unwrap_or(true),
        out: String::new(),
    };
    if is_scalar(value) {
        writer.out = format!("{}\n", scalar(value, false));
    } else if writer.in_one_line(value) {
        writer.one_line(value);
        writer.out.push('\n');
    } else {
        writer.lines(value, 0, false);
    }
    Ok(writer.out.into())
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value.kind(), ValueKind::Array | ValueKind::Map)
}

impl Writer {
    fn in_one_line(&self, value: &Value) -> bool {
        if is_scalar(value) || value.len() == Some(0) {
            return true;
        }
        self.flow.unwrap_or_else(|| match value.as_map() {
            Some(map) => map.values().all(is_scalar),
            None => value.as_array().unwrap_or_default().iter().all(is_scalar),
        })
    }

    fn entries(&self, value: &Value) -> Vec<(Value, Value)> {
        let mut entries: Vec<_> = value.as_map().into_iter().flatten().collect();
        if self.sorted {
            entries.sort_by(|left, right| left.0.cmp(right.0));
        }
        entries.into_iter().map(|(key, value)| (key.as_value(), value.clone())).collect()
    }

    fn one_line(&mut self, value: &Value) {
        match value.kind() {
            ValueKind::Array => {
                self.out.push('[');
                for (at, item) in value.as_array().unwrap_or_default().iter().enumerate() {
                    self.out.push_str(if at > 0 { ", " } else { "" });
                    self.one_line(item);
                }
                self.out.push(']');
            }
            ValueKind::Map => {
                self.out.push('{');
                for (at, (key, item)) in self.entries(value).into_iter().enumerate() {
                    self.out.push_str(if at > 0 { ", " } else { "" });
                    self.out.push_str(&scalar(&key, true));
                    self.out.push_str(": ");
                    self.one_line(&item);
                }
                self.out.push('}');
            }
            _ => self.out.push_str(&scalar(value, true)),
        }
    }

    /// Writes a line for each entry; the first one goes on where the line already stands.
    fn lines(&mut self, value: &Value, column: usize, mut begun: bool) {
        let mut start = |out: &mut String| {
            if !std::mem::take(&mut begun) {
                out.push_str(&" ".repeat(column));
            }
        };
        if let Some(items) = value.as_array() {
            for item in items {
                start(&mut self.out);
                self.out.push('-');
                if self.in_one_line(item) {
                    self.out.push(' ');
                    self.one_line_in_block(item, column);
                } else {
                    self.out.push_str(&" ".repeat(self.indent - 1));
                    self.lines(item, column + self.indent, true);
                }
            }
            return;
        }
        for (key, item) in self.entries(value) {
            start(&mut self.out);
            self.out.push_str(&scalar(&key, false));
            self.out.push(':');
            if self.in_one_line(&item) {
                self.out.push(' ');
                self.one_line_in_block(&item, column);
            } else {
                self.out.push('\n');
                let inner = if item.is_array() { column } else { column + self.indent };
                self.lines(&item, inner, false);
            }
        }
    }

    fn one_line_in_block(&mut self, value: &Value, column: usize) {
        match is_scalar(value) {
            // A text of several lines goes on further to the right.
            true => {
                let further = format!("\n\n{}", " ".repeat(column + self.indent));
                self.out.push_str(&scalar(value, false).replace("\n\n", &further));
            }
            false => self.one_line(value),
        }
        self.out.push('\n');
    }
}

fn scalar(value: &Value, flow: bool) -> String {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => "null".into(),
        ValueKind::Bool => if value.is_truthy() { "true" } else { "false" }.into(),
        ValueKind::F64 => match float(value.as_f64().unwrap_or(0.0)).as_str() {
            "inf" => ".inf".into(),
            "-inf" => "-.inf".into(),
            "nan" => ".nan".into(),
            // YAML wants a point in every fraction.
            shown if !shown.contains('.') => shown.replace('e', ".0e"),
            shown => shown.into(),
        },
        ValueKind::String => string(value.as_str().unwrap_or_default(), flow),
        _ => text(value),
    }
}

fn string(text: &str, flow: bool) -> String {
    let odd = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    if text.chars().any(odd)
        || (text.contains('\n') && text.contains([' ', '\t'])) && spaces_at_breaks(text)
    {
        return doubled(text);
    }
    if is_plain(text, flow) && !means_something(text) {
        return text.to_owned();
    }
    let inner = text.replace('\'', "''");
    match text.contains('\n') {
        true => format!("'{}'", inner.replace('\n', "\n\n")),
        false => format!("'{inner}'"),
    }
}

fn spaces_at_breaks(text: &str) -> bool {
    text.contains(" \n") || text.starts_with(' ') || text.ends_with(' ')
}

fn doubled(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            '\u{1b}' => out.push_str("\\e"),
            c if c.is_control() => out.push_str(&format!("\\x{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether a text may stand without quotes.
fn is_plain(text: &str, flow: bool) -> bool {
    let mut letters = text.chars();
    let (Some(first), second) = (letters.next(), letters.next()) else { return false };
    if text.contains('\n')
        || text.starts_with(' ')
        || text.ends_with(' ')
        || text.starts_with("---")
        || text.starts_with("...")
    {
        return false;
    }
    let alone = second.is_none_or(char::is_whitespace);
    if "#,[]{}&*!|>'\"%@`".contains(first)
        || ("?:-".contains(first) && (alone || flow && first != '-'))
    {
        return false;
    }
    if flow && text.contains([',', '?', '[', ']', '{', '}', ':']) {
        return false;
    }
    !(text.contains(": ") || text.ends_with(':') || text.contains(" #"))
}

/// Whether YAML 1.1 would read the text as something else.
fn means_something(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "=", "<<", ".inf",
        "-.inf", "+.inf", ".nan", "",
    ];
    let small = text.to_ascii_lowercase();
    // `y` and `n` are texts to Python's library, though not to YAML.
    if WORDS.contains(&small.as_str()) && small != "y" && small != "n" {
        return true;
    }
    let digits = text.trim_start_matches(['-', '+']);
    let signs = text.len() - digits.len();
    if signs > 1 || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let digits = digits.replace('_', "");
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return !hexadecimal.is_empty() && hexadecimal.chars().all(|c| c.is_ascii_hexdigit());
    }
    if let Some(binary) = digits.strip_prefix("0b") {
        return !binary.is_empty() && binary.chars().all(|c| matches!(c, '0' | '1'));
    }
    let whole = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let octal = digits.starts_with('0') && digits.len() > 1;
    if whole {
        return !octal || digits.chars().all(|c| c < '8');
    }
    let sexagesimal = digits.contains(':')
        && digits
            .split(':')
            .skip(1)
            .all(|part| part.parse::<u8>().is_ok_and(|part| part < 60) && part.len() <= 2)
        && !digits.starts_with('0')
        && digits
            .split(':')
            .next()
            .is_some_and(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    let fraction = digits.contains('.')
        && digits.matches('.').count() == 1
        && digits.chars().any(|c| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let exponent = digits.split_once(['e', 'E']).is_some_and(|(number, power)| {
        number.contains('.')
            && power.starts_with(['+', '-'])
            && power.len() > 1
            && number.chars().all(|c| c.is_ascii_digit() || c == '.')
            && power[1..].chars().all(|c| c.is_ascii_digit())
    });
    sexagesimal || fraction || exponent || is_date(text)
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && (bytes.len() == 10 || matches!(bytes[10], b' ' | b'T' | b't'))
}
