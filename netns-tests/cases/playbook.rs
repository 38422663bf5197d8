//! What a playbook may say, run on two lab hosts: roles with all their folders, variables and
//! whose word counts, loops, conditions, handlers, tags; planned, applied, and applied again.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::support::{lab, said};
use crate::traces::{Said, Watch};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("playbook::plans_applies_and_settles", settles),
    native("playbook::runs_only_what_is_tagged", tagged),
    native("playbook::runs_only_where_it_is_limited_to", limited),
    native("playbook::a_failed_host_is_left_alone", left_alone),
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

/// The lab `language`, up under a name of its own: that of the folder it is copied to.
struct Up {
    watch: Watch,
    _folder: TempDir,
}

impl Up {
    fn new() -> Result<Self> {
        let (watch, folder) = (Watch::new()?, tempfile::tempdir()?);
        let copy = folder.path().join(&watch.name);
        said(Command::new("cp").arg("-r").arg(lab("language")).arg(&copy))?;
        watch.run(&["lab", "up", &copy.display().to_string()])?.exits(0)?;
        Ok(Self { watch, _folder: folder })
    }

    fn run(&self, verb: &str, more: &[&str]) -> Result<Said> {
        let mut arguments = vec![verb, "--lab", &self.watch.name];
        arguments.extend(more);
        self.watch.run(&arguments)
    }

    fn script(&self, host: &str, script: &str) -> Result<String> {
        let name = &self.watch.name;
        let said =
            self.watch.run(&["lab", "exec", "--lab", name, host, "--", "sh", "-c", script])?;
        Ok(said.output)
    }

    fn down(&self) -> Result<()> {
        self.watch.run(&["lab", "down", &self.watch.name])?.exits(0)?;
        self.watch.nothing_left()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // A case that went well has ended it, and one that did not has told why.
        let _ = self.watch.run(&["lab", "down", &self.watch.name]);
    }
}

fn settles() -> Result<()> {
    let up = Up::new()?;
    let plan = up.run("plan", &[])?;
    plan.exits(0)?;
    insta::assert_snapshot!("language_plan", plan.output);
    ensure!(up.script("rs2", "ls /srv")?.is_empty(), "a plan made something");

    let apply = up.run("apply", &[])?;
    apply.exits(0)?;
    insta::assert_snapshot!("language_apply", apply.output);
    insta::assert_snapshot!(
        "language_files",
        up.script("rs2", "cd /srv && head -n -0 changes site/*")?
    );

    let again = up.run("apply", &[])?;
    again.exits(0)?;
    let recap = again.output.split("PLAY RECAP").nth(1).context("a recap")?;
    // What failed and is ignored may have changed something: it counts, as in Ansible.
    ensure!(recap.matches(" changed=0 ").count() == 1 && recap.contains(" changed=1 "), "{recap}");
    ensure!(!again.output.contains("\nchanged:"), "{}", again.output);
    ensure!(!again.output.contains("HANDLER"), "a handler ran\n{}", again.output);
    up.down()
}

fn tagged() -> Result<()> {
    let up = Up::new()?;
    up.run("apply", &["--skip-tags", "robots"])?.exits(0)?;
    ensure!(up.script("rs1", "cd /srv/site && echo *")? == "about.html index.html\n");
    let said = up.run("apply", &["--tags", "robots"])?;
    said.exits(0)?;
    ensure!(up.script("rs1", "cat /srv/site/robots.txt")? == "User-agent: *\n");
    ensure!(!said.output.contains("Pages"), "{}", said.output);
    up.down()
}

fn limited() -> Result<()> {
    let up = Up::new()?;
    let said = up.run("apply", &["--limit", "spare"])?;
    said.exits(0)?;
    ensure!(!said.output.contains("rs1 "), "{}", said.output);
    ensure!(up.script("rs1", "ls /srv")?.is_empty());
    ensure!(up.script("rs2", "ls /srv")? == "changes\nsite\n");
    up.down()
}

/// A host that fails gets no further task and no handler; the other one goes on.
fn left_alone() -> Result<()> {
    let up = Up::new()?;
    up.script("rs1", "mkdir -p /srv/site/robots.txt/robots.txt")?;
    let said = up.run("apply", &[])?;
    ensure!(said.exit == Some(2), "{said:?}");
    insta::assert_snapshot!("language_one_fails", said.output);
    ensure!(up.script("rs1", "ls /srv")? == "site\n", "a handler ran");
    ensure!(up.script("rs2", "cat /srv/changes")? == "changed\n", "the other went on");
    up.down()
}
