//! Writes cpio archives in the `newc` format, the one the kernel unpacks into its first root.
//! The format: kernel documentation, driver-api/early-userspace/buffer-format.

use std::collections::BTreeSet;
use std::io::{self, Write};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive being written. Parent folders come by themselves.
#[derive(Debug)]
pub struct Archive<W> {
    out: W,
    inode: u32,
    folders: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    /// Starts an empty archive.
    pub fn new(out: W) -> Self {
        Self { out, inode: 0, folders: BTreeSet::new() }
    }

    /// Adds an empty folder and those above it.
    pub fn folder(&mut self, path: &str) -> io::Result<()> {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/').chain([(path.len(), "")]) {
            let folder = &path[..at];
            if !folder.is_empty() && self.folders.insert(folder.to_owned()) {
                self.entry(folder, FOLDER, (0, 0), &[])?;
            }
        }
        Ok(())
    }

    /// Adds a file that may be run.
    pub fn file(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        self.parent(path)?;
        self.entry(path.trim_matches('/'), PROGRAM, (0, 0), content)
    }

    /// Adds a character device; unlike `mknod`, writing one down takes no privilege.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) -> io::Result<()> {
        self.parent(path)?;
        self.entry(path.trim_matches('/'), CHARACTER_DEVICE, (major, minor), &[])
    }

    /// Writes the trailer and hands back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.inode = 0;
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn parent(&mut self, path: &str) -> io::Result<()> {
        path.trim_matches('/').rsplit_once('/').map_or(Ok(()), |(folder, _)| self.folder(folder))
    }

    fn entry(
        &mut self,
        name: &str,
        mode: u32,
        (major, minor): (u32, u32),
        content: &[u8],
    ) -> io::Result<()> {
        let size = u32::try_from(content.len())
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, name.to_owned()))?;
        self.inode += 1;
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let header = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
        let mut head = String::from("070701");
        for field in header {
            head.push_str(&format!("{field:08X}"));
        }
        head.push_str(name);
        head.push('\0');
        self.out.write_all(head.as_bytes())?;
        self.pad(head.len())?;
        self.out.write_all(content)?;
        self.pad(content.len())
    }

    /// Header with name, and content, each end on a multiple of four bytes.
    fn pad(&mut self, written: usize) -> io::Result<()> {
        self.out.write_all(&[0; 3][..written.wrapping_neg() % 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_parents_once_and_pads_to_four() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/a/b/one", b"12345").expect("memory takes it");
        archive.file("/a/b/two", b"").expect("memory takes it");
        let bytes = archive.finish().expect("memory takes it");
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        let names: Vec<&str> = text
            .split("070701")
            .skip(1)
            .map(|entry| entry[104..].split('\0').next().unwrap_or_default())
            .collect();
        assert_eq!(names, ["a", "a/b", "a/b/one", "a/b/two", "TRAILER!!!"]);
    }

    #[test]
    fn writes_the_header_field_by_field() {
        let mut archive = Archive::new(Vec::new());
        archive.device("dev/console", 5, 1).expect("memory takes it");
        let bytes = archive.finish().expect("memory takes it");
        let text = String::from_utf8_lossy(&bytes);
        let console = text.split("070701").nth(2).expect("the device follows its folder");
        let expected = concat!(
            "00000002", // inode
            "00002180", // mode: character device, 0600
            "00000000",
            "00000000", // owner, group
            "00000001", // links
            "00000000", // mtime
            "00000000", // size
            "00000000",
            "00000000", // device that holds the file
            "00000005",
            "00000001", // the device it is
            "0000000C", // name, with its NUL
            "00000000", // checksum, not used by this format
            "dev/console\0",
        );
        assert!(console.starts_with(expected), "{console:?}");
    }
}
