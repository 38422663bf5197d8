//! Another user's rights, by `sudo`, `su` or `doas`: their command lines, and their question for a
//! password. The password goes into their standard input and nowhere else.

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

/// The program that gives another user's rights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// Asks for the password of whoever logs in.
    #[default]
    Sudo,
    /// Asks for the password of whom one becomes, unless root asks.
    Su,
    /// Asks on a terminal only, which an agent does not have.
    Doas,
}

impl Method {
    const ALL: [Self; 3] = [Self::Sudo, Self::Su, Self::Doas];

    /// As Ansible names it, and as the program is called.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Su => "su",
            Self::Doas => "doas",
        }
    }
}

impl std::str::FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let name = text.rsplit('.').next().unwrap_or(text);
        Self::ALL.into_iter().find(|method| method.as_str() == name).ok_or_else(|| {
            Error::new(format!("cannot become anybody by `{text}`"))
                .hint("there are `sudo`, `su` and `doas`")
        })
    }
}

/// As whom an agent is to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Become {
    method: Method,
    user: String,
    password: Option<Secret>,
}

impl Become {
    /// Becomes that user, with that password where one is asked for.
    pub fn new(method: Method, user: &str, password: Option<Secret>) -> Result<Self, Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if user.is_empty() || user.starts_with('-') || !user.chars().all(fits) {
            return Err(Error::new(format!("`{user}` is not the name of a user")));
        }
        Ok(Self { method, user: user.to_owned(), password })
    }

    /// The user's name: letters, digits, `_`, `-` and `.`.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The command line that has a program work as an agent of that user.
    pub(super) fn command(&self, program: &str, mark: &Mark) -> Vec<String> {
        let user = self.user.as_str();
        let before = match (self.method, &self.password) {
            (Method::Sudo, None) => vec!["sudo", "-n", "-H", "-u", user, "--", program],
            (Method::Sudo, Some(_)) => {
                vec!["sudo", "-S", "-p", mark.as_str(), "-H", "-u", user, "--", program]
            }
            // The shell that it starts is the agent: nothing needs to be quoted for one.
            (Method::Su, _) => vec!["su", "-s", program, user],
            (Method::Doas, _) => vec!["doas", "-n", "-u", user, program],
        };
        before.into_iter().chain(["agent", mark.as_str()]).map(str::to_owned).collect()
    }

    /// What it asks for a password with, where it asks at all.
    fn question<'a>(&self, mark: &'a Mark) -> Option<&'a str> {
        match (self.method, &self.password) {
            (Method::Sudo, Some(_)) => Some(mark.as_str()),
            // In every locale that is likely where no terminal is.
            (Method::Su, _) => Some("assword:"),
            (Method::Sudo, None) | (Method::Doas, _) => None,
        }
    }

    /// Listens to a child that runs such a command, and answers when it asks.
    pub(super) fn listen(&self, child: &mut Child, mark: &Mark) -> Result<LastWords, Unreachable> {
        let (Some(question), Some(input)) = (self.question(mark), &child.stdin) else {
            return Ok(LastWords::of(child.stderr.take()));
        };
        let input = input
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| Unreachable::new(format!("no second way into a program: {error}")))?;
        let password = self.password.as_ref().map(|Secret(password)| format!("{password}\n"));
        let (mut input, mut answers) = (File::from(input), password);
        let answer = move || {
            // Asked again, the answer was wrong; nothing is what ends the questions.
            let text = answers.take().unwrap_or_else(|| "\n".into());
            let _ = input.write_all(text.as_bytes());
        };
        Ok(LastWords::answering(child.stderr.take(), question, answer))
    }

    /// What it means that there was no agent, given what was said instead.
    pub(super) fn refused<'a>(&self, host: &str, words: &'a str) -> Option<Error> {
        let program = self.method.as_str();
        // The question may stand before it, on the same line.
        let says = format!("{program}:");
        let said = |line: &'a str| line.find(&says).map(|at| line[at..].trim());
        let line = words.lines().rev().find_map(said)?;
        let error = Error::new(format!("cannot become `{}` on `{host}`: {line}", self.user));
        let hint = match self.method {
            _ if line.contains("not found") => {
                return Some(error.hint(format!(
                    "the package {program} is missing there; or log in as that user"
                )));
            }
            Method::Sudo
                if line.contains("password is required") || line.contains("incorrect password") =>
            {
                "`-K` asks for the password, `--become-password-file` reads it"
            }
            Method::Sudo if line.contains("tty") => {
                "`requiretty` in sudoers keeps programs from becoming anybody"
            }
            Method::Sudo => "sudoers says who may become whom",
            Method::Su => {
                "`su` wants the password of whom one becomes: `-K` asks for it, \
                 `--become-password-file` reads it"
            }
            Method::Doas => "it asks on a terminal only: doas.conf needs `permit nopass` for this",
        };
        Some(error.hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(method: Method, password: Option<&str>) -> Become {
        Become::new(method, "root", password.map(Secret::new)).unwrap()
    }

    #[test]
    fn shows_no_password() {
        let mark = Mark::new().unwrap();
        for method in Method::ALL {
            let secret = root(method, Some("swordfish"));
            assert!(!format!("{secret:?}").contains("swordfish"));
            assert!(!secret.command("/x", &mark).join(" ").contains("swordfish"));
        }
    }

    #[test]
    fn takes_only_names() {
        for user in ["", "-u", "a b", "a'b", "$(id)"] {
            assert!(Become::new(Method::Sudo, user, None).is_err(), "{user}");
        }
        assert!(Become::new(Method::Sudo, "www-data", None).is_ok());
    }

    #[test]
    fn tells_what_was_said_instead() {
        let error = root(Method::Sudo, None)
            .refused("web1", "Welcome\nsudo: a password is required\n")
            .unwrap();
        assert_eq!(error.message, "cannot become `root` on `web1`: sudo: a password is required");
        assert!(error.hint.unwrap().contains("-K"));
        assert!(root(Method::Sudo, None).refused("web1", "Connection refused").is_none());
        let error = root(Method::Su, None).refused("web1", "su: Authentication failure").unwrap();
        assert!(error.hint.unwrap().contains("of whom one becomes"));
        let words = "doas: Authentication required";
        let error = root(Method::Doas, None).refused("web1", words).unwrap();
        assert!(error.hint.unwrap().contains("nopass"));
        let words = "/bin/sh: 1: exec: doas: not found";
        let error = root(Method::Doas, None).refused("web1", words).unwrap();
        assert!(error.hint.unwrap().contains("package doas"));
    }

    #[test]
    fn knows_methods_by_both_names() {
        assert_eq!("ansible.builtin.su".parse(), Ok(Method::Su));
        let error = "runas".parse::<Method>().unwrap_err();
        assert!(error.message.contains("`runas`"), "{error}");
    }
}
