//! Two runs that would change one host: the second waits, or is told who was first.

use anyhow::{Result, ensure};

use crate::support::program;
use crate::two_hosts::TwoHosts;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] =
    &[Case { name: "lock::one_run_at_a_time", needs: Needs::Namespaces, run: one_at_a_time }];

const SLOW: &str = "- hosts: localhost
  gather_facts: false
  tasks:
    - shell: touch /srv/begun
    - wait_for: {path: /srv/go, timeout: 60}
";

const QUICK: &str = "- {hosts: localhost, gather_facts: false, tasks: [{command: id}]}\n";

fn one_at_a_time() -> Result<()> {
    let lab = TwoHosts::new()?;
    lab.write("slow.yml", SLOW)?;
    lab.write("quick.yml", QUICK)?;
    lab.command("up")?.exits(0)?;
    let (folder, program) = (lab.path().display(), program());
    let run = |script: &str| lab.run("rs1", &format!("cd {folder} || exit; {script}"));
    let slow = format!(
        "(setsid {program} apply slow.yml >/srv/slow 2>&1 &); \
         for i in $(seq 600); do test -e /srv/begun && exit; sleep 0.1; done; cat /srv/slow; exit 1"
    );
    run(&slow)?.exits(0)?;
    let refused = run(&format!("{program} apply quick.yml --lock-timeout 0"))?;
    ensure!(refused.exit == Some(5), "{refused:?}");
    for word in ["another run changes this host", "slow.yml", "root@rs1", "--lock-timeout SECONDS"]
    {
        refused.says(word)?;
    }
    // Who only looks needs no lock; another host has one of its own.
    run(&format!("{program} plan quick.yml"))?.exits(0)?;
    lab.run("rs2", &format!("cd {folder} && {program} apply quick.yml --lock-timeout 0"))?
        .exits(0)?;
    let waited = run(&format!("(sleep 4; touch /srv/go) & {program} apply quick.yml"))?;
    waited.exits(0)?.says("waiting: [localhost]")?.says("changed=1")?;

    // Whatever becomes of a run, the kernel lets go of what it held.
    run("rm -f /srv/begun /srv/go")?.exits(0)?;
    run(&slow)?.exits(0)?;
    run("pkill -9 -f 'apply slow.yml'")?.exits(0)?;
    run(&format!("{program} apply quick.yml --lock-timeout 5"))?.exits(0)?;
    lab.down()
}
