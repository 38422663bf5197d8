//! The cache folder: kernels that `scripts/fetch-kernel.sh` put there, their unpacked images,
//! and what was learned about KVM. Losing any of it costs time and nothing else.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use nix::unistd::linkat;

/// `${XDG_CACHE_HOME:-~/.cache}/lvsmith`; `None` for a user without a home.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("lvsmith"))
}

/// A file that has no name: it lives in memory and is gone with its last user.
pub fn nameless(name: &str) -> io::Result<File> {
    let fd: OwnedFd = memfd_create(name, MFdFlags::MFD_CLOEXEC)?;
    Ok(File::from(fd))
}

/// The file at `path`, made by `fill` when it is not there. It gets its name only once it is
/// whole, so that no end, however sudden, leaves half of it. A cache that cannot be written
/// is no error: the content then lives in memory.
pub fn file(path: &Path, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
    if let Ok(file) = File::open(path) {
        return Ok(file);
    }
    let in_cache = path.parent().and_then(|folder| unnamed_in(folder).ok());
    let mut file = match &in_cache {
        Some(file) => file.try_clone()?,
        None => nameless("lvsmith")?,
    };
    fill(&file)?;
    file.seek(SeekFrom::Start(0))?;
    if let Some(file) = in_cache {
        // Another process may have been faster; its file is as good.
        let fd = format!("/proc/self/fd/{}", file.as_raw_fd());
        let _ = linkat(AT_FDCWD, fd.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW);
    }
    Ok(file)
}

fn unnamed_in(folder: &Path) -> io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    Ok(open(folder, flags, Mode::from_bits_truncate(0o644))?.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn content(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).expect("it was opened for reading");
        text
    }

    #[test]
    fn fills_once_and_leaves_no_half_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/image");
        let failed = file(&path, |_| Err(io::Error::other("broken")));
        assert!(failed.is_err() && !path.exists());
        let first = file(&path, |mut file| file.write_all(b"one")).expect("filled");
        assert_eq!(content(first), "one");
        let again = file(&path, |_| panic!("it is there already"));
        assert_eq!(content(again.expect("opened")), "one");
        let entries = std::fs::read_dir(folder.path().join("deep")).expect("listed").count();
        assert_eq!(entries, 1);
    }

    #[test]
    fn an_unwritable_cache_is_no_error() {
        let file = file(Path::new("/proc/no/such/folder/image"), |mut f| f.write_all(b"kept"));
        assert_eq!(content(file.expect("it lives in memory")), "kept");
    }
}
