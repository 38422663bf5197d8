//! The modules of the running kernel: those in it, and those it could load.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::utsname::uname;

use super::State;
use crate::diagnostic::nearest;
use crate::modules::Error;

/// The running kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// As `uname -r` prints it.
    pub(super) release: String,
    /// `/sys/module`.
    loaded: PathBuf,
    /// `/lib/modules/RELEASE`.
    folder: PathBuf,
}

impl Kernel {
    pub(super) fn running() -> Result<Self, Error> {
        let names = uname()
            .map_err(|errno| Error::new(format!("failed to ask for the kernel: {errno}")))?;
        let release = names.release().to_string_lossy().into_owned();
        let folder = Path::new("/lib/modules").join(&release);
        Ok(Self { release, loaded: "/sys/module".into(), folder })
    }

    /// Whether the kernel has the module.
    pub(super) fn state(&self, name: &str) -> State {
        let name = canonical(name);
        // The file of aliases is long; a module that is loaded need not be looked up in it.
        let behind_alias = std::iter::once_with(|| self.behind_alias(&name)).flatten();
        for name in std::iter::once(name.clone()).chain(behind_alias) {
            let folder = self.loaded.join(&name);
            // Built-in modules are listed too, if they have parameters; but only what was
            // loaded has a state: `live`, `coming` or `going`.
            if folder.join("initstate").exists() {
                return State::Loaded;
            }
            if folder.exists() || self.lists("modules.builtin").contains(&name) {
                return State::BuiltIn;
            }
        }
        State::Absent
    }

    /// Whether the kernel has the module, or could load it.
    pub(super) fn has(&self, name: &str) -> bool {
        let name = canonical(name);
        self.state(&name) != State::Absent
            || self.lists("modules.dep").contains(&name)
            || self.behind_alias(&name).is_some()
    }

    /// The module that an alias without wildcards stands for, such as `nf_conntrack-2`.
    fn behind_alias(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder.join("modules.alias")).ok()?;
        text.lines().find_map(|line| {
            let mut words = line.strip_prefix("alias ")?.split_whitespace();
            (canonical(words.next()?) == name).then(|| words.next().map(canonical))?
        })
    }

    /// The names in `modules.builtin` or `modules.dep`: one path a line, a colon after it.
    fn lists(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        let names = text.lines().filter_map(|line| {
            let file = line.split(':').next()?.rsplit('/').next()?;
            Some(canonical(file.split(".ko").next()?))
        });
        names.collect()
    }

    /// The error for a module that is neither there nor can be loaded.
    pub(super) fn lacks(&self, name: &str) -> Error {
        let error = Error::new(format!("kernel `{}` has no module `{name}`", self.release));
        if !self.folder.join("modules.dep").exists() {
            return error.hint(format!(
                "there are no modules for this kernel in `{}`; a lab with `--vm` brings a \
                 kernel of its own",
                self.folder.display()
            ));
        }
        let known = self.lists("modules.dep");
        match nearest(&canonical(name), known.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        }
    }
}

/// The kernel's own spelling: file names may have `-`, modules have `_`.
pub(super) fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::super::renamed::renamed;
    use super::*;

    /// A kernel of files: `ip_vs` loaded, `bridge` and `veth` built in, `dummy` on disk.
    fn kernel(root: &Path) -> Kernel {
        let kernel = Kernel {
            release: "6.1.0-test".into(),
            loaded: root.join("sys"),
            folder: root.join("lib"),
        };
        fs::create_dir_all(kernel.loaded.join("ip_vs")).unwrap();
        fs::write(kernel.loaded.join("ip_vs/initstate"), "live\n").unwrap();
        fs::create_dir_all(kernel.loaded.join("bridge")).unwrap();
        fs::create_dir_all(&kernel.folder).unwrap();
        let lists = [
            ("modules.builtin", "kernel/drivers/net/veth.ko\n"),
            (
                "modules.dep",
                "kernel/net/dummy.ko.xz:\nkernel/net/ip-vs.ko: kernel/a.ko\n\
                 kernel/net/nf_conntrack.ko:\nkernel/net/nf_nat.ko:\nkernel/net/nf_nat_ipv4.ko:\n",
            ),
            ("modules.alias", "alias ipvs-alias ip_vs\nalias pci:v0* e1000\n"),
        ];
        for (file, text) in lists {
            fs::write(kernel.folder.join(file), text).unwrap();
        }
        kernel
    }

    #[test]
    fn tells_loaded_from_built_in_and_absent() {
        let root = tempfile::tempdir().unwrap();
        let kernel = kernel(root.path());
        let cases = [
            ("ip_vs", State::Loaded),
            ("ip-vs", State::Loaded),
            ("ipvs-alias", State::Loaded),
            ("bridge", State::BuiltIn),
            ("veth", State::BuiltIn),
            ("dummy", State::Absent),
        ];
        for (name, state) in cases {
            assert_eq!(kernel.state(name), state, "{name}");
        }
    }

    #[test]
    fn finds_a_module_under_its_new_name() {
        let root = tempfile::tempdir().unwrap();
        let kernel = kernel(root.path());
        let found = renamed(&kernel, "nf-conntrack-ipv4").unwrap();
        assert_eq!((found.to, found.since), ("nf_conntrack", "4.19"));
        // This kernel still has the old one.
        assert_eq!(renamed(&kernel, "nf_nat_ipv4"), None);
        assert_eq!(renamed(&kernel, "ip_vs"), None);
    }

    #[test]
    fn names_the_kernel_and_what_was_meant() {
        let root = tempfile::tempdir().unwrap();
        let kernel = kernel(root.path());
        let error = kernel.lacks("dumy");
        assert_eq!(error.message, "kernel `6.1.0-test` has no module `dumy`");
        assert_eq!(error.hint.as_deref(), Some("did you mean `dummy`?"));
        fs::remove_file(kernel.folder.join("modules.dep")).unwrap();
        assert!(kernel.lacks("dumy").hint.unwrap().contains("--vm"));
    }
}
