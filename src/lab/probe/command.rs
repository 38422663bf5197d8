//! Runs a program on the host and tells how it went.

use serde::{Deserialize, Serialize};

use super::Seconds;
use crate::modules::Error;
use crate::modules::process::Program;

/// What does this program say?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments; no shell reads them.
    pub argv: Vec<String>,
    /// After this long it is killed, which is an error.
    #[serde(default = "Command::default_timeout")]
    pub timeout: Seconds,
}

/// How a program went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOutput {
    /// The exit code; 128 and the signal's number for one that a signal ended, as in a shell.
    pub rc: i32,
    /// What it wrote.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

impl Command {
    /// Ten seconds.
    #[must_use]
    pub fn default_timeout() -> Seconds {
        Seconds::from_millis(10_000)
    }

    pub(super) fn run(self) -> Result<CommandOutput, Error> {
        let output = Program::new(self.argv).timeout(self.timeout.0).run()?;
        Ok(CommandOutput { rc: output.code, stdout: output.stdout, stderr: output.stderr })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(argv: &[&str], millis: u64) -> Result<CommandOutput, Error> {
        let argv = argv.iter().map(ToString::to_string).collect();
        Command { argv, timeout: Seconds::from_millis(millis) }.run()
    }

    #[test]
    fn keeps_both_outputs_and_the_exit_code() {
        let out = run(&["sh", "-c", "echo out; echo err >&2; exit 3"], 10_000).expect("sh runs");
        assert_eq!((out.rc, out.stdout.as_str(), out.stderr.as_str()), (3, "out\n", "err\n"));
    }

    #[test]
    fn ends_what_takes_too_long() {
        let error = run(&["sleep", "60"], 50).expect_err("it takes too long");
        assert!(error.message.contains("`sleep` did not end"), "{error}");
    }

    #[test]
    fn names_the_program_that_is_missing() {
        let error = run(&["no-such-program"], 1000).expect_err("it is not there");
        assert!(error.message.contains("`no-such-program`"), "{error}");
        assert!(run(&[], 1000).is_err());
    }
}
