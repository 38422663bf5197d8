//! Labs whose playbook comes by ssh to a real sshd on each host, and what can happen to the way
//! there in the middle of a run: the right words and exit code, nothing half done, and a second
//! run that brings it to its end.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::lvs_dr;
use crate::support::{lab, trial};
use crate::traces::{Said, poll_until};
use crate::two_hosts::TwoHosts;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("lab_ssh::nginx_over_ssh", nginx),
    native("lab_ssh::comes_up_and_is_used", comes_up),
    native("lab_ssh::without_room_for_a_controller", no_room),
    native("lab_ssh::sshd_killed_between_two_tasks", sshd_killed),
    native("lab_ssh::link_cut_for_five_seconds", cut_for_a_while),
    native("lab_ssh::link_cut_for_good", cut_for_good),
    native("lab_ssh::agent_killed_while_it_writes", agent_killed),
    native("lab_ssh::another_key_than_before", another_key),
    native("lab_ssh::full_disk", full_disk),
    Case { name: "lab_ssh::lvs_dr_over_ssh", needs: Needs::Ipvs, run: lvs_dr_works },
    Case { name: "lab_ssh::slow_and_lossy", needs: Needs::Ipvs, run: slow_and_lossy },
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

const SOON: Duration = Duration::from_secs(20);

fn nginx() -> Result<()> {
    let trial = trial(&lab("plain-http"), &["--connection", "ssh"])?;
    trial.passed()?;
    ensure!(trial.text.contains("3 hosts in 1 network"), "{}", trial.text);
    Ok(())
}

fn lvs_dr_works() -> Result<()> {
    let (folder, _alone) = lvs_dr::textbook();
    let trial = trial(&folder, &["--connection", "ssh"])?;
    trial.passed()?;
    ensure!(trial.text.contains("6 hosts in 1 network"), "{}", trial.text);
    Ok(())
}

/// Two hosts that a playbook reaches by ssh.
struct ByWire(TwoHosts);

impl ByWire {
    fn up(tasks: &str) -> Result<Self> {
        let lab = TwoHosts::declared("connection: ssh\nplaybook: site.yml\n")?;
        let lab = Self(lab);
        lab.tasks(tasks)?;
        lab.0.command("up")?.exits(0)?;
        Ok(lab)
    }

    fn tasks(&self, tasks: &str) -> Result<()> {
        let play = format!("- hosts: web\n  gather_facts: false\n  tasks:\n{tasks}");
        self.0.write("site.yml", &play)
    }

    fn apply(&self) -> Result<Said> {
        self.0.watch.run(&["apply", "--lab", &self.0.watch.name])
    }

    /// Applies it, and does something to `rs1` once a task is under way there.
    fn apply_while(&self, script: &str) -> Result<Said> {
        let run = self.0.watch.start(&["apply", "--lab", &self.0.watch.name])?;
        let under_way = || self.0.run("rs1", "test -e /srv/under-way");
        let begun = || under_way().is_ok_and(|said| said.exit == Some(0));
        poll_until(begun, SOON, "the task is under way")?;
        self.0.run("rs1", script)?.exits(0)?;
        Ok(run.wait_with_output()?.into())
    }

    /// `rs1` is lost for this reason; `rs2` went on to its end.
    fn lost(&self, said: &Said, reason: &str) -> Result<()> {
        ensure!(said.exit == Some(5), "{said:?}");
        ensure!(said.output.contains(reason), "{reason}: {said:?}");
        let line = |host: &str, count: &str| {
            said.output.lines().any(|line| line.starts_with(host) && line.contains(count))
        };
        ensure!(line("rs1 ", "unreachable=1") && line("rs2 ", "unreachable=0"), "{said:?}");
        ensure!(self.0.run("rs2", "cat /srv/last")?.output == "done", "{said:?}");
        self.0.run("rs1", "test ! -e /srv/last")?.exits(0).map(drop)
    }

    /// The fault is over; a second run does what is left, and a third one nothing.
    fn converges(&self) -> Result<()> {
        self.0.run("rs1", "rm -f /srv/slow")?.exits(0)?;
        self.apply()?.exits(0)?;
        ensure!(self.0.run("rs1", "cat /srv/last")?.output == "done");
        let again = self.apply()?;
        let recap = again.exits(0)?.output.lines().filter(|line| line.starts_with("rs"));
        let unchanged = recap.filter(|line| line.contains(" changed=0 ")).count();
        ensure!(unchanged == 2, "{again:?}");
        self.0.down()
    }
}

/// A task that takes a while on `rs1` alone and says when it has begun, between two others.
const SLOW: &str = "    - copy: {content: first, dest: /srv/first}
    - shell: touch /srv/under-way; sleep 8
      args: {creates: /srv/slow-is-over}
      when: inventory_hostname == 'rs1'
    - copy: {content: done, dest: /srv/last}
";

fn comes_up() -> Result<()> {
    let lab = ByWire::up("    - copy: {content: done, dest: /srv/last}\n")?;
    let listed = lab.0.listed()?;
    ensure!(listed.is_some_and(|lab| lab["controller"] == "controller"));
    // It came by ssh, and not by the namespaces.
    lab.apply()?.exits(0)?;
    lab.0.run("rs1", "test -e /root/.cache/lvsmith/agent-*")?.exits(0)?;
    let accepted = "grep -c 'Accepted publickey for root from 10.10.0.254' /run/lvsmith/ssh/log";
    lab.0.run("rs2", accepted)?.exits(0)?;
    lab.converges()
}

fn no_room() -> Result<()> {
    let lab = TwoHosts::new()?;
    let topology = "name: tight\nrequires: []\nnetworks: {lan: {subnet: 10.0.0.0/31}}\nhosts: \
                    {a: {networks: {lan: 10.0.0.0}}, b: {networks: {lan: 10.0.0.1}}}\n";
    lab.write("lab.yml", topology)?;
    let folder = lab.path().display().to_string();
    let said = lab.watch.run(&["lab", "up", &folder, "--connection", "ssh"])?;
    said.exits(6)?.says("network `lan` has no address left for ssh to come from")?;
    said.says("declare a host `controller`")?;
    lab.watch.nothing_left()
}

fn sshd_killed() -> Result<()> {
    let lab = ByWire::up(SLOW)?;
    // The one that listens and those that serve a connection.
    let said = lab.apply_while("pkill -9 sshd")?;
    lab.lost(&said, "the agent ended without an answer")?;
    let again = lab.apply()?;
    lab.lost(&again, "Connection refused")?;
    lab.0.run("rs1", "touch /srv/slow-is-over; /usr/sbin/sshd -f /run/lvsmith/ssh/sshd_config")?;
    lab.converges()
}

fn cut_for_a_while() -> Result<()> {
    let lab = ByWire::up(SLOW)?;
    let said = lab.apply_while("ip link set eth0 down && sleep 5 && ip link set eth0 up")?;
    said.exits(0)?;
    lab.0.run("rs1", "touch /srv/slow-is-over")?;
    lab.converges()
}

fn cut_for_good() -> Result<()> {
    let lab = ByWire::up(SLOW)?;
    let start = Instant::now();
    let said = lab.apply_while("ip link set eth0 down")?;
    lab.lost(&said, "rs1")?;
    ensure!(start.elapsed() < Duration::from_secs(45), "{:?}", start.elapsed());
    lab.0.run("rs1", "touch /srv/slow-is-over; ip link set eth0 up")?.exits(0)?;
    lab.converges()
}

fn agent_killed() -> Result<()> {
    let lab = ByWire::up(
        "    - file: {path: /srv/big, state: directory}
    - shell: touch /srv/under-way
      args: {creates: /srv/under-way}
    - copy: {content: whole, dest: \"/srv/big/{{ item }}\"}
      loop: \"{{ range(1000) }}\"
    - copy: {content: done, dest: /srv/last}
",
    )?;
    // Of this host alone: process namespaces are apart.
    let said = lab.apply_while("pkill -9 -f '[a]gent-.* agent'")?;
    lab.lost(&said, "the agent ended without an answer")?;
    lab.0.run("rs1", "cd /srv/big && for f in *; do echo whole | cmp -n 5 - $f; done")?.exits(0)?;
    lab.converges()
}

fn another_key() -> Result<()> {
    let lab = ByWire::up("    - copy: {content: done, dest: /srv/last}\n")?;
    let renew = "cd /run/lvsmith/ssh && pkill sshd && rm host_key host_key.pub && ssh-keygen -q -t \
                 ed25519 -N '' -f host_key && /usr/sbin/sshd -f /run/lvsmith/ssh/sshd_config";
    lab.0.run("rs1", renew)?.exits(0)?;
    let said = lab.apply()?;
    lab.lost(&said, "Host key for rs1 has changed")?;
    said.says("another machine answers in its place")?;
    let trust = "sed -i /^rs1/d /run/lvsmith/ssh/known_hosts && echo \"rs1 $(cat)\" \
                 >>/run/lvsmith/ssh/known_hosts";
    let key = lab.0.run("rs1", "cut -d' ' -f1,2 /run/lvsmith/ssh/host_key.pub")?.output;
    let trust = trust.replace("$(cat)", key.trim());
    lab.0.run("controller", &trust)?.exits(0)?;
    lab.converges()
}

fn full_disk() -> Result<()> {
    let lab = ByWire::up(
        "    - copy: {content: \"{{ lookup_text }}\", dest: /srv/data/file}
      vars: {lookup_text: \"{% for n in range(20000) %}0123456789{% endfor %}\"}
    - copy: {content: done, dest: /srv/last}
",
    )?;
    lab.0.run("rs2", "mkdir -p /srv/data")?.exits(0)?;
    let small = "mkdir -p /srv/data && mount -t tmpfs -o size=64k none /srv/data && echo old \
                 >/srv/data/file";
    lab.0.run("rs1", small)?.exits(0)?;
    let said = lab.apply()?;
    ensure!(said.exit == Some(2) && said.output.contains("No space left on device"), "{said:?}");
    let left = lab.0.run("rs1", "cat /srv/data/file; ls -A /srv/data")?;
    ensure!(left.output == "old\nfile\n", "half a file: {left:?}");
    lab.0.run("rs1", "mount -o remount,size=1m /srv/data")?.exits(0)?;
    lab.converges()
}

/// 300 ms on the way back, and one packet of fifty is lost.
fn slow_and_lossy() -> Result<()> {
    let lab = ByWire::up(
        "    - copy: {content: first, dest: /srv/first}
    - copy: {content: done, dest: /srv/last}
",
    )?;
    lab.0.run("rs1", "tc qdisc add dev eth0 root netem delay 300ms loss 2%")?.exits(0)?;
    lab.apply()?.exits(0)?;
    lab.converges()
}
