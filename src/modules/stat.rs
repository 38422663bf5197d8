//! `stat`: what is at a path.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::unistd::{AccessFlags, access};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::Digest;

use super::filesystem::Accounts;
use super::{Action, Error, Host, Mode, Outcome, Refused};

/// Tells what is at a path. Changes nothing.
///
/// `register` keeps it under `stat`, with Ansible's names: `exists`, `isreg`, `isdir`, `islnk`,
/// `mode`, `pw_name`, `gr_name`, `size`, `mtime`, `lnk_source`, `checksum` and the others, but for
/// `mimetype`, `charset`, `attributes` and `version`.
///
/// ```yaml
/// stat:
///   path: /etc/hosts
///   checksum_algorithm: sha256
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stat {
    /// The path.
    #[serde(alias = "dest", alias = "name")]
    pub path: String,
    /// Whether a symbolic link is followed, rather than told of.
    #[serde(default)]
    pub follow: bool,
    /// Whether a file that may be read is hashed.
    #[serde(default = "super::copy::yes")]
    pub get_checksum: bool,
    /// How.
    #[serde(default, alias = "checksum", alias = "checksum_algo")]
    pub checksum_algorithm: Algorithm,
    /// Only `false`: what kind of text it is is not found out.
    #[serde(default, alias = "mime", alias = "mime_type", alias = "mime-type")]
    pub get_mime: bool,
    /// Only `false`: attributes of `chattr` are not read.
    #[serde(default)]
    pub get_attributes: bool,
}

/// How a file is hashed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are names of their own")]
pub enum Algorithm {
    Md5,
    #[default]
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Action for Stat {
    const REFUSED: &'static [Refused] = &[&[
        ("attr", "leave it out: attributes of `chattr` are not read"),
        ("attributes", "leave it out: attributes of `chattr` are not read"),
    ]];

    fn check(&self) -> Result<(), Error> {
        if self.get_mime {
            return Err(Error::new("`get_mime: true` is not supported")
                .hint("leave it out, and run `command: file --mime …` for it"));
        }
        if self.get_attributes {
            return Err(Error::new("`get_attributes: true` is not supported")
                .hint("leave it out, and run `command: lsattr …` for it"));
        }
        Ok(())
    }

    fn run(&self, _host: &mut Host, _mode: Mode) -> Result<Outcome, Error> {
        let path = Path::new(&self.path);
        let found = if self.follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let stat = match found {
            Ok(metadata) => self.told(path, &metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => json!({"exists": false}),
            Err(error) => {
                return Err(Error::io(format!("failed to look at `{}`", self.path), &error));
            }
        };
        Ok(Outcome { result: Map::from_iter([("stat".to_owned(), stat)]), ..Outcome::default() })
    }
}

impl Stat {
    fn told(&self, path: &Path, found: &Metadata) -> Value {
        let kind = found.file_type();
        let bit = |bit: u32| found.mode() & bit != 0;
        let may = |flags: AccessFlags| access(path, flags).is_ok();
        let time = |seconds: i64, nanoseconds: i64| {
            let (seconds, nanoseconds) = (seconds as f64, nanoseconds as f64);
            seconds + nanoseconds / 1e9
        };
        let mut stat = json!({
            "exists": true,
            "path": self.path,
            "mode": format!("{:04o}", found.mode() & 0o7777),
            "isdir": kind.is_dir(),
            "ischr": kind.is_char_device(),
            "isblk": kind.is_block_device(),
            "isreg": kind.is_file(),
            "isfifo": kind.is_fifo(),
            "islnk": kind.is_symlink(),
            "issock": kind.is_socket(),
            "uid": found.uid(),
            "gid": found.gid(),
            "size": found.size(),
            "inode": found.ino(),
            "dev": found.dev(),
            "nlink": found.nlink(),
            "atime": time(found.atime(), found.atime_nsec()),
            "mtime": time(found.mtime(), found.mtime_nsec()),
            "ctime": time(found.ctime(), found.ctime_nsec()),
            "wusr": bit(0o200),
            "rusr": bit(0o400),
            "xusr": bit(0o100),
            "wgrp": bit(0o020),
            "rgrp": bit(0o040),
            "xgrp": bit(0o010),
            "woth": bit(0o002),
            "roth": bit(0o004),
            "xoth": bit(0o001),
            "isuid": bit(0o4000),
            "isgid": bit(0o2000),
            "blocks": found.blocks(),
            "block_size": found.blksize(),
            "device_type": found.rdev(),
            "readable": may(AccessFlags::R_OK),
            "writeable": may(AccessFlags::W_OK),
            "executable": may(AccessFlags::X_OK),
        });
        let accounts = Accounts::read();
        let mut add = |name: &str, value: String| stat[name] = value.into();
        // As Ansible: a number without a name has none.
        let (user, group) = (accounts.user_name(found.uid()), accounts.group_name(found.gid()));
        if user != found.uid().to_string() {
            add("pw_name", user);
        }
        if group != found.gid().to_string() {
            add("gr_name", group);
        }
        if kind.is_symlink() {
            if let Ok(target) = fs::read_link(path) {
                add("lnk_source", leads_to(path, &target));
                add("lnk_target", target.to_string_lossy().into_owned());
            }
        } else if kind.is_file() && self.get_checksum {
            // One that may not be read has no checksum, and is no failure.
            if let Ok(checksum) = self.checksum_algorithm.hash(path) {
                add("checksum", checksum);
            }
        }
        stat
    }
}

/// Where a link leads in the end, as far as that is there.
fn leads_to(link: &Path, target: &Path) -> String {
    let beside = link.parent().unwrap_or(Path::new("/")).join(target);
    link.canonicalize().unwrap_or(beside).to_string_lossy().into_owned()
}

impl Algorithm {
    fn hash(self, path: &Path) -> io::Result<String> {
        match self {
            Self::Md5 => hash::<md5::Md5>(path),
            Self::Sha1 => hash::<sha1::Sha1>(path),
            Self::Sha224 => hash::<sha2::Sha224>(path),
            Self::Sha256 => hash::<sha2::Sha256>(path),
            Self::Sha384 => hash::<sha2::Sha384>(path),
            Self::Sha512 => hash::<sha2::Sha512>(path),
        }
    }
}

/// Piece by piece, since a file may be large.
fn hash<D: Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut digest, mut buffer) = (D::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => digest.update(buffer.get(..length).unwrap_or_default()),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
