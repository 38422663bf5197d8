//! A shell script taken apart into its commands, as far as that can be done without running it.

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// As it is written.
    pub(super) line: String,
    /// Its words without their quotes.
    pub(super) words: Vec<String>,
    /// The file that its output goes to.
    pub(super) into: Option<String>,
    /// Whether the words are what the command gets: nothing in them is the shell's to fill in.
    pub(super) plain: bool,
}

impl Statement {
    /// A command of these words.
    pub(super) fn of(words: Vec<String>) -> Self {
        Self { line: words.join(" "), words, into: None, plain: true }
    }
}

/// One command without a shell.
pub(super) fn words(line: &str) -> Vec<Statement> {
    let statement = statements(line).into_iter().next();
    let plain = |one| Statement { plain: true, into: None, ..one };
    statement.map(plain).into_iter().collect()
}

/// The commands of a script, in order.
pub(super) fn statements(script: &str) -> Vec<Statement> {
    let mut reader = Reader::default();
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, reader.quote) {
            ('\'', None) | ('"', None) => reader.open(c),
            (_, Some(quote)) if c == quote => reader.quote = None,
            ('\\', None) | ('\\', Some('"')) => match chars.next() {
                Some('\n') | None => {}
                Some(next) => reader.letter(next),
            },
            (_, Some('\'')) => reader.letter(c),
            ('$' | '`', _) => {
                reader.current.plain = false;
                reader.letter(c);
            }
            (_, Some(_)) => reader.letter(c),
            ('#', None) if reader.word.is_none() => {
                while chars.next_if(|next| *next != '\n').is_some() {}
            }
            ('\n' | ';' | '&' | '|', None) => reader.end(),
            ('>', None) if chars.next_if_eq(&'&').is_some() => {
                while chars.next_if(char::is_ascii_alphanumeric).is_some() {}
                reader.drop_number();
            }
            ('>', None) => {
                reader.drop_number();
                reader.space();
                reader.redirected = true;
            }
            ('*' | '?' | '(' | ')' | '{' | '}' | '<', None) => {
                reader.current.plain = false;
                reader.letter(c);
            }
            (c, None) if c.is_whitespace() => reader.space(),
            (c, None) => reader.letter(c),
        }
    }
    reader.end();
    reader.done
}

struct Reader {
    done: Vec<Statement>,
    current: Statement,
    word: Option<String>,
    quote: Option<char>,
    /// Whether the next word is the file that output goes to.
    redirected: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            done: Vec::new(),
            current: Statement::of(Vec::new()),
            word: None,
            quote: None,
            redirected: false,
        }
    }
}

impl Reader {
    fn open(&mut self, quote: char) {
        self.quote = Some(quote);
        self.word.get_or_insert_default();
    }

    fn letter(&mut self, letter: char) {
        self.word.get_or_insert_default().push(letter);
    }

    fn space(&mut self) {
        let Some(word) = self.word.take() else { return };
        match std::mem::take(&mut self.redirected) {
            true => self.current.into = Some(word),
            false => self.current.words.push(word),
        }
    }

    /// `2>/dev/null` says which output goes elsewhere.
    fn drop_number(&mut self) {
        self.word.take_if(|word| word.len() == 1 && word.parse::<u8>().is_ok());
    }

    fn end(&mut self) {
        self.space();
        self.redirected = false;
        let mut statement = std::mem::replace(&mut self.current, Statement::of(Vec::new()));
        if matches!(statement.words.first().map(String::as_str), Some("sudo")) {
            statement.words.remove(0);
        }
        if !statement.words.is_empty() {
            let into = statement.into.as_ref().map(|file| format!(" > {file}"));
            statement.line = statement.words.join(" ") + &into.unwrap_or_default();
            self.done.push(statement);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_a_script_into_commands() {
        let lines = |script: &str| -> Vec<(String, bool)> {
            statements(script).into_iter().map(|one| (one.line, one.plain)).collect()
        };
        let cases: [(&str, &[(&str, bool)]); 8] = [
            ("", &[]),
            ("a  b\n# no\nc # d", &[("a b", true), ("c", true)]),
            (
                "a && b || c; d | e",
                &[("a", true), ("b", true), ("c", true), ("d", true), ("e", true)],
            ),
            ("echo 1 > /proc/x", &[("echo 1 > /proc/x", true)]),
            ("echo 1 >/x 2>&1", &[("echo 1 > /x", true)]),
            ("a 'b;c' \"d|e\" f\\ g", &[("a b;c d|e f g", true)]),
            ("ip addr add $VIP dev lo", &[("ip addr add $VIP dev lo", false)]),
            ("sudo a \\\n b", &[("a b", true)]),
        ];
        for (script, expected) in cases {
            let expected: Vec<(String, bool)> =
                expected.iter().map(|(line, plain)| ((*line).to_owned(), *plain)).collect();
            assert_eq!(lines(script), expected, "{script}");
        }
    }
}
