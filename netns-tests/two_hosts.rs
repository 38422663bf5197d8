//! A lab of two hosts, `rs1` and `rs2`, in a folder of its own, for cases about labs as such.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::traces::{Said, Watch};

/// The lab's folder; a lab that is still up when this is dropped is ended.
pub(crate) struct TwoHosts {
    pub(crate) watch: Watch,
    folder: TempDir,
}

impl TwoHosts {
    /// A lab without a playbook.
    pub(crate) fn new() -> Result<Self> {
        Self::declared("")
    }

    /// One whose lab file says more.
    pub(crate) fn declared(more: &str) -> Result<Self> {
        let (watch, folder) = (Watch::new()?, tempfile::tempdir()?);
        let lab = Self { watch, folder };
        lab.write("site.yml", "[]\n")?;
        lab.write("lab.yml", &lab.topology(more))?;
        Ok(lab)
    }

    /// One that is up.
    pub(crate) fn up() -> Result<Self> {
        let lab = Self::new()?;
        lab.command("up")?.exits(0)?;
        Ok(lab)
    }

    /// One whose playbook has these tasks, for `rs1`.
    pub(crate) fn with_tasks(tasks: &str) -> Result<Self> {
        let lab = Self::declared("playbook: site.yml\n")?;
        lab.write("site.yml", &format!("- hosts: rs1\n  gather_facts: false\n  tasks:\n{tasks}"))?;
        Ok(lab)
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> Result<()> {
        fs::write(self.path().join(file), text).with_context(|| format!("writing `{file}`"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The arguments of `lab COMMAND` for this folder.
    pub(crate) fn arguments(&self, command: &str) -> [String; 3] {
        ["lab".into(), command.into(), self.path().display().to_string()]
    }

    /// Runs `lab COMMAND` for this folder.
    pub(crate) fn command(&self, command: &str) -> Result<Said> {
        self.watch.run(&self.arguments(command))
    }

    /// The arguments that run a shell's script in a host.
    pub(crate) fn script<'a>(&'a self, host: &'a str, script: &'a str) -> [&'a str; 9] {
        ["lab", "exec", "--lab", &self.watch.name, host, "--", "bash", "-c", script]
    }

    /// Runs a shell's script in a host.
    pub(crate) fn run(&self, host: &str, script: &str) -> Result<Said> {
        self.watch.run(&self.script(host, script))
    }

    /// What `lab list` knows of it, if it is up.
    pub(crate) fn listed(&self) -> Result<Option<Value>> {
        let said = self.watch.run(&["lab", "list", "--json"])?;
        let labs: Vec<Value> = serde_json::from_str(said.exits(0)?.output.trim())?;
        Ok(labs.into_iter().find(|lab| lab["name"] == *self.watch.name))
    }

    /// The number of the first process of a host.
    pub(crate) fn first_process(&self, host: &str) -> Result<i32> {
        let lab = self.listed()?.context("it is up")?;
        let pid = lab["hosts"][host]["pid"].as_i64().context("the host lives")?;
        Ok(i32::try_from(pid)?)
    }

    /// Ends it, after which nothing may be left.
    pub(crate) fn down(&self) -> Result<()> {
        self.command("down")?.exits(0)?;
        self.watch.nothing_left()
    }

    fn topology(&self, more: &str) -> String {
        format!(
            "name: {}\nrequires: []\nnetworks:\n  lan: {{subnet: 10.10.0.0/24}}\nhosts:\n  \
             rs1: {{groups: [web], networks: {{lan: 10.10.0.2}}}}\n  \
             rs2: {{groups: [web], networks: {{lan: 10.10.0.3}}}}\n{more}",
            self.watch.name
        )
    }
}

impl Drop for TwoHosts {
    fn drop(&mut self) {
        // A case that went well has ended it, and one that did not has told why.
        let _ = self.command("down");
    }
}
