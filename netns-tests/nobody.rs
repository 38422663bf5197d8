//! Somebody who is not root: what the program does for such a user.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use tempfile::{NamedTempFile, TempDir};

use crate::support::ROOT;
use crate::traces::{Said, Watch, said};

const NOBODY: u32 = 65534;

const CACHE: &str = ".cache/lvsmith";

/// A group that one who has ids is in besides, `adm` on Debian.
pub(crate) const GROUP: u32 = 4;

/// Gives nobody the ids of a file, for as long as a program runs: in mounts of its own.
const WITH_IDS: &str =
    "mount --bind \"$0\" /etc/subuid && mount --bind \"$0\" /etc/subgid && exec \"$@\"";

/// A home of nobody's, with the program.
pub(crate) struct Nobody {
    pub(crate) watch: Watch,
    home: TempDir,
    ids: Option<NamedTempFile>,
}

impl Nobody {
    /// One who has no subordinate ids, and the kernels that root has in its cache.
    pub(crate) fn new() -> Result<Self> {
        let nobody = Self::poor()?;
        let roots = std::env::var_os("XDG_CACHE_HOME").map_or_else(
            || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache"),
            Into::into,
        );
        let kernels = roots.join("lvsmith/kernels");
        if let Ok(usual) = fs::read_link(kernels.join("default")) {
            let own = nobody.home().join(CACHE).join("kernels");
            fs::create_dir(&own)?;
            copied(&kernels.join(&usual), &own.join(&usual))?;
            std::os::unix::fs::symlink(&usual, own.join("default"))?;
        }
        Ok(nobody)
    }

    /// One who has ids, as the users of a machine that Debian sets up have, and no kernels.
    pub(crate) fn with_ids() -> Result<Self> {
        let mut ids = NamedTempFile::new()?;
        writeln!(ids, "{NOBODY}:200000:65536")?;
        fs::set_permissions(ids.path(), fs::Permissions::from_mode(0o644))?;
        Ok(Self { ids: Some(ids), ..Self::poor()? })
    }

    fn poor() -> Result<Self> {
        let (watch, home) = (Watch::new()?, tempfile::tempdir()?);
        let nobody = Self { watch, home, ids: None };
        fs::set_permissions(nobody.home(), fs::Permissions::from_mode(0o755))?;
        fs::copy(env!("CARGO_BIN_EXE_lvsmith"), nobody.home().join("lvsmith"))?;
        let cache = nobody.home().join(CACHE);
        fs::create_dir_all(&cache)?;
        for folder in [nobody.home(), &nobody.home().join(".cache"), &cache] {
            std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY))?;
        }
        std::os::unix::fs::chown(nobody.watch.temporary(), Some(NOBODY), Some(NOBODY))?;
        Ok(nobody)
    }

    /// Gives that user a lab of the checkout.
    pub(crate) fn has_lab(&self, folder: &str) -> Result<()> {
        let from = Path::new(ROOT).join(folder);
        copied(&from, &self.home().join(from.file_name().unwrap_or_default()))
    }

    /// Has a lab of that user not ask for root.
    pub(crate) fn requires_less(&self, lab: &str) -> Result<()> {
        let file = self.home().join(lab).join("lab.yml");
        let text = fs::read_to_string(&file)?;
        fs::write(file, text.replace("requires: [ipvs, root]", "requires: [ipvs]"))?;
        Ok(())
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Said> {
        said(&mut self.command(arguments))
    }

    /// The program as that user, marked.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        self.watch.marked(&mut command).arg("--mount").current_dir(self.home());
        command.env("HOME", self.home()).env_remove("XDG_CACHE_HOME");
        if let Some(ids) = &self.ids {
            command.args(["sh", "-c", WITH_IDS]).arg(ids.path());
        }
        let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
        let groups = match self.ids {
            Some(_) => format!("--groups={GROUP}"),
            None => "--clear-groups".into(),
        };
        command.args(["setpriv", &user, &group, &groups]);
        command.arg(self.home().join("lvsmith")).args(arguments);
        command
    }

    /// Runs it, and waits with patience for a boot that is emulated beside others.
    pub(crate) fn boots(&self, arguments: &[&str]) -> Result<Said> {
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
