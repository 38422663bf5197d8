//! apt and dnf: what is installed, what is newest, and the change.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::nearest;
use crate::modules::process::{Output, Program, which};
use crate::modules::{Error, HostKind};

/// Versions by the names of packages.
type Versions = BTreeMap<String, String>;

/// The machine's package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(in crate::modules) enum Manager {
    Apt,
    Dnf,
}

impl Manager {
    pub(in crate::modules) fn of_this_machine() -> Result<Self, Error> {
        if which("apt-get").is_some() {
            Ok(Self::Apt)
        } else if which("dnf").is_some() {
            Ok(Self::Dnf)
        } else {
            Err(Error::new("neither apt-get nor dnf is on this machine")
                .hint("install the package by hand, or with `command`"))
        }
    }

    /// This very one, for a module that is about it.
    pub(in crate::modules) fn found(self) -> Result<Self, Error> {
        let program = self.program();
        match which(program) {
            Some(_) => Ok(self),
            None => Err(Error::new(format!("`{program}` is not on this machine")).hint(
                "use the module `package`, or skip the task where `ansible_pkg_mgr` differs",
            )),
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
        }
    }

    /// Those of the packages that are installed.
    pub(super) fn installed(self, names: &[&str]) -> Result<Versions, Error> {
        let format = match self {
            Self::Apt => "${db:Status-Abbrev}\t${Package}\t${Version}\t${Provides}\n",
            Self::Dnf => "ii\t%{NAME}\t%{VERSION}-%{RELEASE}\n",
        };
        let ask = |names: &[&str]| {
            let query: &[&str] = match self {
                Self::Apt => &["dpkg-query", "-W", "-f", format, "--"],
                Self::Dnf => &["rpm", "-q", "--qf", format, "--"],
            };
            // An exit code other than 0 only says that some of them are not known.
            Program::new(query.iter().chain(names).copied()).plain_language().run()
        };
        let mut found = parse_installed(&ask(names)?.stdout);
        found.retain(|name, _| names.contains(&name.as_str()));
        if self == Self::Apt && names.iter().any(|name| !found.contains_key(*name)) {
            // It may be one that others provide, which only the whole list tells.
            let provided = parse_provided(&ask(&[])?.stdout);
            for name in names.iter().filter(|name| provided.iter().any(|p| p == *name)) {
                found.entry((*name).to_owned()).or_default();
            }
        }
        Ok(found)
    }

    /// Those of the packages that are removed, but for their settings.
    pub(super) fn settings(self, names: &[&str]) -> Result<Vec<String>, Error> {
        if self == Self::Dnf {
            return Ok(Vec::new());
        }
        let format = "${db:Status-Abbrev}\t${Package}\n";
        let query =
            ["dpkg-query", "-W", "-f", format, "--"].into_iter().chain(names.iter().copied());
        let output = Program::new(query).plain_language().run()?;
        let left = output.stdout.lines().filter(|line| line.chars().nth(1) == Some('c'));
        Ok(left.filter_map(|line| Some(line.split_once('\t')?.1.to_owned())).collect())
    }

    /// What came along for other packages, and is needed by none any more.
    pub(super) fn unused(self) -> Result<Vec<String>, Error> {
        let output =
            Program::new([self.program(), "-s", "-q", "autoremove"]).plain_language().run()?;
        if !output.success() {
            return Err(output.error("apt-get -s autoremove"));
        }
        let gone = output.stdout.lines().filter_map(|line| line.strip_prefix("Remv "));
        Ok(gone.filter_map(|rest| Some(rest.split_whitespace().next()?.to_owned())).collect())
    }

    /// Whether the package in a file is installed, in the version that the file has.
    pub(super) fn has_installed(self, path: &str) -> Result<bool, Error> {
        let query = ["dpkg-deb", "-f", path, "Package", "Version"];
        let output = Program::new(query).plain_language().run()?;
        let field = |name: &str| {
            let mut lines = output.stdout.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let (Some(name), Some(version)) = (field("Package"), field("Version")) else {
            return Err(output.error(&format!("reading `{path}`")));
        };
        Ok(self.installed(&[name])?.get(name).is_some_and(|now| now == version))
    }

    /// The newest version of each that the lists know.
    pub(super) fn newest(self, names: &[&str], words: &[String]) -> Result<Versions, Error> {
        match self {
            Self::Apt => {
                // Of the words only a release says something about versions.
                let release =
                    words.iter().filter(|word| word.starts_with("-oAPT::Default-Release"));
                let query = std::iter::once("apt-cache")
                    .chain(release.map(String::as_str))
                    .chain(["policy", "--"])
                    .chain(names.iter().copied());
                let output = Program::new(query).plain_language().run()?;
                Ok(parse_policy(&output.stdout))
            }
            Self::Dnf => {
                let query = ["dnf", "-q"]
                    .into_iter()
                    .chain(words.iter().map(String::as_str))
                    .chain(["check-update", "--"])
                    .chain(names.iter().copied());
                let output = Program::new(query).plain_language().run()?;
                // 100 says that there are updates.
                match output.code {
                    0 | 100 => Ok(parse_updates(&output.stdout)),
                    _ => Err(output.error("dnf check-update")),
                }
            }
        }
    }

    /// Whether no list of packages was ever fetched, as in a fresh image.
    pub(super) fn has_no_lists(self) -> bool {
        let is_list =
            |entry: fs::DirEntry| entry.file_name().to_string_lossy().contains("_Packages");
        let entries = fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
        self == Self::Apt && !entries.into_iter().any(is_list)
    }

    pub(super) fn update(self, words: &[String]) -> Result<(), Error> {
        let output = match self {
            Self::Apt => self.run("update", &[], &[])?,
            Self::Dnf => self.run("makecache", words, &[])?,
        };
        if output.success() { Ok(()) } else { Err(self.failure("update", &[], &output)) }
    }

    /// Installs or removes packages.
    pub(super) fn change(
        self,
        kind: HostKind,
        verb: &str,
        words: &[String],
        names: &[String],
    ) -> Result<(), Error> {
        let systemd = kind == HostKind::Machine && Path::new("/run/systemd/system").is_dir();
        let _quiet = if systemd { None } else { NoServices::declare() };
        let wanted: Vec<String> = match self {
            Self::Apt => names.to_vec(),
            Self::Dnf => names.iter().map(|name| name.replacen('=', "-", 1)).collect(),
        };
        let output = self.run(verb, words, &wanted)?;
        if output.success() { Ok(()) } else { Err(self.failure(verb, names, &output)) }
    }

    fn run(self, verb: &str, words: &[String], names: &[String]) -> Result<Output, Error> {
        let program: &[&str] = match self {
            Self::Apt => &[
                "apt-get",
                "-q",
                "-o",
                "Dpkg::Options::=--force-confdef",
                "-o",
                "Dpkg::Options::=--force-confold",
                // Another run, perhaps of the nightly upgrade, may be at it; a later word wins.
                "-o",
                "DPkg::Lock::Timeout=120",
            ],
            Self::Dnf => &["dnf", "-q"],
        };
        // `update` takes no names, and dnf's `makecache` nothing after the dashes.
        let rest: &[&str] = if names.is_empty() { &["-y"] } else { &["-y", "--"] };
        let argv = program.iter().copied().chain([verb]).map(str::to_owned);
        let rest = rest.iter().map(|word| (*word).to_owned());
        Program::new(argv.chain(words.iter().cloned()).chain(rest).chain(names.iter().cloned()))
            .plain_language()
            .environment("DEBIAN_FRONTEND", "noninteractive")
            .environment("NEEDRESTART_MODE", "l")
            .outlive_the_agent()
            .run()
    }

    fn failure(self, verb: &str, names: &[String], output: &Output) -> Error {
        let program = self.program();
        let error = output.error(format!("{program} {verb} {}", names.join(" ")).trim_end());
        let words = &error.message;
        let says = |text: &str| words.contains(text);
        if says("are you root") || says("Permission denied") || says("superuser privileges") {
            error.hint("run as root, set `become: true`, or try it in a lab")
        } else if says("Unable to locate package") || says("Unable to find a match") {
            let near = names.iter().find_map(|name| self.meant(name));
            error.hint(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "check the name, or set `update_cache: true`".into(),
            })
        } else if says("Temporary failure resolving")
            || says("Unable to fetch")
            || says("Failed to fetch")
            || says("Cannot download")
        {
            error.hint(
                "the host has no way to a mirror; a lab host has the packages of this machine",
            )
        } else if says("downgraded") && says("--allow-downgrades") {
            error.hint("set `allow_downgrade: true`, with the module `apt`")
        } else if says("No space left") {
            error.hint("the disk is full")
        } else {
            error
        }
    }

    /// The package whose name is most like one that there is not.
    fn meant(self, name: &str) -> Option<String> {
        if self == Self::Dnf {
            return None;
        }
        let output = Program::new(["apt-cache", "pkgnames"]).run().ok()?;
        let known = output.stdout.lines();
        if known.clone().any(|known| known == name) {
            return None;
        }
        nearest(name, known).map(str::to_owned)
    }
}

/// Keeps installations from starting services, for as long as it lives: without systemd
/// there is nobody to do it, and a package that cannot start its service counts as broken.
/// See `/usr/share/doc/init-system-helpers/README.policy-rc.d.gz`.
struct NoServices(PathBuf);

impl NoServices {
    fn declare() -> Option<Self> {
        let path = PathBuf::from("/usr/sbin/policy-rc.d");
        // One that is there already is the administrator's.
        let mut file =
            fs::File::options().write(true).create_new(true).mode(0o755).open(&path).ok()?;
        let declared = Self(path);
        file.write_all(b"#!/bin/sh\nexit 101\n").ok()?;
        Some(declared)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        // Without it services are started again, which is what is wanted from here on.
        let _ = fs::remove_file(&self.0);
    }
}

fn parse_installed(text: &str) -> Versions {
    let rows = text.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        // The first letter is what is wanted, the second what is: `i` is installed.
        let installed = fields.next()?.chars().nth(1)? == 'i';
        let (name, version) = (fields.next()?, fields.next()?);
        installed.then(|| (name.to_owned(), version.to_owned()))
    });
    rows.collect()
}

/// The names that installed packages stand for besides their own: `httpd, awk (= 1)`.
fn parse_provided(text: &str) -> Vec<String> {
    let installed = text.lines().filter(|line| line.chars().nth(1) == Some('i'));
    let lists = installed.filter_map(|line| line.split('\t').nth(3));
    let names = lists.flat_map(|list| list.split(','));
    names.filter_map(|name| name.split_whitespace().next().map(str::to_owned)).collect()
}

/// The candidates of `apt-cache policy`.
fn parse_policy(text: &str) -> Versions {
    let mut newest = Versions::new();
    let mut package = "";
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            package = name;
        } else if let Some(version) =
            line.trim().strip_prefix("Candidate: ").filter(|version| *version != "(none)")
        {
            newest.insert(package.to_owned(), version.to_owned());
        }
    }
    newest
}

/// The rows of `dnf check-update`: `nginx.x86_64  1:1.20.1-16  appstream`.
fn parse_updates(text: &str) -> Versions {
    let rows = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, _) = words.next()?.rsplit_once('.')?;
        let version = words.next()?;
        let (_, version) = version.split_once(':').unwrap_or(("", version));
        Some((name.to_owned(), version.to_owned()))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_what_is_installed() {
        let text = "ii \tnginx\t1.22.1-9\thttpd, nginx-abi (= 1)\nrc \tcurl\t7.88\tdownloader\n\
            hi \theld\t1\t\nun \tbash-x\t\t\n";
        let found = parse_installed(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["held", "nginx"]);
        assert_eq!(found["nginx"], "1.22.1-9");
        assert_eq!(parse_provided(text), ["httpd", "nginx-abi"]);
    }

    #[test]
    fn reads_candidates_and_updates() {
        let text = "nginx:\n  Installed: 1.22\n  Candidate: 1.24\n  Version table:\n     1.24 500\n\
            gone:\n  Installed: (none)\n  Candidate: (none)\n";
        let newest = parse_policy(text);
        assert_eq!(newest.into_iter().collect::<Vec<_>>(), [("nginx".into(), "1.24".into())]);
        let text = "\nnginx.x86_64    1:1.20.1-16.el9    appstream\n";
        assert_eq!(parse_updates(text)["nginx"], "1.20.1-16.el9");
    }
}
