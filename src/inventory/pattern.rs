//! `hosts:` and `--limit`: which hosts a pattern names.

use indexmap::IndexSet;

use super::Inventory;
use crate::diagnostic::Diagnostic;

/// The hosts a pattern names, in the order of the inventory: names of hosts and groups,
/// joined by `:` or `,`; `&` keeps only those that are also there, `!` takes away; `*` stands
/// for any letters.
pub fn select(inventory: &Inventory, pattern: &str) -> Result<Vec<String>, Diagnostic> {
    let mut selected: IndexSet<&str> = IndexSet::new();
    let mut parts: Vec<&str> =
        pattern.split([':', ',']).map(str::trim).filter(|part| !part.is_empty()).collect();
    // As in Ansible, `!` and `&` act after all that adds.
    parts.sort_by_key(|part| match part.chars().next() {
        Some('&') => 1,
        Some('!') => 2,
        _ => 0,
    });
    for part in parts {
        if let Some(rest) = part.strip_prefix('!') {
            let gone = named(inventory, rest)?;
            selected.retain(|name| !gone.contains(name));
        } else if let Some(rest) = part.strip_prefix('&') {
            let kept = named(inventory, rest)?;
            selected.retain(|name| kept.contains(name));
        } else {
            selected.extend(named(inventory, part)?);
        }
    }
    Ok(inventory.hosts.keys().filter(|name| selected.contains(name.as_str())).cloned().collect())
}

fn named<'a>(inventory: &'a Inventory, name: &str) -> Result<Vec<&'a str>, Diagnostic> {
    if inventory.groups.contains_key(name) {
        return Ok(inventory.members(name));
    }
    if let Some((host, _)) = inventory.hosts.get_key_value(name) {
        return Ok(vec![host]);
    }
    if name.contains('*') {
        let mut found: Vec<&str> =
            inventory.hosts.keys().map(String::as_str).filter(|host| glob(name, host)).collect();
        for group in inventory.groups.keys().filter(|group| glob(name, group)) {
            found.extend(inventory.members(group));
        }
        return Ok(found);
    }
    let known = inventory.groups.keys().chain(inventory.hosts.keys()).map(String::as_str);
    Err(Diagnostic::new(format!("no host or group is called `{name}`")).did_you_mean(name, known))
}

/// Each part between two `*` is taken where it comes first: no way back is ever needed.
pub(crate) fn glob(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let Some(mut inner) = inner else { return false };
    between.split('*').all(|part| match inner.split_once(part) {
        Some((_, rest)) => {
            inner = rest;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let mut inventory = Inventory::default();
        for (name, group) in [("lb1", "lb"), ("rs1", "web"), ("rs2", "web"), ("db1", "db")] {
            inventory.place(name, &[group.to_owned()], crate::inventory::Vars::new());
        }
        inventory.complete();
        inventory
    }

    #[test]
    fn adds_keeps_and_takes_away() {
        let chosen = |pattern: &str| select(&inventory(), pattern).expect(pattern).join(" ");
        assert_eq!(chosen("all"), "lb1 rs1 rs2 db1");
        assert_eq!(chosen("web:lb"), "lb1 rs1 rs2");
        assert_eq!(chosen("!rs1:web"), "rs2");
        assert_eq!(chosen("all:&web"), "rs1 rs2");
        assert_eq!(chosen("rs*,db1"), "rs1 rs2 db1");
    }

    #[test]
    fn stars_stand_for_any_letters_and_take_no_time() {
        for (pattern, name) in [
            ("*", ""),
            ("r*1", "rs1"),
            ("*s*", "rs1"),
            ("a*b*b", "abcbb"),
            ("**", "x"),
            ("é*", "éa"),
        ] {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("a*a", "a"), ("*b*a", "ab"), ("r*2", "rs1"), ("a*b*c", "acb"), ("x*", "")]
        {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
        assert!(!glob(&"*a".repeat(500), &format!("{}b", "a".repeat(5000))));
    }

    #[test]
    fn an_unknown_name_is_a_mistake() {
        let error = select(&inventory(), "wbe").expect_err("must fail").to_string();
        assert_eq!(error, "no host or group is called `wbe` (did you mean `web`?)");
    }
}
