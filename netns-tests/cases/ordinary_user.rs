//! Labs of somebody who is not root: they come up in a micro-VM, by themselves, and what that
//! user may not read stands in nobody's way.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::support::{ROOT, lab};
use crate::traces::{Said, Watch, said};
use crate::{Case, Needs};

pub(crate) const CASES: &[Case] = &[
    native("ordinary_user::has_the_cluster_in_a_micro_vm", cluster),
    native("ordinary_user::has_a_lab_that_stays_up", stays_up),
    native("ordinary_user::is_told_what_no_vm_lacks", no_vm),
    native("ordinary_user::may_not_read_and_can_write", withheld),
];

const fn native(name: &'static str, run: fn() -> Result<()>) -> Case {
    Case { name, needs: Needs::Namespaces, run }
}

const NOBODY: u32 = 65534;

/// A home of nobody's, with the program and the kernels that root has in its cache.
struct Nobody {
    watch: Watch,
    home: TempDir,
}

impl Nobody {
    fn new() -> Result<Self> {
        let (watch, home) = (Watch::new()?, tempfile::tempdir()?);
        let nobody = Self { watch, home };
        fs::set_permissions(nobody.home(), fs::Permissions::from_mode(0o755))?;
        fs::copy(env!("CARGO_BIN_EXE_lvsmith"), nobody.home().join("lvsmith"))?;
        let cache = nobody.home().join(".cache/lvsmith");
        fs::create_dir_all(&cache)?;
        for folder in [nobody.home(), &nobody.home().join(".cache"), &cache] {
            std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY))?;
        }
        std::os::unix::fs::chown(nobody.watch.temporary(), Some(NOBODY), Some(NOBODY))?;
        let roots = std::env::var_os("XDG_CACHE_HOME").map_or_else(
            || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache"),
            Into::into,
        );
        let kernels = roots.join("lvsmith/kernels");
        if let Ok(usual) = fs::read_link(kernels.join("default")) {
            let own = cache.join("kernels");
            fs::create_dir(&own)?;
            copied(&kernels.join(&usual), &own.join(&usual))?;
            std::os::unix::fs::symlink(&usual, own.join("default"))?;
        }
        Ok(nobody)
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    fn run(&self, arguments: &[&str]) -> Result<Said> {
        let mut command = Command::new("setpriv");
        let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
        command.args([&user, &group, "--clear-groups"]).arg(self.home().join("lvsmith"));
        let marked = self.watch.marked(&mut command).args(arguments).current_dir(self.home());
        said(marked.env("HOME", self.home()).env_remove("XDG_CACHE_HOME"))
    }

    /// Runs it, and waits with patience for a boot that is emulated beside others.
    fn boots(&self, arguments: &[&str]) -> Result<Said> {
        let (command, rest) = arguments.split_at(2);
        self.run(&[command, &["--boot-deadline", "300"], rest].concat())
    }
}

/// Copies a folder as cheaply as the filesystem allows.
fn copied(from: &Path, to: &Path) -> Result<()> {
    let copy = |how: &str| Command::new("cp").args([how, "--recursive"]).args([from, to]).output();
    if !copy("--link")?.status.success() {
        let output = copy("--force")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn cluster() -> Result<()> {
    let nobody = Nobody::new()?;
    copied(&Path::new(ROOT).join("playbooks/lvs-dr"), &nobody.home().join("lvs-dr"))?;
    let said = nobody.boots(&["lab", "test", "lvs-dr"])?;
    said.exits(0)?.says("lvsmith: this user is not root, so the lab runs in a micro-VM\n")?;
    said.says("straight from the real server: 12 of 12 replies")?.says("in a micro-VM\n")?;
    nobody.watch.nothing_left()
}

fn stays_up() -> Result<()> {
    let nobody = Nobody::new()?;
    // One that needs nothing of the kernel that is not here.
    copied(&lab("plain-http"), &nobody.home().join("plain-http"))?;
    nobody.boots(&["lab", "up", "plain-http"])?.exits(0)?.says("so the lab runs in a micro-VM")?;
    nobody.run(&["lab", "list"])?.exits(0)?.says(", in a micro-VM, from ")?;
    let host = ["lab", "exec", "client", "--", "sh", "-c", "touch /root/mine; id -u; ls /root"];
    let said = nobody.run(&host)?;
    ensure!(said.exits(0)?.output == "0\nmine\n", "{said}");
    nobody.run(&["lab", "down"])?.exits(0)?.says(" is down")?;
    nobody.watch.nothing_left()
}

fn no_vm() -> Result<()> {
    let nobody = Nobody::new()?;
    copied(&lab("plain-http"), &nobody.home().join("plain-http"))?;
    let said = nobody.run(&["lab", "test", "--no-vm", "plain-http"])?;
    said.exits(6)?.says("a lab on this kernel is for root, and `--no-vm` refuses a micro-VM")?;
    said.says("= help: leave out `--no-vm`, or run it as root")?;
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
