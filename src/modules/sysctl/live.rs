//! The running value, in the namespace of the calling thread.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use ::sysctl::{Ctl, Sysctl as _, SysctlError};

use super::key::Key;
use super::normalize;
use crate::diagnostic::nearest;
use crate::modules::{Error, in_user_namespace};

/// Reads a parameter; `None` when this kernel has none of that name.
pub(super) fn read(key: &Key) -> Result<Option<String>, Error> {
    let path = key.path();
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(error) => return Err(Error::io(format!("failed to read `{key}`"), &error)),
    }
    // The crate calls whatever it cannot open "not found"; the file itself says why.
    let plain = key.is_plain().then(|| Ctl::new(&key.to_string()).ok()?.value_string().ok());
    match plain.flatten().map_or_else(|| fs::read_to_string(&path), Ok) {
        Ok(value) => Ok(Some(normalize(&value))),
        Err(error) => Err(Error::io(format!("failed to read `{key}`"), &error)),
    }
}

/// Sets a parameter.
pub(super) fn write(key: &Key, value: &str) -> Result<(), Error> {
    let path = key.path();
    if !path.exists() {
        return Err(missing(key));
    }
    let written = if key.is_plain() {
        Ctl::new(&key.to_string()).and_then(|ctl| ctl.set_value_string(value)).map(drop)
    } else {
        fs::write(&path, value).map_err(SysctlError::from)
    };
    let error = match written {
        Ok(()) => return Ok(()),
        Err(SysctlError::IoError(error)) => error,
        Err(_) => match fs::write(&path, value) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        },
    };
    Err(refused(key, value, &error))
}

fn refused(key: &Key, value: &str, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidInput => {
            Error::new(format!("the kernel refuses `{value}` as a value of `{key}`"))
        }
        ErrorKind::PermissionDenied => Error::new(format!("failed to write `{key}`: {error}"))
            .hint("run as root; in a lab host some parameters are read-only outside the VM"),
        _ => Error::io(format!("failed to write `{key}`"), error),
    }
}

/// Says at which word the name leaves the tree, and what would be there.
fn missing(key: &Key) -> Error {
    let mut folder = Path::new("/proc/sys").to_path_buf();
    let words = key.words();
    let at = words.iter().position(|word| {
        folder.push(word);
        !folder.exists()
    });
    let at = at.unwrap_or(words.len() - 1);
    folder = Path::new("/proc/sys").join(words[..at].join("/"));
    let error = Error::new(format!("this kernel has no parameter `{key}`"));
    if key.to_string().starts_with("net.ipv4.vs.") && in_user_namespace() {
        return error
            .hint("this kernel shows those of IPVS to root alone; in a lab, try it with `--vm`");
    }
    match (words[..at].join("."), words[at].as_str()) {
        (parent, "vs") if parent == "net.ipv4" => {
            return error.hint("load the module `ip_vs` first, with `modprobe`");
        }
        (parent, word) if parent.starts_with("net") && word.starts_with("nf_conntrack") => {
            return error.hint("load the module `nf_conntrack` first, with `modprobe`");
        }
        (parent, word) if parent.ends_with(".conf") => {
            return error.hint(format!("there is no interface `{word}`"));
        }
        (parent, "bridge") if parent == "net" => {
            return error.hint("load the module `br_netfilter` first, with `modprobe`");
        }
        _ => {}
    }
    let siblings: Vec<String> = fs::read_dir(&folder)
        .map(|entries| {
            entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    match nearest(&words[at], siblings.iter().map(String::as_str)) {
        Some(near) => {
            let mut meant = words.to_vec();
            meant[at] = near.to_owned();
            error.hint(format!("did you mean `{}`?", meant.join(".")))
        }
        None => error,
    }
}
