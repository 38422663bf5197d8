//! A file's permission bits as people write them: `0644`, `644` or `u=rw,g=r,o=`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The file mode creation mask that the agent runs with.
pub(crate) const UMASK: u32 = 0o022;

/// Permission bits, absolute or relative to those there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMode {
    text: String,
    clauses: Clauses,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Clauses {
    Absolute(u32),
    Symbolic(Vec<Clause>),
}

/// One `u+rwX`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    /// Bits of the classes it is about, such as `0o700` for `u`.
    classes: u32,
    /// Whether no class was written, which means all, less the umask.
    masked: bool,
    operation: char,
    permissions: String,
}

impl FileMode {
    /// Reads `text`; digits are octal, as in `chmod`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("`{text}` is no file mode: {why}; write it like `\"0644\"` or `u=rw,g=r,o=r`")
        };
        let clauses = if text.starts_with(|c: char| c.is_ascii_digit()) {
            let digits = text.strip_prefix("0o").unwrap_or(text);
            let bits = u32::from_str_radix(digits, 8).map_err(|_| wrong("not an octal number"))?;
            if bits > 0o7777 {
                return Err(wrong("larger than 7777"));
            }
            Clauses::Absolute(bits)
        } else {
            let clauses: Option<Vec<_>> = text.split(',').map(clause).collect();
            let clauses =
                clauses.ok_or_else(|| wrong("not classes, an operator and permissions"))?;
            Clauses::Symbolic(clauses.into_iter().flatten().collect())
        };
        Ok(Self { text: text.into(), clauses })
    }

    /// The bits it asks for, given those there are now.
    #[must_use]
    pub fn resolve(&self, now: u32, is_folder: bool) -> u32 {
        match &self.clauses {
            Clauses::Absolute(bits) => *bits,
            Clauses::Symbolic(clauses) => {
                clauses.iter().fold(now & 0o7777, |mode, clause| clause.apply(mode, is_folder))
            }
        }
    }
}

/// Reads `ug+rw-x`: the classes once, then any number of operations.
fn clause(text: &str) -> Option<Vec<Clause>> {
    let at = text.find(['+', '-', '='])?;
    let (who, mut rest) = text.split_at(at);
    let mut classes = 0;
    for c in who.chars() {
        classes |= match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let masked = who.is_empty();
    if masked {
        classes = 0o7777;
    }
    let mut clauses = Vec::new();
    while let Some(operation) = rest.chars().next() {
        rest = &rest[operation.len_utf8()..];
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        let (permissions, after) = rest.split_at(end);
        if !permissions.chars().all(|c| "rwxXstugo".contains(c)) {
            return None;
        }
        clauses.push(Clause { classes, masked, operation, permissions: permissions.into() });
        rest = after;
    }
    Some(clauses)
}

impl Clause {
    fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        let mut bits = 0;
        for permission in self.permissions.chars() {
            bits |= match permission {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if is_folder || mode & 0o111 != 0 => 0o111,
                's' => 0o6000,
                't' => 0o1000,
                'u' => spread(mode >> 6),
                'g' => spread(mode >> 3),
                'o' => spread(mode),
                _ => 0,
            };
        }
        bits &= self.classes;
        if self.masked {
            bits &= !UMASK;
        }
        match self.operation {
            '+' => mode | bits,
            '-' => mode & !bits,
            // `g=` on a folder keeps setgid and sticky as chmod does not: Ansible clears them.
            _ => (mode & !self.classes) | bits,
        }
    }
}

/// The three bits of one class, given to all three.
fn spread(bits: u32) -> u32 {
    let bits = bits & 7;
    bits << 6 | bits << 3 | bits
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for FileMode {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct ModeVisitor;

        impl Visitor<'_> for ModeVisitor {
            type Value = FileMode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file mode such as \"0644\" or u=rw,g=r,o=r")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<FileMode, E> {
                FileMode::parse(text).map_err(E::custom)
            }

            // The digits somebody wrote are octal digits, with or without the quotes.
            fn visit_u64<E: de::Error>(self, digits: u64) -> Result<FileMode, E> {
                self.visit_str(&digits.to_string())
            }
        }

        // Asks for text: `0644` unquoted has to arrive with its digits, not as 420.
        input.deserialize_str(ModeVisitor)
    }
}

impl JsonSchema for FileMode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileMode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": "^([0-7]{1,4}|0o?[0-7]{1,4}|[ugoa]*([-+=][rwxXstugo]*)+(,[ugoa]*([-+=][rwxXstugo]*)+)*)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_as_chmod_does() {
        let cases = [
            ("0644", 0, false, 0o644),
            ("644", 0o777, false, 0o644),
            ("0o755", 0, true, 0o755),
            ("1777", 0, true, 0o1777),
            ("u=rw,g=r,o=r", 0o777, false, 0o644),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("a+x", 0o644, false, 0o755),
            ("+w", 0o444, false, 0o644),
            ("go-rwx", 0o755, false, 0o700),
            ("g=u", 0o750, false, 0o770),
            ("u+s", 0o755, false, 0o4755),
            ("+t", 0o777, true, 0o1777),
            ("u+x-w", 0o600, false, 0o500),
            ("o=", 0o777, false, 0o770),
        ];
        for (text, now, is_folder, wanted) in cases {
            let got = FileMode::parse(text).unwrap().resolve(now, is_folder);
            assert_eq!(got, wanted, "{text} on {now:o} gave {got:o}");
        }
    }

    #[test]
    fn refuses_what_is_no_mode() {
        for text in ["", "rw", "0888", "77777", "u~r", "z=r", "u=q", "-1é"] {
            let error = FileMode::parse(text).unwrap_err();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn comes_back_from_json_as_it_went() {
        for text in ["\"0644\"", "\"u=rw,g=r\""] {
            let mode: FileMode = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&mode).unwrap(), text);
        }
    }
}
