//! The root of a lab host: a copy-on-write clone of this machine's.
//!
//! An overlay of `/` keeps what the host writes in a tmpfs that is mounted in the host's own
//! mount namespace only, so the machine never sees it and the kernel drops it with the host.
//! Filesystems mounted below `/` get an overlay of their own where the kernel can make one
//! and are read-only where it cannot, or where they are on the machine. `/proc`, `/sys`,
//! `/dev`, `/run` and `/tmp` are the host's own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use nix::unistd::chdir;

use super::mounting::{
    become_root, below, bound, bound_whole, enslaved, made, mounted, read_only, read_only_whole,
};
use super::mounts::{self, Mount, shown};
use super::{Error, user_namespace};

/// Where the new root is put together. It is there on every Linux machine, and what it hides
/// meanwhile in this mount namespace is not needed.
const STAGE: &str = "/sys";

/// The largest file that is copied because it is mounted as a file, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// What of `/proc` acts on the whole kernel, besides all of `/proc/sys` but `net`.
const KERNEL_WIDE: [&str; 8] = [
    "/proc/acpi",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/mtrr",
    "/proc/scsi",
    "/proc/sysrq-trigger",
    // The one key below `net` that is not the namespace's own, and cannot be set back.
    "/proc/sys/net/netfilter/nf_hooks_lwtunnel",
];

/// Puts this process, in a mount namespace of its own, into a clone of the machine. `folder`
/// is seen in it wherever it lies.
pub(super) fn enter(folder: &Path) -> Result<(), Error> {
    enslaved()?;
    let info = fs::read("/proc/self/mountinfo")
        .map_err(|error| Error::io("read `/proc/self/mountinfo`", &error))?;
    let data = mounts::data(&info, user_namespace::inside());

    let stage = Path::new(STAGE);
    let root = stage.join("root");
    mounted(Some("tmpfs"), STAGE, Some("lab"), MsFlags::empty(), Some("mode=755"))?;
    made(&root)?;
    let mut layers = Layers { stage: stage.to_owned(), count: 0, options: options() };
    layers.over(Path::new("/"), &root, MsFlags::empty())?;
    for own in ["tmp", "run"] {
        let mode = if own == "tmp" { "mode=1777" } else { "mode=755" };
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mounted(Some("tmpfs"), root.join(own), Some("lab"), flags, Some(mode))?;
    }
    made(&root.join("run/lock"))?;
    for mount in &data {
        bring(mount, &root, &mut layers)?;
    }
    for seen in [Some(folder.to_owned()), kernel_modules()].into_iter().flatten() {
        let brought = data.iter().any(|mount| seen.starts_with(&mount.point));
        if mounts::hidden(&seen) && !brought {
            let target = below(&root, &seen);
            made(&target)?;
            layers.over(&seen, &target, MsFlags::empty())?;
        }
    }
    kernel_filesystems(&root)?;
    devices(&root.join("dev"))?;

    become_root(&root)?;
    protect()
}

/// Where the modules of this kernel really are: in a micro-VM in the cache of whoever started it.
fn kernel_modules() -> Option<PathBuf> {
    let release = nix::sys::utsname::uname().ok()?.release().to_owned();
    fs::canonicalize(Path::new("/lib/modules").join(release)).ok()
}

/// The folders of overlays.
struct Layers {
    stage: PathBuf,
    count: usize,
    options: &'static str,
}

/// What an overlay notes about its files is the first user namespace's, unless it is told to do
/// with what anybody may note.
fn options() -> &'static str {
    if user_namespace::inside() { ",userxattr" } else { "" }
}

impl Layers {
    /// Mounts an overlay of a folder.
    fn over(&mut self, lower: &Path, target: &Path, flags: MsFlags) -> Result<(), Error> {
        self.count += 1;
        let layer = self.stage.join(self.count.to_string());
        let (upper, work) = (layer.join("upper"), layer.join("work"));
        made(&upper)?;
        made(&work)?;
        // The merged folder shows the upper one's owner and mode.
        if let Ok(metadata) = fs::metadata(lower) {
            let mode = fs::Permissions::from_mode(metadata.mode() & 0o7777);
            let same = fs::set_permissions(&upper, mode)
                .and_then(|()| chown(&upper, Some(metadata.uid()), Some(metadata.gid())));
            same.map_err(|error| Error::io(format!("prepare `{}`", shown(&upper)), &error))?;
        }
        // From inside, since options cannot hold every path: commas and colons part them.
        chdir(lower).map_err(|errno| Error::refused(format!("enter `{}`", shown(lower)), errno))?;
        let more = self.options;
        let options =
            format!("lowerdir=.,upperdir={},workdir={}{more}", shown(&upper), shown(&work));
        let done = mounted(Some("overlay"), target, Some("lab"), flags, Some(&options));
        // Not to keep what is mounted there busy.
        chdir("/").map_err(|errno| Error::refused("enter `/`", errno))?;
        done
    }
}

/// Shows a mount of the machine in the new root.
fn bring(mount: &Mount, root: &Path, layers: &mut Layers) -> Result<(), Error> {
    let Ok(metadata) = fs::metadata(&mount.point) else {
        // A server that is away, or somebody's own FUSE: root cannot see it on the machine
        // either.
        return Ok(());
    };
    let target = below(root, &mount.point);
    if metadata.is_file() && metadata.len() <= FILE_LIMIT {
        let copied = made(target.parent().unwrap_or(root)).is_ok()
            && fs::copy(&mount.point, &target).is_ok();
        if copied {
            return Ok(());
        }
    }
    if metadata.is_dir() {
        made(&target)?;
        if mount.writable() && layers.over(&mount.point, &target, mount.flags).is_ok() {
            return Ok(());
        }
    }
    let point = mount.point.as_path();
    if user_namespace::inside() {
        // It may not see what lies below the mounts of its machine.
        bound_whole(point, &target)?;
        return read_only_whole(&target);
    }
    bound(point, &target)?;
    read_only(&target, mount.flags)
}

/// The filesystems that show this host's own processes, interfaces and queues.
fn kernel_filesystems(root: &Path) -> Result<(), Error> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mounted(Some("proc"), root.join("proc"), Some("proc"), flags, None)?;
    // Read-only: most of it is the machine's hardware.
    let flags = flags | MsFlags::MS_RDONLY;
    mounted(Some("sysfs"), root.join("sys"), Some("sysfs"), flags, None)
}

fn devices(dev: &Path) -> Result<(), Error> {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mounted(Some("tmpfs"), dev, Some("dev"), quiet, Some("mode=755"))?;
    let old = umask(Mode::empty());
    let nodes = [
        ("null", 1, 3),
        ("zero", 1, 5),
        ("full", 1, 7),
        ("random", 1, 8),
        ("urandom", 1, 9),
        ("tty", 5, 0),
    ];
    let made_all = nodes.iter().try_for_each(|(name, major, minor)| {
        let mode = Mode::from_bits_truncate(0o666);
        let node = dev.join(name);
        match mknod(&node, SFlag::S_IFCHR, mode, makedev(*major, *minor)) {
            // No root of a user namespace may; and none has more of a device than its user.
            Err(Errno::EPERM) if user_namespace::inside() => {
                fs::write(&node, "")
                    .map_err(|error| Error::io(format!("make `{}`", shown(&node)), &error))?;
                bound(&Path::new("/dev").join(name), &node)
            }
            made => {
                made.map_err(|errno| Error::refused(format!("make the device `{name}`"), errno))
            }
        }
    });
    umask(old);
    made_all?;
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ];
    for (name, target) in links {
        symlink(target, dev.join(name))
            .map_err(|error| Error::io(format!("link `/dev/{name}`"), &error))?;
    }
    made(&dev.join("pts"))?;
    let options = "newinstance,ptmxmode=0666,mode=620,gid=5";
    mounted(Some("devpts"), dev.join("pts"), Some("devpts"), quiet, Some(options))?;
    made(&dev.join("shm"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mounted(Some("tmpfs"), dev.join("shm"), Some("shm"), flags, Some("mode=1777"))
}

/// Makes read-only, in the new `/proc`, what is not this host's alone: a write to
/// `kernel.printk` in a lab must fail, not reach the machine.
fn protect() -> Result<(), Error> {
    let sysctls = fs::read_dir("/proc/sys")
        .map_err(|error| Error::io("list `/proc/sys`", &error))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path != Path::new("/proc/sys/net"));
    for path in sysctls.chain(KERNEL_WIDE.iter().map(PathBuf::from)) {
        if !path.exists() {
            continue;
        }
        bound(&path, &path)?;
        read_only(&path, MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC)?;
    }
    Ok(())
}
