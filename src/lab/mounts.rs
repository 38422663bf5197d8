//! The mounts of this machine, as `/proc/self/mountinfo` tells them, and what a lab host does
//! with each.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

/// Folders of which a lab host has its own.
const OWN: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/tmp"];

/// Where `ip netns` keeps the machine's other network namespaces.
const NAMESPACES: &str = "/run/netns";

/// Filesystems that are not data, or belong to whoever mounted them.
const NOT_DATA: [&str; 20] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "tracefs",
];

/// Of a container, as a rule; the machine's own root where a root was put together of binds.
const OVERLAY: &str = "overlay";

/// A mount below `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where it is.
    pub point: PathBuf,
    /// What it forbids: set-user-id programs, devices, programs, writing.
    pub flags: MsFlags,
    kind: String,
    id: u32,
    parent: u32,
}

impl Mount {
    /// Whether it can be written to on the machine.
    pub fn writable(&self) -> bool {
        !self.flags.contains(MsFlags::MS_RDONLY)
    }

    fn is_data(&self, overlays: bool) -> bool {
        let is_data = !NOT_DATA.contains(&self.kind.as_str()) && (overlays || self.kind != OVERLAY);
        let own = OWN.iter().position(|own| self.point.starts_with(own));
        match own {
            // Programs put shares below `/run` and `/tmp`; the memory there is the host's own.
            Some(3 | 4) => {
                is_data
                    && self.kind != "tmpfs"
                    && !self.point.starts_with(NAMESPACES)
                    && !OWN.contains(&self.point.to_string_lossy().as_ref())
            }
            Some(_) => false,
            None => is_data,
        }
    }
}

/// Lists the mounts below `/` that a clone of this machine must show, parents first; overlays only
/// when they are to be among them.
pub(super) fn data(mountinfo: &[u8], overlays: bool) -> Vec<Mount> {
    let all: Vec<Mount> = mountinfo.split(|byte| *byte == b'\n').filter_map(parse).collect();
    let root = all.iter().find(|mount| {
        mount.point == Path::new("/") && all.iter().all(|other| other.id != mount.parent)
    });
    let mut seen = Vec::new();
    if let Some(root) = root {
        visible(root, &all, &mut seen);
    }
    let wanted = |mount: &Mount| mount.point != Path::new("/") && mount.is_data(overlays);
    seen.into_iter().filter(wanted).collect()
}

/// Collects what of a mount and those on it can be seen: what is mounted on its root hides
/// all of it, what is mounted higher up hides what is below.
fn visible(mount: &Mount, all: &[Mount], seen: &mut Vec<Mount>) {
    let on_it = |other: &&Mount| other.parent == mount.id && other.id != mount.id;
    if let Some(cover) = all.iter().filter(on_it).find(|other| other.point == mount.point) {
        return visible(cover, all, seen);
    }
    seen.push(mount.clone());
    for child in all.iter().filter(on_it) {
        let hides =
            |other: &Mount| other.point != child.point && child.point.starts_with(&other.point);
        if !all.iter().filter(on_it).any(hides) {
            visible(child, all, seen);
        }
    }
}

/// Whether a folder is inside something that a lab host has its own of.
pub(super) fn hidden(folder: &Path) -> bool {
    OWN.iter().any(|own| folder.starts_with(own) && folder != Path::new(own))
}

/// `36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw`, see proc(5).
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse().ok();
    let (id, parent) = (number(fields.next()?)?, number(fields.next()?)?);
    let point = unescaped(fields.nth(2)?);
    let options = std::str::from_utf8(fields.next()?).ok()?;
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = String::from_utf8_lossy(fields.next()?).into_owned();
    let superblock = fields.nth(1).unwrap_or_default();
    let mut flags = MsFlags::empty();
    for option in options.split(',') {
        flags |= match option {
            "ro" => MsFlags::MS_RDONLY,
            "nosuid" => MsFlags::MS_NOSUID,
            "nodev" => MsFlags::MS_NODEV,
            "noexec" => MsFlags::MS_NOEXEC,
            _ => MsFlags::empty(),
        };
    }
    if superblock == b"ro" || superblock.starts_with(b"ro,") {
        flags |= MsFlags::MS_RDONLY;
    }
    Some(Mount { point: PathBuf::from(point), flags, kind, id, parent })
}

/// Undoes `\040` and its like.
fn unescaped(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) if byte == b'\\' => {
                bytes.push(code);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes)
}

/// A path as text for messages.
pub(super) fn shown(path: &Path) -> String {
    String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(mountinfo: &str) -> Vec<String> {
        data(mountinfo.as_bytes(), false).iter().map(|mount| shown(&mount.point)).collect()
    }

    #[test]
    fn keeps_data_and_leaves_out_what_a_host_has_its_own_of() {
        let text = "\
            30 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            2 30 0:5 / /proc rw - proc proc rw\n\
            3 30 0:6 / /dev rw - devtmpfs dev rw\n\
            4 30 0:7 / /run rw,nosuid - tmpfs run rw\n\
            5 4 0:8 / /run/user/0 rw - tmpfs tmpfs rw\n\
            6 4 0:9 / /run/share rw - 9p share rw\n\
            7 30 8:2 / /home rw,nosuid,nodev - ext4 /dev/sda2 rw\n\
            8 30 0:10 / /media/my\\040disk ro - vfat /dev/sdb1 rw\n\
            9 30 0:11 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw\n\
            10 30 0:12 / /tmp rw - ext4 /dev/sda3 rw\n";
        assert_eq!(points(text), ["/run/share", "/home", "/media/my disk"]);
        let with_overlays = data(text.as_bytes(), true);
        let overlay = with_overlays.iter().find(|mount| mount.kind == OVERLAY).unwrap();
        assert_eq!(overlay.point, Path::new("/var/lib/docker/overlay2/x/merged"));
        let mounts = data(text.as_bytes(), false);
        assert_eq!(mounts[1].flags, MsFlags::MS_NOSUID | MsFlags::MS_NODEV);
        assert!(mounts[1].writable() && !mounts[2].writable());
    }

    #[test]
    fn what_is_mounted_over_is_not_seen() {
        let text = "\
            2 9 8:2 / /srv rw - ext4 /dev/sda2 rw\n\
            3 2 8:3 / /srv/data rw - ext4 /dev/sda3 rw\n\
            4 2 8:4 / /srv ro - ext4 /dev/sda4 ro\n\
            5 9 8:5 / /opt/a rw - ext4 /dev/sda5 rw\n\
            6 9 8:6 / /opt rw - ext4 /dev/sda6 rw\n\
            9 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
        assert_eq!(points(text), ["/srv", "/opt"]);
        assert!(!data(text.as_bytes(), false)[0].writable());
    }

    #[test]
    fn odd_lines_are_passed_over() {
        assert_eq!(points("\n1 2\n1 2 3 / /x\nxxx - \n"), Vec::<String>::new());
        assert_eq!(unescaped(b"a\\0"), "a\\0");
        assert_eq!(unescaped(b"a\\134b\\777"), "a\\b\\777");
    }

    #[test]
    fn knows_which_folders_a_host_would_not_see() {
        assert!(hidden(Path::new("/tmp/labs/dr")));
        assert!(!hidden(Path::new("/tmp")));
        assert!(!hidden(Path::new("/tmpfiles/dr")));
    }
}
