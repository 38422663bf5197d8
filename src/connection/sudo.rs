//! Another user's rights, by `sudo`: its command line, and its question for a password. The
//! password goes into its standard input and nowhere else.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::Child;

use super::mark::Mark;
use super::{LastWords, Unreachable};
use crate::modules::Error;

/// A text that nobody gets to see by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// As whom an agent is to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Become {
    user: String,
    password: Option<Secret>,
}

impl Become {
    /// Becomes that user, with the password of whoever logs in where one is asked for.
    pub fn new(user: &str, password: Option<Secret>) -> Result<Self, Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if user.is_empty() || user.starts_with('-') || !user.chars().all(fits) {
            return Err(Error::new(format!("`{user}` is not the name of a user")));
        }
        Ok(Self { user: user.to_owned(), password })
    }

    /// The user's name: letters, digits, `_`, `-` and `.`.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What stands before the program that is to run as that user.
    pub(super) fn command(&self, mark: &Mark) -> Vec<String> {
        let words = match &self.password {
            None => vec!["sudo", "-n"],
            Some(_) => vec!["sudo", "-S", "-p", mark.as_str()],
        };
        let rest = ["-H", "-u", &self.user, "--"];
        words.into_iter().chain(rest).map(str::to_owned).collect()
    }

    /// Listens to a child that runs such a command, and answers when it asks.
    pub(super) fn listen(&self, child: &mut Child, mark: &Mark) -> Result<LastWords, Unreachable> {
        let (Some(Secret(password)), Some(input)) = (&self.password, &child.stdin) else {
            return Ok(LastWords::of(child.stderr.take()));
        };
        let input = input
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| Unreachable::new(format!("no second way into a program: {error}")))?;
        let (mut input, mut answers) = (File::from(input), vec![format!("{password}\n")]);
        let answer = move || {
            // Asked again, the answer was wrong; nothing is what ends the questions.
            let text = answers.pop().unwrap_or_else(|| "\n".into());
            let _ = input.write_all(text.as_bytes());
        };
        Ok(LastWords::answering(child.stderr.take(), mark.as_str(), answer))
    }

    /// What it means that there was no agent, given what was said instead.
    pub(super) fn refused(&self, host: &str, words: &str) -> Option<Error> {
        let line = words.lines().rev().find(|line| line.contains("sudo"))?.trim();
        let error = Error::new(format!("cannot become `{}` on `{host}`: {line}", self.user));
        Some(if line.contains("password is required") || line.contains("incorrect password") {
            error.hint("`-K` asks for the password, `--become-password-file` reads it")
        } else if line.contains("not found") {
            error.hint("the package sudo is missing there; or log in as that user")
        } else if line.contains("tty") {
            error.hint("`requiretty` in sudoers keeps programs from becoming anybody")
        } else {
            error.hint("sudoers says who may become whom")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_password() {
        let secret = Become::new("root", Some(Secret::new("swordfish"))).unwrap();
        assert!(!format!("{secret:?}").contains("swordfish"));
        let mark = Mark::new().unwrap();
        assert!(!secret.command(&mark).join(" ").contains("swordfish"));
    }

    #[test]
    fn takes_only_names() {
        for user in ["", "-u", "a b", "a'b", "$(id)"] {
            assert!(Become::new(user, None).is_err(), "{user}");
        }
        assert!(Become::new("www-data", None).is_ok());
    }

    #[test]
    fn tells_what_sudo_said() {
        let root = Become::new("root", None).unwrap();
        let error = root.refused("web1", "Welcome\nsudo: a password is required\n").unwrap();
        assert_eq!(error.message, "cannot become `root` on `web1`: sudo: a password is required");
        assert!(error.hint.unwrap().contains("-K"));
        assert!(root.refused("web1", "Connection refused").is_none());
    }
}
