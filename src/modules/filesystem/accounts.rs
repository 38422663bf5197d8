//! Users and groups from `/etc/passwd` and `/etc/group`. A static binary has no NSS, so
//! accounts that only a directory service knows must be given by number.

use std::fs;

use crate::diagnostic::nearest;
use crate::modules::Error;

/// The names and numbers of a machine's users and groups.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

impl Accounts {
    /// Reads both files; one that cannot be read has no names, and numbers still work.
    pub(crate) fn read() -> Self {
        let table = |path| fs::read_to_string(path).map(|text| parse(&text)).unwrap_or_default();
        Self { users: table("/etc/passwd"), groups: table("/etc/group") }
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
        let users = parse("root:x:0:0:root:/root:/bin/bash\nbroken\nwww-data:x:33:33::/:/bin/sh\n");
        Accounts { users, groups: parse("root:x:0:\nwww-data:x:33:a,b\n") }
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
    fn hints_at_the_name_that_was_meant() {
        let error = accounts().user("www-date").unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean `www-data`?"));
    }
}
