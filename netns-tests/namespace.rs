//! A network namespace of its own for one case, and the programs that run in it.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, setns};

use crate::support::{said, told};

/// A network namespace, gone at the end.
pub(crate) struct Namespace {
    name: String,
    folder: tempfile::TempDir,
}

impl Namespace {
    /// A new one with its loopback up, on which 10.9.0.0/16 and fd09::/16 are to be reached.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let namespace = Self { name: format!("lvsmith-{name}"), folder: tempfile::tempdir()? };
        said(Command::new("ip").args(["netns", "add", &namespace.name]))?;
        namespace.shell(
            "ip link set lo up && ip route add 10.9.0.0/16 dev lo && ip route add fd09::/16 dev lo",
        )?;
        Ok(namespace)
    }

    /// Puts the calling thread, and what it starts, into it.
    pub(crate) fn enter(&self) -> Result<()> {
        let file = std::fs::File::open(format!("/run/netns/{}", self.name))?;
        setns(file, CloneFlags::CLONE_NEWNET).context("the namespace is entered")
    }

    /// A program in it, not started yet.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).args(arguments);
        command.env("NO_COLOR", "1");
        command
    }

    /// What a script in it says; it must succeed.
    pub(crate) fn shell(&self, script: &str) -> Result<String> {
        said(&mut self.command("sh", &["-c", script]))
    }

    /// Runs this in it, on a thread of its own: which namespace it is in is a thread's matter.
    pub(crate) fn inside(&self, run: impl FnOnce() -> Result<()> + Send) -> Result<()> {
        let file = std::fs::File::open(format!("/run/netns/{}", self.name))?;
        let entered = move || {
            setns(file, CloneFlags::CLONE_NEWNET)?;
            run()
        };
        let joined = std::thread::scope(|scope| scope.spawn(entered).join());
        joined.unwrap_or_else(|_| anyhow::bail!("it panicked"))
    }

    /// Runs `apply` or `plan` with these tasks.
    pub(crate) fn lvsmith(&self, verb: &str, tasks: &str) -> Result<Output> {
        let playbook = self.playbook(tasks)?;
        let arguments = [verb, playbook.as_str()];
        let output = self.command(env!("CARGO_BIN_EXE_lvsmith"), &arguments).output();
        output.context("the program starts")
    }

    /// The same as a user who may do nothing special.
    pub(crate) fn without_capabilities(&self, verb: &str, tasks: &str) -> Result<Output> {
        let playbook = self.playbook(tasks)?;
        let program = env!("CARGO_BIN_EXE_lvsmith");
        let arguments = ["--bounding-set=-all", "--inh-caps=-all", program, verb, &playbook];
        self.command("setpriv", &arguments).output().context("setpriv starts")
    }

    /// The path of a playbook with these tasks.
    fn playbook(&self, tasks: &str) -> Result<String> {
        let path = self.folder.path().join("site.yml");
        write(&path, tasks)?;
        Ok(path.display().to_string())
    }

    /// Runs a subcommand of `lvsmith ipvs`.
    pub(crate) fn ipvs(&self, arguments: &[&str]) -> Result<Output> {
        let mut all = vec!["ipvs"];
        all.extend(arguments);
        self.command(env!("CARGO_BIN_EXE_lvsmith"), &all).output().context("the program starts")
    }

    /// The path of a file with this content, gone at the end.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> Result<String> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content)?;
        Ok(path.display().to_string())
    }

    /// Waits until a script succeeds.
    pub(crate) fn until(&self, script: &str, what: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.command("sh", &["-c", script]).output()?.status.success() {
            ensure!(Instant::now() < deadline, "in 30 s not seen that {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Makes it so; says what was said.
    pub(crate) fn applied(&self, tasks: &str) -> Result<String> {
        let output = self.lvsmith("apply", tasks)?;
        ensure!(output.status.success(), "{tasks}\n{}", told(&output));
        Ok(told(&output))
    }

    /// Nothing of it would change anything.
    pub(crate) fn is_so_already(&self, tasks: &str) -> Result<()> {
        let plan = told(&self.lvsmith("plan", tasks)?);
        ensure!(plan.starts_with("exit Some(0)"), "{plan}");
        ensure!(plan.contains(" changed=0 "), "there is something to change\n{plan}");
        Ok(())
    }

    /// The table as the real ipvsadm saves it: its lines, without their order.
    pub(crate) fn table(&self) -> Result<Vec<String>> {
        let mut lines: Vec<String> =
            self.shell("ipvsadm -Sn")?.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.sort();
        Ok(lines)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // In a VM it would go anyway; on a machine its name would stay.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Writes a playbook that has these tasks for this very host.
pub(crate) fn write(path: &Path, tasks: &str) -> Result<()> {
    let text = format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}");
    std::fs::write(path, text).with_context(|| format!("{} is written", path.display()))
}
