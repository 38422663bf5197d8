//! `nftables`: packet rules, from a file that is checked before it is loaded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filesystem::{Content, FileMode, Placed};
use super::{Arguments, Error, Presence};

mod listing;
mod nft;
mod ruleset;

pub use ruleset::Ruleset;

/// Loads packet rules and keeps them in a file: marks for fwmark services, masquerading, filters.
///
/// The tables that the text names become what it says, all at once; other tables stay, unless the
/// text has `flush ruleset`. What is loaded is compared with what the text makes of an empty network
/// namespace, so that rules in another order, or changed by hand, are a difference, and counters are
/// none. A text that the kernel does not take there changes nothing.
///
/// For the next boot the service `nftables` reads `/etc/nftables.conf`; let it `include` the file where
/// `dest` is another one.
///
/// ```yaml
/// nftables:
///   dest: /etc/nftables.d/lvs.nft
///   content: |
///     table inet lvs {
///       chain marks {
///         type filter hook prerouting priority mangle;
///         ip daddr 192.168.0.89 tcp dport { 80, 443 } meta mark set 1
///       }
///     }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nftables {
    /// A file beside the playbook or in a role's `files` folder, in nft's own language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    /// The rules themselves, instead of `src`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Where they are kept; by default `/etc/nftables.conf`. Its folder is made. With `absent` the file
    /// goes, if one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dest: Option<String>,
    /// Whether the rules are loaded, or `table` is gone.
    #[serde(default)]
    pub state: Presence,
    /// With `absent`: the table, as `inet lvs`; a name alone is of the family `ip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Permission bits of the file: octal digits (`"0644"`) or symbols (`u=rw,g=r`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Owner of the file, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group of the file, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether to keep a copy of what was there, as `NAME.PID.SECONDS~`.
    #[serde(default)]
    pub backup: bool,
}

/// Where nft's own service looks.
const FILE: &str = "/etc/nftables.conf";

/// Families that a table may be of.
const FAMILIES: [&str; 6] = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];

impl Arguments for Nftables {
    fn check(&self) -> Result<(), Error> {
        if self.dest.as_ref().is_some_and(|dest| !dest.starts_with('/') || dest.ends_with('/')) {
            return Err(Error::new("`dest` is not the absolute path of a file"));
        }
        match (self.state, &self.src, &self.content) {
            (Presence::Absent, None, None) => self.family_and_name().map(drop),
            (Presence::Absent, ..) => {
                Err(Error::new("`state: absent` takes a `table`, not its rules"))
            }
            (Presence::Present, ..) if self.table.is_some() => {
                Err(Error::new("`table` goes with `state: absent`")
                    .hint("the rules name their tables themselves"))
            }
            (Presence::Present, Some(_), Some(_)) => {
                Err(Error::new("`src` and `content` exclude each other"))
            }
            (Presence::Present, None, None) => {
                Err(Error::new("`nftables` needs `src` or `content`"))
            }
            _ => Ok(()),
        }
    }
}

impl Nftables {
    /// What the agent is asked to do, given the bytes of `src`.
    pub fn ruleset(self, bytes: Option<Vec<u8>>) -> Result<Ruleset, Error> {
        if self.state == Presence::Absent {
            return Ok(Ruleset::Gone { table: self.family_and_name()?, file: self.dest });
        }
        let text = match (bytes, self.content) {
            (Some(bytes), _) => String::from_utf8(bytes)
                .map_err(|_| Error::new("the rules are not text in UTF-8"))?,
            (None, text) => text.unwrap_or_default(),
        };
        let placed = Placed {
            dest: self.dest.unwrap_or_else(|| FILE.into()),
            name: None,
            content: Content::Text(text.clone()),
            mode: self.mode,
            owner: self.owner,
            group: self.group,
            force: true,
            backup: self.backup,
            follow: true,
            validate: None,
        };
        Ok(Ruleset::Loaded { text, placed: Box::new(placed) })
    }

    /// The table as nft lists it, `FAMILY NAME`.
    fn family_and_name(&self) -> Result<String, Error> {
        let Some(table) = &self.table else {
            return Err(Error::new("`state: absent` needs a `table`"));
        };
        let words: Vec<&str> = table.split_whitespace().collect();
        let (family, name) = match words.as_slice() {
            [name] => ("ip", *name),
            [family, name] => (*family, *name),
            _ => ("", ""),
        };
        let letters = |c: char| c.is_ascii_alphanumeric() || "_-./\\".contains(c);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !FAMILIES.contains(&family) || !is_name || !name.chars().all(letters) {
            return Err(Error::new(format!("`{table}` is no table"))
                .hint("a family and a name, like `inet lvs`"));
        }
        Ok(format!("{family} {name}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nftables(arguments: serde_json::Value) -> Nftables {
        serde_json::from_value(arguments).unwrap()
    }

    #[test]
    fn knows_tables_by_family_and_name() {
        let table = |table: &str| nftables(json!({"state": "absent", "table": table}));
        assert_eq!(table("lvs").family_and_name().unwrap(), "ip lvs");
        assert_eq!(table(" inet  lvs_1 ").family_and_name().unwrap(), "inet lvs_1");
        for wrong in ["", "ipx lvs", "inet lvs; flush ruleset", "inet a b", "-x"] {
            assert!(table(wrong).check().is_err(), "{wrong}");
        }
    }

    #[test]
    fn keeps_rules_where_nft_looks_for_them() {
        let Ruleset::Loaded { text, placed } =
            nftables(json!({"src": "lvs.nft"})).ruleset(Some(b"table ip a".to_vec())).unwrap()
        else {
            panic!("it is to be loaded")
        };
        assert_eq!((text.as_str(), placed.dest.as_str()), ("table ip a", FILE));
    }

    #[test]
    fn refuses_contradictions() {
        for wrong in [
            json!({}),
            json!({"src": "a", "content": "b"}),
            json!({"content": "b", "table": "inet lvs"}),
            json!({"content": "b", "dest": "nft.conf"}),
            json!({"state": "absent"}),
            json!({"state": "absent", "table": "inet lvs", "content": "b"}),
        ] {
            assert!(nftables(wrong.clone()).check().is_err(), "{wrong}");
        }
    }
}
