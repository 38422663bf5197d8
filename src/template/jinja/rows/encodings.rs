//! Filters that write values in other notations, and read them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::Digest;
use tera::Value;
use tera::value::ValueKind;

use super::super::python::{error, float, text};
use super::super::table::Row;

pub(super) const ROWS: &[Row] = &[
    Row::filter("b64encode", |value, _| Ok(STANDARD.encode(text(value)).into()))
        .takes(&["encoding?"])
        .doc("In base64."),
    Row::filter("b64decode", |value, _| {
        let text = text(value);
        let stripped: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let bytes = STANDARD_NO_PAD
            .decode(stripped.trim_end_matches('='))
            .map_err(|cause| error(format!("this is no base64: {cause}")))?;
        let decoded = String::from_utf8(bytes);
        decoded.map(Value::from).map_err(|_| error("the decoded bytes are no UTF-8 text"))
    })
    .takes(&["encoding?"])
    .doc("What base64 stands for."),
    Row::filter("hash", |value, given| {
        let kind = given.text("hashtype").unwrap_or_else(|| "sha1".into());
        let bytes = text(value);
        let bytes = bytes.as_bytes();
        Ok(match kind.as_str() {
            "md5" => hexadecimal(&md5::Md5::digest(bytes)),
            "sha1" => hexadecimal(&sha1::Sha1::digest(bytes)),
            "sha224" => hexadecimal(&sha2::Sha224::digest(bytes)),
            "sha256" => hexadecimal(&sha2::Sha256::digest(bytes)),
            "sha384" => hexadecimal(&sha2::Sha384::digest(bytes)),
            "sha512" => hexadecimal(&sha2::Sha512::digest(bytes)),
            _ => return Err(error(format!("there is no hash `{kind}` here"))),
        }
        .into())
    })
    .takes(&["hashtype?"])
    .doc("A checksum: `sha1`, or `md5`, `sha224`, `sha256`, `sha384`, `sha512`."),
    Row::filter("sha1", |value, _| Ok(hexadecimal(&sha1::Sha1::digest(text(value))).into()))
        .alias(&["checksum"])
        .doc("The SHA-1 checksum."),
    Row::filter("md5", |value, _| Ok(hexadecimal(&md5::Md5::digest(text(value))).into()))
        .doc("The MD5 checksum."),
    Row::filter("to_json", |value, given| {
        let style = Json {
            indent: given.integer("indent")?.map(spaces),
            sorted: given.flag("sort_keys").unwrap_or(false),
            ascii: given.flag("ensure_ascii").unwrap_or(true),
        };
        Ok(style.written(value).into())
    })
    .takes(&["indent?", "sort_keys?", "ensure_ascii?"])
    .doc("As JSON, in one line."),
    Row::filter("to_nice_json", |value, given| {
        let style = Json {
            indent: Some(spaces(given.integer("indent")?.unwrap_or(4))),
            sorted: given.flag("sort_keys").unwrap_or(true),
            ascii: given.flag("ensure_ascii").unwrap_or(true),
        };
        Ok(style.written(value).into())
    })
    .takes(&["indent?", "sort_keys?", "ensure_ascii?"])
    .doc("As JSON, a line for each entry, keys sorted."),
    Row::filter("from_json", |value, _| {
        let read: serde_json::Value = serde_json::from_str(&text(value))
            .map_err(|cause| error(format!("this is no JSON: {cause}")))?;
        Value::try_from_serializable(&read)
    })
    .doc("What JSON stands for."),
    Row::filter("to_yaml", |value, given| super::yaml::written(value, given, 2, None))
        .takes(&["indent?", "default_flow_style?", "sort_keys?", "width?"])
        .doc("As YAML; lists and mappings of plain values in one line."),
    Row::filter("to_nice_yaml", |value, given| super::yaml::written(value, given, 4, Some(false)))
        .takes(&["indent?", "default_flow_style?", "sort_keys?", "width?"])
        .doc("As YAML, a line for each entry, indented by 4."),
    Row::filter("from_yaml", |value, _| {
        let text = text(value);
        let source =
            std::sync::Arc::new(crate::diagnostic::Source { name: "from_yaml".into(), text });
        let node = crate::yaml::read(&source).map_err(|cause| error(cause.message))?;
        Value::try_from_serializable(&node.to_json())
    })
    .doc("What YAML stands for."),
    Row::filter("urlencode", |value, _| {
        let mut out = String::new();
        for byte in text(value).bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                    out.push(char::from(byte))
                }
                byte => out.push_str(&format!("%{byte:02X}")),
            }
        }
        Ok(out.into())
    })
    .doc("Quoted for a URL."),
];

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn spaces(count: i64) -> usize {
    usize::try_from(count.clamp(0, 100)).unwrap_or(0)
}

/// How Python's `json` writes.
struct Json {
    indent: Option<usize>,
    sorted: bool,
    ascii: bool,
}

impl Json {
    fn written(&self, value: &Value) -> String {
        let mut out = String::new();
        self.write(value, 0, &mut out);
        out
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = self.indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent * depth));
        }
    }

    fn write(&self, value: &Value, depth: usize, out: &mut String) {
        let between = if self.indent.is_some() { "," } else { ", " };
        match value.kind() {
            ValueKind::None | ValueKind::Undefined => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_truthy() { "true" } else { "false" }),
            ValueKind::F64 => out.push_str(&float(value.as_f64().unwrap_or(0.0))),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), out),
            ValueKind::Array => {
                let items = value.as_array().unwrap_or_default();
                if items.is_empty() {
                    return out.push_str("[]");
                }
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "[" } else { between });
                    self.line(depth + 1, out);
                    self.write(item, depth + 1, out);
                }
                self.line(depth, out);
                out.push(']');
            }
            ValueKind::Map => {
                let mut entries: Vec<_> = value.as_map().into_iter().flatten().collect();
                if entries.is_empty() {
                    return out.push_str("{}");
                }
                if self.sorted {
                    entries.sort_by(|left, right| left.0.cmp(right.0));
                }
                for (at, (key, item)) in entries.into_iter().enumerate() {
                    out.push_str(if at == 0 { "{" } else { between });
                    self.line(depth + 1, out);
                    match key.as_str() {
                        Some(key) => self.string(key, out),
                        None => {
                            out.push('"');
                            self.write(&key.as_value(), depth, out);
                            out.push('"');
                        }
                    }
                    out.push_str(": ");
                    self.write(item, depth + 1, out);
                }
                self.line(depth, out);
                out.push('}');
            }
            _ => out.push_str(&text(value)),
        }
    }

    fn string(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if (c as u32) < 0x20 || (self.ascii && !c.is_ascii()) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}
