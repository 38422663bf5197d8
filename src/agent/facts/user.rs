//! Who the agent works as, and its environment.

use std::fs;

use nix::unistd::{getegid, geteuid, getgid, getuid};
use serde_json::Value;

use super::Facts;

pub(super) fn add(facts: &mut Facts) {
    let mut add = |name: &str, value: Value| facts.insert(name.into(), value);
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if let Some(account) = account(&accounts, getuid().as_raw()) {
        add("user_id", account.name.into());
        add("user_uid", getuid().as_raw().into());
        add("user_gid", account.group.into());
        add("user_gecos", account.description.into());
        add("user_dir", account.home.into());
        add("user_shell", account.shell.into());
    }
    add("real_user_id", getuid().as_raw().into());
    add("effective_user_id", geteuid().as_raw().into());
    add("real_group_id", getgid().as_raw().into());
    add("effective_group_id", getegid().as_raw().into());
}

struct Account<'a> {
    name: &'a str,
    group: u32,
    description: &'a str,
    home: &'a str,
    shell: &'a str,
}

/// The line of `/etc/passwd` with that number.
fn account(accounts: &str, number: u32) -> Option<Account<'_>> {
    accounts.lines().find_map(|line| {
        let parts: Vec<&str> = line.split(':').collect();
        let [name, _, user, group, description, home, shell] = parts[..] else { return None };
        (user.parse() == Ok(number)).then_some(())?;
        Some(Account { name, group: group.parse().ok()?, description, home, shell })
    })
}

pub(super) fn add_environment(facts: &mut Facts) {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let all = std::env::vars_os().map(|(name, value)| (text(name), Value::from(text(value))));
    facts.insert("env".into(), all.collect::<Facts>().into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_an_account_by_its_number() {
        let text = "root:x:0:0:root:/root:/bin/bash\n+::::::\nweb:x:33:34:Web:/var/www:/bin/sh\n";
        let found = account(text, 33).expect("is there");
        assert_eq!((found.name, found.group, found.home), ("web", 34, "/var/www"));
        assert!(account(text, 7).is_none());
    }
}
