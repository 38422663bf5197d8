//! The logs of a lab host: files below `/var/log`, and what the supervisor keeps of services that
//! write to their output, as far as they were written since the lab is up. What came before is the
//! machine's, of which a host is a clone.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where logs are, and how their names end there.
const FOLDERS: [(&str, &str); 2] = [("var/log", ""), ("run/lvsmith/services", ".log")];

/// Folders are looked into so deep.
const DEEP: usize = 4;

/// What was read of the logs.
#[derive(Debug)]
pub struct Logs {
    /// In seconds since 1970.
    since: u64,
    /// How far each file was read; with the file's number, since another may take its name.
    read: HashMap<PathBuf, (u64, u64)>,
}

impl Logs {
    /// Nothing yet; of files that were not written since then nothing is read.
    #[must_use]
    pub fn since(since: u64) -> Self {
        Self { since, read: HashMap::new() }
    }

    /// What was written since this was asked last, by file, in the order of their names.
    pub fn more(&mut self, root: &Path) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for (folder, ending) in FOLDERS {
            let mut found = Vec::new();
            collect(&root.join(folder), DEEP, &mut found);
            files.extend(found.into_iter().filter(|(path, _)| {
                path.as_os_str().as_encoded_bytes().ends_with(ending.as_bytes())
            }));
        }
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut more = Vec::new();
        for (path, metadata) in files {
            let written = u64::try_from(metadata.mtime()).unwrap_or_default();
            if written < self.since || metadata.len() == 0 {
                continue;
            }
            let known = self.read.get(&path).filter(|(file, _)| *file == metadata.ino());
            // A file that has become shorter was begun anew.
            let from = known.map_or(0, |(_, read)| *read);
            let from = if metadata.len() < from { 0 } else { from };
            let Some(bytes) = read(&path, from) else { continue };
            let length = u64::try_from(bytes.len()).unwrap_or_default();
            self.read.insert(path.clone(), (metadata.ino(), from + length));
            // What programs keep for themselves, such as `lastlog`, is nothing to read.
            if !bytes.is_empty() && !bytes.contains(&0) {
                let name = path.strip_prefix(root).unwrap_or(&path);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                more.push((format!("/{}", name.display()), text));
            }
        }
        more
    }
}

/// The files in a folder and those below it; a link may lead out of the host.
fn collect(folder: &Path, deep: usize, files: &mut Vec<(PathBuf, Metadata)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() && deep > 0 {
            collect(&entry.path(), deep - 1, files);
        } else if metadata.is_file() {
            files.push((entry.path(), metadata));
        }
    }
}

fn read(path: &Path, from: u64) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(more: &[(String, String)]) -> Vec<(&str, &str)> {
        more.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect()
    }

    #[test]
    fn reads_what_is_new_of_each_file_once() {
        let root = tempfile::tempdir().unwrap();
        let nginx = root.path().join("var/log/nginx");
        fs::create_dir_all(&nginx).unwrap();
        fs::write(nginx.join("error.log"), "one\n").unwrap();
        fs::write(nginx.join("lastlog"), "a\0b").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", nginx.join("out.log")).unwrap();
        let mut logs = Logs::since(0);
        assert_eq!(told(&logs.more(root.path())), [("/var/log/nginx/error.log", "one\n")]);
        assert_eq!(logs.more(root.path()), []);
        fs::write(nginx.join("error.log"), "one\ntwo\n").unwrap();
        fs::write(nginx.join("access.log"), "GET\n").unwrap();
        let more = logs.more(root.path());
        let expected =
            [("/var/log/nginx/access.log", "GET\n"), ("/var/log/nginx/error.log", "two\n")];
        assert_eq!(told(&more), expected);
        fs::write(nginx.join("error.log"), "new\n").unwrap();
        assert_eq!(told(&logs.more(root.path())), [("/var/log/nginx/error.log", "new\n")]);
    }

    #[test]
    fn leaves_out_what_is_older_than_the_lab() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("var/log")).unwrap();
        fs::write(root.path().join("var/log/dpkg.log"), "old\n").unwrap();
        assert_eq!(Logs::since(u64::MAX).more(root.path()), []);
    }
}
