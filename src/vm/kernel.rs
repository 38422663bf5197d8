//! Which kernel the micro-VM runs: the one asked for, else the running one's files, else the
//! newest in the cache. A kernel found, not given, must be able to boot and to run IPVS.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::modules::ModuleTree;
use super::{Options, cache, image};

/// A kernel that can be booted.
#[derive(Debug)]
pub struct Kernel {
    /// The image file.
    pub image: PathBuf,
    /// `uname -r` of it, as far as that is known.
    pub release: String,
    /// Its folder of modules; `None` for a given kernel that has everything built in.
    pub modules: Option<PathBuf>,
    /// What to load so that the guest reaches its root, in order.
    pub boot: Vec<PathBuf>,
}

impl Kernel {
    /// Finds the kernel for these options.
    pub fn find(options: &Options) -> Result<Self, Error> {
        match &options.kernel {
            // A word without a slash is the version of a cached kernel, or its whole release.
            Some(name) if !name.to_string_lossy().contains('/') && !name.exists() => {
                let name = name.to_string_lossy();
                Self::first(cached(&name), options, || format!("none in the cache is a `{name}`"))
            }
            Some(image) if !image.exists() => {
                Err(Error::KernelMissing(vec![format!("there is no `{}`", image.display())]))
            }
            Some(image) => Self::given(image, options.modules.as_deref()),
            None => Self::first(
                running().into_iter().chain(usual()).chain(cached("")).collect(),
                options,
                || "none in /boot with its modules, none in the cache".into(),
            ),
        }
    }

    fn given(image: &Path, modules: Option<&Path>) -> Result<Self, Error> {
        let release = image::release(image)?;
        let modules = modules.map(Path::to_path_buf).or_else(|| {
            let release = release.as_deref()?;
            // A package unpacked somewhere has boot/ beside lib/.
            let beside = image.parent()?.parent()?;
            [beside.join("lib/modules"), PathBuf::from("/lib/modules")]
                .into_iter()
                .map(|folder| folder.join(release))
                .find(|folder| folder.is_dir())
        });
        let release = release
            .or_else(|| Some(modules.as_ref()?.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_else(|| "unknown".into());
        let boot = match &modules {
            Some(folder) => ModuleTree::read(folder)?.boot_order(&release)?,
            None => Vec::new(),
        };
        Self { image: absolute(image)?, release, modules, boot }.absolute()
    }

    fn first(
        candidates: Vec<(PathBuf, PathBuf)>,
        options: &Options,
        none: impl FnOnce() -> String,
    ) -> Result<Self, Error> {
        let mut refused = Vec::new();
        for (image, modules) in candidates {
            let modules = options.modules.clone().unwrap_or(modules);
            match Self::given(&image, Some(&modules)) {
                Ok(kernel) if ModuleTree::read(&modules)?.has("ip_vs") => return Ok(kernel),
                Ok(kernel) => refused.push(format!("`{}` has no ip_vs", kernel.release)),
                Err(error) => refused.push(error.to_string()),
            }
        }
        if refused.is_empty() {
            refused.push(none());
        }
        Err(Error::KernelMissing(refused))
    }

    fn absolute(mut self) -> Result<Self, Error> {
        self.modules = self.modules.as_deref().map(absolute).transpose()?;
        Ok(self)
    }
}

/// The files of the kernel that runs, when they are there: in a container they are not.
fn running() -> Option<(PathBuf, PathBuf)> {
    let release = nix::sys::utsname::uname().ok()?.release().to_str()?.to_owned();
    let modules = PathBuf::from(format!("/lib/modules/{release}"));
    // Some distributions keep the image among the modules.
    let image = [PathBuf::from(format!("/boot/vmlinuz-{release}")), modules.join("vmlinuz")]
        .into_iter()
        .find(|image| image.exists())?;
    modules.join("modules.dep").exists().then_some((image, modules))
}

/// The kernel of the cache that is taken where none is named: the distribution's own, whatever
/// others were fetched besides.
fn usual() -> Option<(PathBuf, PathBuf)> {
    let folder = cache::folder()?.join("kernels");
    let release = std::fs::read_link(folder.join("default")).ok()?;
    Some(unpacked(&folder, release.to_str()?))
}

/// The cached kernels of that version, newest first.
fn cached(version: &str) -> Vec<(PathBuf, PathBuf)> {
    let Some(folder) = cache::folder().map(|folder| folder.join("kernels")) else {
        return Vec::new();
    };
    let mut releases: Vec<String> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(|first: char| first.is_ascii_digit()))
        .filter(|release| is_of(release, version))
        .collect();
    releases.sort_by_cached_key(|release| std::cmp::Reverse(self::version(release)));
    releases.iter().map(|release| unpacked(&folder, release)).collect()
}

/// Whether a release begins with a version, number by number: 6.12 is no 6.1.
fn is_of(release: &str, version: &str) -> bool {
    release.strip_prefix(version).is_some_and(|rest| {
        let goes_on = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
        version.is_empty() || !goes_on(rest)
    })
}

/// Where image and modules of a cached kernel are.
fn unpacked(folder: &Path, release: &str) -> (PathBuf, PathBuf) {
    let root = folder.join(release);
    let image = root.join(format!("boot/vmlinuz-{release}"));
    (image, root.join("lib/modules").join(release))
}

/// The numbers in a release, so that 6.12 comes after 6.1.
pub(super) fn version(release: &str) -> Vec<u64> {
    release
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap_or(u64::MAX))
        .collect()
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize().map_err(Error::io(format!("find `{}`", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_releases_sort_after_older_ones() {
        let mut releases = ["6.12.9+deb12-amd64", "6.1.0-56-amd64", "6.1.0-9-amd64", "7.0-amd64"];
        releases.sort_by_key(|release| version(release));
        let sorted = ["6.1.0-9-amd64", "6.1.0-56-amd64", "6.12.9+deb12-amd64", "7.0-amd64"];
        assert_eq!(releases, sorted);
    }

    #[test]
    fn a_version_is_taken_number_by_number() {
        assert!(is_of("6.1.0-48-amd64", "6.1") && is_of("6.1.0-48-amd64", "6.1.0-48-amd64"));
        assert!(is_of("6.12.107+deb13-amd64", "6.12") && is_of("7.3.4+deb13-amd64", "7"));
        assert!(!is_of("6.12.107+deb13-amd64", "6.1") && !is_of("6.1.0-48-amd64", "6.1.0-4"));
        assert!(is_of("6.1.0-48-amd64", ""));
    }

    #[test]
    fn a_file_that_is_no_kernel_is_named() {
        for path in ["/etc/passwd", "/proc/self/exe"] {
            let options = Options { kernel: Some(path.into()), ..Options::default() };
            let error = Kernel::find(&options).expect_err("no kernel");
            assert!(matches!(error, Error::NotAKernel(_)), "{error}");
        }
    }
}
