//! The password for `become`: asked once, or read from a file. It is kept from every output.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use crate::connection::Secret;
use crate::diagnostic::Diagnostic;

/// Where the password for `become` comes from.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct SecretArgs {
    /// Ask for the password that `become` needs
    #[arg(short = 'K', long, conflicts_with = "become_password_file")]
    ask_become_pass: bool,
    /// Read it from the first line of a file
    #[arg(long, value_name = "FILE", alias = "become-pass-file")]
    become_password_file: Option<PathBuf>,
}

impl SecretArgs {
    /// The password, if there is to be one.
    pub(super) fn read(&self) -> Result<Option<Secret>, Diagnostic> {
        if let Some(file) = &self.become_password_file {
            return from_file(file).map(Some);
        }
        self.ask_become_pass.then(ask).transpose()
    }
}

fn from_file(path: &Path) -> Result<Secret, Diagnostic> {
    let failed = |error| Diagnostic::new(format!("failed to read `{}`: {error}", path.display()));
    first_line(File::open(path).map_err(failed)?).map_err(failed)
}

/// Asks at the terminal, which shows nothing of the answer.
fn ask() -> Result<Secret, Diagnostic> {
    let failed = |error: &dyn std::fmt::Display| {
        Diagnostic::new(format!("cannot ask for a password: {error}"))
            .hint("without a terminal, use `--become-password-file`")
    };
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut terminal = terminal.map_err(|error| failed(&error))?;
    let before = tcgetattr(&terminal).map_err(|error| failed(&error))?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    let asked = write!(terminal, "BECOME password: ").and_then(|()| {
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent)?;
        let answer = terminal.try_clone().and_then(first_line);
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &before)?;
        writeln!(terminal)?;
        answer
    });
    asked.map_err(|error| failed(&error))
}

fn first_line(file: File) -> std::io::Result<Secret> {
    let mut line = String::new();
    BufReader::new(file).read_line(&mut line)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}
