//! Values in an INI inventory: what Python's `ast.literal_eval` takes for a value is one, and
//! everything else is a text. So `True` is a boolean, and `true` a text; `1,2` is a list, and so
//! is `(1, 2)`; `007` and `10.0.0.1` are texts.

use serde_json::{Map, Number, Value};

/// How deep values may nest; deeper ones are texts.
const DEPTH: usize = 64;

/// What a text means.
pub(super) fn value(text: &str) -> Value {
    parse(text).unwrap_or_else(|| text.into())
}

fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { rest: text.trim_start_matches([' ', '\t']), depth: 0 };
    let value = parser.items()?;
    parser.rest.is_empty().then_some(value)
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('#') {
            self.rest = "";
        }
    }

    fn take(&mut self, word: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// One value, or several with commas, which are a list.
    fn items(&mut self) -> Option<Value> {
        let first = self.one()?;
        if !self.take(",") {
            return Some(first);
        }
        let mut items = vec![first];
        self.skip();
        while !self.rest.is_empty() && !self.rest.starts_with(')') {
            items.push(self.one()?);
            if !self.take(",") {
                break;
            }
            self.skip();
        }
        self.skip();
        Some(items.into())
    }

    fn one(&mut self) -> Option<Value> {
        self.depth += 1;
        self.skip();
        let value = match self.rest.chars().next().filter(|_| self.depth <= DEPTH)? {
            '(' => self.brackets(),
            '[' => self.list(),
            '{' => self.braces(),
            '+' => self.after(1)?.number(),
            '-' => {
                let number = self.after(1)?.number()?;
                let negative = match number.as_i64() {
                    Some(whole) => whole.checked_neg().map(Number::from),
                    // What is larger than any negative number but the smallest one.
                    None if number.is_u64() => None,
                    None => number.as_f64().and_then(|fraction| Number::from_f64(-fraction)),
                };
                negative.map(Value::Number)
            }
            c if c.is_ascii_digit() || c == '.' && !self.rest.starts_with("...") => self.number(),
            _ => self.word(),
        }?;
        self.depth -= 1;
        self.skip();
        Some(value)
    }

    fn after(&mut self, bytes: usize) -> Option<&mut Self> {
        self.rest = self.rest.get(bytes..)?.trim_start();
        Some(self)
    }

    /// `()`, `(value)` or `(value, …)`.
    fn brackets(&mut self) -> Option<Value> {
        self.after(1)?;
        if self.take(")") {
            return Some(Value::Array(Vec::new()));
        }
        let value = self.items()?;
        self.take(")").then_some(value)
    }

    fn list(&mut self) -> Option<Value> {
        self.after(1)?;
        let mut items = Vec::new();
        while !self.take("]") {
            items.push(self.one()?);
            if !self.take(",") {
                return self.take("]").then_some(items.into());
            }
        }
        Some(items.into())
    }

    /// A mapping, or a set, which becomes a list.
    fn braces(&mut self) -> Option<Value> {
        self.after(1)?;
        let (mut map, mut set) = (Map::new(), Vec::new());
        while !self.take("}") {
            let key = self.one()?;
            if self.take(":") {
                let key = match key {
                    Value::String(text) => text,
                    Value::Array(_) | Value::Object(_) => return None,
                    other => other.to_string(),
                };
                map.insert(key, self.one()?);
            } else if !set.contains(&key) {
                set.push(key);
            }
            if !self.take(",") && !self.rest.starts_with('}') {
                return None;
            }
        }
        match (map.is_empty(), set.is_empty()) {
            (_, true) => Some(map.into()),
            (true, false) => Some(set.into()),
            (false, false) => None,
        }
    }

    /// `True`, `False`, `None`, `...`, `set()`, or texts, which are joined.
    fn word(&mut self) -> Option<Value> {
        for (word, value) in [
            ("True", Value::Bool(true)),
            ("False", Value::Bool(false)),
            ("None", Value::Null),
            ("...", Value::from("...")),
            ("set()", Value::Array(Vec::new())),
        ] {
            let rest = self.rest.strip_prefix(word);
            if let Some(rest) = rest.filter(|rest| !rest.starts_with(is_letter)) {
                self.rest = rest;
                return Some(value);
            }
        }
        let mut whole = self.text()?;
        self.skip();
        while !self.rest.is_empty() && self.begins_text() {
            whole.push_str(&self.text()?);
            self.skip();
        }
        Some(whole.into())
    }

    fn begins_text(&self) -> bool {
        self.rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with(['"', '\''])
    }

    /// A text in quotes, with the letters that may stand before it.
    fn text(&mut self) -> Option<String> {
        let at = self.rest.find(['"', '\''])?;
        let (prefix, rest) = self.rest.split_at(at);
        let prefix = prefix.to_ascii_lowercase();
        if !matches!(prefix.as_str(), "" | "r" | "u" | "b" | "rb" | "br") {
            return None;
        }
        let quote = rest.get(..1)?;
        let quote = match rest.get(..3).filter(|three| **three == quote.repeat(3)) {
            Some(three) => three,
            None => quote,
        };
        self.rest = rest.get(quote.len()..)?;
        let bytes = prefix.contains('b');
        let mut text = String::new();
        while !self.rest.starts_with(quote) {
            let c = self.next()?;
            match c {
                '\\' if prefix.contains('r') => text.extend(['\\', self.next()?]),
                '\\' => self.escape(bytes, &mut text)?,
                c if bytes && !c.is_ascii() => return None,
                c => text.push(c),
            }
        }
        self.rest = self.rest.get(quote.len()..)?;
        Some(text)
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    fn escape(&mut self, bytes: bool, text: &mut String) -> Option<()> {
        let c = self.next()?;
        match c {
            '\\' | '\'' | '"' => text.push(c),
            'a' => text.push('\x07'),
            'b' => text.push('\x08'),
            'f' => text.push('\x0c'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\x0b'),
            'x' => text.push(self.code(2, 16)?),
            'u' if !bytes => text.push(self.code(4, 16)?),
            'U' if !bytes => text.push(self.code(8, 16)?),
            'N' if !bytes => return None,
            '0'..='7' => {
                let digits = self.rest.bytes().take_while(|b| (b'0'..=b'7').contains(b)).count();
                let mut code = c.to_digit(8)?;
                for _ in 0..digits.min(2) {
                    code = code * 8 + self.next()?.to_digit(8)?;
                }
                text.push(char::from_u32(code)?);
            }
            other => text.extend(['\\', other]),
        }
        Some(())
    }

    fn code(&mut self, digits: usize, radix: u32) -> Option<char> {
        let code = self.rest.get(..digits).filter(|text| text.bytes().all(|b| b != b'+'))?;
        self.rest = self.rest.get(digits..)?;
        char::from_u32(u32::from_str_radix(code, radix).ok()?)
    }

    fn number(&mut self) -> Option<Value> {
        let mut end = 0;
        for (at, c) in self.rest.char_indices() {
            let exponent = self.rest[..at].ends_with(['e', 'E']) && !self.rest.starts_with("0x");
            if !(is_letter(c) || c == '.' || exponent && matches!(c, '+' | '-')) {
                break;
            }
            end = at + c.len_utf8();
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        whole(word).or_else(|| fraction(word))
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Digits, single underscores between them.
fn digits(text: &str, radix: u32) -> Option<String> {
    let parts: Vec<&str> = text.split('_').collect();
    let right = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_digit(radix));
    parts.iter().all(right).then(|| parts.concat())
}

fn whole(word: &str) -> Option<Value> {
    let lower = word.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = lower.strip_prefix(prefix) {
            let rest = rest.strip_prefix('_').unwrap_or(rest);
            return Some(u64::from_str_radix(&digits(rest, radix)?, radix).ok()?.into());
        }
    }
    let digits = digits(word, 10)?;
    // A zero in front is none of a number, but for zero itself.
    let padded = digits.starts_with('0') && digits.contains(|c| c != '0');
    (!padded).then(|| digits.parse::<u64>().ok().map(Value::from)).flatten()
}

fn fraction(word: &str) -> Option<Value> {
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (word, None),
    };
    let (before, after) = match mantissa.split_once('.') {
        Some((before, after)) => (before, Some(after)),
        None => (mantissa, None),
    };
    if exponent.is_none() && after.is_none() {
        return None;
    }
    let part = |text: &str| if text.is_empty() { Some(String::new()) } else { digits(text, 10) };
    let (before, after) = (part(before)?, part(after.unwrap_or_default())?);
    if before.is_empty() && after.is_empty() {
        return None;
    }
    let exponent = match exponent {
        Some(exponent) => {
            let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let sign = if exponent.starts_with('-') { "-" } else { "" };
            format!("{sign}{}", digits(unsigned, 10)?)
        }
        None => "0".into(),
    };
    let number: f64 = format!("0{before}.{after}0e{exponent}").parse().ok()?;
    Number::from_f64(number).map(Value::Number)
}
