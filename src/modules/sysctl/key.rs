//! A parameter's name. `sysctl(8)` takes dots or slashes: whichever comes first separates,
//! and the other one stands for a dot inside an interface's name.

use std::fmt;
use std::path::PathBuf;

/// Folders of `/proc/sys` whose entries are interfaces, and so may hold dots.
const PER_INTERFACE: [[&str; 3]; 5] = [
    ["net", "ipv4", "conf"],
    ["net", "ipv4", "neigh"],
    ["net", "ipv6", "conf"],
    ["net", "ipv6", "neigh"],
    ["net", "mpls", "conf"],
];

/// The path of a parameter below `/proc/sys`, one word a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(Vec<String>);

impl Key {
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let name = name.trim().trim_start_matches("/proc/sys/");
        let separator = name.chars().find(|c| matches!(c, '.' | '/')).unwrap_or('.');
        let mut words: Vec<String> = name
            .split(separator)
            .map(|word| if separator == '.' { word.replace('/', ".") } else { word.to_owned() })
            .collect();
        // `net.ipv4.conf.eth0.100.arp_ignore`: what is between must be the interface.
        if words.len() > 5 && PER_INTERFACE.iter().any(|prefix| words.starts_with(&owned(prefix))) {
            let interface = words[3..words.len() - 1].join(".");
            words.splice(3..words.len() - 1, [interface]);
        }
        let odd = |word: &String| {
            word.is_empty() || word == "." || word == ".." || word.contains(['/', '\0', '='])
        };
        if words.len() < 2 || words.iter().any(odd) {
            return Err(format!("`{name}` is no kernel parameter, such as `net.ipv4.ip_forward`"));
        }
        Ok(Self(words))
    }

    pub(super) fn words(&self) -> &[String] {
        &self.0
    }

    pub(super) fn path(&self) -> PathBuf {
        std::iter::once("/proc/sys").chain(self.0.iter().map(String::as_str)).collect()
    }

    /// Whether the crate `sysctl`, which turns every dot into a slash, can address it.
    pub(super) fn is_plain(&self) -> bool {
        !self.0.iter().any(|word| word.contains('.'))
    }

    /// Whether each network namespace has its own.
    pub(super) fn is_namespaced(&self) -> bool {
        self.0.first().is_some_and(|word| word == "net")
    }
}

/// With dots, and with slashes for the dots inside a word, as `sysctl -a` prints it.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(|word| word.replace('.', "/")).collect();
        f.write_str(&words.join("."))
    }
}

fn owned(prefix: &[&str; 3]) -> [String; 3] {
    prefix.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dots_and_slashes_as_one() {
        let cases = [
            ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("net/ipv4/conf/eth0.100/arp_ignore", "/proc/sys/net/ipv4/conf/eth0.100/arp_ignore"),
            ("net.ipv4.conf.eth0/100.arp_ignore", "/proc/sys/net/ipv4/conf/eth0.100/arp_ignore"),
            ("net.ipv4.conf.eth0.100.arp_ignore", "/proc/sys/net/ipv4/conf/eth0.100/arp_ignore"),
            ("net.ipv4.conf.eth0.arp_ignore", "/proc/sys/net/ipv4/conf/eth0/arp_ignore"),
        ];
        for (name, path) in cases {
            let key = Key::parse(name).unwrap();
            assert_eq!(key.path(), PathBuf::from(path), "{name}");
            assert_eq!(Key::parse(&key.to_string()).unwrap(), key, "{name}");
        }
    }

    #[test]
    fn stays_below_proc_sys() {
        for name in ["", "net", "net/../../etc/passwd", "net..ip", "net.ipv4=1", "/etc/passwd", "."]
        {
            assert!(Key::parse(name).is_err(), "{name}");
        }
    }
}
