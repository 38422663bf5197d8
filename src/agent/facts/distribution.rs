//! Which distribution this is, in Ansible's spelling.

use std::fs;

use serde_json::{Map, Value};

/// os-release's `ID`, Ansible's name, and the family's.
const KNOWN: &[(&str, &str, &str)] = &[
    ("debian", "Debian", "Debian"),
    ("ubuntu", "Ubuntu", "Debian"),
    ("linuxmint", "Linux Mint", "Debian"),
    ("raspbian", "Raspbian", "Debian"),
    ("kali", "Kali", "Debian"),
    ("devuan", "Devuan", "Debian"),
    ("rhel", "RedHat", "RedHat"),
    ("centos", "CentOS", "RedHat"),
    ("fedora", "Fedora", "RedHat"),
    ("rocky", "Rocky", "RedHat"),
    ("almalinux", "AlmaLinux", "RedHat"),
    ("ol", "OracleLinux", "RedHat"),
    ("amzn", "Amazon", "RedHat"),
    ("sles", "SLES", "Suse"),
    ("opensuse-leap", "openSUSE Leap", "Suse"),
    ("opensuse-tumbleweed", "openSUSE Tumbleweed", "Suse"),
    ("alpine", "Alpine", "Alpine"),
    ("arch", "Archlinux", "Archlinux"),
    ("gentoo", "Gentoo", "Gentoo"),
];

pub(super) fn add(facts: &mut Map<String, Value>) {
    let read = |path| fs::read_to_string(path).ok();
    let release = read("/etc/os-release").or_else(|| read("/usr/lib/os-release"));
    let debian = read("/etc/debian_version");
    describe(&release.unwrap_or_default(), debian.as_deref(), facts);
}

fn describe(os_release: &str, debian_version: Option<&str>, facts: &mut Map<String, Value>) {
    let id = field(os_release, "ID").unwrap_or_default();
    let known = KNOWN.iter().find(|(known, _, _)| *known == id);
    let (name, family) = match known {
        Some((_, name, family)) => ((*name).to_owned(), (*family).to_owned()),
        None => {
            let name = field(os_release, "NAME").unwrap_or_else(|| "Linux".into());
            let like = field(os_release, "ID_LIKE").unwrap_or_default();
            let alike = like.split(' ').find_map(|id| KNOWN.iter().find(|known| known.0 == id));
            (name.clone(), alike.map_or(name, |known| known.2.to_owned()))
        }
    };
    // Debian's own file knows the point release, which os-release does not.
    let version = match debian_version.map(str::trim) {
        Some(version) if id == "debian" && version.starts_with(|c: char| c.is_ascii_digit()) => {
            version.to_owned()
        }
        _ => field(os_release, "VERSION_ID").unwrap_or_default(),
    };
    let major = version.split('.').next().unwrap_or_default().to_owned();
    let mut add = |name: &str, value: String| facts.insert(name.into(), value.into());
    add("distribution", name);
    add("os_family", family);
    add("distribution_version", version);
    add("distribution_major_version", major);
    add("distribution_release", field(os_release, "VERSION_CODENAME").unwrap_or_default());
}

fn field(os_release: &str, name: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(os_release: &str, debian_version: Option<&str>) -> [String; 4] {
        let mut facts = Map::new();
        describe(os_release, debian_version, &mut facts);
        ["distribution", "os_family", "distribution_version", "distribution_major_version"]
            .map(|name| facts[name].as_str().unwrap().to_owned())
    }

    #[test]
    fn spells_distributions_as_ansible_does() {
        let debian = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
        assert_eq!(facts(debian, Some("12.7\n")), ["Debian", "Debian", "12.7", "12"]);
        let rocky =
            "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos\"\nVERSION_ID=\"9.4\"\n";
        assert_eq!(facts(rocky, None), ["Rocky", "RedHat", "9.4", "9"]);
        let other = "NAME=Pop\nID=pop\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=22.04\n";
        assert_eq!(facts(other, Some("bookworm/sid")), ["Pop", "Debian", "22.04", "22"]);
    }
}
