//! `shell`: a script, run by a shell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::command::Guard;
use super::process::{Program, free_form};
use super::{Action, Error, Host, Mode, Outcome};

/// Runs a script in `/bin/sh` or another shell, with its variables, pipes and redirections.
///
/// Like `command` it counts as a change every time, unless `creates` or `removes` say that
/// it is not needed; an exit code other than 0 is a failure. In check mode nothing is run.
///
/// ```yaml
/// shell:
///   cmd: ip -brief address | sort > addresses.txt
///   chdir: /tmp
///   creates: addresses.txt
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Shell {
    /// The script; the same as writing it right after `shell:`.
    #[serde(default, alias = "_raw_params", skip_serializing_if = "Option::is_none")]
    pub cmd: Option<String>,
    /// The shell, as an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// The folder to run it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chdir: Option<String>,
    /// A path; when it exists already, the script is not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creates: Option<String>,
    /// A path; when it does not exist, the script is not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removes: Option<String>,
    /// What the script reads on its standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
}

free_form!(Shell, cmd);

impl Action for Shell {
    fn check(&self) -> Result<(), Error> {
        match &self.cmd {
            Some(script) if !script.trim().is_empty() => Ok(()),
            _ => Err(Error::new("no script was given").hint("write it as `shell: SCRIPT`")),
        }
    }

    fn run(&self, _host: &mut Host, mode: Mode) -> Result<Outcome, Error> {
        let script = self.cmd.as_deref().unwrap_or_default();
        let shell = self.executable.as_deref().unwrap_or("/bin/sh");
        let guard = Guard {
            directory: self.chdir.as_deref(),
            creates: self.creates.as_deref(),
            removes: self.removes.as_deref(),
        };
        let program = Program::new([shell, "-c", script]).input(self.stdin.as_deref());
        guard.run(program, script, mode)
    }
}
