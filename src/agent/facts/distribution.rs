//! Which distribution this is, in Ansible's spelling.

use std::fs;

use serde_json::{Map, Value, json};

use super::Facts;

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

/// Where Ansible finds which distribution it is, and what it calls that file.
const FILES: &[(&str, &str, &str)] = &[
    ("Debian", "/etc/os-release", "Debian"),
    ("CentOS", "/etc/centos-release", "CentOS"),
    ("OracleLinux", "/etc/oracle-release", "OracleLinux"),
    ("Amazon", "/etc/os-release", "Amazon"),
    ("RedHat", "/etc/redhat-release", "RedHat"),
    ("Suse", "/etc/os-release", "SUSE"),
    ("Alpine", "/etc/alpine-release", "Alpine"),
    ("Archlinux", "/etc/arch-release", "Archlinux"),
    ("Gentoo", "/etc/gentoo-release", "Gentoo"),
];

pub(super) fn add(facts: &mut Facts) {
    let debian = fs::read_to_string("/etc/debian_version").ok();
    describe(&os_release(), debian.as_deref(), facts);
}

fn os_release() -> String {
    let read = |path| fs::read_to_string(path).ok();
    read("/etc/os-release").or_else(|| read("/usr/lib/os-release")).unwrap_or_default()
}

/// What `lsb_release` would say, of its own file or else of `os-release`.
pub(super) fn add_lsb(facts: &mut Facts) {
    let file = fs::read_to_string("/etc/lsb-release").unwrap_or_default();
    let text = os_release();
    let told = |lsb: &str, other: &str| field(&file, lsb).or_else(|| field(&text, other));
    let mut lsb = Map::new();
    let id = field(&file, "DISTRIB_ID").map(Value::from);
    lsb.insert("id".into(), id.or_else(|| facts.get("distribution").cloned()).unwrap_or_default());
    for (name, value) in [
        ("release", told("DISTRIB_RELEASE", "VERSION_ID")),
        ("codename", told("DISTRIB_CODENAME", "VERSION_CODENAME")),
        ("description", told("DISTRIB_DESCRIPTION", "PRETTY_NAME")),
    ] {
        if let Some(value) = value {
            if name == "release" {
                let major = value.split('.').next().unwrap_or_default();
                lsb.insert("major_release".into(), major.into());
            }
            lsb.insert(name.into(), value.into());
        }
    }
    facts.insert("lsb".into(), json!(lsb));
}

fn describe(os_release: &str, debian_version: Option<&str>, facts: &mut Facts) {
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
    let mut parts = version.split('.');
    let major = parts.next().unwrap_or_default().to_owned();
    let minor = parts.next().filter(|_| matches!(name.as_str(), "Debian" | "CentOS" | "Amazon"));
    let by = |key: &str| FILES.iter().find(|(of, _, _)| *of == key);
    let file = by(&name).or_else(|| by(&family));
    let mut add = |name: &str, value: Value| facts.insert(name.into(), value);
    if let Some(minor) = minor {
        add("distribution_minor_version", minor.into());
    }
    if let Some((_, path, variety)) = file {
        add("distribution_file_path", (*path).into());
        add("distribution_file_variety", (*variety).into());
        add("distribution_file_parsed", true.into());
    }
    add("distribution", name.into());
    add("os_family", family.into());
    add("distribution_version", version.clone().into());
    add("distribution_major_version", major.into());
    let release = field(os_release, "VERSION_CODENAME").unwrap_or_default();
    add("distribution_release", release.into());
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
