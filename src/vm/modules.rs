//! Which modules a boot needs, in the order in which they can be loaded. The order is read
//! from `modules.dep` of that very kernel, since it differs from one version to the next.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::error::Error;

/// What the guest cannot reach its root or its caller without.
const NEEDED: [&str; 5] = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];

/// The dependencies of one kernel's modules, as depmod wrote them down.
#[derive(Debug)]
pub struct ModuleTree {
    folder: PathBuf,
    builtin: HashSet<String>,
    /// Name to file and the files it needs, relative to the folder.
    files: HashMap<String, (PathBuf, Vec<PathBuf>)>,
}

impl ModuleTree {
    /// Reads `modules.builtin` and `modules.dep` of a folder such as `/lib/modules/6.1.0`.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(Error::io(format!("read `{}`", path.display())))
        };
        Ok(Self::parse(folder, &read("modules.builtin")?, &read("modules.dep")?))
    }

    /// Whether the kernel has that module, in whatever form.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.builtin.contains(name) || self.files.contains_key(name)
    }

    /// The files to load for the boot, each after those it needs.
    pub fn boot_order(&self, release: &str) -> Result<Vec<PathBuf>, Error> {
        let mut order = Vec::new();
        for name in NEEDED {
            if self.builtin.contains(name) {
                continue;
            }
            let (file, needs) = self.files.get(name).ok_or_else(|| Error::ModuleMissing {
                release: release.into(),
                module: name.into(),
                folder: self.folder.clone(),
            })?;
            // depmod lists what is needed in the reverse of the order it must be loaded in.
            for path in needs.iter().rev().chain([file]) {
                let path = self.folder.join(path);
                if !order.contains(&path) {
                    order.push(path);
                }
            }
        }
        Ok(order)
    }

    fn parse(folder: &Path, builtin: &str, dependencies: &str) -> Self {
        let builtin = builtin.lines().map(|line| module_name(Path::new(line.trim()))).collect();
        let files = dependencies
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(file, needs)| {
                let file = PathBuf::from(file.trim());
                (module_name(&file), (file, needs.split_whitespace().map(PathBuf::from).collect()))
            })
            .collect();
        Self { folder: folder.into(), builtin, files }
    }
}

/// `kernel/net/9p/9pnet-virtio.ko.xz` is the module `9pnet_virtio`.
fn module_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.split(".ko").next().unwrap_or_default().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/net/9p/9pnet.ko.xz:
kernel/fs/netfs/netfs.ko.xz:
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/drivers/virtio/virtio.ko.xz
kernel/drivers/char/virtio_console.ko.xz: kernel/drivers/virtio/virtio.ko.xz
kernel/fs/overlayfs/overlay.ko.xz:
";

    #[test]
    fn loads_what_is_needed_first_and_once_and_skips_what_is_built_in() {
        let tree = ModuleTree::parse(
            Path::new("/m"),
            "kernel/drivers/virtio/virtio-pci.ko\n",
            DEPENDENCIES,
        );
        let order = tree.boot_order("6.12").expect("all there");
        let names: Vec<String> = order.iter().map(|path| module_name(path)).collect();
        let expected =
            ["virtio", "virtio_console", "9pnet", "9pnet_virtio", "netfs", "9p", "overlay"];
        assert_eq!(names, expected);
        assert_eq!(order[0], Path::new("/m/kernel/drivers/virtio/virtio.ko.xz"));
    }

    #[test]
    fn names_the_module_that_a_cloud_kernel_lacks() {
        let tree = ModuleTree::parse(Path::new("/m"), "", "kernel/fs/overlayfs/overlay.ko:\n");
        let error = tree.boot_order("6.1.0-cloud").expect_err("no virtio_pci");
        assert!(error.to_string().contains("no module `virtio_pci`"), "{error}");
    }
}
