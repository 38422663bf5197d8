//! `command`: what a program on a host must say.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Cause, Check, Hosts, Roster, Scene, Verdict, look};
use crate::connection::CallError;
use crate::lab::probe::{self, CommandOutput, Seconds};

/// A program and what is expected of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Command {
    on: String,
    probe: probe::Command,
    /// As the author wrote it.
    shown: String,
    rc: i32,
    stdout: Option<String>,
    stdout_contains: Option<String>,
    stderr_contains: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// The host.
    on: String,
    /// A program and its arguments.
    argv: Option<Vec<String>>,
    /// A line for `/bin/sh`.
    shell: Option<String>,
    /// For how many seconds it may run.
    timeout: Option<Seconds>,
    /// Its exit code.
    #[serde(default)]
    rc: i32,
    /// What it says, but for white space around it.
    stdout: Option<String>,
    /// A text in what it says.
    stdout_contains: Option<String>,
    /// A text in what it says on standard error.
    stderr_contains: Option<String>,
}

impl TryFrom<Written> for Command {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let (argv, shown) = match (written.argv, written.shell) {
            (Some(argv), None) if argv.is_empty() => return Err("`argv` is empty"),
            (Some(argv), None) => (argv.clone(), argv.join(" ")),
            (None, Some(line)) => (vec!["/bin/sh".into(), "-c".into(), line.clone()], line),
            _ => {
                return Err("give either `argv` or `shell`\n\
                    hint: `argv: [ip, addr]` runs a program, `shell: ip addr | grep lo` a shell");
            }
        };
        let timeout = written.timeout.unwrap_or_else(probe::Command::default_timeout);
        Ok(Self {
            on: written.on,
            probe: probe::Command { argv, timeout },
            shown,
            rc: written.rc,
            stdout: written.stdout,
            stdout_contains: written.stdout_contains,
            stderr_contains: written.stderr_contains,
        })
    }
}

impl Check for Command {
    type Seen = CommandOutput;

    fn title(&self) -> String {
        format!("`{}` on {}", self.shown, self.on)
    }

    fn hosts(&self) -> Vec<&str> {
        vec![&self.on]
    }

    fn look(&self, hosts: &mut dyn Hosts) -> Result<CommandOutput, CallError> {
        look(hosts, &self.on, self.probe.clone())
    }

    fn judge(&self, seen: &CommandOutput, _lab: &Roster) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.expect(format!("exit code {}", self.rc));
        verdict.see(format!("exit code {}", seen.rc));
        if seen.rc != self.rc {
            verdict.problem(format!("it ended with {}, not {}", seen.rc, self.rc));
        }
        if let Some(text) = &self.stdout {
            verdict.expect(format!("standard output `{}`", text.trim()));
            if text.trim() != seen.stdout.trim() {
                verdict.problem("its standard output is another");
            }
        }
        for (name, part, whole) in [
            ("standard output", &self.stdout_contains, &seen.stdout),
            ("standard error", &self.stderr_contains, &seen.stderr),
        ] {
            if let Some(part) = part {
                verdict.expect(format!("{name} with `{part}`"));
                if !whole.contains(part.as_str()) {
                    verdict.problem(format!("its {name} lacks `{part}`"));
                }
            }
        }
        if !verdict.problems.is_empty() {
            for (name, text) in
                [("standard output", &seen.stdout), ("standard error", &seen.stderr)]
            {
                let lines: Vec<&str> = text.lines().collect();
                let last = lines.get(lines.len().saturating_sub(10)..).unwrap_or_default();
                verdict.seen.extend(last.iter().map(|line| format!("{name}: {line}")));
            }
        }
        verdict
    }

    /// A program's own words are the cause, and they are in the verdict.
    fn causes(&self, _seen: &CommandOutput, _scene: &Scene) -> Vec<Cause> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_error};
    use super::*;

    fn problems(expectations: &str, rc: i32) -> Vec<String> {
        let yaml = format!("{{ on: rs1, argv: [nginx, -t], {expectations} }}");
        let seen =
            CommandOutput { rc, stdout: "one\ntwo\n".into(), stderr: "syntax is ok\n".into() };
        check::<Command>(&yaml).judge(&seen, &Roster::default()).problems
    }

    #[test]
    fn passes_when_every_expectation_is_met() {
        assert_eq!(problems("", 0), [""; 0]);
        assert_eq!(problems("rc: 3", 3), [""; 0]);
        assert_eq!(problems("stdout: \"one\\ntwo\"", 0), [""; 0]);
        assert_eq!(problems("stdout_contains: two, stderr_contains: is ok", 0), [""; 0]);
    }

    #[test]
    fn says_which_expectation_is_not_met() {
        assert_eq!(problems("", 1), ["it ended with 1, not 0"]);
        assert_eq!(problems("stdout: one", 0), ["its standard output is another"]);
        assert_eq!(problems("stdout_contains: three", 0), ["its standard output lacks `three`"]);
        assert_eq!(problems("stderr_contains: bad", 0), ["its standard error lacks `bad`"]);
    }

    #[test]
    fn wants_either_a_program_or_a_shell_line() {
        assert!(check_error::<Command>("{ on: rs1 }").contains("either `argv` or `shell`"));
        assert!(check_error::<Command>("{ on: rs1, argv: [], }").contains("`argv` is empty"));
        let shell = check::<Command>("{ on: rs1, shell: ip addr | grep lo }");
        assert_eq!(shell.probe.argv, ["/bin/sh", "-c", "ip addr | grep lo"]);
        assert_eq!(Check::title(&shell), "`ip addr | grep lo` on rs1");
    }
}
