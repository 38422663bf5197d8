//! Labs of somebody who is not root, on this kernel: the command runs again as root of a user
//! namespace.
//!
//! The machine's files belong to ids that the namespace does not have, so that its root could
//! not write them even to a copy. So [`root`](self) puts another root together, of which `survey`
//! says what is copied, what is bound and what only stands there; `ids` has the user's subordinate
//! ids mapped, by `newuidmap` and `newgidmap`. From there on a lab is like any other, made of
//! that root.

mod ids;
mod root;
mod survey;

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, setgroups};

pub use self::ids::{Ids, run as map_ids};
use super::{Error, process};

/// What stands between users and namespaces of their own, and how it looks when it does.
const SWITCHES: [(&str, &str); 3] = [
    ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    ("/proc/sys/user/max_user_namespaces", "0"),
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
];

/// Whether this process is in a user namespace that is not the first.
#[must_use]
pub fn inside() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.is_empty() && !map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The ids that a user namespace of this user would have; or why there can be none.
pub fn possible() -> Result<Ids, String> {
    for (path, closed) in SWITCHES {
        if fs::read_to_string(path).is_ok_and(|value| value.trim() == closed) {
            let key = path.trim_start_matches("/proc/sys/").replace('/', ".");
            return Err(format!("`{key}` is {closed}"));
        }
    }
    Ids::of_this_user()
}

/// Runs a command in place of this process, as root of a user namespace. Returns what went wrong.
pub fn again(ids: &Ids, command: &[OsString]) -> Error {
    match enter(ids) {
        Err(error) => error,
        Ok(()) => {
            let mut again = Command::new(process::SELF);
            if let Some((name, arguments)) = command.split_first() {
                again.arg0(name).args(arguments);
            }
            Error::io("run again in a user namespace", &again.exec())
        }
    }
}

fn enter(ids: &Ids) -> Result<(), Error> {
    let here = std::env::current_dir()
        .map_err(|error| Error::io("see which folder this is run in", &error))?;
    // While owners can be told apart.
    let pieces = survey::of_machine();
    let mapping = ids.mapping()?;
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|errno| Error::refused("make a user namespace", errno))?;
    mapping.finish()?;
    setgroups(&[]).map_err(|errno| Error::refused("leave the groups of this user", errno))?;
    root::enter(&pieces)?;
    let failed = |errno| Error::refused(format!("enter `{}` again", here.display()), errno);
    chdir(&here).map_err(failed)
}
