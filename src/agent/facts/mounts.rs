//! What is mounted from a device, and how full it is.

use std::collections::HashMap;
use std::fs;

use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};

use super::Facts;

pub(super) fn add(facts: &mut Facts) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (mounts, info) = (read("/proc/self/mounts"), read("/proc/self/mountinfo"));
    let identities = identities();
    let mounts = entries(&mounts, &info).map(|entry| {
        let uuid = identities.get(&entry.device);
        let mut mount = json!({
            "mount": entry.folder,
            "device": entry.device,
            "fstype": entry.kind,
            "options": entry.options,
            "dump": 0,
            "passno": 0,
            "uuid": uuid.map_or("N/A", String::as_str),
        });
        if let (Value::Object(mount), Some(room)) = (&mut mount, room(&entry)) {
            mount.extend(room);
        }
        mount
    });
    facts.insert("mounts".into(), mounts.collect());
}

struct Entry {
    device: String,
    folder: String,
    kind: String,
    options: String,
}

/// The lines of `/proc/mounts` that have a device, or a server; `mountinfo` knows which of them
/// show a part of it.
fn entries<'a>(mounts: &'a str, info: &'a str) -> impl Iterator<Item = Entry> {
    let parts: Vec<&str> = info
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(3);
            let (root, folder) = (words.next()?, words.next()?);
            (root != "/").then_some(folder)
        })
        .collect();
    mounts.lines().filter_map(move |line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [device, folder, kind, options, ..] = words[..] else { return None };
        let has_device = device.starts_with('/') || device.contains(":/");
        if !has_device || kind == "none" {
            return None;
        }
        let bound = if parts.contains(&folder) { ",bind" } else { "" };
        Some(Entry {
            device: plain(device),
            folder: plain(folder),
            kind: kind.to_owned(),
            options: format!("{options}{bound}"),
        })
    })
}

/// A name whose spaces are not written as `\040`.
fn plain(text: &str) -> String {
    let octal = |code: &str| u8::from_str_radix(code, 8).ok().map(char::from);
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(octal) {
            Some(letter) => {
                plain.push(letter);
                plain.push_str(&part[3..]);
            }
            None => plain.extend(["\\", part]),
        }
    }
    plain
}

/// How much there is and how much is left. A server that does not answer would be waited for.
fn room(entry: &Entry) -> Option<Facts> {
    let kind = entry.kind.as_str();
    let remote = ["nfs", "cifs", "smb", "fuse", "ceph", "gluster", "afs", "ncp"];
    if entry.device.contains(":/") || remote.iter().any(|name| kind.starts_with(name)) {
        return None;
    }
    let told = statvfs(entry.folder.as_str()).ok()?;
    let facts = json!({
        "size_total": told.fragment_size() * told.blocks(),
        "size_available": told.fragment_size() * told.blocks_available(),
        "block_size": told.block_size(),
        "block_total": told.blocks(),
        "block_available": told.blocks_available(),
        "block_used": told.blocks().saturating_sub(told.blocks_available()),
        "inode_total": told.files(),
        "inode_available": told.files_available(),
        "inode_used": told.files().saturating_sub(told.files_available()),
    });
    facts.as_object().cloned()
}

/// UUIDs of filesystems by their devices.
fn identities() -> HashMap<String, String> {
    let entries = fs::read_dir("/dev/disk/by-uuid").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let device = fs::canonicalize(entry.path()).ok()?;
            Some((device.display().to_string(), entry.file_name().to_string_lossy().into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_has_a_device_and_tells_parts_of_it() {
        let mounts = "/dev/vda / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\n/dev/vda /a\\040b ext4 rw 0 0\nfs:/x /n nfs4 rw 0 0\n";
        let info =
            "1 0 254:0 / / rw - ext4 /dev/vda rw\n2 1 254:0 /srv /a\\040b rw - ext4 /dev/vda rw\n";
        let told: Vec<_> = entries(mounts, info)
            .map(|e| format!("{} {} {}", e.device, e.folder, e.options))
            .collect();
        assert_eq!(told, ["/dev/vda / rw,relatime", "/dev/vda /a b rw,bind", "fs:/x /n rw"]);
    }
}
