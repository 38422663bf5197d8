//! `command`: one program, run without a shell.

use std::path::Path;
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::process::{Output, Program, Timestamp, free_form, split};
use super::{Action, Error, Host, Mode, Outcome};

/// Runs a program without a shell: no variables, pipes or redirections.
///
/// It counts as a change every time, unless `creates` or `removes` say that it is not
/// needed; an exit code other than 0 is a failure. In check mode nothing is run.
///
/// ```yaml
/// command:
///   cmd: sh -c 'echo ready > ready.txt'
///   chdir: /tmp
///   creates: ready.txt
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Command {
    /// The command line, split into words as a shell would; the same as writing the line
    /// right after `command:`.
    #[serde(default, alias = "_raw_params", skip_serializing_if = "Option::is_none")]
    pub cmd: Option<String>,
    /// The program and its arguments as a list, taken as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// The folder to run it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chdir: Option<String>,
    /// A path; when it exists already, the program is not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creates: Option<String>,
    /// A path; when it does not exist, the program is not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removes: Option<String>,
    /// What the program reads on its standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
}

free_form!(Command, cmd);

impl Action for Command {
    fn check(&self) -> Result<(), Error> {
        if self.cmd.is_some() && !self.argv.is_empty() {
            return Err(Error::new("`cmd` and `argv` exclude each other"));
        }
        if self.words()?.is_empty() {
            return Err(Error::new("no program was given")
                .hint("write it as `command: PROGRAM ARGUMENTS`, or under `cmd` or `argv`"));
        }
        Ok(())
    }

    fn run(&self, _host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        let argv = self.words()?;
        let guard = Guard {
            directory: self.chdir.as_deref(),
            creates: self.creates.as_deref(),
            removes: self.removes.as_deref(),
        };
        let line = argv.join(" ");
        let program = Program::new(argv).input(self.stdin.as_deref());
        guard.run(program, &line, mode)
    }
}

impl Command {
    fn words(&self) -> Result<Vec<String>, Error> {
        match &self.cmd {
            Some(line) => {
                split(line).map_err(|reason| Error::new(format!("cannot split `{line}`: {reason}")))
            }
            None => Ok(self.argv.clone()),
        }
    }
}

/// When a program is to run, and where: what `command` and `shell` share.
pub(super) struct Guard<'a> {
    pub(super) directory: Option<&'a str>,
    pub(super) creates: Option<&'a str>,
    pub(super) removes: Option<&'a str>,
}

impl Guard<'_> {
    /// Runs the program unless it is not needed; `line` is what a plan shows of it.
    pub(super) fn run(&self, program: Program, line: &str, mode: Mode) -> Result<Outcome, Error> {
        let unneeded = |why: String| {
            let said = json!({"rc": 0, "stdout": format!("skipped, since {why}"), "stderr": "",
                "cmd": line, "msg": format!("not run: {why}")});
            Outcome { result: said.as_object().cloned().unwrap_or_default(), ..Outcome::default() }
        };
        if let Some(path) = self.creates.filter(|path| self.exists(path)) {
            return Ok(unneeded(format!("`{path}` exists")));
        }
        if let Some(path) = self.removes.filter(|path| !self.exists(path)) {
            return Ok(unneeded(format!("`{path}` does not exist")));
        }
        let changes = vec![format!("run `{line}`")];
        if mode.check {
            // With a guard it is known that it would run; without one, nothing is known.
            return Ok(if self.creates.is_some() || self.removes.is_some() {
                Outcome { changed: true, changes, ..Outcome::default() }
            } else {
                Outcome::skipped("not run in check mode")
            });
        }
        let start = Timestamp::now();
        let clock = Instant::now();
        let output = program.directory(self.directory).run()?;
        let mut result = result(&output);
        result.insert("cmd".into(), line.into());
        result.insert("start".into(), start.to_string().into());
        result.insert("end".into(), Timestamp::now().to_string().into());
        result.insert("delta".into(), duration(clock.elapsed()).into());
        if !output.success() {
            let mut message = format!("non-zero return code: {}", output.code);
            let words = output.last_words();
            if !words.is_empty() {
                message = format!("{message}: {words}");
            }
            // It ran, and nobody knows what it did before it failed.
            result.insert("changed".into(), true.into());
            return Err(Error { result, ..Error::new(message) });
        }
        Ok(Outcome { changed: true, changes, result, ..Outcome::default() })
    }

    fn exists(&self, path: &str) -> bool {
        let path = Path::new(self.directory.unwrap_or("/")).join(path);
        path.symlink_metadata().is_ok()
    }
}

fn result(output: &Output) -> Map<String, Value> {
    // As Ansible: without the line break at the end.
    let stdout = output.stdout.trim_end_matches(['\r', '\n']);
    let stderr = output.stderr.trim_end_matches(['\r', '\n']);
    let mut map = Map::new();
    map.insert("rc".into(), output.code.into());
    map.insert("stdout".into(), stdout.into());
    map.insert("stdout_lines".into(), stdout.lines().collect());
    map.insert("stderr".into(), stderr.into());
    map.insert("stderr_lines".into(), stderr.lines().collect());
    map
}

/// As Ansible shows one: `0:00:01.250000`.
fn duration(elapsed: std::time::Duration) -> String {
    let seconds = elapsed.as_secs();
    format!(
        "{}:{:02}:{:02}.{:06}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        elapsed.subsec_micros()
    )
}

#[cfg(test)]
mod tests;
