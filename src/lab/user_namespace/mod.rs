//! Labs of somebody who is not root, on this kernel: the command runs again as root of a user
//! namespace.
//!
//! The machine's files belong to ids that the namespace does not have, so that its root could
//! not write them even to a copy. So `root` puts another root together, of which `survey`
//! says what is copied, what is bound and what only stands there; `ids` has the user's subordinate
//! ids mapped, by `newuidmap` and `newgidmap`. From there on a lab is like any other, made of
//! that root.

mod ids;
mod root;
mod survey;

use std::ffi::OsString;
use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{chdir, setgroups};

pub use self::ids::Ids;
pub(super) use self::ids::{ROLE, run as map_ids};
use super::{Error, process};
pub(crate) use crate::modules::in_user_namespace as inside;

/// What stands between this user and a namespace.
#[derive(Debug, PartialEq, Eq)]
pub struct Lacking {
    /// What it is.
    pub why: String,
    /// How to change that.
    pub remedy: String,
}

/// What keeps all users from namespaces of their own, and how it looks when it does.
const SWITCHES: [(&str, &str); 3] = [
    ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    ("/proc/sys/user/max_user_namespaces", "0"),
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
];

/// The ids that a user namespace of this user would have; or why there can be none.
pub fn possible() -> Result<Ids, Lacking> {
    for (path, closed) in SWITCHES {
        if fs::read_to_string(path).is_ok_and(|value| value.trim() == closed) {
            let key = path.trim_start_matches("/proc/sys/").replace('/', ".");
            return Err(Lacking {
                why: format!("`{key}` is {closed}"),
                remedy: "have that changed".into(),
            });
        }
    }
    Ids::of_this_user()
}

/// Runs a command in place of this process, as root of a user namespace. Returns what went wrong.
pub fn again(ids: &Ids, command: &[OsString]) -> Error {
    in_place(enter(ids), command)
}

/// Whether a process is in another user namespace than this one.
pub(super) fn is_elsewhere(pid: u32) -> bool {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/user")).ok();
    namespace(&pid.to_string()).is_some_and(|theirs| Some(theirs) != namespace("self"))
}

/// Runs a command in place of this process in the user namespace and the root of another one.
/// Returns what went wrong.
pub(super) fn join(process: BorrowedFd<'_>, command: &[OsString]) -> Error {
    in_place(enter_that_of(process), command)
}

fn in_place(entered: Result<(), Error>, command: &[OsString]) -> Error {
    if let Err(error) = entered {
        return error;
    }
    let mut again = Command::new(process::SELF);
    if let Some((name, arguments)) = command.split_first() {
        again.arg0(name).args(arguments);
    }
    Error::io("run again in a user namespace", &again.exec())
}

fn enter(ids: &Ids) -> Result<(), Error> {
    let here = here()?;
    // While owners can be told apart.
    let pieces = survey::of_machine();
    let mapping = ids.mapping()?;
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|errno| Error::refused("make a user namespace", errno))?;
    mapping.finish()?;
    // What a group of the user's lets in was seen, and is to be read and bound.
    root::enter(&pieces)?;
    back_to(&here)?;
    without_groups()
}

fn enter_that_of(process: BorrowedFd<'_>) -> Result<(), Error> {
    let here = here()?;
    setns(process, CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|errno| Error::refused("enter the user namespace of the lab", errno))?;
    without_groups()?;
    // The lab may have no such folder.
    back_to(&here).or_else(|_| back_to(Path::new("/")))
}

fn here() -> Result<PathBuf, Error> {
    std::env::current_dir().map_err(|error| Error::io("see which folder this is run in", &error))
}

/// Groups of the machine mean nothing in a namespace that does not have them.
fn without_groups() -> Result<(), Error> {
    setgroups(&[]).map_err(|errno| Error::refused("leave the groups of this user", errno))
}

fn back_to(here: &Path) -> Result<(), Error> {
    chdir(here).map_err(|errno| Error::refused(format!("enter `{}` again", here.display()), errno))
}
