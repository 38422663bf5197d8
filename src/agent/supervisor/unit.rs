//! systemd unit files, as far as starting and stopping a service needs them: see
//! systemd.unit(5), systemd.service(5) and systemd.exec(5).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::exec::Exec;
use crate::modules::Error;
use crate::modules::process::split;

/// Where unit files are, the first one found counts.
const FOLDERS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Where records are kept: gone at the next boot, as the services are.
const RECORDS: &str = "/run/lvsmith/services";

/// Endings of units that are no services.
const OTHER_KINDS: [&str; 6] = [".socket", ".timer", ".target", ".mount", ".path", ".slice"];

/// How a service says that it has started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// It runs as long as its start command.
    #[default]
    Simple,
    /// Its start command ends and leaves a daemon behind.
    Forking,
    /// Its start command does something and ends.
    Oneshot,
    /// It runs as long as its start command, and says when it is ready.
    Notify,
}

/// Which processes of a service are stopped, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum KillMode {
    /// All, in the same way.
    #[default]
    ControlGroup,
    /// The main process is asked, the others are killed once it is gone.
    Mixed,
    /// Only the main process.
    Process,
}

/// A service unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name without `.service`.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// How it says that it has started.
    pub kind: Kind,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) exec_start_pre: Vec<Exec>,
    pub(super) exec_start: Vec<Exec>,
    pub(super) exec_start_post: Vec<Exec>,
    pub(super) exec_reload: Vec<Exec>,
    pub(super) exec_stop: Vec<Exec>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) user: Option<String>,
    pub(super) working_directory: Option<String>,
    pub(super) group: Option<String>,
    /// Folders that are made before it starts, and that its user owns.
    pub(super) directories: Vec<PathBuf>,
    /// Whether a oneshot counts as running once it is done.
    pub(super) remains: bool,
    pub(super) kill_mode: KillMode,
    /// Whether its file is `/dev/null`: it must not be started.
    pub masked: bool,
    /// Where it is recorded which process it is.
    pub(super) records: PathBuf,
    pub(super) timeout_start: Duration,
    pub(super) timeout_stop: Duration,
    pub(super) kill_signal: Signal,
    wanted_by: Vec<String>,
}

impl Unit {
    /// Finds and reads a unit, drop-ins included.
    pub fn find(name: &str) -> Result<Self, Error> {
        Self::find_in(FOLDERS.iter().map(Path::new), name)
    }

    pub(super) fn find_in<'a>(
        folders: impl Iterator<Item = &'a Path> + Clone,
        name: &str,
    ) -> Result<Self, Error> {
        let name = name.strip_suffix(".service").unwrap_or(name);
        if let Some(kind) = OTHER_KINDS.iter().find(|kind| name.ends_with(**kind)) {
            return Err(Error::new(format!("`{name}` is no service but a `{kind}` unit"))
                .hint("without systemd only services can be run"));
        }
        let file = format!("{name}.service");
        let template = name.split_once('@').map(|(prefix, _)| format!("{prefix}@.service"));
        let files: Vec<&String> = [Some(&file), template.as_ref()].into_iter().flatten().collect();
        let path = files.iter().find_map(|file| {
            let mut places = folders.clone().map(|folder| folder.join(file));
            places.find(|path| path.symlink_metadata().is_ok())
        });
        let Some(path) = path else { return Err(missing(folders, name)) };
        let target = path.canonicalize().unwrap_or_else(|_| path.clone());
        if target == Path::new("/dev/null") {
            return Ok(Self { masked: true, ..Self::parse(name, path, &[])? });
        }
        let mut texts = vec![read(&path)?];
        for path in drop_ins(folders.clone(), &files) {
            texts.push(read(&path)?);
        }
        // An alias, such as `sshd` for `ssh`, is the unit it leads to: one service, one name.
        let own_name = target.file_stem().and_then(|stem| stem.to_str());
        match own_name.filter(|own_name| !name.contains('@') && *own_name != name) {
            Some(own_name) => Self::parse(own_name, target.clone(), &texts),
            None => Self::parse(name, path, &texts),
        }
    }

    fn parse(name: &str, path: PathBuf, texts: &[String]) -> Result<Self, Error> {
        let mut unit = Self {
            name: name.to_owned(),
            path,
            kind: Kind::default(),
            pid_file: None,
            exec_start_pre: Vec::new(),
            exec_start: Vec::new(),
            exec_start_post: Vec::new(),
            exec_reload: Vec::new(),
            exec_stop: Vec::new(),
            environment: Vec::new(),
            user: None,
            working_directory: None,
            group: None,
            directories: Vec::new(),
            remains: false,
            kill_mode: KillMode::default(),
            masked: false,
            records: RECORDS.into(),
            timeout_start: Duration::from_secs(90),
            timeout_stop: Duration::from_secs(90),
            kill_signal: Signal::SIGTERM,
            wanted_by: Vec::new(),
        };
        for text in texts {
            let joined = text.replace("\\\n", " ");
            let mut section = "";
            for line in joined.lines().map(str::trim) {
                if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'))
                {
                    section = title;
                } else if let Some((key, value)) =
                    line.split_once('=').filter(|_| !line.starts_with(['#', ';']))
                {
                    unit.set(section, key.trim(), value.trim())?;
                }
            }
        }
        Ok(unit)
    }

    fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), Error> {
        let value = &self.specified(value);
        let words =
            || split(value).map_err(|why| Error::new(format!("`{key}` of `{}`: {why}", self.name)));
        match (section, key) {
            ("Service", "Type") => {
                self.kind = match value.as_str() {
                    "forking" => Kind::Forking,
                    "oneshot" => Kind::Oneshot,
                    "notify" | "notify-reload" => Kind::Notify,
                    // `dbus` and `idle` are started as `simple` is.
                    _ => Kind::Simple,
                };
            }
            ("Service", "PIDFile") => {
                self.pid_file = (!value.is_empty()).then(|| Path::new("/run").join(value));
            }
            ("Service", "User") => self.user = (!value.is_empty()).then(|| value.clone()),
            ("Service", "Group") => self.group = (!value.is_empty()).then(|| value.clone()),
            ("Service", "RemainAfterExit") => self.remains = boolean(value),
            ("Service", "KillMode") => {
                self.kill_mode = match value.as_str() {
                    "mixed" => KillMode::Mixed,
                    "process" | "none" => KillMode::Process,
                    _ => KillMode::ControlGroup,
                };
            }
            ("Service", "WorkingDirectory") => {
                self.working_directory = Some(value.trim_start_matches('-').to_owned());
            }
            ("Service", "RuntimeDirectory") => self.add_folders("/run", &words()?),
            ("Service", "StateDirectory") => self.add_folders("/var/lib", &words()?),
            ("Service", "CacheDirectory") => self.add_folders("/var/cache", &words()?),
            ("Service", "LogsDirectory") => self.add_folders("/var/log", &words()?),
            ("Service", "Environment") if value.is_empty() => self.environment.clear(),
            ("Service", "Environment") => {
                let pairs = words()?;
                let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
                self.environment.extend(pairs.map(|(name, value)| (name.into(), value.into())));
            }
            ("Service", "EnvironmentFile") => self.read_environment(value)?,
            ("Service", "KillSignal") => {
                self.kill_signal = value.parse().unwrap_or(Signal::SIGTERM);
            }
            ("Service", "TimeoutStartSec") => set_time(&mut self.timeout_start, value),
            ("Service", "TimeoutStopSec") => set_time(&mut self.timeout_stop, value),
            ("Service", "TimeoutSec") => {
                set_time(&mut self.timeout_start, value);
                set_time(&mut self.timeout_stop, value);
            }
            ("Install", "WantedBy") => self.wanted_by.extend(words()?),
            ("Service", _) => {
                let exec = if value.is_empty() { None } else { Some(Exec::parse(value, words()?)) };
                if let Some(list) = self.commands(key) {
                    match exec {
                        // An empty assignment takes back what stands before it.
                        None => list.clear(),
                        Some(exec) => list.push(exec),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_folders(&mut self, base: &str, names: &[String]) {
        // A colon separates the name of a link to it, which few services need.
        let names = names.iter().filter_map(|name| name.split(':').next());
        self.directories.extend(names.map(|name| Path::new(base).join(name)));
    }

    /// The programs whose process the main process can be.
    pub(super) fn programs(&self) -> impl Iterator<Item = &str> + Clone {
        self.exec_start.iter().filter_map(|exec| exec.words.first()).map(String::as_str)
    }

    fn commands(&mut self, key: &str) -> Option<&mut Vec<Exec>> {
        Some(match key {
            "ExecStartPre" => &mut self.exec_start_pre,
            "ExecStart" => &mut self.exec_start,
            "ExecStartPost" => &mut self.exec_start_post,
            "ExecReload" => &mut self.exec_reload,
            "ExecStop" => &mut self.exec_stop,
            _ => return None,
        })
    }

    fn read_environment(&mut self, value: &str) -> Result<(), Error> {
        let (optional, path) = match value.strip_prefix('-') {
            Some(path) => (true, path),
            None => (false, value),
        };
        match fs::read_to_string(path) {
            Ok(text) => {
                let lines =
                    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
                let pairs = lines.filter_map(|line| line.split_once('='));
                self.environment
                    .extend(pairs.map(|(name, value)| {
                        (name.into(), value.trim_matches(['"', '\'']).into())
                    }));
                Ok(())
            }
            Err(_) if optional => Ok(()),
            Err(error) => Err(Error::io(format!("failed to read `{path}`"), &error)),
        }
    }

    /// Puts names in the place of `%n`, `%N`, `%p`, `%i`.
    fn specified(&self, value: &str) -> String {
        if !value.contains('%') {
            return value.to_owned();
        }
        let (prefix, instance) = self.name.split_once('@').unwrap_or((&self.name, ""));
        let mut text = String::new();
        let mut letters = value.chars();
        while let Some(letter) = letters.next() {
            match (letter, letter == '%') {
                (_, false) => text.push(letter),
                (_, true) => match letters.next() {
                    Some('n') => text.push_str(&format!("{}.service", self.name)),
                    Some('N') => text.push_str(&self.name),
                    Some('p') => text.push_str(prefix),
                    Some('i' | 'I') => text.push_str(instance),
                    Some('t') => text.push_str("/run"),
                    Some('%') => text.push('%'),
                    Some(other) => text.extend(['%', other]),
                    None => text.push('%'),
                },
            }
        }
        text
    }

    /// Whether it runs on after it was started.
    #[must_use]
    pub fn lasts(&self) -> bool {
        self.kind != Kind::Oneshot || self.remains
    }

    /// The links that have it started at boot.
    pub(super) fn wants_links(&self) -> Vec<PathBuf> {
        let link = |target: &String| {
            let folder = Path::new("/etc/systemd/system").join(format!("{target}.wants"));
            folder.join(format!("{}.service", self.name))
        };
        self.wanted_by.iter().map(link).collect()
    }
}

fn boolean(value: &str) -> bool {
    matches!(value, "yes" | "true" | "on" | "1")
}

/// Drop-ins in the order of their names; one of the same name in an earlier folder counts.
fn drop_ins<'a>(
    folders: impl Iterator<Item = &'a Path> + Clone,
    files: &[&String],
) -> Vec<PathBuf> {
    let mut found = BTreeMap::new();
    for folder in folders {
        for file in files {
            let entries = fs::read_dir(folder.join(format!("{file}.d")));
            for path in entries.into_iter().flatten().flatten().map(|entry| entry.path()) {
                if path.extension().is_some_and(|ending| ending == "conf") {
                    found.entry(path.file_name().map(ToOwned::to_owned)).or_insert(path);
                }
            }
        }
    }
    found.into_values().collect()
}

fn set_time(time: &mut Duration, value: &str) {
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    let unit = value[digits.len()..].trim();
    if let Ok(number) = digits.parse::<u64>() {
        *time = match unit {
            "ms" => Duration::from_millis(number),
            "min" | "m" => Duration::from_secs(number.saturating_mul(60)),
            _ => Duration::from_secs(number),
        };
    } else if value == "infinity" {
        *time = Duration::from_secs(3600);
    }
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path)
        .map_err(|error| Error::io(format!("failed to read `{}`", path.display()), &error))
}

fn missing<'a>(folders: impl Iterator<Item = &'a Path>, name: &str) -> Error {
    let names: Vec<String> = folders
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".service").map(str::to_owned))
        .collect();
    let error = Error::new(format!("there is no service `{name}`"));
    match crate::diagnostic::nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("is the package that brings `{name}` installed?")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(texts: &[&str]) -> Unit {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Unit::parse("web@8080", "/lib/web@.service".into(), &texts).expect("parses")
    }

    #[test]
    fn reads_what_starting_needs() {
        let unit = unit(&["[Unit]\nExecStart=/no\n[Service]\nType=forking\nPIDFile=web.pid\n\
            # no\nExecStartPre=-/bin/a -q 'b c'\nExecStart=/bin/web -p %i \\\n  --name %p\n\
            TimeoutStopSec=5\nKillSignal=SIGQUIT\n[Install]\nWantedBy=multi-user.target\n"]);
        assert_eq!((unit.kind, unit.timeout_stop), (Kind::Forking, Duration::from_secs(5)));
        assert_eq!(unit.pid_file, Some("/run/web.pid".into()));
        assert_eq!(unit.kill_signal, Signal::SIGQUIT);
        assert_eq!(unit.exec_start_pre[0].words, ["/bin/a", "-q", "b c"]);
        assert!(unit.exec_start_pre[0].ignore_failure);
        assert_eq!(unit.exec_start[0].words, ["/bin/web", "-p", "8080", "--name", "web"]);
        assert_eq!(
            unit.wants_links(),
            [Path::new("/etc/systemd/system/multi-user.target.wants/web@8080.service")]
        );
    }

    #[test]
    fn a_drop_in_takes_back_and_adds() {
        let unit = unit(&[
            "[Service]\nExecStart=/bin/old\nEnvironment=A=1 \"B=2 3\"\n",
            "[Service]\nExecStart=\nExecStart=/bin/new $B ${A} $MAINPID\n",
        ]);
        assert_eq!(unit.exec_start.len(), 1);
        assert_eq!(
            unit.exec_start[0].argv_with(Some(7), &unit.environment),
            ["/bin/new", "2", "3", "1", "7"]
        );
        assert_eq!(
            unit.exec_start[0].argv_with(None, &unit.environment),
            ["/bin/new", "2", "3", "1"]
        );
    }

    #[test]
    fn a_name_that_is_nearly_right_is_hinted_at() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("nginx.service"), "[Service]\n").expect("written");
        let error = Unit::find_in([folder.path()].into_iter(), "ngnix").expect_err("not there");
        assert_eq!(error.hint.as_deref(), Some("did you mean `nginx`?"));
    }
}
