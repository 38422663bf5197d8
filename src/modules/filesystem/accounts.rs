//! Users and groups from `/etc/passwd` and `/etc/group`. A static binary has no NSS, so
//! accounts that only a directory service knows must be given by number.

use std::fs;

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::diagnostic::nearest;
use crate::modules::Error;

/// The names and numbers of a machine's users and groups.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
    /// The user's name and the number of its first group.
    first_groups: Vec<(String, u32)>,
    /// The group's number and its members' names.
    members: Vec<(u32, Vec<String>)>,
}

/// Whom a process can run as: everything looked up before the fork, since nothing may be
/// looked up between fork and exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Identity {
    pub(crate) fn ids(&self) -> (u32, u32) {
        (self.uid.as_raw(), self.gid.as_raw())
    }

    /// Becomes it, for good. Only system calls, so that it may be called after a fork.
    pub(crate) fn assume(&self) -> nix::Result<()> {
        setgroups(&self.groups)?;
        setgid(self.gid)?;
        setuid(self.uid)
    }
}

impl Accounts {
    /// Reads both files; one that cannot be read has no names, and numbers still work.
    pub(crate) fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&text("/etc/passwd"), &text("/etc/group"))
    }

    fn parse(passwd: &str, group: &str) -> Self {
        let first_group = |line: &str| {
            let mut fields = line.split(':');
            Some((fields.next()?.to_owned(), fields.nth(2)?.parse().ok()?))
        };
        let members = |line: &str| {
            let mut fields = line.split(':').skip(2);
            let id = fields.next()?.parse().ok()?;
            Some((id, fields.next()?.split(',').map(str::to_owned).collect()))
        };
        Self {
            users: parse(passwd),
            groups: parse(group),
            first_groups: passwd.lines().filter_map(first_group).collect(),
            members: group.lines().filter_map(members).collect(),
        }
    }

    /// A user with its groups, the first of which may be another one.
    pub(crate) fn identity(&self, user: &str, group: Option<&str>) -> Result<Identity, Error> {
        let uid = self.user(user)?;
        let name = self.user_name(uid);
        let first = self.first_groups.iter().find(|(known, _)| *known == name);
        let gid = match group {
            Some(group) => self.group(group)?,
            None => first.map_or(uid, |(_, gid)| *gid),
        };
        let others = self.members.iter().filter(|(_, members)| members.contains(&name));
        let groups = std::iter::once(gid).chain(others.map(|(id, _)| *id));
        Ok(Identity {
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            groups: groups.map(Gid::from_raw).collect(),
        })
    }

    /// A user's number, from a name or from the number itself.
    pub(crate) fn user(&self, name: &str) -> Result<u32, Error> {
        number(&self.users, name).ok_or_else(|| missing("user", "/etc/passwd", name, &self.users))
    }

    /// A group's number, from a name or from the number itself.
    pub(crate) fn group(&self, name: &str) -> Result<u32, Error> {
        number(&self.groups, name).ok_or_else(|| missing("group", "/etc/group", name, &self.groups))
    }

    /// A user's name, or the number in digits.
    pub(crate) fn user_name(&self, id: u32) -> String {
        name(&self.users, id)
    }

    /// A group's name, or the number in digits.
    pub(crate) fn group_name(&self, id: u32) -> String {
        name(&self.groups, id)
    }
}

/// Name and number of each line: its first and third field in both files.
fn parse(text: &str) -> Vec<(String, u32)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
        })
        .collect()
}

fn number(table: &[(String, u32)], wanted: &str) -> Option<u32> {
    let named = table.iter().find(|(name, _)| name == wanted).map(|(_, id)| *id);
    named.or_else(|| wanted.parse().ok())
}

fn name(table: &[(String, u32)], wanted: u32) -> String {
    let named = table.iter().find(|(_, id)| *id == wanted);
    named.map_or_else(|| wanted.to_string(), |(name, _)| name.clone())
}

fn missing(what: &str, file: &str, name: &str, table: &[(String, u32)]) -> Error {
    let error = Error::new(format!("there is no {what} `{name}` in `{file}`"));
    match nearest(name, table.iter().map(|(name, _)| name.as_str())) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("create the {what} first, or give its number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts::parse(
            "root:x:0:0:root:/root:/bin/bash\nbroken\nwww-data:x:33:33::/:/bin/sh\n",
            "root:x:0:\nadm:x:4:a,www-data\nwww-data:x:33:\n",
        )
    }

    #[test]
    fn finds_by_name_and_by_number() {
        assert_eq!(accounts().user("www-data").unwrap(), 33);
        assert_eq!(accounts().user("4711").unwrap(), 4711);
        assert_eq!(accounts().group("www-data").unwrap(), 33);
        assert_eq!(accounts().user_name(33), "www-data");
        assert_eq!(accounts().group_name(99), "99");
    }

    #[test]
    fn knows_a_users_groups() {
        let numbers = |identity: Identity| {
            let groups: Vec<u32> = identity.groups.iter().map(|gid| gid.as_raw()).collect();
            (identity.ids(), groups)
        };
        let www = accounts().identity("www-data", None).unwrap();
        assert_eq!(numbers(www), ((33, 33), vec![33, 4]));
        let adm = accounts().identity("www-data", Some("adm")).unwrap();
        assert_eq!(numbers(adm), ((33, 4), vec![4, 4]));
        assert!(accounts().identity("nobody", None).is_err());
    }

    #[test]
    fn hints_at_the_name_that_was_meant() {
        let error = accounts().user("www-date").unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean `www-data`?"));
    }
}
