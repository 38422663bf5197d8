//! Mode, owner and group of one path: what is declared, what is there, and what differs.

use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown};
use std::path::Path;

use serde::Serialize;

use super::{Accounts, FileMode};
use crate::modules::Error;

/// What a task declares of a path's attributes; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attributes<'a> {
    pub(crate) mode: Option<&'a FileMode>,
    pub(crate) owner: Option<&'a str>,
    pub(crate) group: Option<&'a str>,
}

/// The attributes that a path has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Owned {
    /// Permission bits.
    pub mode: u32,
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// User name, or the number in digits.
    pub owner: String,
    /// Group name, or the number in digits.
    pub group: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it is a symbolic link, which has no mode of its own.
    pub is_link: bool,
}

impl Owned {
    pub(crate) fn of(metadata: &Metadata, accounts: &Accounts) -> Self {
        Self {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            owner: accounts.user_name(metadata.uid()),
            group: accounts.group_name(metadata.gid()),
            is_folder: metadata.is_dir(),
            is_link: metadata.is_symlink(),
        }
    }
}

/// One attribute that is to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum AttributeChange {
    /// Permission bits, from and to.
    Mode(u32, u32),
    /// Owner, from and to.
    Owner(String, String),
    /// Group, from and to.
    Group(String, String),
}

impl fmt::Display for AttributeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(from, to) => write!(f, "mode {from:04o} -> {to:04o}"),
            Self::Owner(from, to) => write!(f, "owner {from} -> {to}"),
            Self::Group(from, to) => write!(f, "group {from} -> {to}"),
        }
    }
}

impl Attributes<'_> {
    /// Lists what differs: owner and group first, since chown clears setuid bits.
    pub(crate) fn diff(&self, now: &Owned) -> Vec<AttributeChange> {
        let mut changes = Vec::new();
        if let Some(owner) = self.owner.filter(|owner| !same(owner, &now.owner, now.uid)) {
            changes.push(AttributeChange::Owner(now.owner.clone(), owner.to_owned()));
        }
        if let Some(group) = self.group.filter(|group| !same(group, &now.group, now.gid)) {
            changes.push(AttributeChange::Group(now.group.clone(), group.to_owned()));
        }
        if let Some(mode) = self.mode.filter(|_| !now.is_link) {
            let wanted = mode.resolve(now.mode, now.is_folder);
            if wanted != now.mode {
                changes.push(AttributeChange::Mode(now.mode, wanted));
            }
        }
        changes
    }
}

impl AttributeChange {
    /// Does it to `path`; a symbolic link's owner is its own.
    pub(crate) fn apply(&self, path: &Path) -> Result<(), Error> {
        let shown = path.display();
        match self {
            Self::Mode(_, to) => fs::set_permissions(path, fs::Permissions::from_mode(*to))
                .map_err(|error| Error::io(format!("failed to set the mode of `{shown}`"), &error)),
            Self::Owner(_, to) => {
                let id = Accounts::read().user(to)?;
                lchown(path, Some(id), None).map_err(|error| {
                    Error::io(format!("failed to give `{shown}` to user `{to}`"), &error)
                })
            }
            Self::Group(_, to) => {
                let id = Accounts::read().group(to)?;
                lchown(path, None, Some(id)).map_err(|error| {
                    Error::io(format!("failed to give `{shown}` to group `{to}`"), &error)
                })
            }
        }
    }
}

/// Gives a file that is not in its place yet the attributes it will have there.
pub(crate) fn establish(
    path: &Path,
    now: Option<&Owned>,
    wanted: Attributes<'_>,
) -> Result<(), Error> {
    let accounts = Accounts::read();
    let shown = path.display();
    let uid = wanted.owner.map(|owner| accounts.user(owner)).transpose()?;
    let gid = wanted.group.map(|group| accounts.group(group)).transpose()?;
    let (uid, gid) = (uid.or(now.map(|now| now.uid)), gid.or(now.map(|now| now.gid)));
    let here = fs::metadata(path)
        .map_err(|error| Error::io(format!("failed to look at `{shown}`"), &error))?;
    if uid.is_some_and(|uid| uid != here.uid()) || gid.is_some_and(|gid| gid != here.gid()) {
        chown(path, uid, gid)
            .map_err(|error| Error::io(format!("failed to set the owner of `{shown}`"), &error))?;
    }
    let base = now.map_or(0o666 & !super::mode::UMASK, |now| now.mode);
    let mode = wanted.mode.map_or(base, |mode| mode.resolve(base, false));
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| Error::io(format!("failed to set the mode of `{shown}`"), &error))
}

fn same(wanted: &str, name: &str, id: u32) -> bool {
    wanted == name || wanted.parse() == Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Owned {
        Owned { mode: 0o644, owner: "root".into(), group: "adm".into(), gid: 4, ..Owned::default() }
    }

    #[test]
    fn keeps_what_is_not_declared() {
        assert!(Attributes::default().diff(&now()).is_empty());
    }

    #[test]
    fn finds_no_difference_between_a_name_and_its_number() {
        let wanted = Attributes { owner: Some("0"), group: Some("adm"), mode: None };
        assert!(wanted.diff(&now()).is_empty());
    }

    #[test]
    fn changes_the_owner_before_the_mode() {
        let mode = FileMode::parse("4755").unwrap();
        let wanted = Attributes { mode: Some(&mode), owner: Some("bin"), group: Some("bin") };
        let shown: Vec<String> = wanted.diff(&now()).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["owner root -> bin", "group adm -> bin", "mode 0644 -> 4755"]);
    }
}
