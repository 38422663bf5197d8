//! The life of a lab: up, used, listed, down; and what a trial of one reports.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::lab;
use crate::traces::{Watch, poll_until};
use crate::two_hosts::TwoHosts;
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("lab::comes_up_and_goes_down", comes_up_and_goes_down),
    native("lab::passes_exit_codes_through", passes_exit_codes_through),
    native("lab::hosts_reach_each_other_by_name", hosts_reach_each_other_by_name),
    native("lab::files_of_a_host_are_its_own", files_of_a_host_are_its_own),
    native("lab::sysctls_of_a_host_are_its_own", sysctls_of_a_host_are_its_own),
    native("lab::has_one_of_each_name", has_one_of_each_name),
    native("lab::one_of_four_wins", one_of_four_wins),
    native("lab::a_killed_host_is_shown_as_ended", a_killed_host_is_shown_as_ended),
    native("lab::a_trial_reports", a_trial_reports),
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

const SOON: Duration = Duration::from_secs(10);

fn comes_up_and_goes_down() -> Result<()> {
    let lab = TwoHosts::new()?;
    ensure!(lab.listed()?.is_none());
    let up = lab.command("up")?;
    up.exits(0)?.says("is up: 2 hosts")?.says("eth0 10.10.0.3/24 (lan)")?;
    let listed = lab.listed()?.context("it is listed")?;
    ensure!(listed["hosts"]["rs2"]["interfaces"][0]["addresses"][0] == "10.10.0.3/24", "{listed}");
    lab.watch.run(&["lab", "list"])?.exits(0)?.says(&format!("{}: 2 hosts, up", lab.watch.name))?;
    ensure!(!lab.watch.processes().is_empty(), "it has processes, which have our mark");
    lab.down()?;
    ensure!(lab.listed()?.is_none());
    lab.command("down")?.exits(4)?.says("is up")?;
    Ok(())
}

fn passes_exit_codes_through() -> Result<()> {
    let lab = TwoHosts::up()?;
    lab.run("rs1", "exit 7")?.exits(7)?;
    lab.run("rs1", "kill -TERM $$")?.exits(143)?;
    let program = |name| lab.watch.run(&["lab", "exec", "--lab", &lab.watch.name, "rs1", name]);
    program("no-such-program")?.exits(127)?.says("`no-such-program` on `rs1`")?;
    program("/etc/passwd")?.exits(126)?;
    lab.run("rs3", "true")?.exits(4)?.says("did you mean `rs")?;
    lab.down()
}

fn hosts_reach_each_other_by_name() -> Result<()> {
    const SERVER: &str = "exec perl -MIO::Socket::INET -e '\
        my $s = IO::Socket::INET->new(LocalPort => 7000, Listen => 1) or die $!;\
        my $c = $s->accept; print $c `hostname`'";
    let lab = TwoHosts::up()?;
    let mut server = lab.watch.command(&lab.script("rs1", SERVER)).spawn()?;
    let ask = || lab.run("rs2", "exec 3<>/dev/tcp/rs1/7000 && cat <&3");
    let answered = || ask().is_ok_and(|said| said.exit == Some(0) && said.output == "rs1\n");
    poll_until(answered, SOON, "rs1 answers rs2")?;
    ensure!(server.wait()?.success());
    lab.down()
}

fn files_of_a_host_are_its_own() -> Result<()> {
    let lab = TwoHosts::up()?;
    let file = format!("/etc/{}", lab.watch.name);
    lab.run("rs1", &format!("hostname >{file} && rm /etc/passwd && cat {file}"))?.says("rs1\n")?;
    lab.run("rs2", &format!("test ! -e {file} && test -e /etc/passwd"))?.exits(0)?;
    ensure!(!fs::exists(&file)? && fs::exists("/etc/passwd")?, "the machine keeps its files");
    lab.down()
}

fn sysctls_of_a_host_are_its_own() -> Result<()> {
    const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
    let lab = TwoHosts::with_tasks(
        "    - sysctl: {name: net.ipv4.ip_forward, value: 1}\n    \
             - sysctl: {name: vm.swappiness, value: 1}\n",
    )?;
    let machine = (fs::read_to_string(FORWARD)?, fs::read_to_string("/proc/sys/vm/swappiness")?);
    lab.command("up")?.exits(0)?;
    let read = |host| lab.run(host, &format!("cat {FORWARD}"));
    let before = read("rs2")?.output;
    lab.run("rs1", &format!("echo 1 >{FORWARD}"))?.exits(0)?;
    ensure!(read("rs1")?.output == "1\n" && read("rs2")?.output == before, "rs2 has its own");
    lab.run("rs1", "echo 1 >/proc/sys/vm/swappiness")?.says("Read-only file system")?;
    lab.down()?;
    let tried = lab.command("test")?;
    tried.exits(2)?.says("`vm.swappiness` is not namespaced")?.says("hint: only `net.`")?;
    let now = (fs::read_to_string(FORWARD)?, fs::read_to_string("/proc/sys/vm/swappiness")?);
    ensure!(now == machine, "the machine keeps its parameters");
    lab.watch.nothing_left()
}

fn has_one_of_each_name() -> Result<()> {
    let (lab, other) = (TwoHosts::up()?, TwoHosts::new()?);
    lab.command("up")?.exits(0)?.says("is up already")?;
    fs::copy(lab.path().join("lab.yml"), other.path().join("lab.yml"))?;
    let folder = lab.path().display().to_string();
    other.command("up")?.exits(4)?.says("is up already, from")?.says(&folder)?;
    lab.down()
}

fn one_of_four_wins() -> Result<()> {
    let lab = TwoHosts::new()?;
    let start = || {
        let mut command = lab.watch.command(&lab.arguments("up"));
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn()
    };
    let children: Vec<Child> = (0..4).map(|_| start()).collect::<Result<_, _>>()?;
    let mut outcomes: BTreeMap<(Option<i32>, bool), u32> = BTreeMap::new();
    for child in children {
        let output = child.wait_with_output()?;
        let made_it = String::from_utf8_lossy(&output.stdout).contains("is up: 2 hosts");
        *outcomes.entry((output.status.code(), made_it)).or_default() += 1;
    }
    // The others are told that it is up already, or that it is just coming up.
    ensure!(outcomes.remove(&(Some(0), true)) == Some(1), "not one made it: {outcomes:?}");
    let known = |(exit, made_it): &(Option<i32>, bool)| !made_it && matches!(exit, Some(0 | 4));
    ensure!(outcomes.keys().all(known), "{outcomes:?}");
    ensure!(lab.listed()?.is_some());
    lab.down()
}

fn a_killed_host_is_shown_as_ended() -> Result<()> {
    let lab = TwoHosts::up()?;
    kill(Pid::from_raw(lab.first_process("rs1")?), Signal::SIGKILL)?;
    let ended = || lab.first_process("rs1").is_err();
    poll_until(ended, SOON, "the keeper has noticed")?;
    lab.watch.run(&["lab", "list"])?.exits(0)?.says("has ended")?;
    lab.run("rs1", "true")?.exits(5)?.says("lab host `rs1` has ended")?;
    lab.run("rs2", "true")?.exits(0)?;
    lab.down()
}

/// On any kernel: a real server, a client, real requests.
fn a_trial_reports() -> Result<()> {
    let (watch, folder) = (Watch::new()?, tempfile::tempdir()?);
    let (lab, file) = (lab("plain-http"), folder.path().join("report.json"));
    let arguments = ["lab", "test", "--no-vm"].map(OsStr::new);
    let rest = [lab.as_os_str(), OsStr::new("--json"), file.as_os_str()];
    let said = watch.run(&[arguments, rest].concat())?;
    said.exits(0)?;
    let report: Value = serde_json::from_slice(&fs::read(file)?)?;
    for (list, count) in [("phases", 5), ("checks", 2)] {
        let items = report[list].as_array().context("a list")?;
        ensure!(items.len() == count, "{list}: {items:#?}");
        ensure!(items.iter().all(complete), "each has all four: {items:#?}");
    }
    let text = serde_json::to_string_pretty(&report)?;
    insta::with_settings!({filters => vec![
        (r"\d+\.\d+ s", "[TIME]"), (r"kernel \S+", "kernel [KERNEL]"),
        (r#""seconds": [-\d.e]+"#, r#""seconds": "[TIME]""#),
        (r#""kernel": ".*""#, r#""kernel": "[KERNEL]""#),
        (r#""pid": \d+"#, r#""pid": "[PID]""#),
        (r"10\.10\.0\.9:\d+", "10.10.0.9:[PORT]"),
        (r"nginx/[\d.]+", "nginx/[VERSION]"),
    ]}, {
        insta::assert_snapshot!("plain_http_text", said.output);
        insta::assert_snapshot!("plain_http_report", text);
    });
    watch.nothing_left()
}

fn complete(item: &Value) -> bool {
    item["name"].is_string()
        && item["passed"] == true
        && item["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0)
        && item["evidence"].is_object()
}
