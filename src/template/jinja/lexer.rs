//! Jinja's text to tokens: data with its whitespace already trimmed, and what stands between
//! the brackets. `trim_blocks` is on and `lstrip_blocks` off, as Ansible has them.

use std::ops::Range;

use super::Mistake;

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Text that is written as it is.
    Data(String),
    /// `{{`
    OutputStart,
    /// `}}`
    OutputEnd,
    /// `{%`
    TagStart,
    /// `%}`
    TagEnd,
    Name(String),
    Integer(i64),
    Float(f64),
    Text(String),
    Operator(&'static str),
    End,
}

impl Kind {
    /// The token as an error names it.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Data(_) => "text".into(),
            Self::OutputStart => "`{{`".into(),
            Self::OutputEnd => "`}}`".into(),
            Self::TagStart => "`{%`".into(),
            Self::TagEnd => "`%}`".into(),
            Self::Name(name) => format!("`{name}`"),
            Self::Integer(_) | Self::Float(_) => "a number".into(),
            Self::Text(_) => "a text".into(),
            Self::Operator(operator) => format!("`{operator}`"),
            Self::End => "the end".into(),
        }
    }
}

/// Longest first.
const OPERATORS: &[&str] = &[
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ":", "|",
    ",", ";", "(", ")", "[", "]", "{", "}",
];

/// What ends the brackets that are open.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    Output,
    Tag,
    End,
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    escapes: bool,
    tokens: Vec<Token>,
}

/// The tokens of a whole template.
pub(super) fn template(text: &str, escapes: bool) -> Result<Vec<Token>, Mistake> {
    let mut lexer = Lexer { text, at: 0, escapes, tokens: Vec::new() };
    lexer.data()?;
    Ok(lexer.finish())
}

/// The tokens of a bare expression.
pub(super) fn expression(text: &str, escapes: bool) -> Result<Vec<Token>, Mistake> {
    let mut lexer = Lexer { text, at: 0, escapes, tokens: Vec::new() };
    lexer.code(Until::End, 0)?;
    Ok(lexer.finish())
}

impl<'t> Lexer<'t> {
    fn finish(mut self) -> Vec<Token> {
        self.push(self.text.len(), Kind::End);
        self.tokens
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, start: usize, kind: Kind) {
        self.tokens.push(Token { range: start..self.at.max(start), kind });
    }

    /// Text up to the next bracket, again and again.
    fn data(&mut self) -> Result<(), Mistake> {
        let mut strip = false;
        loop {
            let start = self.at;
            let length = opening(self.rest()).unwrap_or(self.rest().len());
            self.at += length;
            let rest = self.rest();
            let mut data = &self.text[start..self.at];
            if strip {
                data = data.trim_start();
            }
            if rest.get(2..).is_some_and(|rest| rest.starts_with('-')) {
                data = data.trim_end();
            }
            if !data.is_empty() {
                let data = data.replace("\r\n", "\n").replace('\r', "\n");
                self.push(start, Kind::Data(data));
            }
            if rest.is_empty() {
                return Ok(());
            }
            let open = self.at;
            self.at += 2;
            // `{%+` only says that `lstrip_blocks` is off here, which it is.
            if self.rest().starts_with(['-', '+']) {
                self.at += 1;
            }
            strip = match &rest[..2] {
                "{#" => self.comment(open)?,
                "{%" => match self.raw(open)? {
                    Some(strip) => strip,
                    None => {
                        self.push(open, Kind::TagStart);
                        self.code(Until::Tag, open)?
                    }
                },
                _ => {
                    // In `{{ +1 }}` the sign belongs to the number.
                    if self.text[..self.at].ends_with('+') {
                        self.at -= 1;
                    }
                    self.push(open, Kind::OutputStart);
                    self.code(Until::Output, open)?
                }
            };
        }
    }

    /// Passes over a comment; says whether whitespace after it goes, too.
    fn comment(&mut self, open: usize) -> Result<bool, Mistake> {
        match self.rest().find("#}") {
            Some(length) => {
                let strip = self.rest()[..length].ends_with('-');
                let keep = self.rest()[..length].ends_with('+');
                self.at += length + 2;
                Ok(strip || (!keep && self.newline()))
            }
            None => {
                Err(Mistake::new(open..open + 2, "the comment has no end")
                    .hint("close it with `#}`"))
            }
        }
    }

    /// `{% raw %}`, when that is what stands here: its text, up to `{% endraw %}`.
    fn raw(&mut self, open: usize) -> Result<Option<bool>, Mistake> {
        let Some((length, strip)) = tag(self.rest(), "raw") else { return Ok(None) };
        self.at += length;
        if !strip {
            self.newline_unless_kept();
        }
        let start = self.at;
        let mut from = start;
        loop {
            let Some(found) = self.text[from..].find("{%") else {
                return Err(Mistake::new(open..open + 2, "the `raw` block has no end")
                    .hint("close it with `{% endraw %}`"));
            };
            let end = from + found;
            from = end + 2;
            let sign = self.text[from..].starts_with(['-', '+']);
            let inner = &self.text[from + usize::from(sign)..];
            if let Some((length, after)) = tag(inner, "endraw") {
                let mut data = &self.text[start..end];
                if strip {
                    data = data.trim_start();
                }
                if self.text[from..].starts_with('-') {
                    data = data.trim_end();
                }
                self.at = from + usize::from(sign) + length;
                let data = data.replace("\r\n", "\n");
                self.tokens.push(Token { range: start..end, kind: Kind::Data(data) });
                return Ok(Some(after || self.newline_unless_kept()));
            }
        }
    }

    /// Takes the newline that `trim_blocks` takes; what comes after it stays.
    fn newline(&mut self) -> bool {
        let rest = self.rest();
        let length =
            ["\r\n", "\n"].iter().find(|end| rest.starts_with(**end)).map_or(0, |e| e.len());
        self.at += length;
        false
    }

    fn newline_unless_kept(&mut self) -> bool {
        !self.text[..self.at].ends_with("+%}") && self.newline()
    }

    /// What stands between brackets; says whether whitespace after them goes, too.
    fn code(&mut self, until: Until, open: usize) -> Result<bool, Mistake> {
        let mut balance: Vec<(&'static str, usize)> = Vec::new();
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            let (start, rest) = (self.at, self.rest());
            let Some(c) = rest.chars().next() else {
                return match (until, balance.last()) {
                    (_, Some((bracket, at))) => {
                        Err(Mistake::new(*at..at + 1, format!("`{bracket}` is not closed")))
                    }
                    (Until::End, None) => Ok(false),
                    (Until::Output, None) => {
                        Err(Mistake::new(open..open + 2, "`{{` is not closed")
                            .hint("close it with `}}`"))
                    }
                    (Until::Tag, None) => Err(Mistake::new(open..open + 2, "`{%` is not closed")
                        .hint("close it with `%}`")),
                };
            };
            if balance.is_empty() && until != Until::End {
                let (end, kind) = match until {
                    Until::Output => ("}}", Kind::OutputEnd),
                    _ => ("%}", Kind::TagEnd),
                };
                let signed = rest.starts_with(['-', '+']);
                if rest[usize::from(signed)..].starts_with(end) {
                    self.at += 2 + usize::from(signed);
                    self.push(start, kind);
                    let strip = rest.starts_with('-');
                    let keep = rest.starts_with('+') || until == Until::Output;
                    return Ok(strip || (!keep && self.newline()));
                }
            }
            match c {
                '\'' | '"' => self.string(c)?,
                '0'..='9' => self.number()?,
                c if c.is_alphabetic() || c == '_' => {
                    let length = rest
                        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                        .unwrap_or(rest.len());
                    self.at += length;
                    self.push(start, Kind::Name(rest[..length].to_owned()));
                }
                _ => {
                    let Some(operator) = OPERATORS.iter().find(|one| rest.starts_with(**one))
                    else {
                        return Err(Mistake::new(
                            start..start + c.len_utf8(),
                            format!("`{c}` means nothing here"),
                        ));
                    };
                    self.balance(operator, &mut balance)?;
                    self.at += operator.len();
                    self.push(start, Kind::Operator(operator));
                }
            }
        }
    }

    fn balance(
        &self,
        operator: &'static str,
        open: &mut Vec<(&'static str, usize)>,
    ) -> Result<(), Mistake> {
        let place = self.at..self.at + 1;
        match operator {
            "(" | "[" | "{" => open.push((operator, self.at)),
            ")" | "]" | "}" => match open.pop() {
                Some(("(", _)) if operator == ")" => {}
                Some(("[", _)) if operator == "]" => {}
                Some(("{", _)) if operator == "}" => {}
                Some((bracket, _)) => {
                    return Err(Mistake::new(place, format!("`{operator}` closes no `{bracket}`")));
                }
                None => {
                    return Err(Mistake::new(place, format!("`{operator}` closes nothing")));
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), Mistake> {
        let start = self.at;
        let mut text = String::new();
        let mut letters = self.text[start + 1..].char_indices();
        while let Some((offset, c)) = letters.next() {
            if c == quote {
                self.at = start + 1 + offset + 1;
                self.push(start, Kind::Text(text));
                return Ok(());
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let Some((_, escaped)) = letters.next() else { break };
            if self.escapes {
                escape(escaped, &mut letters, &mut text);
            } else {
                text.push('\\');
                text.push(escaped);
            }
        }
        Err(Mistake::new(start..start + 1, "the text has no end").hint("close it with a quote"))
    }

    fn number(&mut self) -> Result<(), Mistake> {
        let (start, rest) = (self.at, self.rest());
        let digits = |text: &str| {
            text.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(text.len())
        };
        let radix = match rest.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => 16,
            Some("0o") => 8,
            Some("0b") => 2,
            _ => 10,
        };
        if radix != 10 {
            let length = rest[2..].find(|c: char| !c.is_digit(radix)).unwrap_or(rest.len() - 2);
            self.at += 2 + length;
            let value = i64::from_str_radix(&rest[2..2 + length], radix);
            let value = value.map_err(|_| too_long(start..self.at))?;
            self.push(start, Kind::Integer(value));
            return Ok(());
        }
        let mut length = digits(rest);
        let mut float = false;
        let after = &rest[length..];
        if after.starts_with('.') && after[1..].starts_with(|c: char| c.is_ascii_digit()) {
            length += 1 + digits(&after[1..]);
            float = true;
        }
        let after = &rest[length..];
        if after.starts_with(['e', 'E']) {
            let sign = usize::from(after[1..].starts_with(['+', '-']));
            if after[1 + sign..].starts_with(|c: char| c.is_ascii_digit()) {
                length += 1 + sign + digits(&after[1 + sign..]);
                float = true;
            }
        }
        self.at += length;
        let written = rest[..length].replace('_', "");
        let kind = if float {
            written.parse().map(Kind::Float).map_err(|_| too_long(start..self.at))?
        } else {
            written.parse().map(Kind::Integer).map_err(|_| too_long(start..self.at))?
        };
        self.push(start, kind);
        Ok(())
    }
}

fn too_long(range: Range<usize>) -> Mistake {
    Mistake::new(range, "the number is too long").hint("whole numbers have 64 bits")
}

/// Where the next `{{`, `{%` or `{#` stands.
fn opening(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let second = |at: usize| bytes.get(at + 1);
    (0..bytes.len())
        .find(|at| bytes[*at] == b'{' && matches!(second(*at), Some(b'{' | b'%' | b'#')))
}

/// The length of `name %}` at the beginning of `text`, and whether it is `-%}`.
fn tag(text: &str, name: &str) -> Option<(usize, bool)> {
    let rest = text.trim_start().strip_prefix(name)?.trim_start();
    let strip = rest.starts_with('-');
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest).strip_prefix("%}")?;
    Some((text.len() - rest.len(), strip))
}

/// Python's escapes, of which a file's templates have all.
fn escape(c: char, letters: &mut std::str::CharIndices<'_>, text: &mut String) {
    let digits = match c {
        'n' => return text.push('\n'),
        't' => return text.push('\t'),
        'r' => return text.push('\r'),
        'a' => return text.push('\u{7}'),
        'b' => return text.push('\u{8}'),
        'f' => return text.push('\u{c}'),
        'v' => return text.push('\u{b}'),
        '0' => return text.push('\0'),
        '\\' | '\'' | '"' => return text.push(c),
        '\n' => return,
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => {
            text.push('\\');
            return text.push(c);
        }
    };
    let rest = letters.as_str();
    let written = rest.get(..digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match written.and_then(char::from_u32) {
        Some(character) => {
            text.push(character);
            letters.by_ref().take(digits).for_each(drop);
        }
        None => {
            text.push('\\');
            text.push(c);
        }
    }
}
