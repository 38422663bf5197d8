//! Labs of somebody who is not root: they come up by themselves, in a micro-VM or in a user
//! namespace, and what that user may not read stands in nobody's way.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::nobody::{GROUP, Nobody};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("ordinary_user::has_the_cluster_in_a_micro_vm", cluster),
    native("ordinary_user::has_a_lab_that_stays_up", stays_up),
    native("ordinary_user::is_told_what_no_vm_lacks", no_vm),
    native("ordinary_user::may_not_read_and_can_write", withheld),
    native("ordinary_user::has_a_user_namespace", user_namespace),
    native("ordinary_user::has_one_that_stays_up", namespace_stays_up),
    native("ordinary_user::has_one_with_ssh", over_ssh),
    native("ordinary_user::has_copies_of_what_hosts_write", copies),
    native("ordinary_user::writes_no_file_that_is_not_his", other_files),
    ipvs("ordinary_user::has_the_cluster_in_a_user_namespace", cluster_in_namespace),
    ipvs("ordinary_user::is_told_what_a_user_namespace_lacks", lacks),
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

const fn ipvs(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Ipvs, run }
}

/// One that needs nothing of the kernel that is not here.
const PLAIN: &str = "netns-tests/labs/plain-http";

fn cluster() -> Result<()> {
    let nobody = Nobody::new()?;
    nobody.has_lab("playbooks/lvs-dr")?;
    let said = nobody.boots(&["lab", "test", "lvs-dr"])?;
    said.exits(0)?
        .says("lvsmith: this kernel has no IPVS loaded, so the lab runs in a micro-VM\n")?;
    said.says("straight from the real server: 12 of 12 replies")?.says("in a micro-VM\n")?;
    nobody.watch.nothing_left()
}

fn stays_up() -> Result<()> {
    let nobody = Nobody::new()?;
    nobody.has_lab(PLAIN)?;
    let said = nobody.boots(&["lab", "up", "plain-http"])?;
    said.exits(0)?
        .says("lvsmith: `/etc/subuid` has no 65535 ids for this user (have some added: `")?;
    said.says("nobody`), so the lab runs in a micro-VM\n")?;
    nobody.run(&["lab", "list"])?.exits(0)?.says(", in a micro-VM, from ")?;
    let host = ["lab", "exec", "client", "--", "sh", "-c", "touch /root/mine; id -u; ls /root"];
    let said = nobody.run(&host)?;
    ensure!(said.exits(0)?.output == "0\nmine\n", "{said}");
    nobody.run(&["lab", "down"])?.exits(0)?.says(" is down")?;
    nobody.watch.nothing_left()
}

fn no_vm() -> Result<()> {
    let nobody = Nobody::new()?;
    nobody.has_lab(PLAIN)?;
    let said = nobody.run(&["lab", "test", "--no-vm", "plain-http"])?;
    said.exits(6)?.says("this user is not root and can have no user namespace: ")?;
    said.says("`/etc/subuid` has no 65535 ids for this user, and `--no-vm` refuses a micro-VM")?;
    said.says("= help: leave out `--no-vm`, or have some added: `usermod --add-subuids ")?;
    said.says(" nobody`; or run it as root")?;
    nobody.watch.nothing_left()
}

fn withheld() -> Result<()> {
    let nobody = Nobody::new()?;
    let place = tempfile::Builder::new().prefix("withheld").tempdir_in("/var/lib")?;
    let (log, private) = (place.path().join("error.log"), place.path().join("private"));
    fs::write(&log, "of the machine\n")?;
    fs::create_dir(&private)?;
    fs::write(private.join("key"), "secret\n")?;
    for (path, mode) in [(place.path(), 0o755), (&*log, 0o640), (&*private, 0o710)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    std::os::unix::fs::chown(&log, None, Some(4))?;
    let script = "cd $0; stat -c '%a %u %g' *; wc -c <error.log; echo a >>error.log; cat error.log
                  touch private/mine && ls -A private; id -u";
    let place = place.path().to_str().context("a temporary folder has a plain name")?;
    let said = nobody.boots(&["vm", "run", "--", "sh", "-c", script, place])?;
    ensure!(said.exits(0)?.output == "640 0 4\n710 0 0\n0\na\nmine\n0\n", "{said}");
    ensure!(fs::read_to_string(&log)? == "of the machine\n", "the machine stays as it is");
    ensure!(!fs::exists(private.join("mine"))?, "the machine stays as it is");
    nobody.watch.nothing_left()
}

fn user_namespace() -> Result<()> {
    let nobody = Nobody::with_ids()?;
    nobody.has_lab(PLAIN)?;
    let report = nobody.home().join("report.html").display().to_string();
    let said = nobody.run(&["lab", "test", "plain-http", "--report", &report])?;
    said.exits(0)?.says("lvsmith: this user is not root, so the lab runs in a user namespace\n")?;
    said.says("passed: lab plain-http in ")?;
    ensure!(fs::read_to_string(report)?.contains("plain-http"), "the report is the user's file");
    nobody.watch.nothing_left()
}

fn namespace_stays_up() -> Result<()> {
    let nobody = Nobody::with_ids()?;
    nobody.has_lab(PLAIN)?;
    nobody.run(&["lab", "up", "plain-http"])?.exits(0)?.says("lab `plain-http` is up: 2 hosts")?;
    nobody.run(&["lab", "list"])?.exits(0)?.says("plain-http: 2 hosts")?;
    let first = nobody.run(&["apply", "--lab", "plain-http"])?;
    first.exits(0)?.says("start `nginx`")?;
    nobody.run(&["apply", "--lab", "plain-http"])?.exits(0)?.says("changed=0")?;
    let get = ["curl", "-sS", "http://10.10.0.2/"];
    let got = nobody.run(&[&["lab", "exec", "client", "--"][..], &get].concat())?;
    ensure!(got.exits(0)?.output.contains("rs1"), "{got}");
    nobody.run(&["lab", "logs", "rs1"])?.exits(0)?.says("GET / HTTP/1.1")?;
    nobody.run(&["lab", "down"])?.exits(0)?.says("lab `plain-http` is down")?;
    nobody.watch.nothing_left()
}

fn over_ssh() -> Result<()> {
    let nobody = Nobody::with_ids()?;
    nobody.has_lab(PLAIN)?;
    let said = nobody.run(&["lab", "test", "plain-http", "--connection", "ssh"])?;
    said.exits(0)?.says("in a user namespace\n")?;
    nobody.watch.nothing_left()
}

fn copies() -> Result<()> {
    let log = tempfile::Builder::new().suffix(".log").tempfile_in("/var/log")?;
    fs::write(log.path(), "of the machine\n")?;
    fs::set_permissions(log.path(), fs::Permissions::from_mode(0o644))?;
    // What only a group of the user's may read: a folder with a file that is large, and one not.
    let place = tempfile::tempdir_in("/var/lib")?;
    fs::write(place.path().join("large"), vec![b'.'; (1 << 20) + 1])?;
    fs::write(place.path().join("small"), "small\n")?;
    std::os::unix::fs::chown(place.path(), None, Some(GROUP))?;
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o750))?;

    let nobody = Nobody::with_ids()?;
    nobody.has_lab(PLAIN)?;
    nobody.run(&["lab", "up", "plain-http"])?.exits(0)?;
    let script = "stat -c '%a %u %g %n' /etc/passwd /etc/shadow /root /var/tmp
                  stat -c '%u' /etc /var/lib
                  wc -c <$0; echo more >>$0; cat $0
                  stat -c '%a %u %g' $1; wc -c <$1/large; cat $1/small
                  wc -c </etc/shadow
                  mkdir /etc/mine && rmdir /etc/mine && mkdir /etc/mine && echo made";
    let paths = [log.path(), place.path()].map(|path| path.display().to_string());
    let script = ["lab", "exec", "rs1", "--", "sh", "-c", script, &paths[0], &paths[1]];
    let said = nobody.run(&script)?;
    let shadow = fs::metadata("/etc/shadow")?;
    let (mode, group) = (shadow.permissions().mode() & 0o777, shadow.gid());
    let expected = format!(
        "644 0 0 /etc/passwd\n{mode:o} 0 {group} /etc/shadow\n700 0 0 /root\n\
         1777 65534 65534 /var/tmp\n0\n0\n0\nmore\n750 0 {GROUP}\n1048577\nsmall\n0\nmade\n"
    );
    ensure!(said.exits(0)?.output == expected, "{said}{expected}");
    ensure!(fs::read_to_string(log.path())? == "of the machine\n", "the machine stays as it is");
    ensure!(!fs::exists("/etc/mine")?, "the machine stays as it is");
    nobody.run(&["lab", "down"])?.exits(0)?;
    nobody.watch.nothing_left()
}

fn other_files() -> Result<()> {
    let nobody = Nobody::with_ids()?;
    nobody.has_lab(PLAIN)?;
    let said = nobody.run(&["lab", "test", "plain-http", "--report", "/var/lib/report.html"])?;
    said.exits(6)?.says("failed to write `/var/lib/report.html`: Permission denied")?;
    nobody.watch.nothing_left()
}

fn cluster_in_namespace() -> Result<()> {
    loaded(&["ip_vs_rr"])?;
    let nobody = Nobody::with_ids()?;
    nobody.has_lab("playbooks/lvs-dr")?;
    let said = nobody.run(&["lab", "test", "--no-vm", "lvs-dr"])?;
    said.exits(0)?.says("lvsmith: this user is not root, so the lab runs in a user namespace\n")?;
    said.says("straight from the real server: 12 of 12 replies")?;
    nobody.watch.no_process_left()
}

fn lacks() -> Result<()> {
    loaded(&["ip_vs_rr", "ip_vs_wrr"])?;
    let nobody = Nobody::with_ids()?;
    nobody.has_lab("playbooks/lvs-dr-ipv6")?;
    let tried = || nobody.run(&["lab", "test", "--no-vm", "lvs-dr-ipv6"]);
    tried()?.exits(6)?.says("this lab requires `root`, and this user is not")?;
    nobody.requires_less("lvs-dr-ipv6")?;
    tried()?.exits(2)?.says("IPVS of a user namespace takes no IPv6 services")?;

    nobody.has_lab("playbooks/kube-like")?;
    nobody.requires_less("kube-like")?;
    let said = nobody.run(&["lab", "test", "--no-vm", "kube-like"])?;
    // Newer kernels show them to everybody.
    let parameter = "/proc/sys/net/ipv4/vs/conntrack";
    let shown = ["--map-root-user", "--net", "test", "-e", parameter];
    if Command::new("unshare").args(shown).status()?.success() {
        said.exits(0)?;
    } else {
        said.exits(2)?.says("this kernel has no parameter `net.ipv4.vs.conntrack`")?;
        said.says("this kernel shows those of IPVS to root alone; in a lab, try it with `--vm`")?;
    }
    nobody.watch.no_process_left()
}

/// Has the kernel load what no root of a user namespace may.
fn loaded(modules: &[&str]) -> Result<()> {
    let status = Command::new("modprobe").arg("--all").args(modules).status()?;
    ensure!(status.success(), "modprobe: {status}");
    Ok(())
}
