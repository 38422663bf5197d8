//! What goes wrong around a lab: programs missing or misconfigured, ports taken, permissions
//! lacking, and the end of the program at any moment. Always a clear word, and nothing left.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::lab;
use crate::traces::{Watch, ends_within, poll_until, signal};
use crate::two_hosts::TwoHosts;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("bad_days::a_trial_killed_at_any_moment", a_trial_killed_at_any_moment),
    native("bad_days::an_up_killed_at_any_moment", an_up_killed_at_any_moment),
    native("bad_days::a_killed_keeper_takes_its_lab_along", a_killed_keeper_takes_its_lab_along),
    native("bad_days::ctrl_c_ends_a_trial_at_once", ctrl_c_ends_a_trial_at_once),
    native("bad_days::no_nginx", no_nginx),
    native("bad_days::a_misspelt_service", a_misspelt_service),
    native("bad_days::a_broken_nginx_conf", a_broken_nginx_conf),
    native("bad_days::a_port_that_is_taken", a_port_that_is_taken),
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

const ROUNDS: u32 = 15;

const ENOUGH: Duration = Duration::from_secs(8);

const SOON: Duration = Duration::from_secs(10);

/// Moments all over a span, the same in every run: each falls into the widest gap that those
/// before it left. They end early where it takes long to see that nothing is left: a killed
/// program's agents are gone only when process 1 reaps them, which some do every other second.
fn moments(span: Duration) -> impl Iterator<Item = Duration> {
    const GOLDEN: f64 = 0.618_034;
    let end = Instant::now() + ENOUGH;
    (1..=ROUNDS)
        .take_while(move |_| Instant::now() < end)
        .map(move |round| span.mul_f64((f64::from(round) * GOLDEN).fract()))
}

fn a_trial_killed_at_any_moment() -> Result<()> {
    let (watch, folder) = (Watch::new()?, lab("plain-http").display().to_string());
    let arguments = ["lab", "test", "--no-vm", &folder];
    let start = Instant::now();
    watch.run(&arguments)?.exits(0)?;
    for moment in moments(start.elapsed()) {
        let mut child = watch.command(&arguments).stdout(Stdio::null()).spawn()?;
        ends_within(&mut child, moment);
        watch.processes();
        // One that has come to its end already is as good.
        child.kill()?;
        child.wait()?;
        watch.nothing_left().with_context(|| format!("killed after {moment:?}"))?;
    }
    watch.run(&arguments)?.exits(0)?;
    watch.nothing_left()
}

fn an_up_killed_at_any_moment() -> Result<()> {
    let lab = TwoHosts::new()?;
    let start = Instant::now();
    lab.command("up")?.exits(0)?;
    let span = start.elapsed();
    lab.down()?;
    for moment in moments(span) {
        let mut up = lab.watch.command(&lab.arguments("up"));
        let mut child = up.stdout(Stdio::null()).spawn()?;
        ends_within(&mut child, moment);
        // One that has come to its end already is as good.
        child.kill()?;
        child.wait()?;
        // The keeper may just have been told that the lab may stay.
        let settled = || lab.watch.processes().is_empty() || lab.first_process("rs2").is_ok();
        poll_until(settled, SOON, "the lab is up or gone")?;
        if lab.listed()?.is_some() {
            lab.run("rs2", "exec 3<>/dev/tcp/rs1/7; test $? = 1")?.exits(0)?;
            lab.command("down")?.exits(0)?;
        }
        lab.watch.nothing_left().with_context(|| format!("killed after {moment:?}"))?;
    }
    Ok(())
}

fn a_killed_keeper_takes_its_lab_along() -> Result<()> {
    let lab = TwoHosts::up()?;
    lab.run("rs1", "setsid sleep 1000 >/dev/null 2>&1 &")?.exits(0)?;
    let host = lab.first_process("rs1")?;
    let status = fs::read_to_string(format!("/proc/{host}/status"))?;
    let keeper = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
    ensure!(lab.watch.processes().iter().any(|line| line.contains("sleep 1000")));
    kill(Pid::from_raw(keeper.context("a host has a keeper")?), Signal::SIGKILL)?;
    lab.watch.nothing_left()?;
    ensure!(lab.listed()?.is_none());
    lab.command("up")?.exits(0)?;
    lab.down()
}

fn ctrl_c_ends_a_trial_at_once() -> Result<()> {
    let lab = TwoHosts::with_tasks("    - command: sleep 1000\n    - command: \"true\"\n")?;
    let mut test = lab.watch.command(&lab.arguments("test"));
    let mut child = test.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let sleeps = || lab.watch.processes().iter().any(|line| line.contains("sleep 1000"));
    poll_until(sleeps, SOON, "the playbook is under way")?;
    signal(&child, Signal::SIGINT)?;
    ensure!(ends_within(&mut child, SOON), "it goes on");
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(130), "{:?}\n{text}", output.status);
    ensure!(text.contains("\ninterrupted: lab ") && !text.contains("unreachable"), "{text}");
    lab.watch.nothing_left()
}

fn no_nginx() -> Result<()> {
    let lab = TwoHosts::with_tasks(
        "    - file: {path: /usr/sbin/nginx, state: absent}\n    \
             - service: {name: nginx, state: started}\n",
    )?;
    let said = lab.command("test")?;
    said.exits(2)?.says("failed to run `/usr/sbin/nginx`: there is no such program")?;
    said.says("hint: install the package `nginx`")?;
    ensure!(fs::exists("/usr/sbin/nginx")?, "the machine keeps its own");
    lab.watch.nothing_left()
}

fn a_misspelt_service() -> Result<()> {
    let lab = TwoHosts::with_tasks("    - service: {name: ngnix, state: started}\n")?;
    let said = lab.command("test")?;
    said.exits(2)?.says("there is no service `ngnix`")?.says("hint: did you mean `nginx`?")?;
    lab.watch.nothing_left()
}

fn a_broken_nginx_conf() -> Result<()> {
    let lab = TwoHosts::with_tasks(
        "    - copy: {content: \"events {}\\nhttp { listn 80; }\\n\", dest: /etc/nginx/nginx.conf}\n    \
             - service: {name: nginx, state: started}\n",
    )?;
    let said = lab.command("test")?;
    said.exits(2)?.says("ExecStartPre of `nginx` failed")?;
    said.says("unknown directive \"listn\" in /etc/nginx/nginx.conf:2")?;
    lab.watch.nothing_left()
}

fn a_port_that_is_taken() -> Result<()> {
    let lab = TwoHosts::with_tasks(
        "    - copy:\n        dest: /tmp/server\n        content: |\n          \
                 use IO::Socket::INET;\n          \
                 my $s = IO::Socket::INET->new(LocalPort => 80, Listen => 9) or die $!;\n          \
                 1 while $s->accept;\n    \
             - shell: setsid perl /tmp/server >/dev/null 2>&1 &\n    \
             - wait_for: {port: 80}\n    \
             - service: {name: nginx, state: started}\n",
    )?;
    let said = lab.command("test")?;
    said.exits(2)?.says("bind() to 0.0.0.0:80 failed (98: Address already in use)")?;
    said.says("hint: another program has the port")?;
    lab.watch.nothing_left()
}
