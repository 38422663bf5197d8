//! Mounts, made with the errors of a lab.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::Error;
use super::mounts::shown;

/// Mounts a filesystem, or changes how something is mounted.
pub(super) fn mounted(
    kind: Option<&str>,
    target: impl AsRef<Path>,
    source: Option<&str>,
    flags: MsFlags,
    options: Option<&str>,
) -> Result<(), Error> {
    let target = target.as_ref();
    mount(source, target, kind, flags, options).map_err(|errno| {
        let kind = kind.unwrap_or("again");
        // ENODEV is how mount(2) says that the kernel has no such filesystem.
        let what = match errno {
            Errno::ENODEV => format!("mount a filesystem of the kind `{kind}`"),
            _ => format!("mount `{}` ({kind})", shown(target)),
        };
        Error::refused(what, errno)
    })
}

/// Shows a file or a folder at another place, too.
pub(super) fn bound(from: &Path, to: &Path) -> Result<(), Error> {
    bound_as(from, to, MsFlags::MS_BIND)
}

/// The same with all that is mounted below it.
pub(super) fn bound_whole(from: &Path, to: &Path) -> Result<(), Error> {
    bound_as(from, to, MsFlags::MS_BIND | MsFlags::MS_REC)
}

fn bound_as(from: &Path, to: &Path, flags: MsFlags) -> Result<(), Error> {
    mount(Some(from), to, None::<&str>, flags, None::<&str>)
        .map_err(|errno| Error::refused(format!("bind `{}`", shown(from)), errno))
}

/// Makes what is mounted there read-only.
pub(super) fn read_only(target: &Path, flags: MsFlags) -> Result<(), Error> {
    let flags = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mounted(None, target, None, flags, None)
}

/// The same with all that is mounted below it, whereupon nothing is mounted there later either.
pub(super) fn read_only_whole(target: &Path) -> Result<(), Error> {
    let failed = |errno| Error::refused(format!("protect `{}`", shown(target)), errno);
    let path = CString::new(target.as_os_str().as_bytes()).map_err(|_| failed(Errno::EINVAL))?;
    let wanted = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: MsFlags::MS_PRIVATE.bits(),
        userns_fd: 0,
    };
    // SAFETY: the path ends in a zero, and the kernel reads as many bytes of the structure as it has.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(result).map(drop).map_err(failed)
}

/// Makes all that is mounted a slave: what the machine unmounts must not stay busy because of a
/// lab.
pub(super) fn enslaved() -> Result<(), Error> {
    mounted(None, "/", None, MsFlags::MS_REC | MsFlags::MS_SLAVE, None)
}

/// Makes a folder on which something is mounted the root, and lets go of the old one.
pub(super) fn become_root(root: &Path) -> Result<(), Error> {
    chdir(root).map_err(|errno| Error::refused("enter the new root", errno))?;
    // The old root comes to lie on the new one, and is taken away from there.
    pivot_root(".", ".").map_err(|errno| Error::refused("change the root", errno))?;
    umount2(".", MntFlags::MNT_DETACH)
        .map_err(|errno| Error::refused("let go of the old root", errno))?;
    chdir("/").map_err(|errno| Error::refused("enter the new root", errno))
}

/// Makes a folder and those above it.
pub(super) fn made(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder)
        .map_err(|error| Error::io(format!("make the folder `{}`", shown(folder)), &error))
}

/// An absolute path below another root.
pub(super) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
