//! Splits a command line into words by the quoting rules of a POSIX shell, and does
//! nothing else that a shell does.

/// Splits `line` into words; an error says which quote was left open.
pub(crate) fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("there is nothing after the last backslash".into()),
            },
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a single quote is not closed".into()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some('\n') => {}
                            Some(c) => word.extend(['\\', c]),
                            None => return Err("a double quote is not closed".into()),
                        },
                        Some(c) => word.push(c),
                        None => return Err("a double quote is not closed".into()),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_by_the_rules_of_a_shell() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("nginx  -t\t-q\n", &["nginx", "-t", "-q"]),
            ("echo 'a  b' \"c d\"", &["echo", "a  b", "c d"]),
            (r"a\ b", &["a b"]),
            (r#"-g "daemon \"on\"; x\y""#, &["-g", r#"daemon "on"; x\y"#]),
            ("''", &[""]),
            ("pre'mid'post", &["premidpost"]),
            ("a | b > c", &["a", "|", "b", ">", "c"]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), *words, "{line}");
        }
    }

    #[test]
    fn refuses_an_open_quote() {
        for line in ["echo 'a", "echo \"a", "a\\"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
