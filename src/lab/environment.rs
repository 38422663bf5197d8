//! What takes part in a lab, in names and versions: hosts are clones of this machine, so what is
//! installed here is what ran there.

use std::process::{Command, Stdio};

/// Programs that clusters are made of, and what makes each say its version.
const PROGRAMS: [(&str, &str); 4] =
    [("nginx", "-v"), ("keepalived", "--version"), ("nft", "--version"), ("ip", "-V")];

/// Names and versions; a program that is not installed is not among them.
#[must_use]
pub fn versions() -> Vec<(String, String)> {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let system = system.map(|name| ("system".to_owned(), name.trim_matches('"').to_owned()));
    let programs = PROGRAMS.iter().filter_map(|(name, option)| {
        let output = Command::new(name).arg(option).stdin(Stdio::null()).output().ok()?;
        // nginx and keepalived say it on standard error.
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        Some(((*name).to_owned(), version(&said)?))
    });
    system.into_iter().chain(programs).collect()
}

/// The first word with a digit and a dot in the first line.
fn version(said: &str) -> Option<String> {
    let words = said.lines().next()?.split(|c: char| c.is_whitespace() || c == '/' || c == ',');
    let mut words = words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    let is_version =
        |word: &&str| word.contains('.') && word.contains(|c: char| c.is_ascii_digit());
    words.find(is_version).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_version_in_what_programs_say() {
        for (said, expected) in [
            ("nginx version: nginx/1.22.1\n", "1.22.1"),
            ("Keepalived v2.2.7 (01/16,2022)\n\nCopyright", "v2.2.7"),
            ("nftables v1.0.6 (Lester Gooch #5)", "v1.0.6"),
            ("ip utility, iproute2-6.1.0, libbpf 1.1.0", "iproute2-6.1.0"),
        ] {
            assert_eq!(version(said).as_deref(), Some(expected));
        }
        assert_eq!(version("usage: x"), None);
    }
}
