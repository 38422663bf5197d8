//! `sysctl`: a kernel parameter, now and after the next boot.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::copy::yes;
use super::filesystem::{Accounts, Attributes, Owned, Replacement};

use super::{Error, Host, HostKind, Presence, Resource};

mod file;
mod key;
mod live;

use key::Key;

/// Sets a kernel parameter, and keeps it for the next boot in a file.
///
/// The running value is compared each time, not only when the file changes. With
/// `state: absent` the file forgets the parameter and the running value stays.
///
/// ```yaml
/// sysctl:
///   name: net.ipv4.ip_forward
///   value: "1"
///   sysctl_file: /etc/sysctl.d/90-lvs.conf
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// The parameter, with dots or slashes. An interface whose name has a dot is written
    /// `net.ipv4.conf.eth0/100.arp_ignore` or with slashes throughout.
    #[serde(alias = "key")]
    pub name: String,
    /// The value; white space counts as one space each.
    #[serde(default, alias = "val", skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether the file holds the parameter.
    #[serde(default)]
    pub state: Presence,
    /// The file that is read at boot. By default the one that this machine reads:
    /// `/etc/sysctl.conf`, or `/etc/sysctl.d/99-lvsmith.conf` where that is no longer read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sysctl_file: Option<String>,
    /// Whether the file is looked at at all; without it only the running value is.
    #[serde(default = "yes")]
    pub persist: bool,
    /// Whether the running value is set as well.
    #[serde(default = "yes")]
    pub reload: bool,
    /// Whether the running value is set even without `reload`.
    #[serde(default)]
    pub sysctl_set: bool,
    /// Whether a parameter that this kernel lacks, or a value that it refuses, is ignored.
    #[serde(default)]
    pub ignoreerrors: bool,
}

/// The running value and the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// The running value; `None` when this kernel has no such parameter.
    pub live: Option<String>,
    /// The file.
    pub file: PathBuf,
    /// Its text; `None` when there is no file.
    pub text: Option<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// Set the running value.
    Set {
        /// The parameter.
        name: String,
        /// Its value now.
        from: Option<String>,
        /// Its value then.
        to: String,
    },
    /// Rewrite the file.
    Persist {
        /// The parameter.
        name: String,
        /// The value that the file will hold; `None` takes the parameter out of it.
        value: Option<String>,
        /// The file.
        file: PathBuf,
        /// Its whole text.
        text: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { name, from: Some(from), to } => write!(f, "{name}: {from} -> {to}"),
            Self::Set { name, from: None, to } => {
                write!(f, "{name}: (this kernel has none yet) -> {to}")
            }
            Self::Persist { name, value: Some(value), file, .. } => {
                write!(f, "keep {name}={value} in `{}`", file.display())
            }
            Self::Persist { name, value: None, file, .. } => {
                write!(f, "take {name} out of `{}`", file.display())
            }
        }
    }
}

impl Sysctl {
    fn key(&self) -> Result<Key, Error> {
        Key::parse(&self.name).map_err(Error::new)
    }

    /// The value with single spaces, and booleans as the kernel writes them.
    fn wanted(&self) -> Option<String> {
        let value = normalize(self.value.as_deref()?);
        Some(match value.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" => "1".into(),
            "no" | "false" | "off" => "0".into(),
            _ => value,
        })
    }

    /// The value that the running kernel must have.
    fn wanted_live(&self) -> Option<String> {
        let live = self.state == Presence::Present && (self.reload || self.sysctl_set);
        self.wanted().filter(|_| live)
    }

    fn file(&self) -> PathBuf {
        match &self.sysctl_file {
            Some(file) => file.into(),
            None => default_file(Path::new("/")),
        }
    }
}

impl Resource for Sysctl {
    type Observed = Observed;
    type Change = Change;

    fn check(&self) -> Result<(), Error> {
        self.key()?;
        if self.state == Presence::Present && self.value.is_none() {
            return Err(Error::new(format!("`{}` needs a `value`", self.name)));
        }
        Ok(())
    }

    fn observe(&self, host: &mut Host) -> Result<Observed, Error> {
        let key = self.key()?;
        let live = live::read(&key)?;
        if let (HostKind::Lab, Some(wanted), Some(now)) = (host.kind, self.wanted_live(), &live)
            && !key.is_namespaced()
            && wanted != *now
        {
            return Err(Error::new(format!(
                "`{key}` is not namespaced: setting it here would set it on the machine"
            ))
            .hint("only `net.` parameters belong to a lab host; run the lab with `--vm`"));
        }
        let file = self.file();
        let text = match fs::read_to_string(&file) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Error::io(format!("failed to read `{}`", file.display()), &error));
            }
        };
        Ok(Observed { live, file, text })
    }

    fn diff(&self, observed: &Observed) -> Vec<Change> {
        // `check` has parsed it before.
        let Ok(key) = self.key() else { return Vec::new() };
        let mut changes = Vec::new();
        if let Some(to) = self.wanted_live() {
            let from = observed.live.clone();
            let ignored = self.ignoreerrors && from.is_none();
            if from.as_ref() != Some(&to) && !ignored {
                changes.push(Change::Set { name: key.to_string(), from, to });
            }
        }
        let value = match self.state {
            Presence::Present => self.wanted(),
            Presence::Absent => None,
        };
        let before = observed.text.as_deref().unwrap_or_default();
        if self.persist && file::value(before, &key) != value {
            changes.push(Change::Persist {
                name: key.to_string(),
                text: file::with(before, &key, value.as_deref()),
                file: observed.file.clone(),
                value,
            });
        }
        changes
    }

    fn apply(&self, _host: &mut Host, change: &Change) -> Result<(), Error> {
        match change {
            Change::Set { to, .. } => match live::write(&self.key()?, to) {
                Err(_) if self.ignoreerrors => Ok(()),
                other => other,
            },
            Change::Persist { file, text, .. } => {
                // Its link, as in `/etc/sysctl.d/99-sysctl.conf`, is to stay one.
                let path = file.canonicalize().unwrap_or_else(|_| file.clone());
                let now = fs::metadata(&path).ok();
                let now = now.map(|metadata| Owned::of(&metadata, &Accounts::read()));
                Replacement {
                    path: &path,
                    content: text.as_bytes(),
                    now: now.as_ref(),
                    attributes: Attributes::default(),
                    validate: None,
                    backup: false,
                }
                .write()
                .map(drop)
            }
        }
    }

    fn report(&self, observed: &Observed) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("value".into(), observed.live.clone().into());
        map
    }
}

/// The file that this machine reads at boot and that is meant for local changes.
///
/// systemd 257 (Debian 13) stopped reading `/etc/sysctl.conf` by itself; it counts only
/// where a link in `/etc/sysctl.d` leads to it, or where something else reads it.
fn default_file(root: &Path) -> PathBuf {
    let linked = root.join("etc/sysctl.d/99-sysctl.conf").exists();
    let systemd = root.join("usr/lib/systemd/systemd-sysctl").exists();
    if linked || !systemd {
        root.join("etc/sysctl.conf")
    } else {
        root.join("etc/sysctl.d/99-lvsmith.conf")
    }
}

/// Single spaces between the words: the kernel itself separates with tabs.
fn normalize(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysctl(name: &str, value: &str) -> Sysctl {
        serde_json::from_value(serde_json::json!({"name": name, "value": value})).unwrap()
    }

    fn observed(live: Option<&str>, text: Option<&str>) -> Observed {
        let file = PathBuf::from("/etc/sysctl.conf");
        Observed { live: live.map(Into::into), file, text: text.map(Into::into) }
    }

    fn shown(sysctl: &Sysctl, observed: &Observed) -> Vec<String> {
        sysctl.diff(observed).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn finds_nothing_to_do_when_both_hold_the_value() {
        let range = sysctl("net.ipv4.ip_local_port_range", "1024  65000");
        let text = "# ports\nnet/ipv4/ip_local_port_range = 1024\t65000\n";
        assert!(shown(&range, &observed(Some("1024 65000"), Some(text))).is_empty());
    }

    #[test]
    fn sets_the_kernel_before_the_file() {
        let forward = sysctl("net.ipv4.ip_forward", "yes");
        assert_eq!(
            shown(&forward, &observed(Some("0"), None)),
            ["net.ipv4.ip_forward: 0 -> 1", "keep net.ipv4.ip_forward=1 in `/etc/sysctl.conf`"]
        );
    }

    #[test]
    fn sets_the_kernel_again_when_only_the_file_is_right() {
        let forward = sysctl("net.ipv4.ip_forward", "1");
        let seen = observed(Some("0"), Some("net.ipv4.ip_forward=1\n"));
        assert_eq!(shown(&forward, &seen), ["net.ipv4.ip_forward: 0 -> 1"]);
    }

    #[test]
    fn leaves_the_kernel_alone_when_told_so_or_when_absent() {
        let only_file = Sysctl { reload: false, ..sysctl("net.ipv4.ip_forward", "1") };
        let seen = observed(Some("0"), Some("net.ipv4.ip_forward=1\n"));
        assert!(shown(&only_file, &seen).is_empty());
        let absent = Sysctl { state: Presence::Absent, value: None, ..only_file };
        assert_eq!(shown(&absent, &seen), ["take net.ipv4.ip_forward out of `/etc/sysctl.conf`"]);
    }

    #[test]
    fn leaves_the_file_alone_when_told_so() {
        let live = Sysctl { persist: false, ..sysctl("net.ipv4.ip_forward", "1") };
        assert_eq!(shown(&live, &observed(Some("0"), None)), ["net.ipv4.ip_forward: 0 -> 1"]);
        assert!(shown(&live, &observed(Some("1"), None)).is_empty());
    }

    #[test]
    fn ignores_a_parameter_that_is_missing_only_when_told_so() {
        let seen = observed(None, Some("net.ipv4.vs.x=1\n"));
        let strict = sysctl("net.ipv4.vs.x", "1");
        assert_eq!(shown(&strict, &seen).len(), 1);
        let lenient = Sysctl { ignoreerrors: true, ..strict };
        assert!(shown(&lenient, &seen).is_empty());
    }

    #[test]
    fn needs_a_value_unless_absent() {
        let nothing = Sysctl { value: None, ..sysctl("net.ipv4.ip_forward", "") };
        assert!(nothing.check().unwrap_err().message.contains("needs a `value`"));
    }

    #[test]
    fn persists_where_the_next_boot_reads() {
        let root = tempfile::tempdir().unwrap();
        let made = |path: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        assert!(default_file(root.path()).ends_with("etc/sysctl.conf"));
        made("usr/lib/systemd/systemd-sysctl");
        assert!(default_file(root.path()).ends_with("etc/sysctl.d/99-lvsmith.conf"));
        made("etc/sysctl.d/99-sysctl.conf");
        assert!(default_file(root.path()).ends_with("etc/sysctl.conf"));
    }

    #[test]
    fn refuses_in_a_lab_what_would_reach_the_machine() {
        let panic = sysctl("kernel.panic", "4711");
        let mut lab = Host::new(HostKind::Lab);
        let error = panic.observe(&mut lab).unwrap_err();
        assert!(error.message.contains("not namespaced"), "{error}");
        assert!(error.hint.unwrap().contains("--vm"));
    }

    #[test]
    fn says_what_was_meant_by_a_parameter_that_does_not_exist() {
        let typo = sysctl("net.ipv4.ip_forwrad", "1");
        let mut host = Host::default();
        let seen = typo.observe(&mut host).unwrap();
        let error = typo.apply(&mut host, &typo.diff(&seen)[0]).unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean `net.ipv4.ip_forward`?"));
    }
}
