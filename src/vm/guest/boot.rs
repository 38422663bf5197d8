//! From the initramfs to a copy of the host's root: modules, 9p under a tmpfs, the usual
//! kernel filesystems.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::{chdir, chroot, sethostname};

use crate::vm::error::Error;
use crate::vm::initramfs::{INSTRUCTIONS, Instructions};
use crate::vm::unpack;
use crate::vm::withheld::Withheld;

/// Bytes in one message of 9p. Larger means fewer round trips; qemu warns below 8 KiB.
const MESSAGE: u32 = 512 << 10;

/// `MODULE_INIT_COMPRESSED_FILE`, Linux 5.17 with CONFIG_MODULE_DECOMPRESS.
const COMPRESSED: ModuleInitFlags = ModuleInitFlags::from_bits_retain(4);

/// Prepares everything and opens the port to the host.
pub fn boot() -> Result<File, Error> {
    filesystem("proc", "/proc", "proc", "")?;
    filesystem("sysfs", "/sys", "sysfs", "")?;
    filesystem("devtmpfs", "/dev", "devtmpfs", "")?;
    let instructions = std::fs::read(INSTRUCTIONS).map_err(Error::io("read the instructions"))?;
    let instructions: Instructions = serde_json::from_slice(&instructions)
        .map_err(|error| Error::io("read the instructions")(error.into()))?;
    for module in &instructions.boot {
        load(module)?;
    }
    root(&instructions.withheld)?;
    for (at, share) in instructions.shares.iter().enumerate() {
        let target = Path::new("/root").join(share.strip_prefix("/").unwrap_or(share));
        // Writable mappings need the cache, which then holds pages but no names.
        let options = format!("trans=virtio,version=9p2000.L,msize={MESSAGE},cache=mmap");
        filesystem(&format!("share{at}"), &target.to_string_lossy(), "9p", &options)?;
    }
    kernel_filesystems()?;
    // What the initramfs held would otherwise stay in memory.
    let _ = std::fs::remove_dir_all("/modules");
    let _ = std::fs::remove_file("/init");
    switch_root()?;
    if let Some(modules) = &instructions.modules {
        offer_modules(modules)?;
    }
    sethostname(&instructions.hostname).map_err(Error::errno("set the host's name"))?;
    loopback_up()?;
    open_port()
}

fn load(module: &str) -> Result<(), Error> {
    let fail = || format!("load `{module}`");
    let bytes = std::fs::read(module).map_err(Error::io(fail()))?;
    let flags = match unpack::program(&bytes) {
        Some(_) => COMPRESSED,
        None => ModuleInitFlags::empty(),
    };
    let file = File::open(module).map_err(Error::io(fail()))?;
    finit_module(file, c"", flags).map_err(Error::errno(fail()))
}

/// The host's root, read-only, under a writable layer that is gone with the VM.
fn root(withheld: &[Withheld]) -> Result<(), Error> {
    // The host's files are taken not to change: what was read once is not asked for again.
    let options = format!("trans=virtio,version=9p2000.L,msize={MESSAGE},cache=loose");
    mounted("root", "/lower", "9p", MsFlags::MS_RDONLY, &options)?;
    filesystem("tmpfs", "/writable", "tmpfs", "mode=755")?;
    for folder in ["/writable/upper", "/writable/work"] {
        std::fs::create_dir(folder).map_err(Error::io(format!("make `{folder}`")))?;
    }
    for one in withheld {
        one.stand_in(Path::new("/lower"), Path::new("/writable/upper"))
            .map_err(Error::io("put empty files in place of those that may not be read"))?;
    }
    let options = "lowerdir=/lower,upperdir=/writable/upper,workdir=/writable/work";
    filesystem("overlay", "/root", "overlay", options)
}

/// What a running system has on top of its root. `/tmp` stays the host's, under the overlay,
/// since a checkout may well be there; `/run` tells of the host's processes and starts empty.
fn kernel_filesystems() -> Result<(), Error> {
    for folder in ["proc", "sys", "dev", "run"] {
        let folder = format!("/root/{folder}");
        if !Path::new(&folder).exists() {
            std::fs::create_dir(&folder).map_err(Error::io(format!("make `{folder}`")))?;
        }
    }
    for folder in ["proc", "sys", "dev"] {
        let (from, to) = (format!("/{folder}"), format!("/root/{folder}"));
        mounted(&from, &to, "", MsFlags::MS_MOVE, "")?;
    }
    for folder in ["/root/dev/pts", "/root/dev/shm"] {
        std::fs::create_dir_all(folder).map_err(Error::io(format!("make `{folder}`")))?;
    }
    filesystem("devpts", "/root/dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666")?;
    filesystem("tmpfs", "/root/dev/shm", "tmpfs", "mode=1777")?;
    filesystem("tmpfs", "/root/run", "tmpfs", "mode=755")?;
    std::fs::create_dir("/root/run/lock").map_err(Error::io("make `/run/lock`"))?;
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, format!("/root/dev/{name}"))
            .map_err(Error::io(format!("make `/dev/{name}`")))?;
    }
    filesystem("cgroup2", "/root/sys/fs/cgroup", "cgroup2", "")
}

fn switch_root() -> Result<(), Error> {
    let fail = || Error::errno("move to the host's root");
    chdir("/root").map_err(fail())?;
    mounted(".", "/", "", MsFlags::MS_MOVE, "")?;
    chroot(".").map_err(fail())?;
    chdir("/").map_err(fail())
}

/// Puts the modules where modprobe looks for them. A link, not a mount: the overlay that a
/// lab host gets as its root would show an empty folder in place of a mount.
fn offer_modules(modules: &Path) -> Result<(), Error> {
    let release = nix::sys::utsname::uname().map_err(Error::errno("read the kernel's release"))?;
    let usual = Path::new("/lib/modules").join(release.release());
    if usual.exists() {
        return Ok(());
    }
    let link = || {
        std::fs::create_dir_all("/lib/modules")?;
        symlink(modules, &usual)
    };
    link().map_err(Error::io(format!("make `{}`", usual.display())))
}

/// `ip link set lo up`: the VM's own network is nothing but this.
fn loopback_up() -> Result<(), Error> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(Error::errno("open a socket"))?;
    // SAFETY: all of an ifreq is integers, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    let up = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = i16::try_from(up).expect("these two bits are 0x41");
    // SAFETY: the kernel reads one ifreq, which lives until the call is over.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Errno::result(result).map(drop).map_err(Error::errno("bring `lo` up"))
}

/// Opens the port; the kernel makes it a moment after the driver is there.
fn open_port() -> Result<File, Error> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match OpenOptions::new().read(true).write(true).open("/dev/vport0p1") {
            Ok(port) => return Ok(port),
            Err(error) if Instant::now() > deadline => {
                return Err(Error::io("open the port to the host")(error));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn filesystem(source: &str, target: &str, kind: &str, options: &str) -> Result<(), Error> {
    mounted(source, target, kind, MsFlags::empty(), options)
}

fn mounted(
    source: &str,
    target: &str,
    kind: &str,
    flags: MsFlags,
    options: &str,
) -> Result<(), Error> {
    // Linux before 5.1 takes an empty text for an option that it does not know.
    let options = (!options.is_empty()).then_some(options);
    mount(Some(source), target, Some(kind), flags, options)
        .map_err(Error::errno(format!("mount `{source}` ({kind}) on `{target}`")))
}
