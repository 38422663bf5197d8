//! One command of a unit file; see "command lines" in systemd.service(5).

/// A command of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exec {
    pub(super) ignore_failure: bool,
    /// Whether it runs as the agent's user whatever `User=` says.
    pub(super) privileged: bool,
    pub(super) words: Vec<String>,
}

impl Exec {
    /// Prefixes before the program: `-` ignores a failure, `+` and `!` keep the privileges,
    /// `@` gives the program another name, `:` and `|` mean nothing here.
    pub(super) fn parse(value: &str, mut words: Vec<String>) -> Self {
        let prefixes: String = value.chars().take_while(|c| "-@:+!|".contains(*c)).collect();
        if let Some(first) = words.first_mut() {
            *first = first.trim_start_matches(|c| "-@:+!|".contains(c)).to_owned();
        }
        if prefixes.contains('@') && words.len() > 1 {
            words.remove(1);
        }
        let privileged = prefixes.contains(['+', '!']);
        Self { ignore_failure: prefixes.contains('-'), privileged, words }
    }

    /// The words, with `$MAINPID` and the unit's variables put in.
    pub(super) fn argv_with(
        &self,
        pid: Option<i32>,
        environment: &[(String, String)],
    ) -> Vec<String> {
        let mut argv = Vec::new();
        for word in &self.words {
            let mut text = word.clone();
            let main = pid.map(|pid| ("MAINPID".to_owned(), pid.to_string()));
            for (name, value) in environment.iter().chain(main.as_ref()) {
                text = text.replace(&format!("${{{name}}}"), value);
            }
            let alone = text.strip_prefix('$').and_then(|name| {
                environment.iter().chain(main.as_ref()).find(|(known, _)| known == name)
            });
            match alone {
                // `$NAME` alone is split into words, and is none when it is empty.
                Some((_, value)) => argv.extend(value.split_whitespace().map(str::to_owned)),
                None if is_variable(&text) => {}
                None => argv.push(text.replace("$$", "$")),
            }
        }
        argv
    }
}

/// Whether the whole word is `$NAME`.
fn is_variable(word: &str) -> bool {
    let name = word.strip_prefix('$').unwrap_or_default();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(words: &[&str]) -> Exec {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Exec::parse(&words.join(" "), words)
    }

    #[test]
    fn reads_the_prefixes() {
        let plain = exec(&["/bin/web", "-q"]);
        assert!(!plain.ignore_failure && !plain.privileged);
        let both = exec(&["-+/bin/web", "-q"]);
        assert!(both.ignore_failure && both.privileged);
        assert_eq!(both.words, plain.words);
        assert_eq!(exec(&["@/bin/web", "name", "-q"]).words, plain.words);
    }

    #[test]
    fn puts_variables_in_as_systemd_does() {
        let environment =
            [("A", "1"), ("B", "2 3"), ("EMPTY", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let argv = |words: &[&str]| exec(words).argv_with(Some(7), &environment);
        assert_eq!(argv(&["x", "$B", "${B}", "$MAINPID"]), ["x", "2", "3", "2 3", "7"]);
        assert_eq!(argv(&["x", "$EMPTY", "$UNKNOWN", "-a${A}"]), ["x", "-a1"]);
        assert_eq!(argv(&["x", "$$HOME", "echo $$"]), ["x", "$HOME", "echo $"]);
    }
}
