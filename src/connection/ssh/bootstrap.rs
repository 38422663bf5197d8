//! How the agent comes to run on the far side: a script for its shell, and what the two say to
//! each other until the agent has taken over.
//!
//! Each word of the script's is a line that begins with a number made up for this one
//! connection, so that nothing a login prints is taken for it.

use std::io::Write;
use std::process::Child;

use super::binary::{self, Binary};
use super::deadline::Deadline;
use super::hint::Problem;
use super::{PUSH, Unreachable};
use crate::connection::Become;
use crate::connection::mark::Mark;

/// The agents there are, the mark of what is ours, and as whom the agent is to work.
#[derive(Debug)]
pub(super) struct Bootstrap<'a> {
    mark: &'a Mark,
    identity: Option<&'a Become>,
    binaries: &'static [Binary],
}

impl<'a> Bootstrap<'a> {
    pub(super) fn new(mark: &'a Mark, identity: Option<&'a Become>) -> Result<Self, Unreachable> {
        Ok(Self { mark, identity, binaries: binary::all().map_err(Unreachable::new)? })
    }

    /// One argument for `ssh`. A login shell of any kind takes it: one line, no quotes but
    /// the pair around it, no backslashes and no exclamation marks.
    pub(super) fn script(&self) -> String {
        let builds: String = self
            .binaries
            .iter()
            .map(|Binary { machine, sha256, .. }| format!("{machine}) f=agent-{sha256};; "))
            .collect();
        let program = "\"$d/$f\"";
        let run = format!("exec {program} agent {};", self.mark.as_str());
        let run = match self.identity {
            None => run,
            Some(identity) => format!(
                "if [ $(id -un) = {} ]; then {run} fi; exec {};",
                identity.user(),
                identity.command(program, self.mark).join(" ")
            ),
        };
        let script = SCRIPT.replace("BUILDS", &builds).replace("RUN", &run);
        let script = script.replace("MARK", self.mark.as_str());
        debug_assert!(!script.contains(['\'', '\\', '!']), "some shell stumbles: {script}");
        let line: Vec<&str> = script.lines().map(str::trim).collect();
        format!("exec /bin/sh -c '{}'", line.join(" "))
    }

    /// Answers the script until the agent, which says that it is ready, has taken over.
    pub(super) fn follow(&self, child: &mut Child, deadline: &Deadline) -> Result<(), Problem> {
        loop {
            let output = child.stdout.as_mut().ok_or(Problem::Ended)?;
            let line = self.mark.next(output).ok_or(Problem::Ended)?;
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("ready", _) => return Ok(()),
                ("send", name) => {
                    deadline.extend(PUSH);
                    self.send(child, name)?;
                }
                ("unknown", machine) => return Err(Problem::Processor(machine.to_owned())),
                ("nowhere", _) => return Err(Problem::Nowhere),
                ("damaged", _) => return Err(Problem::Damaged),
                _ => return Err(Problem::Nonsense(line)),
            }
        }
    }

    /// Sends the build that was asked for. When the far side stops reading, it says why next.
    fn send(&self, child: &mut Child, name: &str) -> Result<(), Problem> {
        let asked = |binary: &&Binary| name.strip_prefix("agent-") == Some(&binary.sha256);
        let binary = self.binaries.iter().find(asked);
        let binary = binary.ok_or_else(|| Problem::Nonsense(format!("send {name}")))?;
        if let Some(input) = &mut child.stdin {
            let _ = writeln!(input, "{}", binary.cksum())
                .and_then(|()| input.write_all(&binary.bytes))
                .and_then(|()| input.flush());
        }
        Ok(())
    }
}

/// Looks for the agent where it would have been put, else takes it. It is put where programs may
/// be run: not every home is such a place. What is owned by someone else is left alone.
const SCRIPT: &str = r#"
    case $(uname -m) in BUILDS *) echo "MARK unknown $(uname -m)"; exit 0;; esac;
    for d in "${XDG_CACHE_HOME:-$HOME/.cache}/lvsmith" "/var/tmp/lvsmith-$(id -u)"; do
      if [ -x "$d/$f" ] && [ -O "$d/$f" ]; then RUN fi;
    done;
    umask 077; t=;
    for d in "${XDG_CACHE_HOME:-$HOME/.cache}/lvsmith" "/var/tmp/lvsmith-$(id -u)"; do
      mkdir -p "$d" && [ -O "$d" ] && chmod 700 "$d" && t=$d/.$f.$$ && echo "exit 0" >"$t" && chmod 700 "$t" && "$t" && break;
      [ -z "$t" ] || rm -f "$t"; t=;
    done;
    if [ -z "$t" ]; then echo "MARK nowhere"; exit 0; fi;
    echo "MARK send $f"; read c; head -c ${c#* } >"$t"; set -- $(cksum <"$t");
    if [ "$1 $2" = "$c" ] && rm -f "$d"/agent-* && mv -f "$t" "$d/$f"; then RUN fi;
    rm -f "$t"; echo "MARK damaged";
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;
    use std::time::Duration;

    use crate::connection::{Method, Secret};

    #[test]
    fn is_one_line_that_any_shell_takes() {
        let mark = Mark::new().unwrap();
        let become_it =
            |method| Become::new(method, "www-data", Some(Secret::new("it's"))).unwrap();
        let [sudo, su] = [Method::Sudo, Method::Su].map(become_it);
        for identity in [None, Some(&sudo), Some(&su)] {
            let script = Bootstrap::new(&mark, identity).unwrap().script();
            assert!(!script.contains('\n'));
            assert_eq!(script.matches('\'').count(), 2, "{script}");
        }
    }

    /// Runs the script in a real shell with that home; the agent is what it sends.
    #[expect(clippy::disallowed_methods, reason = "a test of what a shell makes of it")]
    fn run(bootstrap: &Bootstrap<'_>, home: &Path) -> Result<String, Problem> {
        let mut child = Command::new("sh")
            .args(["-c", &bootstrap.script()])
            .env("HOME", home)
            .env_remove("XDG_CACHE_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Deadline::start(child.id(), Duration::from_secs(20));
        let followed = bootstrap.follow(&mut child, &deadline);
        drop(child.stdin.take());
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(deadline.stop(), None);
        child.wait().unwrap();
        followed.map(|()| said)
    }

    fn bootstrap(machine: &'static str) -> Bootstrap<'static> {
        let script = b"#!/bin/sh\necho $2 ready\necho \"$0 $1\"\n".to_vec();
        let binaries = Box::leak(Box::new([Binary::new(machine, script)]));
        let mark = Box::leak(Box::new(Mark::new().unwrap()));
        Bootstrap { mark, identity: None, binaries }
    }

    #[test]
    fn brings_the_agent_once() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".cache/lvsmith");
        let bootstrap = bootstrap("*");
        let agent = folder.join(format!("agent-{}", bootstrap.binaries[0].sha256));
        let expected = format!("{} agent\n", agent.display());
        assert_eq!(run(&bootstrap, home.path()).unwrap(), expected);
        let first = std::fs::metadata(&agent).unwrap();
        assert_eq!(first.mode() & 0o777, 0o700);
        assert_eq!(run(&bootstrap, home.path()).unwrap(), expected);
        assert_eq!(std::fs::metadata(&agent).unwrap().ino(), first.ino(), "brought again");
    }

    #[test]
    fn leaves_one_agent_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".cache/lvsmith");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::File::create(folder.join("agent-of-before")).unwrap();
        run(&bootstrap("*"), home.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
    }

    #[test]
    fn names_a_processor_without_a_build() {
        let home = tempfile::tempdir().unwrap();
        let problem = run(&bootstrap("pdp11"), home.path()).unwrap_err();
        assert!(matches!(problem, Problem::Processor(machine) if !machine.is_empty()));
    }

    #[test]
    fn sees_what_was_cut_short() {
        let home = tempfile::tempdir().unwrap();
        let mut bootstrap = bootstrap("*");
        let mut shorter = Binary::new("*", b"exit 0".to_vec());
        shorter.checksum = OnceLock::from(1);
        bootstrap.binaries = Box::leak(Box::new([shorter]));
        assert!(matches!(run(&bootstrap, home.path()), Err(Problem::Damaged)));
        assert_eq!(std::fs::read_dir(home.path().join(".cache/lvsmith")).unwrap().count(), 0);
    }
}
